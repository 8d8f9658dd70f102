import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_READ_MS, readMs } from '../../../test/support/cpu-time.js';
import { fold } from './fold.js';
import { keyBeside, unfitAsKey, uniqueKey } from './unique-key.js';
import { MAX_KEY_CHARACTERS, MAX_TEXT_CHARACTERS } from './value.js';

const INVISIBLE = [
  '\u200b',
  '\u200c',
  '\u200d',
  '\u2060',
  '\ufeff',
  '\u00ad',
  '\u200e',
  '\u200f',
  '\u202e',
  '\u2066',
  '\u061c',
  '\u034f',
  '\u180e',
  '\ufe0f',
  '\u{e0100}',
  '\u{e0041}',
  '\u3164',
  '\uffa0',
  '\u115f',
  '\u0000',
  '\u0007',
  '\u001b',
  '\u007f',
  '\u0080',
  '\u009f',
  '\ufff9',
];
const SPACES = [
  ' ',
  '\t',
  '\n',
  '\r',
  '\u0085',
  '\u00a0',
  '\u1680',
  '\u2000',
  '\u2003',
  '\u200a',
  '\u2028',
  '\u2029',
  '\u202f',
  '\u205f',
  '\u3000',
  '\u2800',
];

describe('names that only look different have one key', () => {
  it.each(INVISIBLE)('with %j anywhere', (one) => {
    for (const name of [`${one}ada@x.org`, `ad${one}a@x.org`, `ada@x.org${one}`, `ad${one.repeat(5)}a@x.org${one}`])
      expect(uniqueKey(name)).toBe('ada@x.org');
  });

  it.each(SPACES)('with %j around, or more than one of it between', (one) => {
    for (const name of [`${one}ada b`, `ada b${one}`, `ada${one}b`, `ada${one}${one}b`, `${one}${one}ada ${one} b `])
      expect(uniqueKey(name)).toBe('ada b');
  });

  it.each([
    ['ADA@X.ORG', 'ada@x.org'],
    ['ａｄａ＠ｘ．ｏｒｇ', 'ada@x.org'],
    ['𝒶𝒹𝒶', 'ada'],
    ['ⓐⓓⓐ', 'ada'],
    ['ﬁn', 'fin'],
    ['℡', 'tel'],
    ['№', 'no'],
    ['K', 'k'],
    ['ſ', 's'],
    ['Ａ\u200b\u0301', 'á'],
    ['a\u200d\u0301', 'á'],
    ['e\u034f\u0301', 'é'],
    ['É', 'é'],
    ['E\u0301', 'é'],
    ['ΣΑΣ', 'σασ'],
    ['İ', 'i̇'],
    ['\u00a8', '\u0308'],
    ['team  a', 'team a'],
    ['½', '1⁄2'],
    ['ﾊﾞ', 'バ'],
  ])('%s and %s', (one, other) => {
    expect(uniqueKey(one)).toBe(uniqueKey(other));
  });

  it.each([
    ['straße', 'strasse'],
    ['ı', 'i'],
    ['а', 'a'],
    ['é', 'e'],
    ['ada b', 'adab'],
    ['ada.b', 'adab'],
    ['1', 'l'],
  ])('but %s and %s are two', (one, other) => {
    expect(uniqueKey(one)).not.toBe(uniqueKey(other));
  });

  const piece = fc.oneof(
    fc.constantFrom(
      ...INVISIBLE,
      ...SPACES,
      'A',
      'a',
      'Σ',
      'ς',
      'İ',
      'ı',
      '\u0301',
      '\u0316',
      '\u0345',
      '\u1100',
      '\u1161',
      '\u11a8',
      'ﬁ',
      '\u00a8',
      '\u037a',
      '\ufdfa',
      '\u2126',
      'ﾞ',
      'K',
      '𝐀',
    ),
    fc.string({ unit: 'grapheme', maxLength: 2 }),
    fc.string({ unit: 'binary', maxLength: 2 }),
  );
  const name = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('').toWellFormed());

  it('a key is its own key, and texts that fold makes equal have one', () => {
    fc.assert(
      fc.property(name, (text) => {
        const key = uniqueKey(text);
        expect(uniqueKey(key)).toBe(key);
        expect(uniqueKey(fold(text))).toBe(key);
        expect(fold(key)).toBe(key);
        expect(uniqueKey(` \u200b${text}\u00a0 `)).toBe(key);
      }),
      { numRuns: 5_000 },
    );
  });

  const marks = '\u0316\u0301'.repeat(15);
  it.each([
    ['U+200B parts', `${marks}\u200b`],
    ['U+034F parts', `${marks}\u034f`],
    ['a variation selector parts', `${marks}\ufe0f`],
    ['a control parts', `${marks}\u0007`],
    ['nothing parts', marks],
    ['half the width marks', 'ﾞ\u0301'],
    ['a key writes out as two', '\u0344\u0316'],
    ['capitals begin', `İ${marks}`],
    ['spaces part', `${marks}\u3000`],
  ])('a key is made in time, and once, of marks that %s', (_name, piece) => {
    const text = `a${piece.repeat(MAX_TEXT_CHARACTERS / piece.length)}`;
    expect(readMs(() => uniqueKey(text))).toBeLessThanOrEqual(MAX_READ_MS);
    const key = uniqueKey(text);
    expect([uniqueKey(key), uniqueKey(fold(text)), fold(key), uniqueKey(` \u200b${text}\u00a0 `)]).toEqual([
      key,
      key,
      key,
      key,
    ]);
  });

  it('the same of any long run of marks', () => {
    const unit = fc.constantFrom(
      '\u0301',
      '\u0316',
      '\u0344',
      '\u0345',
      '\u200b',
      '\u034f',
      '\ufe0f',
      'ﾞ',
      '\u3099',
      '\u0308',
      '\u0307',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('a', 'İ', 'J', '\u00a8', 'カ', '', ' ', 'ำ'),
        fc.string({ unit, minLength: 25, maxLength: 80 }),
        fc.constantFrom('', 'İ', 'b'),
        (before, run, after) => {
          const text = before + run + after;
          const key = uniqueKey(text);
          expect([uniqueKey(key), uniqueKey(fold(text)), fold(key), uniqueKey(` \u200b${text}\u00a0 `)]).toEqual([
            key,
            key,
            key,
            key,
          ]);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('the same of every letter that there is, and no key is longer than an index takes', () => {
    let longest = 0;
    for (let code = 0; code < 0x110000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const text = String.fromCodePoint(code);
      const key = uniqueKey(text);
      if (uniqueKey(key) !== key || uniqueKey(fold(text)) !== key)
        throw new Error(`U+${code.toString(16)}: ${JSON.stringify([text, key, uniqueKey(key)])}`);
      longest = Math.max(longest, key.length / text.length);
    }
    // Some stand for more than what Postgres takes: these names are refused.
    expect(longest).toBeGreaterThan(2);
  }, 60_000);
});

it('a key stands beside the folded text only where it says something else, and an index takes it', () => {
  const beside = (text: string): string | null => keyBeside(text, fold(text));
  expect(['Ada@X', 'É', 'ada b', '\u200b', ' ', '\ufdfa'.repeat(MAX_KEY_CHARACTERS)].map(beside)).toEqual([
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
  expect(['Ada@X ', 'ａ', 'a\u200bb'].map(beside)).toEqual(['ada@x', 'a', 'ab']);
});

describe('a name is refused', () => {
  it.each(['', ' ', '\u3000\t', '\u200b', ' \u00ad\ufe0f\u0007 '])('when nothing of it is left: %j', (text) => {
    expect(unfitAsKey('userName', text)?.detail).toBe('userName is required and must not be blank.');
  });

  it('when its ligatures are longer than an index takes', () => {
    expect(unfitAsKey('userName', '\ufdfa'.repeat(MAX_KEY_CHARACTERS))?.detail).toMatch(
      /^userName stands for 7200 characters .* 800\.$/,
    );
    expect(unfitAsKey('userName', 'ﬁ'.repeat(MAX_KEY_CHARACTERS))).toBeNull();
    expect(unfitAsKey('userName', '각'.repeat(MAX_KEY_CHARACTERS))).toBeNull();
  });
});
