import { rejection, type Rejection } from './error.js';
import { fold, MAX_COMBINING_MARKS } from './fold.js';
import { MAX_KEY_CHARACTERS } from './value.js';

/** Most names are made of these alone: nothing that is invisible, or looks like something else, but for spaces. */
const IS_PLAIN = /^[ -~]*$/;
/** Spaces of any width, line breaks among them, and the one of Braille, which is a letter to Unicode. */
const SPACES = /[\p{White_Space}\u2800]+/gu;
/**
 * Characters that are not shown: joiners, marks of direction, variation selectors, fillers; controls; and the anchors
 * of notes between lines.
 */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb]+/gu;
/**
 * Length of a key, in UTF-16 units. Postgres refuses index rows of more than 2,704 bytes; a unit takes at most three.
 */
const MAX_UNIQUE_KEY_CHARACTERS = 2 * MAX_KEY_CHARACTERS;

const collapsed = (text: string): string => (text.includes(' ') ? text.replace(/ +/g, ' ').trim() : text);
/**
 * A run of marks above the limit, U+FF9E and U+FF9F among them: these two are letters, and become marks when NFKC
 * writes them out.
 */
const LONG_RUN = new RegExp(
  `(?<![\\p{M}\\uff9e\\uff9f])([\\p{M}\\uff9e\\uff9f]{${MAX_COMBINING_MARKS}})[\\p{M}\\uff9e\\uff9f]+`,
  'gu',
);
/**
 * Without what is not shown. That joins marks which it parted, U+034F of fold among it, and normalising takes the
 * square of a run: the first marks of a run count, and the others, which only a text that is refused or was stored long
 * ago has, say nothing in a key.
 */
const withoutInvisible = (text: string): string =>
  text.replace(SPACES, ' ').replace(INVISIBLE, '').replace(LONG_RUN, '$1');

/**
 * The key by which a name is unique: two names that only look different, by their case, spaces, width or what is not
 * shown, have one key. It is compared, and never shown or stored in the name's place. Texts that fold makes equal have
 * one key as well. Idempotent. Letters of other scripts that look alike (Latin a, Cyrillic а) stay different.
 */
export const uniqueKey = (text: string): string => {
  if (IS_PLAIN.test(text)) return collapsed(text.toLowerCase());
  // Compatibility forms stand for capitals, spaces and invisible letters too (℡, U+00A0, U+FFA0), and a joiner may keep
  // a letter and its mark apart: hence each step on both sides of the other.
  const folded = fold(withoutInvisible(fold(text)).normalize('NFKC'));
  return collapsed(withoutInvisible(folded).normalize('NFKC'));
};

/**
 * The key for a column beside the folded text. It is null where it equals that text, as with nearly all names; where
 * nothing is left of the name; and where it is too long for an index.
 */
export const keyBeside = (text: string, folded: string): string | null => {
  const key = uniqueKey(text);
  return key === folded || key === '' || key.length > MAX_UNIQUE_KEY_CHARACTERS ? null : key;
};

/**
 * The key by which the name that people see is looked up: that of its first characters, so that it fits into an index,
 * however long it is.
 */
export const nameKey = (name: string): string => {
  const beginning = name.length <= MAX_KEY_CHARACTERS ? name : withoutHalf(name.slice(0, MAX_KEY_CHARACTERS));
  const key = uniqueKey(beginning);
  return key.length <= MAX_UNIQUE_KEY_CHARACTERS ? key : withoutHalf(key.slice(0, MAX_UNIQUE_KEY_CHARACTERS));
};

/** Half of a character at the end is none, and Postgres refuses it. */
const withoutHalf = (text: string): string => text.replace(/[\ud800-\udbff]$/, '');

/** Rejects (invalidValue) a name of which nothing is left, or of which a ligature makes very much. */
export const unfitAsKey = (path: string, name: string): Rejection | null => {
  const { length } = uniqueKey(name);
  if (length === 0) return rejection('invalidValue', `${path} is required and must not be blank.`);
  if (length <= MAX_UNIQUE_KEY_CHARACTERS) return null;
  return rejection(
    'invalidValue',
    `${path} stands for ${length} characters when its ligatures are written out; the limit is ${MAX_UNIQUE_KEY_CHARACTERS}.`,
  );
};
