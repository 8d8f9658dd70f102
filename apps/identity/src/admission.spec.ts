import { describe, expect, it } from 'vitest';
import type { MatchingRule } from '#contracts';
import { isRejection, type RejectionCode, type Resource } from '#scim';
import {
  admin,
  archived,
  bearersAmong,
  DIGITS,
  nobody,
  oidc,
  sent,
  signs,
  tenantWith,
  user,
} from '../../../test/support/people.js';
import { anUnlinkGivesNoAccess, notAdmitted, silenceGivesNoAccess, writable } from './admission.js';
import { match, type Candidate, type Person } from './matching.js';

/** The result of matching in the same case: it finds, whether or not anybody is admitted. */
interface Found {
  readonly rule: MatchingRule;
  readonly candidates: readonly string[];
  readonly result: string | null;
}
const clear = (rule: MatchingRule, id: string): Found => ({ rule, candidates: [id], result: id });
const unclear = (rule: MatchingRule, ...candidates: string[]): Found => ({ rule, candidates, result: null });

interface Case {
  readonly given: readonly Candidate[];
  readonly when: Person;
  readonly found: Found;
}
interface Refused extends Case {
  readonly then: RejectionCode;
  readonly because: RegExp;
}

const REFUSED: Readonly<Record<string, Readonly<Record<string, Refused>>>> = {
  'a user who is here already is not created again': {
    'this directory manages the externalId': {
      given: [user('a', 'ada', { externalId: 'e1' })],
      when: sent('renamed', { externalId: 'e1' }),
      found: clear('providerId', 'a'),
      then: 'uniqueness',
      because: /externalId e1 .* a, .*this directory/,
    },
    'this directory manages the UPN': {
      given: [user('a', 'Ada')],
      when: sent('aDA'),
      found: clear('upn', 'a'),
      then: 'uniqueness',
      because: /userName aDA .* a, .*this directory/,
    },
    'an externalId beside none tells nobody apart': {
      given: [user('a', 'ada', { email: 'm@x' })],
      when: sent('bob', { email: 'm@x', externalId: 'e2' }),
      found: clear('email', 'a'),
      then: 'uniqueness',
      because: /m@x .* a, .*this directory/,
    },
    'who bears a name goes before who bore it': {
      given: [user('a', `${DIGITS}ada@x`, archived), user('b', 'ada@x')],
      when: sent('ada@x'),
      found: clear('upn', 'b'),
      then: 'uniqueness',
      because: / b,/,
    },
  },
  'another directory keeps its user': {
    'another directory manages the UPN': {
      given: [user('a', 'ada', { directory: 'okta' })],
      when: sent('ada'),
      found: clear('upn', 'a'),
      then: 'uniqueness',
      because: /userName ada .* a, .*"Okta"/,
    },
    'another directory manages the e-mail': {
      given: [user('a', 'ada', { directory: 'okta', email: 'm@x' })],
      when: sent('bob', { email: 'M@X' }),
      found: clear('email', 'a'),
      then: 'uniqueness',
      because: /e-mail M@X .* a, .*"Okta"/,
    },
    'archived in another directory': {
      given: [user('a', 'ada', { directory: 'okta', ...archived })],
      when: sent('ada'),
      found: clear('upn', 'a'),
      then: 'uniqueness',
      because: /"Okta"/,
    },
  },
  "a name that only looks the same is nobody's": {
    'a name that looks like one of this directory': {
      given: [user('a', 'ada')],
      when: sent('Ada '),
      found: unclear('upn', 'a'),
      then: 'uniqueness',
      because: / a, .*differs only in spaces/,
    },
    'a name that looks like one of an archived user': {
      given: [user('a', 'ada', archived)],
      when: sent('ad\u200ba'),
      found: unclear('upn', 'a'),
      then: 'uniqueness',
      because: / a, .*differs only/,
    },
    'a name that looks like one that nobody manages': {
      given: [user('a', 'ada', nobody)],
      when: sent('ａda'),
      found: unclear('upn', 'a'),
      then: 'uniqueness',
      because: / a, .*differs only/,
    },
    'a name that looks like one of before a soft deletion': {
      given: [user('a', `${DIGITS}ada@x`, archived)],
      when: sent('ada@x '),
      found: unclear('upn', 'a'),
      then: 'uniqueness',
      because: / a, .*differs only/,
    },
    'a name that looks like another, at a sign-in': {
      given: [user('a', 'ada')],
      when: signs(oidc('p1'), 'ada\u00a0'),
      found: unclear('upn', 'a'),
      then: 'uniqueness',
      because: / a, .*differs only/,
    },
  },
  'one of several is nobody': {
    'two by e-mail': {
      given: [user('a', 'ada', { ...nobody, email: 'm@x' }), user('b', 'bob', { ...nobody, email: 'm@x' })],
      when: sent('c', { email: 'm@x' }),
      found: unclear('email', 'a', 'b'),
      then: 'conflict',
      because: /m@x .* a, b\. Change the e-mail/,
    },
    'two by e-mail, one of them of this directory': {
      given: [user('a', 'ada', { email: 'm@x' }), user('b', 'bob', { ...nobody, email: 'm@x' })],
      when: sent('c', { email: 'm@x' }),
      found: unclear('email', 'a', 'b'),
      then: 'conflict',
      because: / a, b\./,
    },
    'two by e-mail, each of another directory': {
      given: [
        user('a', 'ada', { directory: 'okta', email: 'm@x' }),
        user('b', 'bob', { directory: 'ping', email: 'm@x' }),
      ],
      when: sent('c', { email: 'm@x' }),
      found: unclear('email', 'a', 'b'),
      then: 'conflict',
      because: / a, b\./,
    },
    'two who bore a name': {
      given: [user('a', `${DIGITS}ada@x`, archived), user('b', `${'f'.repeat(32)}ada@x`, archived)],
      when: sent('ada@x'),
      found: unclear('upn', 'a', 'b'),
      then: 'conflict',
      because: / a, b\./,
    },
    'two by e-mail at a sign-in': {
      given: [user('a', 'ada', { email: 'm@x' }), user('b', 'bob', { directory: 'okta', email: 'm@x' })],
      when: signs(oidc('p1'), 'c', 'm@x'),
      found: unclear('email', 'a', 'b'),
      then: 'conflict',
      because: / a, b\./,
    },
  },
  'a web role stays with the directory that manages the user': {
    'a web role that nobody manages, by UPN': {
      given: [user('a', 'ada', { ...nobody, ...admin })],
      when: sent('ada'),
      found: clear('upn', 'a'),
      then: 'conflict',
      because: /userName ada .* a, .*web role/,
    },
    'a web role that nobody manages, by e-mail': {
      given: [user('a', 'ada', { ...nobody, ...admin, email: 'm@x' })],
      when: sent('bob', { email: 'm@x' }),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /m@x .* a, .*web role/,
    },
    'a web role that nobody manages, at a sign-in': {
      given: [user('a', 'ada', { ...nobody, ...admin })],
      when: signs(oidc('p1'), 'ada'),
      found: clear('upn', 'a'),
      then: 'conflict',
      because: /web role/,
    },
    'a web role of another directory, at a sign-in': {
      given: [user('a', 'ada', { directory: 'okta', ...admin, email: 'm@x' })],
      when: signs(oidc('p1'), 'bob', 'm@x'),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /web role/,
    },
    'a web role gained since the last sign-in, of nobody': {
      given: [user('a', 'ada', { ...nobody, ...admin, signIns: [oidc('p1')] })],
      when: signs(oidc('p1'), 'ada'),
      found: clear('providerId', 'a'),
      then: 'conflict',
      because: /oidc id p1 .* a, .*web role Admin/,
    },
    'a web role gained since the last sign-in, of another directory': {
      given: [user('a', 'ada', { directory: 'okta', ...admin, signIns: [oidc('p1')] })],
      when: signs(oidc('p1'), 'ada'),
      found: clear('providerId', 'a'),
      then: 'conflict',
      because: /oidc id p1 .* a, .*web role Admin/,
    },
    'a web role beside one that is none': {
      given: [user('a', 'ada', { ...nobody, roles: [{ value: 'Owner', primary: true }, { value: 'readonly' }] })],
      when: sent('ada'),
      found: clear('upn', 'a'),
      then: 'conflict',
      because: /web role ReadOnly/,
    },
  },
  'an e-mail proves nothing where its domain is not verified': {
    'to a directory that has not managed the user': {
      given: [user('a', 'ada', { ...nobody, email: 'm@else' })],
      when: sent('bob', { email: 'M@ELSE' }),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /M@ELSE .* a, .*"else" is no verified domain.*verify the domain.*transfer the user/,
    },
    'at a sign-in': {
      given: [user('a', 'ada', { ...nobody, email: 'm@else' })],
      when: signs(oidc('p1'), 'bob', 'm@else'),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /m@else .* a, .*no verified domain.*verify the domain/,
    },
    'at a sign-in of a user whom another directory manages': {
      given: [user('a', 'ada', { directory: 'okta', email: 'm@else' })],
      when: signs(oidc('p1'), 'bob', 'm@else'),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /no verified domain/,
    },
    'of a domain below or beside a verified one': {
      given: [user('a', 'ada', { ...nobody, email: 'm@x@sub.x' })],
      when: sent('bob', { email: 'm@x@sub.x' }),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /"sub.x" is no verified domain/,
    },
    'without a domain': {
      given: [user('a', 'ada', { ...nobody, email: 'm' })],
      when: sent('bob', { email: 'm' }),
      found: clear('email', 'a'),
      then: 'conflict',
      because: /it has no domain/,
    },
  },
  'an archived user stays out': {
    'by provider id': {
      given: [user('a', 'ada', { ...archived, signIns: [oidc('p1')] })],
      when: signs(oidc('p1'), 'ada'),
      found: clear('providerId', 'a'),
      then: 'forbidden',
      because: / a, .*archived/,
    },
    'by UPN': {
      given: [user('a', 'ada', archived)],
      when: signs(oidc('p1'), 'ada'),
      found: clear('upn', 'a'),
      then: 'forbidden',
      because: / a, .*archived/,
    },
    'after a soft deletion': {
      given: [user('a', `${DIGITS}ada@x`, archived)],
      when: signs(oidc('p1'), 'ada@x'),
      found: clear('upn', 'a'),
      then: 'forbidden',
      because: / a, .*archived/,
    },
  },
};

