/** JSON Schema, as far as answers need it (OpenAPI 3.1, §4.8.24). */
export interface Shape {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Shape;
  readonly anyOf?: readonly Shape[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
}

/** A property that may be left out. */
interface Optional {
  readonly optional: Shape;
}

/** A shape for each property, which the compiler compares with the type of the answer. */
type ShapesOf<T> = { readonly [name in keyof T]-?: object extends Pick<T, name> ? Optional : Shape };

export const TEXT: Shape = { type: 'string' };
export const ID: Shape = { type: 'string', format: 'uuid' };
export const MOMENT: Shape = { type: 'string', format: 'date-time' };
export const NUMBER: Shape = { type: 'integer' };
export const BOOLEAN: Shape = { type: 'boolean' };
/** An object whose names are data. */
export const OBJECT: Shape = { type: 'object', additionalProperties: true };

export const oneOf = (values: readonly string[]): Shape => ({ type: 'string', enum: values });
export const nullable = (shape: Shape): Shape => ({ anyOf: [shape, { type: 'null' }] });
export const optional = (shape: Shape): Optional => ({ optional: shape });
export const listOf = (items: Shape): Shape => ({ type: 'array', items });

/** When a token, key or client was used last. */
export const LAST_USE: Shape = { ...nullable(MOMENT), description: 'To a minute; null = it has not been used yet.' };

/** An object; one with a title is shown under it. */
export const objectOf = <T extends object>(properties: ShapesOf<T>, title?: string): Shape => {
  const entries = Object.entries(properties as Readonly<Record<string, Shape | Optional>>);
  return {
    type: 'object',
    ...(title && { title }),
    properties: Object.fromEntries(
      entries.map(([name, shape]) => [name, 'optional' in shape ? shape.optional : shape]),
    ),
    required: entries.flatMap(([name, shape]) => ('optional' in shape ? [] : [name])),
  };
};

/** A page of a list. */
export const pageOf = (items: Shape): Shape =>
  objectOf<{ items: readonly unknown[]; next: string | null }>({ items: listOf(items), next: nullable(TEXT) });
