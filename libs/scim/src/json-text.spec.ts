import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finished } from '../../../test/support/finished.js';
import { readBulkBody } from './bulk-body.js';
import { TooLong } from './bulk.js';
import { Rejected } from './error.js';
import { MAX_DEPTH_LEVELS } from './json.js';
import { MAX_MARKS, outlineOf, parseJson } from './json-text.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const outcomeOf = (read: () => unknown): unknown => {
  try {
    return { value: read() };
  } catch (error) {
    return error instanceof Rejected || error instanceof SyntaxError ? 'refused' : error;
  }
};
const inPieces = (text: string, maxBytesEach = 1_000_000): unknown =>
  finished(readBulkBody(bytesOf(text), 100, maxBytesEach));

/** JSON with spaces, escapes and brackets in its texts. */
const anyJson = fc
  .tuple(
    fc.jsonValue({ maxDepth: 6, stringUnit: fc.constantFrom('a', '"', '\\', '{', ']', ':', ',', 'é', '😀') }),
    fc.constantFrom(0, 1, 2),
  )
  .map(([value, spaces]) => JSON.stringify(value, null, spaces));
/** Sometimes with a character too many or too few. */
const anyText = fc
  .tuple(anyJson, fc.nat(), fc.constantFrom('', '', '', '{', ']', '"', '\\', ','))
  .map(([text, at, more]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + more + text.slice(more === '' ? place : place + (at % 2));
  });
/**
 * Characters that belong nowhere in JSON or in few places of it, or that only look like its spaces: a byte order mark
 * may stand before a text and nowhere else.
 */
const anyInsertion = fc.constantFrom(
  ...'\ufeff|\ufeff\ufeff|\u00a0|\u2028|\u200b|\u0085|\f|\v|\0| |\r\n|\t'.split('|'),
  ...`{} [] { } [ ] " \\ , : /**/ // - + . e 0 1 null x '`.split(' '),
);
const bulkOf = (element: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(element, { maxLength: 4 }), element, fc.constantFrom('Operations', 'x'))
    .map(([operations, other, name]) => `{"a": ${other}, "${name}": [${operations.join(', ')}], "b":1}`);
const anyBulk = bulkOf(anyText);

/** The bytes of a text with insertions, and some of them overwritten: UTF-8 may be cut anywhere. */
const anyBytes = fc
  .tuple(
    fc.oneof(anyJson, bulkOf(anyJson)),
    fc.array(fc.tuple(fc.nat(), anyInsertion), { maxLength: 2 }),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(0x20, 0x7b, 0xc3, 0xef, 0xbb, 0xbf, 0xff)), { maxLength: 1 }),
  )
  .map(([text, insertions, bytesOver]) => {
    let whole = text;
    for (const [at, more] of insertions) {
      const place = at % (whole.length + 1);
      whole = whole.slice(0, place) + more + whole.slice(place);
    }
    const bytes = bytesOf(whole);
    for (const [at, byte] of bytesOver) bytes[at % bytes.length] = byte;
    return bytes;
  });
const decoded = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SyntaxError('no UTF-8');
  }
};

