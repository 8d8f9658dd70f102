import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAX_READ_MS, readMs } from '../../../test/support/cpu-time.js';
import { fold, hasTooManyMarks, MAX_COMBINING_MARKS } from './fold.js';
import { MAX_KEY_CHARACTERS } from './value.js';

/** Letters with two cases are in planes 0 and 1, composed characters in 0 to 2. */
const LAST_CODE_POINT = 0x2ffff;

/** Every character by itself, with what it folds to. */
const characters: [character: string, folded: string][] = [];
for (let code = 0; code <= LAST_CODE_POINT; code++) {
  const character = String.fromCodePoint(code);
  if (character.isWellFormed()) characters.push([character, fold(character)]);
}

it.each([
  ['ADA@Example.ORG', 'ada@example.org'],
  ['ÄÖÜ', 'äöü'],
  ['ΟΔΟΣ', 'οδος'],
  ['ὈΔΥΣΣΕΎΣ', 'ὀδυσσεύς'],
  ['É', 'e\u0301'],
  ['J\u030c', 'ǰ'],
  ['\u212b', 'å'],
  ['\u2126', 'ω'],
  ['\u212a', 'k'],
  ['ẞ', 'ß'],
  ['ДЯДЯ', 'дядя'],
  ['Ꭰ', 'ꭰ'],
])('%s and %s are one name', (one, other) => {
  expect(fold(one)).toBe(fold(other));
});

it.each([
  ['ısmail', 'ismail'],
  ['straße', 'strasse'],
  ['ſ', 's'],
  ['ﬁ', 'fi'],
  ['ŉ', 'ʼn'],
  ['µ', 'μ'],
  ['e', 'é'],
  ['ⅷ', 'viii'],
  ['a', 'а'],
  ['ß', 'ss'],
  ['i\u0307', 'i'],
  ['İ', 'i'],
  ['İ', 'ı'],
])('%s and %s are two names', (one, other) => {
  expect(fold(one)).not.toBe(fold(other));
});

it('changes no character that has no other case', () => {
  expect(fold('🙂 漢字 \u0000 a-b_c.d+e')).toBe('🙂 漢字 \u0000 a-b_c.d+e');
});

it('equates two different characters only when one is the small or composed form of the other', () => {
  const members = new Map<string, string[]>();
  for (const [character, folded] of characters) {
    const group = members.get(folded);
    if (group) group.push(character);
    else members.set(folded, [character]);
  }
  const strange: string[] = [];
  for (const group of members.values()) {
    if (group.length === 1) continue;
    const forms = new Set(group.map((character) => character.normalize('NFC').toLowerCase().normalize('NFC')));
    if (forms.size > 1) strange.push(group.join(''));
  }
  expect(strange).toEqual(['Σςσ']);
});

it('is idempotent for every character and every text', () => {
  for (const [character, folded] of characters) {
    if (fold(folded) !== folded) expect.fail(character);
  }
  const marks = fc.constantFrom(
    'İ',
    'I',
    'ı',
    'Σ',
    'ς',
    'J',
    'Å',
    'A',
    '\u030c',
    '\u0307',
    '\u0327',
    '\u0345',
    '\u0301',
    'ᾼ',
    ' ',
    '.',
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.string({ unit: marks })),
      (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      },
    ),
    { numRuns: 5_000 },
  );
});

it('folds the longest key to less than an index row of Postgres holds, which is 2,704 bytes with two ids of 16', () => {
  const encoder = new TextEncoder();
  let bytesPerUnit = 0;
  for (const [character, folded] of characters) {
    bytesPerUnit = Math.max(bytesPerUnit, encoder.encode(folded).length / character.length);
  }
  expect(bytesPerUnit * MAX_KEY_CHARACTERS).toBeLessThan(2_704 - 2 * 16 - 32);
});

it.each([
  ['a capital', `İ${'\u0301'.repeat(30)}`],
  ['a mark that is two', '\u0344'.repeat(30)],
])('is idempotent where %s makes a run longer', (_name, text) => {
  expect(fold(fold(text))).toBe(fold(text));
});

it('is linear and idempotent for any run of combining marks', () => {
  const stacked = `a${'\u0301'.repeat(40_000)}${'\u0316'.repeat(40_000)}`;
  const folded = fold(stacked);
  expect(fold(folded)).toBe(folded);
  expect(fold(stacked.toUpperCase())).toBe(folded);
  expect(readMs(() => fold(stacked))).toBeLessThanOrEqual(MAX_READ_MS);
});

it.each([
  ['', 0, false],
  ['a', 30, false],
  ['a', 31, true],
  ['', 31, true],
  ['é', 30, false],
  ['न', 31, true],
])('after %j, %i marks in a row are too many: %s', (before, count, tooMany) => {
  expect(hasTooManyMarks(`x${before}${'\u0301'.repeat(count)}y`)).toBe(tooMany);
});

it.each([
  ['U+200B', '\u200b'],
  ['U+034F', '\u034f'],
  ['a soft hyphen', '\u00ad'],
  ['a tag', '\u{e0041}'],
  ['a control', '\u0007'],
  ['two of them', '\u200d\u034f'],
])('%s does not part a run in two', (_name, between) => {
  const run = '\u0301'.repeat(16);
  expect(hasTooManyMarks(`x${run}${between}${run}y`)).toBe(true);
  expect(hasTooManyMarks(`x${run}${between}y${run}`)).toBe(false);
});

it.each([' ', '\t', '\u3000', '\u0085'])('but %j does', (between) => {
  const run = '\u0301'.repeat(16);
  expect(hasTooManyMarks(`x${run}${between}${run}y`)).toBe(false);
});

it('looks through every character alike: the table that saves the expressions leaves out none that counts', () => {
  const stack = (text: string): string => `a${text.repeat(MAX_COMBINING_MARKS + 1)}`;
  for (let point = 0; point <= 0x10_ffff; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const text = String.fromCodePoint(point);
    if (/\p{M}/u.test(text) && point !== 0x34f) expect(hasTooManyMarks(stack(text)), point.toString(16)).toBe(true);
    if (/[[\p{Default_Ignorable_Code_Point}\p{Cc}]--\p{White_Space}]/v.test(text))
      expect(hasTooManyMarks(stack(`${text}\u0301`)), point.toString(16)).toBe(true);
  }
});

it('lower-cases and then composes, which gives what composing before and after that gives', () => {
  const thrice = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
  const followers = ['', '\u0301', '\u0307\u0301', '\u0345', 'Σ', '\u0338\u0345'];
  for (let point = 0x80; point <= 0x10_ffff; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const text = String.fromCodePoint(point);
    for (const form of new Set([text, text.normalize('NFD')]))
      for (const follower of followers)
        if (fold(form + follower) !== thrice(form + follower)) expect(form + follower).toBe(null);
  }
}, 60_000);
