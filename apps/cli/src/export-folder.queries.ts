import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Growth, HASH_BYTES, hashAt, type Hash } from '#tlog';
import { ENTRIES_FILE, HASHES_FILE, HEAD_FILE, readHead, type ExportHead } from './audit-export.js';
import type { RightHashes } from './audit-verify.js';

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

/** Hands on each line of a file, without its newline, in constant memory; null = its bytes are no UTF-8. */
export const readLines = async (
  path: string,
  onLine: (line: string | null) => void,
  onBytes: (bytes: number) => void,
): Promise<ReadLines> => {
  const sha256 = createHash('sha256');
  let bytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    sha256.update(chunk);
    bytes += chunk.length;
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = text.lastIndexOf(NEWLINE) + 1;
    if (end > 0) eachLine(text.subarray(0, end - 1), onLine);
    rest = text.subarray(end);
    if (rest.length > MAX_LINE_BYTES)
      throw new Error(`${path} has a line of more than ${MAX_LINE_BYTES} bytes: it is no export.`);
    onBytes(bytes);
  }
  if (rest.length > 0) eachLine(rest, onLine);
  return { bytes, sha256: sha256.digest('hex'), isCutOff: rest.length > 0 };
};

/** Bytes that are no UTF-8 would be read as others: two files would say the same, and only one of them was hashed. */
const eachLine = (lines: Buffer, onLine: (line: string | null) => void): void => {
  // Decoding many lines at once takes a fraction of the time.
  if (isUtf8(lines)) {
    for (const line of lines.toString().split('\n')) onLine(line);
    return;
  }
  for (let from = 0; from <= lines.length;) {
    const newline = lines.indexOf(NEWLINE, from);
    const line = lines.subarray(from, newline < 0 ? lines.length : newline);
    onLine(isUtf8(line) ? line.toString() : null);
    from += line.length + 1;
  }
};

/** The bytes of entries.jsonl. Throws an error that says what is missing. */
export const sizeOf = (folder: string): number => {
  try {
    return statSync(join(folder, ENTRIES_FILE)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`${folder} has no ${ENTRIES_FILE}: the export is not whole. Export again.`, { cause: error });
  }
};

/** The length and SHA-256 of a file, whatever its name; null = there is none. */
export const digestOf = async (path: string): Promise<Pick<ReadLines, 'bytes' | 'sha256'> | null> => {
  const sha256 = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
      sha256.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return { bytes, sha256: sha256.digest('hex') };
};

/** The hashes of leaves that an export has. They are worth something if they give the root that was signed. */
export interface HashFile extends RightHashes {
  /** The tree of all of them; null = they are more or fewer than the entries. */
  readonly grown: Growth | null;
  close(): void;
}

/** Opens the hashes beside the entries, and looks what roots they give at these sizes; null = there are none. */
export const openHashes = (folder: string, head: ExportHead, sizes: readonly number[]): HashFile | null => {
  let file: number;
  try {
    file = openSync(join(folder, HASHES_FILE), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const block = Buffer.alloc(BLOCK * HASH_BYTES);
  let [begin, count] = [0, 0];
  /** It holds until another one is asked for. */
  const of = (number: number): Hash | null => {
    const at = number - head.from;
    if (at < 0) return null;
    if (at < begin || at >= begin + count) {
      begin = Math.max(0, at - (at % (BLOCK / 2)));
      count = Math.floor(readSync(file, block, 0, block.length, begin * HASH_BYTES) / HASH_BYTES);
    }
    return at < begin + count ? hashAt(block, at - begin) : null;
  };
  const isAsLong = statSync(join(folder, HASHES_FILE)).size === (head.to - head.from) * HASH_BYTES;
  const roots = new Map<number, Hash>();
  let grown: Growth | null = null;
  if (isAsLong) {
    grown = new Growth(
      head.from,
      head.before.map((base64) => Buffer.from(base64, 'base64')),
    );
    const wanted = new Set(sizes);
    if (wanted.has(head.from)) roots.set(head.from, grown.root());
    for (let number = head.from; number < head.to; number++) {
      grown.add(Buffer.from(of(number)!));
      if (wanted.has(grown.size)) roots.set(grown.size, grown.root());
    }
  }
  return { of, rootAt: (size) => roots.get(size), grown, close: () => closeSync(file) };
};
