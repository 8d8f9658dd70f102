import { describe, expect, it } from 'vitest';
import type { Matching, SignIn } from '#contracts';
import type { Json } from '#scim';
import {
  keysOf,
  match,
  MAX_EMAIL_BEARERS,
  signInKey,
  upnOf,
  withoutTombstone,
  type BearersOf,
  type Candidate,
  type Person,
} from './matching.js';

const DIGITS = '0123456789abcdef'.repeat(2);
const oidc = (providerId: string, directory = 'entra'): SignIn => ({ directory, loginType: 'oidc', providerId });
const saml = (providerId: string): SignIn => ({ directory: 'entra', loginType: 'saml', providerId });

/** Somebody who is there already: managed by Entra, unless it says otherwise. */
const user = (
  id: string,
  userName: string,
  rest: Partial<Candidate> & { email?: string; externalId?: string; active?: boolean; roles?: Json } = {},
): Candidate => {
  const { email, externalId, active = true, roles, ...others } = rest;
  return {
    id,
    directory: 'entra',
    signIns: [],
    awaited: false,
    refused: [],
    ...others,
    resource: {
      userName,
      active,
      ...(email === undefined ? {} : { emails: [{ type: 'work', value: email }] }),
      ...(externalId === undefined ? {} : { externalId }),
      ...(roles === undefined ? {} : { roles }),
    },
  };
};
/** A person whom Entra sends with a POST. */
const sent = (userName: string, rest: Partial<Person> = {}): Person => ({
  userId: 'new',
  directory: 'entra',
  signIn: null,
  externalId: null,
  userName,
  upn: userName,
  email: null,
  ...rest,
});
/** A person who signs in through Entra. */
const signs = (signIn: SignIn, upn: string, email: string | null = null): Person => ({
  ...sent(upn, { email }),
  signIn,
  directory: signIn.directory,
});

const nobody = { directory: null };
const admin = { roles: [{ value: 'Admin' }] };
const archived = { active: false };
const matched = (rule: Matching['rule'], ...candidates: string[]): Matching => ({
  rule,
  candidates,
  result: rule === 'create' ? 'new' : candidates[0]!,
});

type Row = readonly [
  rule: string,
  given: readonly Candidate[],
  when: Person,
  then: Matching | readonly [code: string, detail: RegExp],
];

