import { describe, expect, it } from 'vitest';
import { cyclesIn, nextCycle, silentAfterMinutes, type ActiveMinute, type Cycle } from './provisioning-cycles.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const at = (minutesAgo: number): number => NOW - minutesAgo * MINUTE;
const minute = (minutesAgo: number, more: Partial<ActiveMinute> = {}): ActiveMinute => ({
  atMs: at(minutesAgo),
  reads: 1,
  created: 0,
  changed: 0,
  deleted: 0,
  unchanged: 0,
  refused: 0,
  ...more,
});
/** Cycles by when they began and how long they took. */
const cycles = (...taken: readonly (readonly [minutesAgo: number, took: number])[]): readonly Cycle[] =>
  cyclesIn(
    taken.flatMap(([begun, took]) => Array.from({ length: took }, (_, n) => minute(begun - n))),
    NOW,
  );
const ago = (ms: number): number => (NOW - ms) / MINUTE;

describe('cycles', () => {
  it.each([
    ['nothing', [], []],
    ['one minute', [30], [[30, 29]]],
    ['requests with short pauses', [60, 55, 45, 36], [[60, 35]]],
    ['a pause of ten minutes', [60, 49], [[60, 48]]],
    [
      'a pause of eleven minutes',
      [60, 48],
      [
        [60, 59],
        [48, 47],
      ],
    ],
    ['an initial cycle of hours', Array.from({ length: 300 }, (_, n) => 400 - n), [[400, 100]]],
  ])('%s: a long pause alone ends one', (_what, minutes, found) => {
    const seen = cyclesIn(
      minutes.map((one) => minute(one)),
      NOW,
    );
    expect(seen.map(({ startMs, endMs }) => [ago(startMs), ago(endMs)])).toEqual(found);
  });

  it('have the sums of their minutes', () => {
    const [first, second] = cyclesIn(
      [
        minute(90, { created: 2 }),
        minute(89, { changed: 3, refused: 1 }),
        minute(40, { deleted: 1, unchanged: 4, reads: 0 }),
      ],
      NOW,
    );
    expect(first).toMatchObject({
      requests: 8,
      reads: 2,
      created: 2,
      changed: 3,
      deleted: 0,
      unchanged: 0,
      refused: 1,
    });
    expect(second).toMatchObject({ requests: 5, reads: 0, deleted: 1, unchanged: 4, isRunning: false });
  });

  it('run until nothing has come for ten minutes', () => {
    const isRunning = (minutesAgo: number): boolean => cycles([200, 1], [minutesAgo, 1]).at(-1)!.isRunning;
    expect([0, 11, 12].map(isRunning)).toEqual([true, true, false]);
    // The end of the minute that is not over lies not ahead.
    expect(cycles([0, 1])[0]!.endMs).toBe(NOW);
    expect(cycles([60, 1], [5, 1]).map((one) => one.isRunning)).toEqual([false, true]);
  });
});

const EVERY_40 = [
  [190, 5],
  [150, 5],
  [110, 5],
  [70, 5],
] as const;

describe('the next cycle', () => {
  it.each([
    ['entra', 'by the published interval', [[70, 5]], 40, 30, true],
    ['entra', 'as soon as a long one ends', [[300, 260]], 40, 40, true],
    ['entra', 'from now on', [[30, 5]], 40, -10, false],
    ['entra', 'a little after it was expected', [[55, 5]], 40, 15, false],
    [
      'entra',
      'by what was seen, where that is alike',
      [
        [125, 5],
        [95, 5],
        [65, 5],
        [35, 5],
      ],
      30,
      5,
      false,
    ],
    [
      'entra',
      'as it is published, where what was seen is far from it',
      [
        [500, 5],
        [300, 5],
        [200, 5],
        [20, 5],
      ],
      40,
      -20,
      false,
    ],
    ['scim', 'by what was seen alone', EVERY_40, 40, 30, true],
  ] as const)('of %s is expected %s', (kind, _how, seen, periodMinutes, expectedAgo, isLate) => {
    const next = nextCycle(kind, cycles(...seen), NOW);
    expect({ ...next, expectedMs: ago(next.expectedMs!) }).toMatchObject({
      periodMinutes,
      expectedMs: expectedAgo,
      isLate,
    });
  });

  it.each([
    ['okta', EVERY_40, /at once/],
    ['entra', [], /No cycle has been seen/],
    ['scim', [[70, 5]], /no regular interval/],
    [
      'scim',
      [
        [500, 5],
        [300, 5],
        [250, 5],
        [150, 5],
      ],
      /no regular interval/,
    ],
  ] as const)('of %s with cycles %j is not expected, and why', (kind, seen, words) => {
    expect(nextCycle(kind, cycles(...seen), NOW)).toMatchObject({
      expectedMs: null,
      isLate: false,
      words: expect.stringMatching(words),
    });
  });

  it('is not late while one runs', () => {
    expect(nextCycle('entra', cycles([400, 395]), NOW)).toMatchObject({
      isLate: false,
      words: expect.stringMatching(/is running/),
    });
  });
});

describe('a directory is silent', () => {
  const NIGHT = [
    [1_500, 5],
    [1_400, 5],
    [700, 5],
    [30, 5],
  ] as const;
  it.each([
    ['after what its setting says', 'okta', 90, NIGHT, 90],
    ['never, where its provider may have nothing to send', 'okta', 0, NIGHT, null],
    ['never, of a client that nobody knows', 'scim', 0, EVERY_40, null],
    ['of Entra after a day, while little is known', 'entra', 0, [[70, 5]], 1_440],
    ['of Entra after three cycles, where it never pauses', 'entra', 0, EVERY_40, 120],
    ['of Entra after twice its longest pause', 'entra', 0, NIGHT, 1_390],
    [
      'of Entra after three days, however long its pauses are',
      'entra',
      0,
      [
        [9_000, 5],
        [5_000, 5],
        [4_900, 5],
        [30, 5],
      ],
      4_320,
    ],
  ] as const)('%s', (_when, kind, setting, seen, minutes) => {
    expect(silentAfterMinutes(kind, setting, cycles(...seen))).toBe(minutes);
  });
});
