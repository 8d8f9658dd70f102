import { expect, it } from 'vitest';
import { WrongCredentials } from './wrong-credentials.js';

it('an address has so many tries in a minute, and is told when the minute is over', () => {
  let nowMs = 0;
  const wrong = new WrongCredentials(3, () => nowMs);
  const tried = (address = '192.0.2.1'): number | null => wrong.count(address);
  expect([tried(), tried(), tried(), tried()]).toEqual([null, null, null, 60]);
  nowMs = 59_001;
  expect(tried()).toBe(1);
  expect(tried('192.0.2.2')).toBe(null);
  nowMs = 60_000;
  expect(tried()).toBe(null);
});

it('the addresses of one IPv6 network are one', () => {
  const wrong = new WrongCredentials(1);
  expect(wrong.count('2001:db8::1')).toBe(null);
  expect(wrong.count('2001:db8:0:0:ffff::2')).toBeGreaterThan(0);
  expect(wrong.count('2001:db8:0:1::1')).toBe(null);
});

it('remembers only so many addresses: whoever has many of them fills no memory', () => {
  const wrong = new WrongCredentials(1, () => 0);
  for (let index = 0; index <= 10_000; index++) wrong.count(`10.0.${index >> 8}.${index & 255}`);
  expect(wrong.count('10.0.0.0')).toBe(null);
  expect(wrong.count('10.0.39.16')).toBe(60);
});
