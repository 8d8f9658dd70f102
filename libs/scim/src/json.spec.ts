import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import { checkText, isEqual, isJsonObject, MAX_DEPTH_LEVELS, quote, type Json } from './json.js';

describe('text that a database refuses', () => {
  it.each<[string, unknown, RegExp]>([
    ['a NUL character', { userName: 'a\0' }, /"userName".*NUL/],
    ['a NUL character deep inside', { emails: [{ value: 'a\0' }] }, /"emails"\."value".*NUL/],
    ['a NUL character in a name', { name: { 'given\0Name': 'x' } }, /name of an attribute in "name".*NUL/],
    ['half of a surrogate pair', { title: 'a\ud83d' }, /"title".*surrogate/],
    ['the other half', { title: '\ude00' }, /"title".*surrogate/],
    ['a text alone', '\0', /the body.*NUL/],
  ])('is refused: %s', (_title, body, message) => {
    expect(() => checkText(body)).toThrow(message);
    expect(() => checkText(body)).toThrow(Rejected);
    try {
      checkText(body);
    } catch (error) {
      expect((error as Rejected).code).toBe('invalidSyntax');
      expect((error as Rejected).detail).not.toContain('\0');
    }
  });

  it.each([['🙂'], [{ a: [{ b: ['x', 1, null, true] }] }], [null], [[]]])('is not %j', (body) => {
    expect(() => checkText(body)).not.toThrow();
  });

  it('is refused however deep it hides, without overflowing the stack', () => {
    const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
    expect(() => checkText(deep(MAX_DEPTH_LEVELS))).not.toThrow();
    expect(() => checkText(deep(MAX_DEPTH_LEVELS + 1))).toThrow(/levels deep/);
    expect(() => checkText(deep(200_000))).toThrow(/levels deep/);
  });
});

describe('equality', () => {
  it.each<[Json, Json]>([
    [
      { a: 1, b: [1, { c: null }] },
      { b: [1, { c: null }], a: 1 },
    ],
    [[], []],
    [{}, {}],
    ['a', 'a'],
    [null, null],
  ])('%j equals %j', (a, b) => {
    expect(isEqual(a, b)).toBe(true);
  });

  it.each<[Json, Json]>([
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ a: 1 }, { b: 1 }],
    [[], {}],
    [null, {}],
    ['1', 1],
    [[1], [1, 2]],
    [{ a: null }, { b: null }],
    [JSON.parse('{"__proto__":{}}') as Json, { a: {} }],
    [false, null],
  ])('%j differs from %j', (a, b) => {
    expect(isEqual(a, b)).toBe(false);
    expect(isEqual(b, a)).toBe(false);
  });

  it('is that of the texts when their keys are sorted', () => {
    const sorted = (value: Json): string =>
      JSON.stringify(value, (_key, part: Json) =>
        isJsonObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
      );
    const anyJson = fc
      .jsonValue({ maxDepth: 3, noUnicodeString: true })
      .map((value) => JSON.parse(JSON.stringify(value)) as Json);
    fc.assert(
      fc.property(anyJson, anyJson, (a, b) => {
        expect(isEqual(a, b)).toBe(sorted(a) === sorted(b));
        expect(isEqual(a, JSON.parse(sorted(a)) as Json)).toBe(true);
      }),
    );
  });
});

it('repeats a text of the client cut, never in the middle of a character', () => {
  expect(quote('a"b')).toBe('"a\\"b"');
  const long = quote(`${'x'.repeat(99)}🙂🙂`);
  expect(long.length).toBeLessThan(110);
  expect(long.isWellFormed()).toBe(true);
  expect(long).not.toMatch(/\\ud83d/);
});
