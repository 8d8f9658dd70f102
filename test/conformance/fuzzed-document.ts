/**
 * The OpenAPI document of the admin API with ids of things that are there: what is made of the document alone would be
 * answered with 404 by each route that has an id in its path.
 */

// oxlint-disable-next-line typescript/no-explicit-any -- JSON Schema, and paths of OpenAPI
export type Schema = any;

/** The values that a route is shown: ids for the parameters of its path, by name, and a body that it takes; undefined = any. */
export interface Known {
  readonly ids: Readonly<Record<string, readonly string[]>>;
  readonly body?: object | undefined;
  /**
   * Also with an Idempotency-Key. schemathesis sends few different ones, so that nearly all requests to such a route are
   * told that theirs is taken.
   */
  readonly isRepeated: boolean;
}

export interface Operation {
  readonly method: string;
  /** As the document has it: `/api/admin/v1/users/{id}`. */
  readonly path: string;
}

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

export const operationsOf = ({ paths }: Schema): readonly Operation[] =>
  Object.entries(paths as object).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => ({ method, path })),
  );

/** The operation of a request that was sent; undefined = none, such as another method of a path. */
export const operationFor = (document: Schema, method: string, url: string): Operation | undefined => {
  const { pathname } = new URL(url);
  return operationsOf(document)
    .filter((one) => one.method === method.toLowerCase())
    .toSorted((a, b) => placeholders(a.path) - placeholders(b.path))
    .find(({ path }) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname));
};

const placeholders = (path: string): number => path.split('{').length;

/**
 * Shows `known` to each operation. `references` are ids for what the bodies and queries of all of them name, such as
 * `tenant`; where a list is of such ids it is called by its name, too. `numbers` are tried in queries, by their names.
 */
export const documentWith = (
  document: Schema,
  known: (operation: Operation) => Known,
  references: Readonly<Record<string, readonly string[]>>,
  numbers: Readonly<Record<string, number>>,
): Schema => {
  const made = referring(document, references);
  for (const { method, path } of operationsOf(made)) {
    const operation = made.paths[path][method];
    const { ids, body, isRepeated } = known({ method, path });
    operation.parameters = (operation.parameters ?? []).filter(
      ({ name }: Schema) => isRepeated || name !== 'Idempotency-Key',
    );
    for (const parameter of operation.parameters) {
      if (parameter.in === 'query' && parameter.name in numbers) parameter.example = numbers[parameter.name];
      const found = parameter.in === 'path' ? ids[parameter.name] : undefined;
      if (!found) continue;
      parameter.schema = oneOf(found);
      parameter.example = found[0];
    }
    if (body) operation.requestBody.content['application/json'].example = body;
  }
  return made;
};

/** An id that might be one, and is nobody's. */
const NOBODY = '01900000-0000-7000-8000-000000000000';

const oneOf = (values: readonly string[]): Schema => ({ type: 'string', enum: [...values, NOBODY] });

/** A copy; answers are left as they are, and so is what several operations share. */
const referring = (value: Schema, references: Readonly<Record<string, readonly string[]>>): Schema => {
  if (Array.isArray(value)) return value.map((one) => referring(one, references));
  if (typeof value !== 'object' || value === null) return value;
  const ids = (name: unknown): readonly string[] | undefined =>
    typeof name === 'string' && Object.hasOwn(references, name) ? references[name] : undefined;
  const made = Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      name === 'responses' || name === 'components' ? one : referring(one, references),
    ]),
  );
  // A parameter of a query.
  const found = ids(made.name);
  if (made.in === 'query' && found) made.schema = oneOf(found);
  for (const [name, schema] of Object.entries((made.properties ?? {}) as Record<string, Schema>)) {
    const named = ids(name);
    if (named && schema.format === 'uuid') made.properties[name] = oneOf(named);
    if (named && schema.items?.format === 'uuid') schema.items = oneOf(named);
  }
  return made;
};
