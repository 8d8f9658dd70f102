import { expect, it } from 'vitest';
import { settingsIn } from './settings.js';

it('tells of the first wrong names alone, and of each its beginning: the answer stays short', () => {
  const detail = (body: unknown): string => {
    try {
      return JSON.stringify(settingsIn(body));
    } catch (error) {
      return (error as Error).message;
    }
  };
  const names = Array.from({ length: 60_000 }, (_, index) => [`k${index}`, true]);
  expect(detail(Object.fromEntries(names))).toMatch(
    /^"k0" is no setting: there are .*"k9" is no setting.*; and 59990 more$/,
  );
  expect(detail({ ['k'.repeat(1_000_000)]: true }).length).toBeLessThan(1_000);
  expect(detail({ offerLocalGroups: 'yes', offerExistingUsers: true })).toBe('offerLocalGroups must be true or false');
});
