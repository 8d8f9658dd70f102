import { hash } from 'node:crypto';
import { Malformed } from './fault.js';

/** A SHA-256 hash: HASH_BYTES bytes. */
export type Hash = Buffer;

export const HASH_BYTES = 32;

/** tlog-tiles writes the length of an entry as a uint16. */
export const MAX_ENTRY_BYTES = 65_535;

/** SHA-256. Node makes a buffer for each digest in three times as long as a text, of which this one is made. */
export const sha256 = (data: string | Uint8Array): Hash => Buffer.from(hash('sha256', data, 'binary'), 'latin1');

// Each call overwrites these: a new buffer for each hash would cost a third of the throughput.
const leaf = Buffer.alloc(1 + MAX_ENTRY_BYTES);
const node = Buffer.alloc(1 + 2 * HASH_BYTES);
leaf[0] = 0;
node[0] = 1;

/** RFC 9162 §2.1.1: the hash of a leaf that holds this entry. Throws Malformed above MAX_ENTRY_BYTES. */
export const hashLeaf = (entry: Uint8Array): Hash => {
  if (entry.length > MAX_ENTRY_BYTES)
    throw new Malformed(`An entry has at most ${MAX_ENTRY_BYTES} bytes; this one has ${entry.length}.`);
  leaf.set(entry, 1);
  return sha256(leaf.subarray(0, 1 + entry.length));
};

/** The same of a text, in UTF-8. Lone surrogates count as U+FFFD. */
export const hashLeafText = (entry: string): Hash => {
  if (entry.length * MAX_BYTES_OF_CHARACTER > MAX_ENTRY_BYTES) return hashLeaf(Buffer.from(entry));
  return sha256(`\0${entry}`);
};
const MAX_BYTES_OF_CHARACTER = 3;

/** RFC 9162 §2.1.1: the hash of a node above these two. */
export const hashChildren = (left: Uint8Array, right: Uint8Array): Hash => {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
};

/** The root of a tree without leaves: the hash of nothing. */
export const EMPTY_ROOT: Hash = sha256('');

/** The hash at a place of a tile, or of any other row of hashes. It shares the memory of the row. */
export const hashAt = (row: Uint8Array, index: number): Hash =>
  Buffer.from(row.buffer, row.byteOffset + index * HASH_BYTES, HASH_BYTES);

/** The hash of the node above two neighbours of a row, the left one at this place. */
export const hashPair = (row: Uint8Array, index: number): Hash => {
  node.set(row.subarray(index * HASH_BYTES, (index + 2) * HASH_BYTES), 1);
  return sha256(node);
};

/** The root of the complete subtree above `count` hashes of a row, a power of two. */
export const rootOfRow = (row: Uint8Array, from: number, count: number): Hash => {
  if (count === 1) return Buffer.from(hashAt(row, from));
  const half = count / 2;
  return half === 1 ? hashPair(row, from) : hashChildren(rootOfRow(row, from, half), rootOfRow(row, from + half, half));
};

/** The root above complete subtrees of falling size, the largest first (RFC 9162 §2.1.1). */
export const rootOfPeaks = (peaks: readonly Hash[]): Hash =>
  peaks.length === 0 ? EMPTY_ROOT : peaks.reduceRight((right, left) => hashChildren(left, right));
