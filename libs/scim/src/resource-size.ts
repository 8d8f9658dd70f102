import { Rejected } from './error.js';
import type { Resource } from './resource.js';
import type { ResourceDefinition } from './schema.js';

/** UTF-8 takes no more for each UTF-16 unit of a text. */
const MAX_BYTES_PER_UNIT = 3;

/**
 * Throws Rejected(invalidValue) when a resource becomes larger than `maxBytes`, as JSON in UTF-8, where a control character takes six bytes: events,
 * rows and lists hold it as a whole, and each small change of it writes it again. One that is larger already may become smaller. It is no 413:
 * the request that adds the last byte may be tiny, and a client that divides it would never succeed.
 */
export const requireSize = ({ name }: ResourceDefinition, before: Resource | null, after: Resource, maxBytes: number): void => {
  const text = JSON.stringify(after);
  if (text.length * MAX_BYTES_PER_UNIT <= maxBytes) return;
  const bytes = bytesOf(text);
  if (bytes <= maxBytes || (before && bytes <= bytesOf(JSON.stringify(before)))) return;
  throw new Rejected(
    'invalidValue', `The ${name} would have ${bytes} bytes as JSON, and this server stores up to ${maxBytes} (MAX_RESOURCE_BYTES): remove values of it, or shorten them.`,
  );
};

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;