describe('a text that is looked through before it is parsed', () => {
  it('is in pieces what it is as a whole, and what is no JSON is refused both ways', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyBulk, anyBulk), (text) => {
        expect(outcomeOf(() => inPieces(text))).toEqual(outcomeOf(() => JSON.parse(text.toWellFormed()) as unknown));
      }),
      { numRuns: 5_000 },
    );
  });

  it('with whatever was inserted anywhere, is in pieces accepted exactly when it is as a whole, with the same value', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyBytes, fc.constantFrom(1_000_000, 0, -8_190), (bytes, maxBytesEach) => {
        const whole = outcomeOf(() => JSON.parse(decoded(bytes)) as unknown);
        const pieces = outcomeOf(() => finished(readBulkBody(bytes, 100, maxBytesEach)));
        if (whole !== 'refused') accepted++;
        // The data of operations that are too long is left out.
        if (maxBytesEach > 0 || whole === 'refused') expect(pieces).toEqual(whole);
        else expect(pieces).toHaveProperty('value');
      }),
      { numRuns: 10_000 },
    );
    expect(accepted).toBeGreaterThan(1_000);
  });

  it.each([
    ['behind an operation', '{"Operations":[{}\ufeff,{}]}'],
    ['before an operation', '{"Operations":[{},\ufeff{}]}'],
    ['after the last operation', '{"Operations":[{}\ufeff]}'],
    ['before the first operation', '{"Operations":[\ufeff{}]}'],
    ['behind the body', '{"Operations":[{}]}\ufeff'],
    ['twice before the body', '\ufeff\ufeff{"Operations":[{}]}'],
    ['in an operation', '{"Operations":[{\ufeff"method":"POST"}]}'],
    ['in an operation that is too long', `{"Operations":[{"data":{\ufeff}, "x": "${'x'.repeat(9_000)}"}]}`],
  ])('with a byte order mark %s is no JSON', (_where, text) => {
    expect(outcomeOf(() => inPieces(text, 100))).toBe('refused');
    expect(outcomeOf(() => JSON.parse(text) as unknown)).toBe('refused');
  });

  it('may begin with a byte order mark (RFC 8259 §8.1)', () => {
    expect(inPieces('\ufeff{"Operations":[{}]}')).toEqual({ Operations: [{}] });
    expect(parseJson(bytesOf('\ufeff{}'))).toEqual({});
  });

  it('stands for what Postgres refuses exactly when a text or a name in it does', () => {
    const piece = fc.constantFrom(
      '\\u0000',
      '\\ud83d',
      '\\uDE00',
      '\\ud83d\\ude00',
      '\\uD83D\\uDE00',
      '\\\\',
      '\\"',
      '\\\\u0000',
      '\\u0001',
      '\\u0030',
      '\\u1000',
      '\\ud7ff',
      '\\ue000',
      '\\udbff',
      '\\udfff',
      'é',
      '😀',
      'u0000',
      '[',
      ']',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.boolean(), (pieces, isName) => {
        const string = `"${pieces.join('')}"`;
        const text = isName ? `{${string}:1}` : `[${string}]`;
        const [value] = [JSON.parse(string) as string];
        expect(outlineOf(bytesOf(text)).isUnstorable).toBe(value.includes('\0') || !value.isWellFormed());
      }),
      { numRuns: 5_000 },
    );
  });

  it('is refused for its depth and its number of values before it is parsed, whatever its texts hold', () => {
    const deep = (levels: number): string => `${'['.repeat(levels)}"${'['.repeat(100)}\\"["${']'.repeat(levels)}`;
    expect(parseJson(bytesOf(deep(MAX_DEPTH_LEVELS)))).toBeDefined();
    expect(() => outlineOf(bytesOf(deep(MAX_DEPTH_LEVELS)))).not.toThrow();
    expect(() => outlineOf(bytesOf(deep(MAX_DEPTH_LEVELS + 1)))).toThrow(/levels deep/);
    expect(() => outlineOf(bytesOf('['.repeat(900_000)))).toThrow(/levels deep/);
    expect(() => outlineOf(bytesOf(`["${':,{}'.repeat(MAX_MARKS)}"]`))).not.toThrow();
    expect(() => outlineOf(bytesOf(`[${'1,'.repeat(MAX_MARKS)}1]`))).toThrow(/more than 120000 names and values/);
    expect(() => outlineOf(bytesOf(`[${'{},'.repeat(MAX_MARKS / 2)}1]`))).toThrow(/names and values/);
  });

  it('may have as many members as a request may name, with two names each', () => {
    const members = Array.from({ length: 20_000 }, (_, index) => ({ value: `${index}`, $ref: null }));
    expect(() => outlineOf(bytesOf(JSON.stringify({ displayName: 'g', members })))).not.toThrow();
  });
});

describe('the body of a bulk request', () => {
  it('is parsed an operation at a time, with room for others after each', () => {
    let turns = 0;
    const work = readBulkBody(
      bytesOf(
        JSON.stringify({
          Operations: Array.from({ length: 50 }, (_, index) => ({ index, data: { list: Array(1_000).fill({}) } })),
        }),
      ),
      100,
      1_000_000,
    );
    for (let step = work.next(); !step.done; step = work.next()) turns++;
    expect(turns).toBeGreaterThanOrEqual(50);
  });

  it('may have as many values in each operation as another request, and no more outside of them', () => {
    const most = `{"x":[${'{},'.repeat(MAX_MARKS / 2 - 10)}1]}`;
    expect((inPieces(`{"Operations":[${most},${most},${most}]}`) as { Operations: unknown[] }).Operations).toHaveLength(
      3,
    );
    expect(outcomeOf(() => inPieces(`{"Operations":[{"x":[${'{},'.repeat(MAX_MARKS / 2)}1]}]}`))).toBe('refused');
    expect(outcomeOf(() => inPieces(`{"x":[${'1,'.repeat(MAX_MARKS)}1],"Operations":[{}]}`))).toBe('refused');
  });

  it('is not parsed when it holds more than all of it may, though each operation holds less', () => {
    const many = `{"x":[${'{},'.repeat(MAX_MARKS / 2 - 10)}1]}`;
    expect(outcomeOf(() => inPieces(`{"Operations":[${Array(10).fill(many).join()}]}`))).not.toBe('refused');
    expect(() => inPieces(`{"Operations":[${Array(11).fill(many).join()}]}`)).toThrow(
      'more than 1200000 names and values',
    );
  });

  it('with more operations than are allowed is not parsed', () => {
    expect(() => inPieces(`{"Operations":[${'{},'.repeat(10_000)}{}]}`)).toThrow(
      /has 10001 operations, which exceeds maxOperations \(100\)/,
    );
  });

  it('keeps of an operation that is too long what names it, and nothing of its data', () => {
    const long = `{"method":"POST","bulkId":"b","path":"/Users","data":{"x":[${'1, '.repeat(4_000)}1]}}`;
    expect(inPieces(`{"Operations":[{"bulkId":"a"},${long}]}`, 100)).toEqual({
      Operations: [{ bulkId: 'a' }, { method: 'POST', bulkId: 'b', path: '/Users', data: new TooLong(100) }],
    });
  });

  it('says in which operation a text is that cannot be stored', () => {
    expect(() => inPieces('{"Operations":[{},{"data":{"userName":"\\u0000"}}]}')).toThrow(
      '"data"."userName" holds a NUL character.',
    );
    expect(() => inPieces('{"x":"\\ud800","Operations":[{}]}')).toThrow('"x" holds half of a surrogate pair.');
  });
});
