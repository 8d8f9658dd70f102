import { Rejected } from './error.js';
import { MAX_DEPTH_LEVELS } from './json.js';

/**
 * Values and names that are read at once: the marks that begin or part them are counted. An object of a new shape takes
 * V8 0.7 microseconds, a megabyte of such objects 70 ms, and so many marks 25 ms. The largest request that an identity
 * provider sends has 95,000: 13,000 members with three names each.
 */
export const MAX_MARKS = 120_000;

/**
 * The same for all pieces of a text together, because the objects of each piece are held until all are done. 8 MB of
 * the shortest PATCHes have 1,050,000.
 */
const MAX_MARKS_OF_ALL = 1_200_000;

/** A part of the bytes of a text. */
export interface Piece {
  readonly from: number;
  readonly to: number;
}

export interface Outline {
  /** True if a string stands for a NUL character or for half of a surrogate pair: Postgres refuses both. */
  readonly isUnstorable: boolean;
  /** The objects and lists at the level that was asked for. */
  readonly pieces: readonly Piece[];
}

const decoder = new TextDecoder('utf-8', { fatal: true });
/** A byte order mark may stand before a text (RFC 8259 §8.1), and is no part of JSON anywhere else. */
const insideDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** The bytes of "\:,{}[] in ASCII: none of them is part of another character of UTF-8. */
const [QUOTE, BACKSLASH, COLON, COMMA, OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [
  0x22, 0x5c, 0x3a, 0x2c, 0x7b, 0x7d, 0x5b, 0x5d,
];
/** By byte: 1 if it means something outside of strings, and 0 if not, as most do. */
const SPEAKS = new Uint8Array(256);
for (const byte of [QUOTE, COLON, COMMA, OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST]) SPEAKS[byte] = 1;
/** `d` and `u` of an escape, and the same as capitals: bit 0x20 makes them small. */
const [SMALL, LETTER_D, LETTER_U] = [0x20, 0x64, 0x75];

/**
 * Looks through a text before it is parsed, in one pass, about 1 ns for each byte: JSON.parse of 900,000 brackets took
 * 35 ms before it said that they are too many, and a walk through what was parsed as long again. Throws
 * Rejected(invalidSyntax) for what is nested too deep, and for more than MAX_MARKS marks, in each piece and outside of
 * them, or MAX_MARKS_OF_ALL. A text that is no JSON may pass.
 */
export const outlineOf = (bytes: Uint8Array, pieceLevel = 0): Outline => {
  const pieces: Piece[] = [];
  let [isUnstorable, depth, from, marks, marksOutside, all] = [false, 0, 0, 0, 0, 0];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (SPEAKS[byte] === 0) continue;
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) {
        if (bytes[at] !== BACKSLASH) continue;
        at++;
        if (bytes[at] !== LETTER_U) continue;
        const kind = escapeAt(bytes, at + 1);
        if (
          kind === 'high' &&
          bytes[at + 5] === BACKSLASH &&
          bytes[at + 6] === LETTER_U &&
          escapeAt(bytes, at + 7) === 'low'
        )
          at += 10;
        else if (kind !== 'other') isUnstorable = true;
      }
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (depth === pieceLevel) {
        pieces.push({ from, to: at + 1 });
        marks = marksOutside;
      }
      depth--;
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (++depth > MAX_DEPTH_LEVELS)
          throw new Rejected('invalidSyntax', `The body is nested more than ${MAX_DEPTH_LEVELS} levels deep.`);
        if (depth === pieceLevel) [from, marksOutside, marks] = [at, marks, 0];
      }
      if (++marks > MAX_MARKS || ++all > MAX_MARKS_OF_ALL) {
        const most = marks > MAX_MARKS ? MAX_MARKS : MAX_MARKS_OF_ALL;
        throw new Rejected('invalidSyntax', `The body holds more than ${most} names and values: send less at once.`);
      }
    }
  }
  return { isUnstorable, pieces };
};

/** The meaning of the four hexadecimal digits of an escape. */
const escapeAt = (bytes: Uint8Array, at: number): 'nul' | 'high' | 'low' | 'other' => {
  const [first, second] = [bytes[at]! | SMALL, bytes[at + 1]! | SMALL];
  if (first === 0x30 && second === 0x30)
    return (bytes[at + 2]! & bytes[at + 3]!) === 0x30 && (bytes[at + 2]! | bytes[at + 3]!) === 0x30 ? 'nul' : 'other';
  // d8 to db, and dc to df.
  if (first !== LETTER_D) return 'other';
  if (second === 0x38 || second === 0x39 || second === 0x61 || second === 0x62) return 'high';
  return second >= 0x63 && second <= 0x66 ? 'low' : 'other';
};

/** JSON.parse of a text in UTF-8. Throws Rejected(invalidSyntax). */
export const parseJson = (bytes: Uint8Array): unknown => parsed(() => decoder.decode(bytes));

/**
 * The value of a text, with `valueOf` the number of each of its pieces in the place of that piece, so that the pieces
 * can be parsed one by one. `pieces` are all objects and lists at `pieceLevel`. Throws Rejected(invalidSyntax).
 */
export const parseAround = (
  bytes: Uint8Array,
  pieceLevel: number,
  pieces: readonly Piece[],
  valueOf: (index: number) => unknown,
): unknown => {
  const around = parsed(() => {
    let [text, done] = ['', 0];
    for (const [index, { from, to }] of pieces.entries()) {
      text += `${(done === 0 ? decoder : insideDecoder).decode(bytes.subarray(done, from))}[${index}]`;
      done = to;
    }
    return text + (done === 0 ? decoder : insideDecoder).decode(bytes.subarray(done));
  });
  const filled = (value: unknown, level: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (level === pieceLevel) return valueOf((value as number[])[0]!);
    if (Array.isArray(value)) return value.map((element: unknown) => filled(element, level + 1));
    return Object.fromEntries(Object.entries(value).map(([name, element]) => [name, filled(element, level + 1)]));
  };
  return filled(around, 1);
};
const parsed = (read: () => string): unknown => {
  try {
    return JSON.parse(read());
  } catch (error) {
    throw new Rejected('invalidSyntax', `The body is not valid JSON: ${(error as Error).message}.`);
  }
};