const ADMITTED: Readonly<Record<string, Case>> = {
  'an e-mail of a verified domain says who somebody is': {
    given: [user('a', 'ada', { ...nobody, email: 'm@x' })],
    when: sent('bob', { email: 'M@X' }),
    found: clear('email', 'a'),
  },
  'an administrator has transferred the user, whatever the domain': {
    given: [user('a', 'ada', { email: 'm@else', awaited: true })],
    when: sent('bob', { email: 'm@else' }),
    found: clear('email', 'a'),
  },
  'a sign-in of a user of its own directory, whatever the domain': {
    given: [user('a', 'ada', { email: 'm@else' })],
    when: signs(oidc('p1'), 'bob', 'm@else'),
    found: clear('email', 'a'),
  },
  'another name is found whatever the domain': {
    given: [user('a', 'ada@else', { ...nobody, email: 'm@else' })],
    when: sent('ada@else', { email: 'm@else' }),
    found: clear('upn', 'a'),
  },
  'a web role of this directory is no obstacle': {
    given: [user('a', 'ada', { ...archived, ...admin })],
    when: sent('ada'),
    found: clear('upn', 'a'),
  },
  'nobody manages the archived: link': {
    given: [user('a', 'ada', { ...nobody, ...archived })],
    when: sent('ada'),
    found: clear('upn', 'a'),
  },
  'transferred here, not sent yet': {
    given: [user('a', 'ada', { awaited: true })],
    when: sent('ada', { externalId: 'e1' }),
    found: clear('upn', 'a'),
  },
  "a web role of the sign-in's own directory is found": {
    given: [user('a', 'ada', admin)],
    when: signs(oidc('p1'), 'ada'),
    found: clear('upn', 'a'),
  },
  "a web role gained since the last sign-in, of the sign-in's own directory": {
    given: [user('a', 'ada', { ...admin, signIns: [oidc('p1')] })],
    when: signs(oidc('p1'), 'ada'),
    found: clear('providerId', 'a'),
  },
  'a role that is no web role is no obstacle': {
    given: [user('a', 'ada', { ...nobody, roles: [{ value: 'Owner', primary: true }] })],
    when: sent('ada'),
    found: clear('upn', 'a'),
  },
};

