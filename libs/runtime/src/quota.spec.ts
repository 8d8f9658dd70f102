import { expect, it } from 'vitest';
import { Quota } from './quota.js';

it('lets one key hold so much, and always one thing alone, however large', () => {
  const quota = new Quota({ maxBytesPerKey: 100, maxBytes: 1_000 });
  expect(quota.isFull('a', 500)).toBe(false);
  quota.hold('a', 500);
  expect([quota.isFull('a', 1), quota.isFull('b', 500)]).toEqual([true, false]);
  quota.release('a', 500);
  quota.hold('a', 60);
  expect([quota.isFull('a', 40), quota.isFull('a', 41)]).toEqual([false, true]);
});

it('holds so much for all, of which those above an equal share get no more', () => {
  const quota = new Quota({ maxBytesPerKey: 100, maxBytes: 150 });
  quota.hold('a', 90);
  quota.hold('b', 60);
  quota.hold('c', 5);
  expect([quota.isFull('a', 1), quota.isFull('b', 1), quota.isFull('c', 1), quota.isFull('d', 50)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  quota.release('a', 90);
  expect(quota.isFull('b', 1)).toBe(false);
});
