import { expect, it } from 'vitest';
import { quarantineOf, type FailuresSeen } from './quarantine.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const HOUR = 3_600_000;
const seen = (more: Partial<FailuresSeen>): FailuresSeen => ({
  failing: 0,
  managed: 1_000,
  unmanaged: more.failing ?? 0,
  lastCycleMs: NOW - HOUR,
  credentialsRefusedMs: null,
  ...more,
});

/** The examples of Microsoft's documentation are among these. */
it.each([
  ['nothing', { managed: 0 }, 'far', 0, /^Not near: 0 of 5,000 failures, 0 %/],
  ['few failures, though all', { failing: 4_000, managed: 0 }, 'near', 100, /^Near: 4,000 of 5,000 failures, 100 %/],
  ['few failures', { failing: 12, managed: 988 }, 'far', 1.2, /^Not near: 12 of 5,000 failures, 1.2 %/],
  ['half of the failures', { failing: 2_500, managed: 100_000 }, 'near', 2.4, /^Near: .*more than 40 %/],
  ['5,000 failures of a few', { failing: 5_000, managed: 7_400 }, 'likely', 40.3, /^Likely .*: 5,000 of 5,000/],
  ['exactly 40 %', { failing: 5_000, managed: 7_500 }, 'near', 40, /^Near/],
  ['30,000 failures and 5,000 successes', { failing: 30_000, managed: 5_000 }, 'likely', 85.7, /^Likely/],
  ['20,000 failures and 100,000 successes', { failing: 20_000, managed: 100_000 }, 'near', 16.7, /^Near/],
  [
    '6,000 failures, all of those that are there',
    { failing: 6_000, managed: 12_000, unmanaged: 0 },
    'likely',
    50,
    /50 %/,
  ],
  [
    '6,000 failures, half of those that are there',
    { failing: 6_000, managed: 12_000, unmanaged: 3_000 },
    'near',
    40,
    /^Near/,
  ],
  ['45,000 failures', { failing: 45_000, managed: 900_000 }, 'likely', 4.8, /more than 40,000/],
  [
    'refused credentials',
    { credentialsRefusedMs: NOW - 2 * HOUR },
    'likely',
    0,
    /credentials were refused\. Entra tries/,
  ],
] as const)('%s', (_what, facts, state, percent, words) => {
  expect(quarantineOf(seen(facts), NOW)).toMatchObject({ state, percent, words: expect.stringMatching(words) });
});

it.each([
  [1, 6],
  [7, 12],
  [13, 24],
  [25, 48],
  [30 * 24 - 1, 30 * 24],
])('%s hours after the first failure Entra tries next after %s hours, and gives up after four weeks', (since, next) => {
  const sinceMs = NOW - since * HOUR;
  expect(quarantineOf(seen({ credentialsRefusedMs: sinceMs }), NOW)).toMatchObject({
    sinceMs,
    nextTryMs: sinceMs + next * HOUR,
    disabledMs: sinceMs + 28 * 24 * HOUR,
  });
});

it('begins with the last cycle, where there are too many failures', () => {
  expect(quarantineOf(seen({ failing: 50_000 }), NOW).sinceMs).toBe(NOW - HOUR);
  expect(quarantineOf(seen({ failing: 1 }), NOW)).toMatchObject({ sinceMs: null, nextTryMs: null, disabledMs: null });
});
