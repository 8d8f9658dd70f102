import { describe, expect, it } from 'vitest';
import type { Json } from '#scim';
import { DIGITS } from '../../../test/support/people.js';
import { upnOf, withoutTombstone } from './identifiers.js';

describe('the name of a soft deletion', () => {
  it.each([
    ['is a tombstone', `${DIGITS}ada@example.org`, false, 'ada@example.org'],
    ['is one in capitals too', `${DIGITS.toUpperCase()}ada@example.org`, false, 'ada@example.org'],
    ['is none of an active user', `${DIGITS}ada@example.org`, true, `${DIGITS}ada@example.org`],
    ['is none of 31 digits', `${DIGITS.slice(1)}zoe@example.org`, false, `${DIGITS.slice(1)}zoe@example.org`],
    ['is none without a UPN behind it', DIGITS, false, DIGITS],
    ['is none when a mere id is longer', `${DIGITS}01234567`, false, `${DIGITS}01234567`],
  ])('%s', (_rule, userName, active, upn) => {
    expect(upnOf({ userName, active })).toBe(upn);
  });

  it('goes from the e-mails of a tombstone, and from no others', () => {
    const emails: Json = [{ type: 'work', value: `${DIGITS}ada@example.org` }, { type: 'home' }];
    const before = { userName: `${DIGITS}ada@example.org`, active: false, emails };
    expect(withoutTombstone(before).emails).toEqual([{ type: 'work', value: 'ada@example.org' }, { type: 'home' }]);
    for (const other of [
      { ...before, active: true },
      { ...before, userName: 'ada' },
    ])
      expect(withoutTombstone(other)).toEqual(other);
  });
});
