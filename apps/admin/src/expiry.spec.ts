import { expect, it } from 'vitest';
import { expiryOf, statusOf } from './expiry.js';

const NOW = Date.parse('2026-11-28T12:00:00Z');

it.each([
  ['2026-11-28T12:00:01Z', '2026-11-28T12:00:01.000Z'], ['2027-01-31T00:00Z', '2027-01-31T00:00:00.000Z'],
  ['2028-02-29T10:00:00.5+02:00', '2028-02-29T08:00:00.500Z'], ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
])('takes %s', (text, moment) => {
  expect(expiryOf(text, NOW)).toBe(moment);
});

it.each([
  '2026-11-28T12:00:00Z', '2020-01-01T00:00:00Z', '2027-01-31', '2027', '2027-W01', '2027-01-31T00:00:00', '2027-02-30T00:00:00Z', '2027-13-01T00:00:00Z',
  '10000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z', '2027-01-31T25:00:00Z', '2027-01-31T00:00:00+99:00', 'NaN', '', 'tomorrow', '2027-01-31 00:00:00Z',
])('refuses %s', (text) => {
  expect(() => expiryOf(text, NOW)).toThrow(/^expiresAt (is no moment|is a day that does not exist|has passed): send a moment to come/);
});

it('says that a token has expired from the moment on, unless it was revoked', () => {
  expect(statusOf('active', null, NOW)).toBe('active');
  expect(statusOf('active', '2026-11-28T12:00:01Z', NOW)).toBe('active');
  expect(statusOf('active', '2026-11-28T12:00:00Z', NOW)).toBe('expired');
  expect(statusOf('revoked', '2020-01-01T00:00:00Z', NOW)).toBe('revoked');
});
