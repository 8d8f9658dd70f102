import { expect, it } from 'vitest';
import type { Matching } from '#contracts';
import {
  archived,
  bearersAmong,
  DIGITS,
  nobody,
  oidc,
  saml,
  sent,
  signs,
  tenantWith,
  user,
} from '../../../test/support/people.js';
import { notAdmitted } from './admission.js';
import { signInKey } from './identifiers.js';
import { explained, match, MAX_EMAIL_BEARERS, type Candidate, type Person } from './matching.js';

const matched = (rule: Matching['rule'], ...candidates: string[]): Matching => ({
  rule,
  candidates,
  result: rule === 'create' ? 'new' : candidates[0]!,
});

interface Case {
  readonly given: readonly Candidate[];
  readonly when: Person;
  readonly then: Matching;
}
const CASES: Readonly<Record<string, Case>> = {
  // SCIM first.
  'nobody is known: create': {
    given: [],
    when: sent('ada', { externalId: 'e1', email: 'm@x' }),
    then: matched('create'),
  },
  'others are known: create': {
    given: [user('a', 'bob', { externalId: 'e2', email: 'b@x' })],
    when: sent('ada', { externalId: 'e1', email: 'm@x' }),
    then: matched('create'),
  },
  'this directory manages the e-mail: it tells two people apart': {
    given: [user('a', 'ada', { email: 'm@x' })],
    when: sent('bob', { email: 'M@x' }),
    then: matched('create', 'a'),
  },
  'a blank externalId tells as little as none': {
    given: [user('a', 'ada', { ...archived, email: 'm@x', externalId: ' ' })],
    when: sent('bob', { email: 'm@x' }),
    then: matched('create', 'a'),
  },
  'the same by externalIds': {
    given: [user('a', 'ada', { email: 'm@x', externalId: 'e1' })],
    when: sent('bob', { email: 'm@x', externalId: 'e2' }),
    then: matched('create', 'a'),
  },
  'back by e-mail, where nothing tells apart': {
    given: [user('a', 'ada', { ...archived, email: 'm@x' })],
    when: sent('bob', { email: 'm@x', externalId: 'e2' }),
    then: matched('email', 'a'),
  },
  'another directory has the same externalId: it is its own': {
    given: [user('a', 'ada', { directory: 'okta', externalId: 'e1' })],
    when: sent('bob', { externalId: 'e1' }),
    then: matched('create'),
  },
  'nobody manages the UPN: link': {
    given: [user('a', 'ada', nobody)],
    when: sent('ADA', { externalId: 'e1' }),
    then: matched('upn', 'a'),
  },
  'nobody manages the e-mail: link': {
    given: [user('a', 'ada', { ...nobody, email: 'm@x' })],
    when: sent('bob', { email: 'M@x' }),
    then: matched('email', 'a'),
  },
  'provider id goes before UPN': {
    given: [user('a', 'ada', { externalId: 'e1', ...archived }), user('b', 'bob', nobody)],
    when: sent('bob', { externalId: 'e1' }),
    then: matched('providerId', 'a'),
  },
  'UPN goes before e-mail': {
    given: [user('a', 'ada', nobody), user('b', 'bob', { ...nobody, email: 'm@x' })],
    when: sent('ada', { email: 'm@x' }),
    then: matched('upn', 'a'),
  },
  'the name that was before a soft deletion goes before one that looks like it': {
    given: [user('a', `${DIGITS}ada@x`, archived), user('b', `${DIGITS}ada@\u200bx`, archived)],
    when: sent('ADA@x'),
    then: matched('upn', 'a'),
  },
  "an e-mail that looks like another is nobody's": {
    given: [user('a', 'ada', { ...nobody, email: 'm@x' })],
    when: sent('bob', { email: 'm@x\u200b' }),
    then: matched('create'),
  },
  "an e-mail of very many is nobody's": {
    given: Array.from({ length: MAX_EMAIL_BEARERS }, (_, index) =>
      user(`u${index}`, `n${index}`, { ...nobody, email: 'm@x' }),
    ),
    when: sent('ada', { email: 'm@x' }),
    then: matched('create'),
  },
  // Rehire.
  'back with the same externalId': {
    given: [user('a', 'ada', { externalId: 'e1', ...archived })],
    when: sent('ada', { externalId: 'e1' }),
    then: matched('providerId', 'a'),
  },
  'back with the same externalId and another UPN': {
    given: [user('a', 'ada', { externalId: 'e1', ...archived })],
    when: sent('renamed', { externalId: 'e1' }),
    then: matched('providerId', 'a'),
  },
  'back with the same UPN and another externalId': {
    given: [user('a', 'ada', { externalId: 'e1', ...archived })],
    when: sent('ada', { externalId: 'e2' }),
    then: matched('upn', 'a'),
  },
  'back after a soft deletion, by UPN': {
    given: [user('a', `${DIGITS}ada@x`, archived)],
    when: sent('Ada@x'),
    then: matched('upn', 'a'),
  },
  'back after a soft deletion, by externalId': {
    given: [user('a', `${DIGITS}ada@x`, { ...archived, externalId: 'e1' })],
    when: sent('new@x', { externalId: 'e1' }),
    then: matched('providerId', 'a'),
  },
  'back by e-mail alone: somebody else': {
    given: [user('a', 'ada', { ...archived, email: 'm@x' })],
    when: sent('bob', { email: 'm@x' }),
    then: matched('create', 'a'),
  },
  // The externalId is no id of the provider: two may share it, and it is given again.
  'an externalId that proves nothing: the archived user who has it is somebody else': {
    given: [user('a', 'ada', { externalId: 'nick', email: 'a@x', ...archived })],
    when: sent('bob', { externalId: 'nick', email: 'b@x', externalIdIsProviderId: false }),
    then: matched('create'),
  },
  'the same of an active user': {
    given: [user('a', 'ada', { externalId: 'nick' })],
    when: sent('bob', { externalId: 'nick', externalIdIsProviderId: false }),
    then: matched('create'),
  },
  'an externalId that proves nothing, but the UPN agrees: back': {
    given: [user('a', 'ada', { externalId: 'nick', ...archived })],
    when: sent('ada', { externalId: 'nick', externalIdIsProviderId: false }),
    then: matched('upn', 'a'),
  },
  'an externalId that proves nothing, but the e-mail agrees: back': {
    given: [user('a', 'ada', { externalId: 'nick', email: 'm@x', ...archived }), user('b', 'cleo', { email: 'm@x' })],
    when: sent('bob', { externalId: 'nick', email: 'M@x', externalIdIsProviderId: false }),
    then: matched('email', 'a'),
  },
  'both agree, but with an active user: two who share a mailbox': {
    given: [user('a', 'ada', { externalId: 'nick', email: 'm@x' })],
    when: sent('bob', { externalId: 'nick', email: 'm@x', externalIdIsProviderId: false }),
    then: matched('create', 'a'),
  },
  'the e-mail of an archived user with another externalId that proves nothing: names tell them apart': {
    given: [user('a', 'ada', { email: 'm@x', ...archived })],
    when: sent('bob', { externalId: 'nick', email: 'm@x', externalIdIsProviderId: false }),
    then: matched('create', 'a'),
  },
  'a tombstone that comes first is the person': {
    given: [user('a', 'ada@x', nobody)],
    when: sent(`${DIGITS}ada@x`, { upn: 'ada@x' }),
    then: matched('upn', 'a'),
  },
  'transferred here, not sent yet, under another UPN: only who was sent is told apart': {
    given: [user('a', 'ada', { awaited: true, email: 'm@x' })],
    when: sent('bob', { email: 'm@x' }),
    then: matched('email', 'a'),
  },
  'taken for another by mistake, undone': {
    given: [user('a', 'ada', { ...nobody, email: 'm@x', refused: ['entra'] })],
    when: sent('bob', { email: 'm@x' }),
    then: matched('create'),
  },
  'undone, but the UPN is the same': {
    given: [user('a', 'ada', { ...nobody, refused: ['entra'] })],
    when: sent('ada'),
    then: matched('upn', 'a'),
  },
  // Sign-in first.
  'signed in before: provider id': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    when: signs(oidc('p1'), 'renamed', 'new@x'),
    then: matched('providerId', 'a'),
  },
  'signed in before, though another bears the UPN': {
    given: [user('a', 'ada', { signIns: [oidc('p1')] }), user('b', 'bob')],
    when: signs(oidc('p1'), 'bob'),
    then: matched('providerId', 'a'),
  },
  'a provider id is compared exactly': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    when: signs(oidc('P1'), 'bob'),
    then: matched('create'),
  },
  'the same provider id at another directory is somebody else': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1', 'okta')] })],
    when: signs(oidc('p1'), 'bob'),
    then: matched('create'),
  },
  'never signed in: UPN': {
    given: [user('a', 'ada', { externalId: 'e1' })],
    when: signs(oidc('p1'), 'Ada'),
    then: matched('upn', 'a'),
  },
  'never signed in: e-mail as last resort': {
    given: [user('a', 'ada', { email: 'm@x' })],
    when: signs(oidc('p1'), 'bob', 'M@x'),
    then: matched('email', 'a'),
  },
  'never signed in: UPN before e-mail': {
    given: [user('a', 'ada'), user('b', 'bob', { email: 'm@x' })],
    when: signs(oidc('p1'), 'ada', 'm@x'),
    then: matched('upn', 'a'),
  },
  'never signed in and unknown: create': {
    given: [user('a', 'ada', { email: 'm@x' })],
    when: signs(oidc('p1'), 'bob', 'b@x'),
    then: matched('create'),
  },
  'a user of another directory signs in here: UPN': {
    given: [user('a', 'ada', { directory: 'okta' })],
    when: signs(oidc('p1'), 'ada'),
    then: matched('upn', 'a'),
  },
  'another account of the same kind shares the e-mail: somebody else': {
    given: [user('a', 'ada', { ...nobody, email: 'm@x', signIns: [oidc('p1')] })],
    when: signs(oidc('p2'), 'bob', 'm@x'),
    then: matched('create', 'a'),
  },
  'a new account with the same UPN is the same person': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    when: signs(oidc('p2'), 'ada'),
    then: matched('upn', 'a'),
  },
  'a sign-in that was undone': {
    given: [user('a', 'ada', { email: 'm@x', refused: [signInKey(oidc('p1'))] })],
    when: signs(oidc('p1'), 'bob', 'm@x'),
    then: matched('create'),
  },
  // Change of login type.
  'provider id within the new login type': {
    given: [user('a', 'ada', { signIns: [oidc('p1')] }), user('b', 'bob', { signIns: [saml('p1')] })],
    when: signs(saml('p1'), 'ada'),
    then: matched('providerId', 'b'),
  },
  'the id of the old login type says nothing: UPN': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] }), user('b', 'bob', nobody)],
    when: signs(saml('p1'), 'bob'),
    then: matched('upn', 'b'),
  },
  'change of login type: UPN': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    when: signs(saml('s1'), 'ada'),
    then: matched('upn', 'a'),
  },
  'change of login type: e-mail': {
    given: [user('a', 'ada', { ...nobody, email: 'm@x', signIns: [oidc('p1')] })],
    when: signs(saml('s1'), 'bob', 'm@x'),
    then: matched('email', 'a'),
  },
  'change of login type: create': {
    given: [user('a', 'ada', { ...nobody, signIns: [oidc('p1')] })],
    when: signs(saml('s1'), 'bob', 'm@x'),
    then: matched('create'),
  },
};

it.each(Object.entries(CASES))('provider id → UPN → e-mail → create: %s', (_rule, { given, when, then }) => {
  const found = match(when, bearersAmong(given));
  expect(explained(found, when.userId)).toEqual(then);
  expect(notAdmitted(when, found, tenantWith('x'))).toBeNull();
});
