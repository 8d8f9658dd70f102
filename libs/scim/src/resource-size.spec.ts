import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tooLarge } from './resource-size.js';
import type { Resource } from './resource.js';
import { USER } from './schema.js';

const MAX_BYTES = 1_000;
/** `{"userName":"…"}` around the text. */
const AROUND = 15;
const named = (userName: string): Resource => ({ userName });
const isRefused = (before: Resource | null, after: Resource): boolean => {
  const refused = tooLarge(USER, before, after, MAX_BYTES);
  if (!refused) return false;
  expect(refused).toMatchObject({
    code: 'invalidValue',
    detail: expect.stringMatching(/The User would have \d+ bytes as JSON.*1000 \(MAX_RESOURCE_BYTES\)/),
  });
  return true;
};

describe('a resource', () => {
  it.each([
    ['a letter', 'x', 1],
    ['an umlaut', 'ä', 2],
    ['a syllable', '한', 3],
    ['a face', '😀', 4],
    ['a control character', '\u0001', 6],
    ['a quotation mark', '"', 2],
  ])('is as long as its JSON in UTF-8: %s', (_name, character, bytes) => {
    const fitting = Math.floor((MAX_BYTES - AROUND) / bytes);
    const rest = 'x'.repeat(MAX_BYTES - AROUND - fitting * bytes);
    expect(isRefused(null, named(character.repeat(fitting) + rest))).toBe(false);
    expect(isRefused(null, named(`${character.repeat(fitting)}${rest}x`))).toBe(true);
  });

  it('is as long as its JSON whatever it holds', () => {
    const part = fc.jsonValue({ maxDepth: 4, stringUnit: fc.constantFrom('a', 'ä', '😀', '\u0001', '"') });
    let refused = 0;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), part, { noNullPrototype: true }), (value) => {
        const resource = JSON.parse(JSON.stringify({ ...value, more: Array(20).fill(value) })) as Resource;
        const isLonger = Buffer.byteLength(JSON.stringify(resource)) > MAX_BYTES;
        expect(isRefused(null, resource)).toBe(isLonger);
        if (isLonger) refused++;
      }),
      { numRuns: 2_000 },
    );
    expect(refused).toBeGreaterThan(300);
  });

  it('that is too large already may shrink or stay as long, and not grow', () => {
    const large = named('x'.repeat(2_000));
    expect(isRefused(large, named('x'.repeat(1_999)))).toBe(false);
    expect(isRefused(large, named('y'.repeat(2_000)))).toBe(false);
    expect(isRefused(large, named('x'.repeat(2_001)))).toBe(true);
    expect(isRefused(named('x'), large)).toBe(true);
  });
});
