import { describe, expect, it } from 'vitest';
import { displayedNameOf, type Resource } from '#scim';
import { knownAs, lastSeenOf } from './known-as.js';

const known = (resource: object, ...providerIds: string[]) => ({
  resource: { userName: 'ada@x.org', active: true, ...resource } as Resource,
  signIns: providerIds.map((providerId) => ({ directory: 'd', loginType: 'oidc' as const, providerId })),
});
const mails = (...values: string[]): object => ({ emails: values.map((value) => ({ type: 'work', value })) });
const DIGITS = '0123456789abcdef'.repeat(2);

describe('identifiers that the row of a user does not have', () => {
  it.each([
    {
      rule: 'the name that people see is found from when it comes',
      before: null,
      after: known({ displayName: 'Ada  LOVELACE', externalId: 'e-1', ...mails('ada@x.org') }),
      then: [['displayName', 'ada lovelace']],
    },
    {
      rule: 'another name is added, and the one of before is there already',
      before: known({ displayName: 'Ada Byron' }),
      after: known({ displayName: 'Ada Lovelace' }),
      then: [['displayName', 'ada lovelace']],
    },
    {
      rule: 'who has no display name is found by the parts of the name',
      before: null,
      after: known({ name: { givenName: 'Ada', familyName: 'Lovelace' } }),
      then: [['displayName', 'ada lovelace']],
    },
    {
      rule: 'a change of anything else adds nothing',
      before: known({ displayName: 'Ada', title: 'Countess' }),
      after: known({ displayName: 'Ada', title: 'Analyst' }),
      then: [],
    },
    {
      rule: 'a user name, an e-mail and an externalId are added when they go',
      before: known({ externalId: 'E-1', ...mails('Ada@x.org') }),
      after: known({ userName: 'countess@x.org', externalId: 'E-2', ...mails('countess@x.org') }),
      then: [
        ['userName', 'ada@x.org'],
        ['email', 'ada@x.org'],
        ['externalId', 'E-1'],
      ],
    },
    {
      rule: 'an e-mail besides the first one for work is added when it comes',
      before: known(mails('ada@x.org')),
      after: known({
        emails: [
          { type: 'work', value: 'ada@x.org' },
          { type: 'home', value: 'Ada@home.org' },
        ],
      }),
      then: [['email', 'ada@home.org']],
    },
    {
      rule: 'who has no e-mail for work is found by the others',
      before: null,
      after: known({ emails: [{ value: 'Ada@home.org' }] }),
      then: [['email', 'ada@home.org']],
    },
    {
      rule: 'the same name in other capitals has not gone',
      before: known({}),
      after: known({ userName: 'ADA@x.org' }),
      then: [],
    },
    {
      rule: 'a soft deletion takes the name of before',
      before: known({}),
      after: known({ userName: `${DIGITS}ada@x.org`, active: false }),
      then: [['userName', 'ada@x.org']],
    },
    {
      rule: 'a deleted user is found by all that it had, also the name before its soft deletion',
      before: known(
        { userName: `${DIGITS}ada@x.org`, active: false, displayName: 'Ada', externalId: 'e', ...mails('a@x.org') },
        'p-1',
      ),
      after: null,
      then: [
        ['userName', `${DIGITS}ada@x.org`],
        ['userName', 'ada@x.org'],
        ['email', 'a@x.org'],
        ['externalId', 'e'],
      ],
    },
    {
      rule: 'a sign-in identity is added when it comes',
      before: known({}),
      after: known({}, 'P-1'),
      then: [['providerId', 'P-1']],
    },
  ])('$rule', ({ before, after, then }) => expect(knownAs(before, after)).toEqual(then));

  it('what an index cannot hold is cut or left out, and never half of a character', () => {
    const [[, name]] = knownAs(null, known({ displayName: `${'x'.repeat(399)}😀` })) as [[string, string]];
    expect(name).toBe('x'.repeat(399));
    expect(knownAs(null, known({ displayName: '\u3000' }))).toEqual([]);
    const many = known(mails(...Array.from({ length: 1_000 }, (_, n) => `${n}@x.org`)));
    expect(knownAs(many, known({}))).toHaveLength(20);
    expect(knownAs(known(mails(`${'x'.repeat(2_000)}@x.org`)), known({}))).toEqual([]);
  });
});

it('of a deleted user the name is shown that people saw, and the e-mail for work before others', () => {
  const { resource } = known({
    name: { formatted: 'Ada L.' },
    emails: [{ value: 'home@x.org' }, { type: 'work', value: 'w@x.org' }],
  });
  expect(displayedNameOf(resource)).toBe('Ada L.');
  expect(lastSeenOf({ resource, signIns: [] })).toEqual({
    user_name: 'ada@x.org',
    display_name: 'Ada L.',
    email: 'w@x.org',
    external_id: null,
  });
});
