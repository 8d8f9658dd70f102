import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Growth, HASH_BYTES, type Hash } from '#tlog';
import { ENTRIES_FILE, HASHES_FILE, HEAD_FILE, readHead, type ExportHead } from './audit-export.js';
import type { LeafHashes } from './audit-verify.js';

const CHUNK_BYTES = 1_048_576;
/** An entry has at most some hundred kilobytes: the members that one event adds to a group. */
const MAX_LINE_BYTES = 64 * 1_048_576;
const NEWLINE = 0x0a;
/** Hashes that are read at once. */
const BLOCK = 8_192;

/** Reads a text file of a folder; null = it is not there. */
export const readText = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

/** The head of an export. Throws an error that says what to do. */
export const readExportHead = (folder: string): ExportHead => {
  const text = readText(join(folder, HEAD_FILE));
  if (text === null)
    throw new Error(
      `${folder} has no ${HEAD_FILE}, which is written last: it is no export of the audit log, or one that was cut off. Export again.`,
    );
  return readHead(text);
};

export interface ReadLines {
  /** The bytes that were read, and their SHA-256 in hexadecimal digits. */
  readonly bytes: number;
  readonly sha256: string;
  /** The last line has no newline. */
  readonly isCutOff: boolean;
}

/** Hands on each line of a file, without its newline, in constant memory. */
export const readLines = async (
  path: string,
  onLine: (line: Buffer) => void,
  onBytes: (bytes: number) => void,
): Promise<ReadLines> => {
  const sha256 = createHash('sha256');
  let bytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    sha256.update(chunk);
    bytes += chunk.length;
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let to = text.indexOf(NEWLINE); to >= 0; to = text.indexOf(NEWLINE, from)) {
      onLine(text.subarray(from, to));
      from = to + 1;
    }
    rest = text.subarray(from);
    if (rest.length > MAX_LINE_BYTES)
      throw new Error(`${path} has a line of more than ${MAX_LINE_BYTES} bytes: it is no export.`);
    onBytes(bytes);
  }
  if (rest.length > 0) onLine(rest);
  return { bytes, sha256: sha256.digest('hex'), isCutOff: rest.length > 0 };
};

export const sizeOf = (folder: string): number => statSync(join(folder, ENTRIES_FILE)).size;

/** The hashes of leaves that an export has. They are worth something if they give the root that was signed. */
export interface HashFile {
  readonly hashes: LeafHashes;
  /** The tree of all of them; null = they are more or fewer than the entries. */
  readonly grown: Growth | null;
  close(): void;
}

/** Opens the hashes beside the entries; null = there are none. */
export const openHashes = (folder: string, head: ExportHead): HashFile | null => {
  let file: number;
  try {
    file = openSync(join(folder, HASHES_FILE), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const block = Buffer.alloc(BLOCK * HASH_BYTES);
  let [begin, count] = [0, 0];
  const hashes = (number: number): Hash | null => {
    const at = number - head.from;
    if (at < 0) return null;
    if (at < begin || at >= begin + count) {
      begin = Math.max(0, at - (at % (BLOCK / 2)));
      count = Math.floor(readSync(file, block, 0, block.length, begin * HASH_BYTES) / HASH_BYTES);
    }
    const place = (at - begin) * HASH_BYTES;
    return at < begin + count ? Buffer.from(block.subarray(place, place + HASH_BYTES)) : null;
  };
  const isAsLong = statSync(join(folder, HASHES_FILE)).size === (head.to - head.from) * HASH_BYTES;
  let grown: Growth | null = null;
  if (isAsLong) {
    grown = new Growth(
      head.from,
      head.before.map((base64) => Buffer.from(base64, 'base64')),
    );
    for (let number = head.from; number < head.to; number++) grown.add(hashes(number)!);
  }
  return { hashes, grown, close: () => closeSync(file) };
};
