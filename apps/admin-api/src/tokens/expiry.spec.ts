import { expect, it } from 'vitest';
import { expiryOf, lastsLongestFirst, statusOf } from './expiry.js';

const NOW = Date.parse('2026-11-28T12:00:00Z');

it.each([
  ['2026-11-28T12:00:01Z', '2026-11-28T12:00:01.000Z'],
  ['2027-01-31T00:00Z', '2027-01-31T00:00:00.000Z'],
  ['2028-02-29T10:00:00.5+02:00', '2028-02-29T08:00:00.500Z'],
  ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
])('takes %s', (text, moment) => {
  expect(expiryOf(text, NOW)).toBe(moment);
});

it.each([
  ['2027-01-31', 'is a day without a time'],
  ['2027-01-31T00:00:00', 'does not say how far its time is from UTC'],
  ['2027-01-31t10:00', 'does not say how far its time is from UTC'],
  ['2027-02-30T00:00:00Z', 'is a day that does not exist'],
  ['2026-11-28T12:00:00Z', 'has passed'],
  ['tomorrow', 'is no moment'],
  ['2027-01-31T25:00:00Z', 'is no moment'],
])('says what %s lacks, and shows the form that is expected', (text, why) => {
  expect(() => expiryOf(text, NOW)).toThrow(
    `expiresAt ${why}: send a moment to come with its day, time and zone, such as 2030-01-31T00:00:00Z or 2030-01-31T09:00:00+09:00.`,
  );
});

it.each([
  '2026-11-28T12:00:00Z',
  '2020-01-01T00:00:00Z',
  '2027-01-31',
  '2027',
  '2027-W01',
  '2027-01-31T00:00:00',
  '2027-02-30T00:00:00Z',
  '2027-13-01T00:00:00Z',
  '10000-01-01T00:00:00Z',
  '+010000-01-01T00:00:00Z',
  '2027-01-31T25:00:00Z',
  '2027-01-31T00:00:00+99:00',
  'NaN',
  '',
  'tomorrow',
  '2027-01-31 00:00:00Z',
])('refuses %s', (text) => {
  expect(() => expiryOf(text, NOW)).toThrow(/^expiresAt .*: send a moment to come with its day, time and zone/);
});

it('says that a token has expired from the moment on, unless it was revoked', () => {
  expect(statusOf('active', null, NOW)).toBe('active');
  expect(statusOf('active', '2026-11-28T12:00:01Z', NOW)).toBe('active');
  expect(statusOf('active', '2026-11-28T12:00:00Z', NOW)).toBe('expired');
  expect(statusOf('revoked', '2020-01-01T00:00:00Z', NOW)).toBe('revoked');
});

it('puts tokens that never expire first, then those that expire later, and leaves equal ones in their order', () => {
  const tokens = [
    ['a', '2027-01-01T00:00:00Z'],
    ['b', null],
    ['c', '2028-01-01T01:00:00+01:00'],
    ['d', null],
    ['e', '2028-01-01T00:00:00Z'],
  ] as const;
  const sorted = tokens.map(([id, expiresAt]) => ({ id, expiresAt })).toSorted(lastsLongestFirst);
  expect(sorted.map(({ id }) => id)).toEqual(['b', 'd', 'c', 'e', 'a']);
});
