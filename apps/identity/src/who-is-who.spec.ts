import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '#scim';
import {
  anySettings,
  directoriesOf,
  muddled,
  play,
  settings,
  tellable,
  type Step,
} from '../../../test/support/user-sequences.js';
import { UserWorld, type User } from '../../../test/support/user-world.js';
import { homeOf } from './identifiers.js';
import type { Directory } from './user.js';

const SOURCES = ['entra', 'okta'] as const;

const ids = (): (() => string) => {
  let count = 0;
  return () => `u${++count}`;
};

/** The same value twice under one name: the rule of keys, in words of its own. */
const shared = (values: readonly (string | null)[]): string[] => {
  const known = values.filter((value) => value !== null);
  return known.filter((value, index) => known.indexOf(value) !== index);
};
const nameOf = ({ resource }: User): string => fold(String(resource.userName));
const bare = (name: string): string => (/^[0-9a-f]{32}./.test(name) ? name.slice(32) : name);
const mailOf = ({ resource }: User): string | null => {
  const first = ((resource.emails ?? []) as { type?: string; value?: string }[]).find(
    ({ type, value }) => type === 'work' && value !== undefined,
  );
  return first ? fold(first.value!) : null;
};

const expectUniqueKeys = (users: readonly User[], directories: readonly Directory[]): void => {
  const isProviderId = new Map(directories.map((one) => [one.id, one.externalIdIsProviderId]));
  const there = users.filter(({ withdrawnFrom }) => withdrawnFrom === null);
  expect(shared(there.map(nameOf)), 'user names').toEqual([]);
  expect(
    shared(users.flatMap(({ signIns }) => signIns.map((signIn) => JSON.stringify(signIn)))),
    'sign-in identities',
  ).toEqual([]);
  expect(
    shared(
      there.map(({ directory, resource }) =>
        directory && isProviderId.get(directory) && resource.externalId
          ? `${directory} ${String(resource.externalId)}`
          : null,
      ),
    ),
    'externalIds',
  ).toEqual([]);
  for (const { directory, resource } of there)
    if (directory === null) expect(resource).not.toHaveProperty('externalId');
};

/** The e-mail of whoever is managed by such a directory is that of nobody else in the tenant. */
const expectUniqueLoginNames = (users: readonly User[], directories: readonly Directory[]): void => {
  const isLoginName = new Set(directories.flatMap(({ id, emailIsLoginName }) => (emailIsLoginName ? [id] : [])));
  for (const user of users.filter(({ directory }) => directory !== null && isLoginName.has(directory))) {
    const mail = mailOf(user);
    if (mail !== null)
      expect(
        users.filter((other) => other.withdrawnFrom === null && mailOf(other) === mail).map(({ id }) => id),
        `login name ${mail}`,
      ).toEqual([user.id]);
  }
};

/** Nothing but a taken name, or a switch, keeps its own directory from archiving somebody. */
const expectLeaversOut = ({ action, command, before, sender, result: { outcome } }: Step): void => {
  const isLeaving = action.what === 'deactivate' || action.what === 'tombstone';
  if (!isLeaving || before.get(command.userId)?.directory !== sender) return;
  if (outcome.status === 'rejected')
    expect(outcome.detail).toMatch(/^userName |^The setting (deactivate|update)Users /);
};

/** A new user is made only when nobody who is there could be the person. */
const expectNobodyMeant = ({ action, before, sender }: Step, directories: readonly Directory[]): void => {
  const isProviderId = directories.find(({ id }) => id === sender)?.externalIdIsProviderId === true;
  const isSignIn = action.what === 'signIn';
  const users = [...before.values()];
  const identity = JSON.stringify({ directory: sender, loginType: action.loginType, providerId: action.providerId });
  const meant = users.filter((user) => {
    const sameId = isSignIn
      ? user.signIns.some((signIn) => JSON.stringify(signIn) === identity)
      : isProviderId &&
        homeOf(user) === sender &&
        action.externalId !== null &&
        user.resource.externalId === action.externalId;
    const sameName = bare(nameOf(user)) === fold(action.userName) || nameOf(user) === fold(action.userName);
    return sameId || sameName;
  });
  expect(
    meant.map(({ id }) => id),
    `${action.what} of ${action.userName}`,
  ).toEqual([]);
  const byMailAtAll = users.filter((user) => action.email !== null && mailOf(user) === fold(action.email));
  const there = byMailAtAll.filter(({ withdrawnFrom }) => withdrawnFrom === null);
  // A user who is there goes before one whom a directory has deleted.
  const byMail = there.length > 0 ? there : byMailAtAll;
  const others = byMail.filter((user) => {
    const isUndone = user.refused.length > 0;
    const isToldApart = isSignIn
      ? user.signIns.some(({ directory, loginType }) => directory === sender && loginType === action.loginType)
      : homeOf(user) === sender &&
        !user.awaited &&
        (isProviderId
          ? 'externalId' in user.resource === (action.externalId !== null)
          : // Archived, with the same externalId and the same e-mail: that is who is meant.
            user.resource.active !== false ||
            action.externalId === null ||
            user.resource.externalId !== action.externalId);
    return !isUndone && !isToldApart;
  });
  expect(
    others.map(({ id }) => id),
    `${action.what} with ${action.email}`,
  ).toEqual([]);
};

describe('random sequences from two directories and a sign-in source', () => {
  it('people who can be told apart: never two users for one, never one user for two', () => {
    const reached = { linked: 0, back: 0, signedIn: 0 };
    fc.assert(
      fc.property(tellable, settings, (sequence, chosen) => {
        const directories = directoriesOf(SOURCES, chosen);
        const world = new UserWorld(directories);
        const owner = new Map<string, number>();
        for (const step of play(world, SOURCES, sequence, ids())) {
          const { action, before, result } = step;
          if (result.userId) {
            expect(owner.get(result.userId) ?? action.person, 'the person behind a user').toBe(action.person);
            owner.set(result.userId, action.person);
          }
          for (const { type } of result.events) {
            if (type === 'UserLinked' && action.what === 'create')
              reached[before.get(result.userId!)!.directory ? 'back' : 'linked']++;
            if (type === 'UserSignedIn' && before.has(result.userId!)) reached.signedIn++;
          }
        }
        // After every step would be slower by the length of the sequence and find the same: a prefix is a sequence too.
        const people = [...world.users.keys()].map((id) => owner.get(id)!);
        expect(new Set(people).size, 'as many users as people').toBe(people.length);
        expectUniqueKeys([...world.users.values()], directories);
      }),
      { numRuns: 1_500 },
    );
    for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(100);
  });

  it('people who share names, e-mails and ids: keys stay unique, and nobody new is made of somebody known', () => {
    let created = 0;
    fc.assert(
      fc.property(muddled, anySettings, (sequence, chosen) => {
        const directories = directoriesOf(SOURCES, chosen);
        const world = new UserWorld(directories);
        for (const step of play(world, SOURCES, sequence, ids())) {
          expectLeaversOut(step);
          if (step.result.events.some(({ type }) => type === 'UserCreated')) {
            created++;
            expectNobodyMeant(step, directories);
          }
        }
        expectUniqueKeys([...world.users.values()], directories);
        expectUniqueLoginNames([...world.users.values()], directories);
      }),
      { numRuns: 1_500 },
    );
    expect(created).toBeGreaterThan(2_000);
  });
});
