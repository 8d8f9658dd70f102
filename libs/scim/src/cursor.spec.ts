import { describe, expect, it } from 'vitest';
import { MAX_CURSOR_CHARACTERS, parseCursor, readCursor, writeCursor, type CursorSeal, type Walk } from './cursor.js';
import { Rejected, type RejectionCode } from './error.js';

/** Readable, and good for one context only, as a real seal is. */
const seal: CursorSeal = {
  seal: (context, text) => JSON.stringify([context, text]),
  open: (context, sealed) => {
    try {
      const [of, text] = JSON.parse(sealed) as [string, string];
      return of === context ? text : null;
    } catch {
      return null;
    }
  },
};
const limits = { defaultCount: 100, maxCount: 1_000 };
const TIMEOUT_MS = 3_600_000;
const NOW_MS = 1_800_000_000_123;
const WALK: Walk = { type: 'User', totalResults: 20_000, count: 10, position: { id: 'u10', key: 'ada "ß"' } };
const refused = (attempt: () => unknown): Rejected => {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('a cursor', () => {
  const read = (cursor: string, { asked = 'q', count = null as number | null, nowMs = NOW_MS } = {}): Walk =>
    readCursor(seal, { text: cursor, asked, count }, nowMs, TIMEOUT_MS);

  it.each<Walk>([
    WALK,
    { ...WALK, position: { id: 'u10', key: null } },
    { ...WALK, type: 'Group', totalResults: 0, position: null },
  ])('is the page after: %j', (walk) => {
    expect(read(writeCursor(seal, 'q', walk, NOW_MS))).toEqual(walk);
  });

  it('is good for as long as it is advertised, counted from its page', () => {
    const cursor = writeCursor(seal, 'q', WALK, NOW_MS);
    expect(read(cursor, { nowMs: NOW_MS + TIMEOUT_MS })).toEqual(WALK);
    // Clocks of two gateways differ.
    expect(read(cursor, { nowMs: NOW_MS - 5_000 })).toEqual(WALK);
    expect(refused(() => read(cursor, { nowMs: NOW_MS + TIMEOUT_MS + 1 }))).toMatchObject({
      code: 'expiredCursor',
      detail: expect.stringMatching(/3,?600 seconds.*empty cursor/) as unknown,
    });
  });

  it('is good for the same question only, and says the same of whatever it is not good for', () => {
    const cursor = writeCursor(seal, 'q', WALK, NOW_MS);
    const wrong = [
      refused(() => read(cursor, { asked: 'q2' })),
      refused(() => read(`${cursor}x`)),
      refused(() => read(cursor.slice(1))),
      refused(() => read('nonsense')),
      refused(() => read('A'.repeat(MAX_CURSOR_CHARACTERS + 1))),
      refused(() => read(writeCursor(seal, 'q2', WALK, 0))),
    ];
    expect(new Set(wrong.map(({ code, detail }) => `${code}: ${detail}`)).size).toBe(1);
    expect(wrong[0]).toMatchObject({ code: 'invalidCursor', detail: expect.stringMatching(/empty cursor/) as unknown });
  });

  it('goes on with the count of its walk; another one is refused (RFC 9865 §2.1)', () => {
    const cursor = writeCursor(seal, 'q', WALK, NOW_MS);
    expect(read(cursor, { count: 10 })).toEqual(WALK);
    for (const count of [0, 9, 1_000])
      expect(refused(() => read(cursor, { count }))).toMatchObject({
        code: 'invalidCount',
        detail: expect.stringContaining('count=10') as unknown,
      });
  });
});

describe('paging by cursor', () => {
  it.each<[string, string | undefined, string | undefined, number | null, number]>([
    ['', undefined, undefined, null, 100],
    ['', '10', '', 10, 10],
    ['', '-1', undefined, 0, 0],
    ['', '5000', undefined, 1_000, 1_000],
    ['x', '0', undefined, 0, 0],
    ['x', '', undefined, null, 100],
  ])(
    'with cursor %j, count %j and startIndex %j is asked for with count %j, which is %i',
    (text, count, startIndex, sent, length) => {
      expect(parseCursor(text, 'q', startIndex, count, limits)).toEqual({
        cursor: { text, asked: 'q', count: sent },
        count: length,
        startIndex: 1,
      });
    },
  );

  it.each<[string | undefined, string | undefined, RejectionCode, RegExp]>([
    ['1', undefined, 'invalidCursor', /startIndex/],
    ['x', undefined, 'invalidCursor', /startIndex/],
    [undefined, 'x', 'invalidCount', /"x"/],
    [undefined, '1.5', 'invalidCount', /whole number/],
  ])('with startIndex %j and count %j is refused as %s', (startIndex, count, code, detail) => {
    expect(refused(() => parseCursor('', 'q', startIndex, count, limits))).toMatchObject({
      code,
      detail: expect.stringMatching(detail) as unknown,
    });
  });
});
