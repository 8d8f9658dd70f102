import { expect, it } from 'vitest';
import { nextWarningMs, warningAt, warningDue } from './expiry-warnings.js';

const END = '2026-12-31T00:00:00.000Z';
const before = (days: number, ms = 0): number => Date.parse(END) - days * 86_400_000 + ms;

it.each([
  ['a moment before 30 days are left', before(30, -1), null, null],
  ['when 30 days are left', before(30), null, 30],
  ['once only', before(30), 30, null],
  ['again when 7 days are left', before(7), 30, 7],
  ['and when one day is left', before(1), 7, 1],
  ['once only, until the end', before(0, -1), 1, null],
  ['only the most urgent one after a downtime', before(1), null, 1],
  ['also where one was missed', before(1), 30, 1],
  ['not of what has ended', before(0), null, null],
])('a warning of the end is given %s', (_title, now, warned, days) => {
  expect(warningDue({ expiresAt: END, warned }, now)).toBe(days);
});

it('of a token that never expires nothing is warned', () => {
  expect(warningDue({ expiresAt: null, warned: null }, before(0))).toBeNull();
  expect(warningAt(null, before(0))).toBeNull();
});

it('the next warning comes 30, 7 and 1 days before the end', () => {
  expect(nextWarningMs(END, before(365))).toBe(before(30));
  expect(nextWarningMs(END, before(30))).toBe(before(7));
  expect(nextWarningMs(END, before(2))).toBe(before(1));
  expect(nextWarningMs(END, before(1))).toBeNull();
});
