import { fold } from './fold.js';
import type { Filter, Operand, Operator } from './filter.js';
import { isJsonObject, type Json } from './json.js';
import { attributeValue, type Resource } from './resource.js';
import type { Attribute, AttributePath } from './schema.js';
import { instantOf } from './value.js';

/** Whether a resource, which may carry id and meta, fulfils a filter. Of a multi-valued attribute, any value will do. */
export const matches = (filter: Filter, resource: Resource): boolean =>
  evaluate(filter, (path) => partsOf(path, listOf(attributeValue(resource, path))));

/** Whether one value of an attribute fulfils the filter of a value path. */
export const matchesValue = (filter: Filter, value: Json): boolean => evaluate(filter, (path) => partsOf(path, [value]));

const evaluate = (filter: Filter, valuesAt: (path: AttributePath) => readonly Json[]): boolean => {
  switch (filter.kind) {
    case 'and':
      return evaluate(filter.left, valuesAt) && evaluate(filter.right, valuesAt);
    case 'or':
      return evaluate(filter.left, valuesAt) || evaluate(filter.right, valuesAt);
    case 'not':
      return !evaluate(filter.filter, valuesAt);
    case 'valuePath':
      return valuesAt(filter.path).some((value) => matchesValue(filter.filter, value));
    case 'present':
      return valuesAt(filter.path).some(isPresent);
    case 'compare':
      return holds(filter, valuesAt(filter.path));
  }
};

const listOf = (value: Json | undefined): readonly Json[] => {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
};

const partsOf = ({ subAttribute }: AttributePath, values: readonly Json[]): readonly Json[] =>
  subAttribute ? values.flatMap((value) => (isJsonObject(value) ? listOf(value[subAttribute.name]) : [])) : values;

/** RFC 7644 §3.4.2.2, pr: a non-empty value, or a complex one that holds a non-empty value. */
const isPresent = (value: Json): boolean =>
  isJsonObject(value) ? Object.values(value).some(isPresent) : value !== null && value !== '';

const holds = ({ path, operator, value: operand }: Extract<Filter, { kind: 'compare' }>, values: readonly Json[]): boolean => {
  // RFC 7643 §2.5: an attribute without a value equals null, and nothing else.
  if (operand === null) return (operator === 'eq') === !values.some((value) => value !== null);
  if (values.length === 0) return operator === 'ne';
  const attribute = path.subAttribute ?? path.attribute;
  return values.some((value) => compare(attribute, operator, value, operand));
};

const compare = (attribute: Attribute, operator: Operator, value: Json, operand: Exclude<Operand, null>): boolean => {
  if (operator === 'ne') return !compare(attribute, 'eq', value, operand);
  if (typeof value !== typeof operand) return false;
  if (typeof value !== 'string' || typeof operand !== 'string') return ordered(operator, value as number | boolean, operand as number | boolean);
  if (attribute.type === 'dateTime' && operator !== 'co' && operator !== 'sw' && operator !== 'ew') {
    return ordered(operator, instantOf(value), instantOf(operand));
  }
  const [left, right] = attribute.caseExact ? [value, operand] : [fold(value), fold(operand)];
  switch (operator) {
    case 'co':
      return left.includes(right);
    case 'sw':
      return left.startsWith(right);
    case 'ew':
      return left.endsWith(right);
    default:
      return ordered(operator, compareTexts(left, right), 0);
  }
};

/**
 * Below 0 when `left` comes first, 0 when they are the same: by Unicode code points, as COLLATE "C" does in Postgres. JavaScript's own <
 * compares UTF-16 units, and the units of a character above U+FFFF are smaller than U+E000.
 */
export const compareTexts = (left: string, right: string): number => {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)];
    if (a === b) continue;
    return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
  }
  return left.length - right.length;
};

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/** Numbers and instants by size (RFC 7644 §3.4.2.2, gt). */
const ordered = <T extends number | boolean>(operator: Operator, left: T, right: T): boolean => {
  switch (operator) {
    case 'eq':
      return left === right;
    case 'gt':
      return left > right;
    case 'ge':
      return left >= right;
    case 'lt':
      return left < right;
    case 'le':
      return left <= right;
    default:
      return false;
  }
};
