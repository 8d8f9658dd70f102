import { expect, it } from 'vitest';
import { toVersions } from './preconditions.js';

it('reads the versions that a client names', () => {
  expect(toVersions('W/"3"')).toEqual([3]);
  expect(toVersions('W/"3", "4",W/"x"')).toEqual([3, 4, -1]);
  expect([toVersions(undefined), toVersions(' * ')]).toEqual([null, null]);
});

it('takes a hundred versions and no more, however long the text is', () => {
  const tags = (count: number): string => Array.from({ length: count }, (_, index) => `"${index + 1}"`).join(',');
  expect(toVersions(tags(100))).toHaveLength(100);
  for (const many of [tags(101), ','.repeat(8_388_608), `"1"${' '.repeat(5_000)}`]) {
    expect(() => toVersions(many), many.slice(0, 20)).toThrow(/^If-Match must be a list of 100 ETags/);
  }
});