const foundIn = ({ given, when }: Case): Found => {
  const { rule, candidates, result } = match(when, bearersAmong(given));
  return { rule, candidates: candidates.map(({ id }) => id), result: result && result.id };
};
const refusalOf = ({ given, when }: Case) => notAdmitted(when, match(when, bearersAmong(given)), tenantWith('x'));

describe.each(Object.entries(REFUSED))('%s', (_rule, cases) => {
  it.each(Object.entries(cases))('%s', (_case, refused) => {
    expect(foundIn(refused)).toEqual(refused.found);
    expect(refusalOf(refused)).toMatchObject({ code: refused.then, detail: expect.stringMatching(refused.because) });
  });
});

it.each(Object.entries(ADMITTED))('admits: %s', (_case, admitted) => {
  expect(foundIn(admitted)).toEqual(admitted.found);
  expect(refusalOf(admitted)).toBeNull();
});

describe('a directory writes', () => {
  const offered = { id: 'entra', offerExistingUsers: true };
  const alone = { id: 'entra', offerExistingUsers: false };
  const mine = user('a', 'ada', admin);
  const nobodys = user('a', 'ada', nobody);

  it.each(
    Object.entries({
      'a user that it manages, whatever the role': { given: mine, when: alone },
      'a user of nobody, where it is offered them': { given: nobodys, when: offered },
    }),
  )('%s', (_rule, { given, when }) => {
    expect(writable('a', given, when)).toBe(given);
  });

  it.each(
    Object.entries({
      'no user that is not there': { given: null, when: offered, then: 'notFound' },
      'no user of another directory': {
        given: user('a', 'ada', { directory: 'okta' }),
        when: offered,
        then: 'notFound',
      },
      'no user of nobody, where it is offered none': { given: nobodys, when: alone, then: 'notFound' },
      'no user of nobody who has a web role': {
        given: user('a', 'ada', { ...nobody, ...admin }),
        when: offered,
        then: 'conflict',
      },
    }),
  )('%s', (_rule, { given, when, then }) => {
    const refused = writable('a', given, when);
    expect(isRejection(refused) && refused.code).toBe(then);
  });
});

