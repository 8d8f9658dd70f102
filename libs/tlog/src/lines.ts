import { Malformed, quote } from './fault.js';
import { HASH_BYTES, type Hash } from './hashes.js';

/**
 * The form that all formats of C2SP have in common: UTF-8 lines with decimal numbers and base64, each value written in
 * one way.
 */

/** A whole number without leading zeroes, up to Number.MAX_SAFE_INTEGER; null: it is none. */
export const readDecimal = (text: string): number | null => {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
};

/** RFC 4648 §4, with padding, and with zeroes in the bits that hold nothing; null: it is none. */
export const readBase64 = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
};

/** One hash in base64; null: it is none. */
export const readHash = (text: string): Hash | null => {
  const bytes = readBase64(text);
  return bytes?.length === HASH_BYTES ? bytes : null;
};

/** Hashes in base64, one a line, up to so many. Throws Malformed. */
export const readHashes = (lines: readonly string[], maxHashes: number): Hash[] => {
  if (lines.length > maxHashes)
    throw new Malformed(`A proof has at most ${maxHashes} hashes; this one has ${lines.length}.`);
  return lines.map((line) => {
    const hash = readHash(line);
    if (!hash) throw new Malformed(`A line of a proof is a hash in base64; here is ${quote(line)}.`);
    return hash;
  });
};

export const writeBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Well-formed text of at most so many bytes, without control characters but newlines. Throws Malformed. */
export const readText = (what: string, input: string | Uint8Array, maxBytes: number): string => {
  const bytes = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
  if (bytes > maxBytes) throw new Malformed(`A ${what} has at most ${maxBytes} bytes; this one has ${bytes}.`);
  const text = typeof input === 'string' ? (input.isWellFormed() ? input : null) : decoded(input);
  if (text === null) throw new Malformed(`A ${what} is text in UTF-8; this one is not.`);
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x09\x0b-\x1f]/.test(text))
    throw new Malformed(`A ${what} has no control characters but newlines; this one has others.`);
  return text;
};

const decoded = (bytes: Uint8Array): string | null => {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null;
  }
};
