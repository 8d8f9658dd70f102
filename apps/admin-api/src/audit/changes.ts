import { isEqual, isJsonObject, type Json } from '#scim';

/** Attribute → value, as a resource has them; an attribute that is not there has no value. */
export type Values = { readonly [attribute: string]: Json };

/** An attribute that became another. `before` or `after` left out = nobody can say any more; null = it had no value. */
export interface AttributeChange {
  /** `title`, `name.givenName`, `urn:…:User:department` */
  readonly attribute: string;
  readonly before?: Json | null;
  readonly after?: Json | null;
  /** Of an attribute of several values: those that came, and those that went. */
  readonly added?: readonly Json[];
  readonly removed?: readonly Json[];
}

/** The same text for values that are equal. */
const textOf = (value: Json): string =>
  JSON.stringify(value, (_name, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );

const elements = (value: Json | null): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);

const without = (these: readonly Json[], others: readonly Json[]): readonly Json[] => {
  const texts = new Set(others.map(textOf));
  return these.filter((one) => !texts.has(textOf(one)));
};

const changeOf = (
  attribute: string,
  before: Json | null,
  after: Json | null,
  separator = '.',
): readonly AttributeChange[] => {
  if (isEqual(before, after)) return [];
  const values = [before, after].filter((value) => value !== null);
  if (values.every(isJsonObject)) {
    const [was, is] = [before ?? {}, after ?? {}] as [Values, Values];
    return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((name) =>
      changeOf(`${attribute}${separator}${name}`, was[name] ?? null, is[name] ?? null),
    );
  }
  const [was, is] = [elements(before), elements(after)];
  const isList = values.every((value) => Array.isArray(value));
  return [{ attribute, before, after, ...(isList && { added: without(is, was), removed: without(was, is) }) }];
};

/**
 * Returns which attributes became others. `isComplete`: an attribute that `before` does not have had no value; otherwise
 * nobody can say which it had.
 */
export const changesBetween = (before: Values, after: Values, isComplete: boolean): readonly AttributeChange[] =>
  [...new Set([...Object.keys(after), ...Object.keys(before)])].flatMap((attribute) => {
    const [was, is] = [before[attribute] ?? null, after[attribute] ?? null];
    // A name below a URN is an attribute of an extension.
    return !isComplete && was === null
      ? [{ attribute, after: is }]
      : changeOf(attribute, was, is, attribute.startsWith('urn:') ? ':' : '.');
  });
