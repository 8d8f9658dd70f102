/**
 * A UUIDv7 that follows from a hash, in hex: the same each time (RFC 9562 §5.7). `at` is the time as the first 48 bits
 * of the id, in hex.
 */
export const derivedId = (at: string, hash: string): string => {
  const variant = ((parseInt(hash[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${at.slice(0, 8)}-${at.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
};

/** Milliseconds since 1970 as the first 48 bits of a UUIDv7, in hex. */
export const idTime = (atMs: number): string => atMs.toString(16).padStart(12, '0');

/** The least UUIDv7 of a moment, in milliseconds since 1970. */
export const leastIdAt = (atMs: number): string => derivedId(idTime(atMs), '0'.repeat(19));

/** The moment in a UUIDv7, in milliseconds since 1970. */
export const idMs = (id: string): number => parseInt(id.replace('-', '').slice(0, 12), 16);