describe('access is given back by no accident', () => {
  it.each(
    Object.entries<{ given: Resource; when: Resource; then: boolean }>({
      'a PUT without active leaves an archived user archived': { given: { active: false }, when: {}, then: false },
      'a PUT without active leaves an active user active': { given: { active: true }, when: {}, then: true },
      'a PUT may say so': { given: { active: false }, when: { active: true }, then: true },
      'a PUT may take it': { given: { active: true }, when: { active: false }, then: false },
    }),
  )('%s', (_rule, { given, when, then }) => {
    expect(silenceGivesNoAccess({ userName: 'ada', ...when }, { userName: 'bob', ...given })).toEqual({
      userName: 'ada',
      active: then,
    });
  });

  it.each(
    Object.entries({
      'an unlink archives a user who has left since': { before: { active: true }, now: { active: false }, then: false },
      'an unlink lets nobody in who was out before': { before: { active: false }, now: { active: true }, then: false },
      'an unlink leaves an active user active': { before: { active: true }, now: { active: true }, then: true },
    }),
  )('%s', (_rule, { before, now, then }) => {
    expect(anUnlinkGivesNoAccess({ userName: 'ada', ...before }, { userName: 'al', ...now })).toEqual({
      userName: 'ada',
      active: then,
    });
  });
});