const ROWS: readonly Row[] = [
  // SCIM first.
  ['nobody is known: create', [], sent('ada', { externalId: 'e1', email: 'm@x' }), matched('create')],
  [
    'others are known: create',
    [user('a', 'bob', { externalId: 'e2', email: 'b@x' })],
    sent('ada', { externalId: 'e1', email: 'm@x' }),
    matched('create'),
  ],
  [
    'this directory manages the externalId',
    [user('a', 'ada', { externalId: 'e1' })],
    sent('renamed', { externalId: 'e1' }),
    ['uniqueness', /externalId e1 .* a, .*this directory/],
  ],
  [
    'this directory manages the UPN',
    [user('a', 'Ada')],
    sent('aDA'),
    ['uniqueness', /userName aDA .* a, .*this directory/],
  ],
  [
    'this directory manages the e-mail: it tells two people apart',
    [user('a', 'ada', { email: 'm@x' })],
    sent('bob', { email: 'M@x' }),
    matched('create', 'a'),
  ],
  [
    'a blank externalId tells as little as none',
    [user('a', 'ada', { ...archived, email: 'm@x', externalId: ' ' })],
    sent('bob', { email: 'm@x' }),
    matched('create', 'a'),
  ],
  [
    'the same by externalIds',
    [user('a', 'ada', { email: 'm@x', externalId: 'e1' })],
    sent('bob', { email: 'm@x', externalId: 'e2' }),
    matched('create', 'a'),
  ],
  [
    'an externalId beside none tells nobody apart',
    [user('a', 'ada', { email: 'm@x' })],
    sent('bob', { email: 'm@x', externalId: 'e2' }),
    ['uniqueness', /m@x .* a, .*this directory/],
  ],
  [
    'back by e-mail, where nothing tells apart',
    [user('a', 'ada', { ...archived, email: 'm@x' })],
    sent('bob', { email: 'm@x', externalId: 'e2' }),
    matched('email', 'a'),
  ],
  [
    'another directory manages the UPN',
    [user('a', 'ada', { directory: 'okta' })],
    sent('ada'),
    ['uniqueness', /userName ada .* a, .*"Okta"/],
  ],
  [
    'another directory manages the e-mail',
    [user('a', 'ada', { directory: 'okta', email: 'm@x' })],
    sent('bob', { email: 'M@X' }),
    ['uniqueness', /e-mail M@X .* a, .*"Okta"/],
  ],
  [
    'another directory has the same externalId: it is its own',
    [user('a', 'ada', { directory: 'okta', externalId: 'e1' })],
    sent('bob', { externalId: 'e1' }),
    matched('create'),
  ],
  ['nobody manages the UPN: link', [user('a', 'ada', nobody)], sent('ADA', { externalId: 'e1' }), matched('upn', 'a')],
  [
    'nobody manages the e-mail: link',
    [user('a', 'ada', { ...nobody, email: 'm@x' })],
    sent('bob', { email: 'M@x' }),
    matched('email', 'a'),
  ],
  [
    'provider id goes before UPN',
    [user('a', 'ada', { externalId: 'e1', ...archived }), user('b', 'bob', nobody)],
    sent('bob', { externalId: 'e1' }),
    matched('providerId', 'a'),
  ],
  [
    'UPN goes before e-mail',
    [user('a', 'ada', nobody), user('b', 'bob', { ...nobody, email: 'm@x' })],
    sent('ada', { email: 'm@x' }),
    matched('upn', 'a'),
  ],
  [
    'a name that looks like one of this directory',
    [user('a', 'ada')],
    sent('Ada '),
    ['uniqueness', / a, .*differs only in spaces/],
  ],
  [
    'a name that looks like one of an archived user',
    [user('a', 'ada', archived)],
    sent('ad\u200ba'),
    ['uniqueness', / a, .*differs only/],
  ],
  [
    'a name that looks like one that nobody manages',
    [user('a', 'ada', nobody)],
    sent('ａda'),
    ['uniqueness', / a, .*differs only/],
  ],
  [
    'a name that looks like one of before a soft deletion',
    [user('a', `${DIGITS}ada@x`, archived)],
    sent('ada@x '),
    ['uniqueness', / a, .*differs only/],
  ],
  [
    'the name that was before a soft deletion goes before one that looks like it',
    [user('a', `${DIGITS}ada@x`, archived), user('b', `${DIGITS}ada@\u200bx`, archived)],
    sent('ADA@x'),
    matched('upn', 'a'),
  ],
  [
    'a name that looks like another, at a sign-in',
    [user('a', 'ada')],
    signs(oidc('p1'), 'ada\u00a0'),
    ['uniqueness', / a, .*differs only/],
  ],
  [
    "an e-mail that looks like another is nobody's",
    [user('a', 'ada', { ...nobody, email: 'm@x' })],
    sent('bob', { email: 'm@x\u200b' }),
    matched('create'),
  ],
  [
    'two by e-mail',
    [user('a', 'ada', { ...nobody, email: 'm@x' }), user('b', 'bob', { ...nobody, email: 'm@x' })],
    sent('c', { email: 'm@x' }),
    ['conflict', /m@x .* a, b\. Change the e-mail/],
  ],
  [
    'two by e-mail, one of them of this directory',
    [user('a', 'ada', { email: 'm@x' }), user('b', 'bob', { ...nobody, email: 'm@x' })],
    sent('c', { email: 'm@x' }),
    ['conflict', / a, b\./],
  ],
  [
    'two by e-mail, each of another directory',
    [user('a', 'ada', { directory: 'okta', email: 'm@x' }), user('b', 'bob', { directory: 'ping', email: 'm@x' })],
    sent('c', { email: 'm@x' }),
    ['conflict', / a, b\./],
  ],
  [
    "an e-mail of very many is nobody's",
    Array.from({ length: MAX_EMAIL_BEARERS }, (_, index) =>
      user(`u${index}`, `n${index}`, { ...nobody, email: 'm@x' }),
    ),
    sent('ada', { email: 'm@x' }),
    matched('create'),
  ],
  [
    'a web role that nobody manages, by UPN',
    [user('a', 'ada', { ...nobody, ...admin })],
    sent('ada'),
    ['conflict', /userName ada .* a, .*web role/],
  ],
  [
    'a web role that nobody manages, by e-mail',
    [user('a', 'ada', { ...nobody, ...admin, email: 'm@x' })],
    sent('bob', { email: 'm@x' }),
    ['conflict', /m@x .* a, .*web role/],
  ],
  [
    'a web role of this directory is no obstacle',
    [user('a', 'ada', { ...archived, ...admin })],
    sent('ada'),
    matched('upn', 'a'),
  ],
  [
    'nobody manages the archived: link',
    [user('a', 'ada', { ...nobody, ...archived })],
    sent('ada'),
    matched('upn', 'a'),
  ],
  // Rehire.
  [
    'back with the same externalId',
    [user('a', 'ada', { externalId: 'e1', ...archived })],
    sent('ada', { externalId: 'e1' }),
    matched('providerId', 'a'),
  ],
  [
    'back with the same externalId and another UPN',
    [user('a', 'ada', { externalId: 'e1', ...archived })],
    sent('renamed', { externalId: 'e1' }),
    matched('providerId', 'a'),
  ],
  [
    'back with the same UPN and another externalId',
    [user('a', 'ada', { externalId: 'e1', ...archived })],
    sent('ada', { externalId: 'e2' }),
    matched('upn', 'a'),
  ],
  ['back after a soft deletion, by UPN', [user('a', `${DIGITS}ada@x`, archived)], sent('Ada@x'), matched('upn', 'a')],
  [
    'back after a soft deletion, by externalId',
    [user('a', `${DIGITS}ada@x`, { ...archived, externalId: 'e1' })],
    sent('new@x', { externalId: 'e1' }),
    matched('providerId', 'a'),
  ],
  [
    'back by e-mail alone: somebody else',
    [user('a', 'ada', { ...archived, email: 'm@x' })],
    sent('bob', { email: 'm@x' }),
    matched('create', 'a'),
  ],
  [
    'who bears a name goes before who bore it',
    [user('a', `${DIGITS}ada@x`, archived), user('b', 'ada@x')],
    sent('ada@x'),
    ['uniqueness', / b,/],
  ],
  [
    'two who bore a name',
    [user('a', `${DIGITS}ada@x`, archived), user('b', `${'f'.repeat(32)}ada@x`, archived)],
    sent('ada@x'),
    ['conflict', / a, b\./],
  ],
  [
    'a tombstone that comes first is the person',
    [user('a', 'ada@x', nobody)],
    sent(`${DIGITS}ada@x`, { upn: 'ada@x' }),
    matched('upn', 'a'),
  ],
  [
    'archived in another directory',
    [user('a', 'ada', { directory: 'okta', ...archived })],
    sent('ada'),
    ['uniqueness', /"Okta"/],
  ],
  [
    'transferred here, not sent yet',
    [user('a', 'ada', { awaited: true })],
    sent('ada', { externalId: 'e1' }),
    matched('upn', 'a'),
  ],
  [
    'transferred here, not sent yet, under another UPN: only who was sent is told apart',
    [user('a', 'ada', { awaited: true, email: 'm@x' })],
    sent('bob', { email: 'm@x' }),
    matched('email', 'a'),
  ],
  [
    'taken for another by mistake, undone',
    [user('a', 'ada', { ...nobody, email: 'm@x', refused: ['entra'] })],
    sent('bob', { email: 'm@x' }),
    matched('create'),
  ],
  [
    'undone, but the UPN is the same',
    [user('a', 'ada', { ...nobody, refused: ['entra'] })],
    sent('ada'),
    matched('upn', 'a'),
  ],
  // Sign-in first.
  [
    'signed in before: provider id',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    signs(oidc('p1'), 'renamed', 'new@x'),
    matched('providerId', 'a'),
  ],
  [
    'signed in before, though another bears the UPN',
    [user('a', 'ada', { signIns: [oidc('p1')] }), user('b', 'bob')],
    signs(oidc('p1'), 'bob'),
    matched('providerId', 'a'),
  ],
  [
    'a provider id is compared exactly',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    signs(oidc('P1'), 'bob'),
    matched('create'),
  ],
  [
    'the same provider id at another directory is somebody else',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1', 'okta')] })],
    signs(oidc('p1'), 'bob'),
    matched('create'),
  ],
  ['never signed in: UPN', [user('a', 'ada', { externalId: 'e1' })], signs(oidc('p1'), 'Ada'), matched('upn', 'a')],
  [
    'never signed in: e-mail as last resort',
    [user('a', 'ada', { email: 'm@x' })],
    signs(oidc('p1'), 'bob', 'M@x'),
    matched('email', 'a'),
  ],
  [
    'never signed in: UPN before e-mail',
    [user('a', 'ada'), user('b', 'bob', { email: 'm@x' })],
    signs(oidc('p1'), 'ada', 'm@x'),
    matched('upn', 'a'),
  ],
  [
    'never signed in and unknown: create',
    [user('a', 'ada', { email: 'm@x' })],
    signs(oidc('p1'), 'bob', 'b@x'),
    matched('create'),
  ],
  [
    'a user of another directory signs in here: UPN',
    [user('a', 'ada', { directory: 'okta' })],
    signs(oidc('p1'), 'ada'),
    matched('upn', 'a'),
  ],
  [
    'two by e-mail at a sign-in',
    [user('a', 'ada', { email: 'm@x' }), user('b', 'bob', { directory: 'okta', email: 'm@x' })],
    signs(oidc('p1'), 'c', 'm@x'),
    ['conflict', / a, b\./],
  ],
  [
    'another account of the same kind shares the e-mail: somebody else',
    [user('a', 'ada', { ...nobody, email: 'm@x', signIns: [oidc('p1')] })],
    signs(oidc('p2'), 'bob', 'm@x'),
    matched('create', 'a'),
  ],
  [
    'a new account with the same UPN is the same person',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    signs(oidc('p2'), 'ada'),
    matched('upn', 'a'),
  ],
  [
    'a web role that nobody manages, at a sign-in',
    [user('a', 'ada', { ...nobody, ...admin })],
    signs(oidc('p1'), 'ada'),
    ['conflict', /web role/],
  ],
  [
    'a web role of another directory, at a sign-in',
    [user('a', 'ada', { directory: 'okta', ...admin, email: 'm@x' })],
    signs(oidc('p1'), 'bob', 'm@x'),
    ['conflict', /web role/],
  ],
  [
    "a web role of the sign-in's own directory is found",
    [user('a', 'ada', admin)],
    signs(oidc('p1'), 'ada'),
    matched('upn', 'a'),
  ],
  [
    'a web role gained since the last sign-in, of nobody',
    [user('a', 'ada', { ...nobody, ...admin, signIns: [oidc('p1')] })],
    signs(oidc('p1'), 'ada'),
    ['conflict', /oidc id p1 .* a, .*web role Admin/],
  ],
  [
    'a web role gained since the last sign-in, of another directory',
    [user('a', 'ada', { directory: 'okta', ...admin, signIns: [oidc('p1')] })],
    signs(oidc('p1'), 'ada'),
    ['conflict', /oidc id p1 .* a, .*web role Admin/],
  ],
  [
    "a web role gained since the last sign-in, of the sign-in's own directory",
    [user('a', 'ada', { ...admin, signIns: [oidc('p1')] })],
    signs(oidc('p1'), 'ada'),
    matched('providerId', 'a'),
  ],
  [
    'a role that is no web role is no obstacle',
    [user('a', 'ada', { ...nobody, roles: [{ value: 'Owner', primary: true }] })],
    sent('ada'),
    matched('upn', 'a'),
  ],
  [
    'a web role beside one that is none',
    [user('a', 'ada', { ...nobody, roles: [{ value: 'Owner', primary: true }, { value: 'readonly' }] })],
    sent('ada'),
    ['conflict', /web role ReadOnly/],
  ],
  [
    'an archived user does not sign in: provider id',
    [user('a', 'ada', { ...archived, signIns: [oidc('p1')] })],
    signs(oidc('p1'), 'ada'),
    ['forbidden', / a, .*archived/],
  ],
  [
    'an archived user does not sign in: UPN',
    [user('a', 'ada', archived)],
    signs(oidc('p1'), 'ada'),
    ['forbidden', / a, .*archived/],
  ],
  [
    'a soft-deleted user does not sign in',
    [user('a', `${DIGITS}ada@x`, archived)],
    signs(oidc('p1'), 'ada@x'),
    ['forbidden', / a, .*archived/],
  ],
  [
    'a sign-in that was undone',
    [user('a', 'ada', { email: 'm@x', refused: [signInKey(oidc('p1'))] })],
    signs(oidc('p1'), 'bob', 'm@x'),
    matched('create'),
  ],
  // Change of login type.
  [
    'provider id within the new login type',
    [user('a', 'ada', { signIns: [oidc('p1')] }), user('b', 'bob', { signIns: [saml('p1')] })],
    signs(saml('p1'), 'ada'),
    matched('providerId', 'b'),
  ],
  [
    'the id of the old login type says nothing: UPN',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] }), user('b', 'bob', nobody)],
    signs(saml('p1'), 'bob'),
    matched('upn', 'b'),
  ],
  [
    'change of login type: UPN',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    signs(saml('s1'), 'ada'),
    matched('upn', 'a'),
  ],
  [
    'change of login type: e-mail',
    [user('a', 'ada', { ...nobody, email: 'm@x', signIns: [oidc('p1')] })],
    signs(saml('s1'), 'bob', 'm@x'),
    matched('email', 'a'),
  ],
  [
    'change of login type: create',
    [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    signs(saml('s1'), 'bob', 'm@x'),
    matched('create'),
  ],
];

describe('match: provider id → UPN → e-mail → create', () => {
  it.each(ROWS)('%s', (_rule, given, when, then) => {
    const bearersOf: BearersOf<Candidate> = (kind, value) =>
      given.filter((known) => keysOf(known).some((key) => key.kind === kind && key.value === value));
    const decide = (): Matching => match(when, bearersOf, (id) => id[0]!.toUpperCase() + id.slice(1));
    if ('rule' in then) expect(decide()).toEqual(then);
    else expect(decide).toThrow(expect.objectContaining({ code: then[0], detail: expect.stringMatching(then[1]) }));
  });

  it('has a title of its own for each case', () => {
    expect(new Set(ROWS.map(([rule]) => rule)).size).toBe(ROWS.length);
  });
});

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
