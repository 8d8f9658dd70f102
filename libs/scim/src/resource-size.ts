import { rejection, type Rejection } from './error.js';
import type { Json, JsonObject } from './json.js';
import type { Resource } from './resource.js';
import type { ResourceDefinition } from './schema.js';

/** The most that JSON in UTF-8 takes for a UTF-16 unit of a text, which is a control character. */
const MAX_BYTES_PER_UNIT = 6;
/** The most that a value takes besides: quotes, a colon and a comma, or a sign, 17 digits, a point and an exponent. */
const MAX_BYTES_BESIDE = 26;

/**
 * Rejects (invalidValue) a resource that becomes larger than `maxBytes`, as JSON in UTF-8, where a control
 * character takes six bytes: events, rows and lists hold it as a whole, and each small change of it writes it again.
 * One that is larger already may become smaller. It is no 413: the request that adds the last byte may be tiny, and a
 * client that divides it would never succeed.
 */
export const tooLarge = (
  { name }: ResourceDefinition,
  before: Resource | null,
  after: Resource,
  maxBytes: number,
): Rejection | null => {
  // Nearly all are far from the limit, and adding lengths up takes a third of the time of writing JSON.
  if (mostBytesOf(after) <= maxBytes) return null;
  const bytes = bytesOf(JSON.stringify(after));
  if (bytes <= maxBytes || (before && bytes <= bytesOf(JSON.stringify(before)))) return null;
  return rejection(
    'invalidValue',
    `The ${name} would have ${bytes} bytes as JSON, and this server stores up to ${maxBytes} (MAX_RESOURCE_BYTES): remove values of it, or shorten them.`,
  );
};

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** More than a value has as JSON in UTF-8, or as much. */
const mostBytesOf = (value: Json): number => {
  if (typeof value === 'string') return value.length * MAX_BYTES_PER_UNIT + MAX_BYTES_BESIDE;
  if (typeof value !== 'object' || value === null) return MAX_BYTES_BESIDE;
  let sum = MAX_BYTES_BESIDE;
  if (Array.isArray(value)) for (const element of value as readonly Json[]) sum += mostBytesOf(element);
  else
    for (const name in value)
      sum += name.length * MAX_BYTES_PER_UNIT + MAX_BYTES_BESIDE + mostBytesOf((value as JsonObject)[name]!);
  return sum;
};
