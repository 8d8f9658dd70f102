import { expect, it } from 'vitest';
import type { UserCommand } from '#contracts';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';

const person = (userName: string, externalId?: string, email = `${userName}@x`) => ({
  userName,
  active: true,
  ...(externalId === undefined ? {} : { externalId }),
  emails: [{ type: 'work', value: email }],
});
const create = (userId: string, resource: ReturnType<typeof person>): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource,
});
const patch = (userId: string, path: string, value: string): UserCommand => ({
  type: 'PatchUser',
  userId,
  operations: [{ op: 'replace', path, value }],
  ifMatch: null,
});
const signIn = (userId: string, providerId: string, upn: string, email: string | null = null): UserCommand => ({
  type: 'RecordSignIn',
  userId,
  loginType: 'oidc',
  providerId,
  upn,
  email,
  displayName: null,
});

/** Ada and Bob, whom the old identity provider of `d` sent with the ids 1 and 2; Ada has signed in. Then `d` moved. */
const moved = (): UserWorld => {
  const before = new UserWorld([directory('d')]);
  const happened = [
    before.send('d', create('ada', person('ada', '1'))),
    before.send('d', create('bob', person('bob', '2'))),
    before.send('d', signIn('x', 'p1', 'ada')),
  ].map((decided) => accepted(decided as never) as { userId: string; events: never[] });
  const now = new UserWorld([directory('d', { version: 7, movedVersion: 7 })]);
  for (const { userId, events } of happened) now.apply(userId, events);
  return now;
};
const events = (world: UserWorld, command: UserCommand) => accepted(world.decide('d', command)).events;

it('an id of the old identity provider says nothing of whom the new one means', () => {
  const world = moved();
  expect(events(world, create('new', person('cleo', '1')))).toMatchObject([
    { type: 'UserCreated', matching: { rule: 'create', result: 'new' } },
  ]);
  expect(events(world, signIn('new', 'p1', 'cleo'))).toMatchObject([
    { type: 'UserCreated', matching: { rule: 'create', result: 'new' } },
    { type: 'UserSignedIn', movedVersion: 7 },
  ]);
});

it('people are found again by UPN, then by e-mail, and keep their ids', () => {
  const world = moved();
  expect(events(world, create('new', person('ADA', 'okta-1')))).toEqual([
    expect.objectContaining({
      type: 'UserLinked',
      movedVersion: 7,
      matching: { rule: 'upn', candidates: ['ada'], result: 'ada' },
      changes: expect.objectContaining({ externalId: 'okta-1' }),
    }),
  ]);
  expect(events(world, create('new', person('robert', 'okta-2', 'BOB@x')))).toMatchObject([
    { type: 'UserLinked', matching: { rule: 'email', candidates: ['bob'], result: 'bob' } },
  ]);
  expect(events(world, signIn('new', 'okta-p', 'ada'))).toMatchObject([
    { type: 'UserSignedIn', matching: { rule: 'upn', result: 'ada' } },
  ]);
});

it('the first write of the new one takes the id of the old one away, and is what the user is known by from then on', () => {
  const world = moved();
  const [changed] = events(world, patch('ada', 'title', 'Countess'));
  expect(changed).toMatchObject({ type: 'UserChanged', changes: { title: 'Countess', externalId: null } });
  accepted(world.send('d', patch('ada', 'externalId', '1')));
  expect(world.users.get('ada')).toMatchObject({ resource: { externalId: '1' }, awaited: false, movedVersion: 7 });
  expect(refused(world.decide('d', create('new', person('cleo', '1')))).code).toBe('uniqueness');
  expect(refused(world.decide('d', create('new', person('ada', '9')))).code).toBe('uniqueness');
});

it('an id that the old one gave to somebody else is free for the new one, also for a user who keeps the same one', () => {
  const world = moved();
  accepted(world.send('d', patch('bob', 'externalId', '1')));
  // Ada is still known by the 1 of the old one, which is void: another user has it now.
  expect(refused(world.decide('d', patch('ada', 'externalId', '1'))).code).toBe('uniqueness');
  expect(accepted(world.decide('d', patch('ada', 'externalId', '2'))).events).toHaveLength(1);
});

it('a sign-in of the new one has an identity of its own, and an administrator undoes that of each', () => {
  const world = moved();
  accepted(world.send('d', signIn('new', 'p1', 'ada')));
  const unlink: UserCommand = {
    type: 'UnlinkUser',
    userId: 'ada',
    signIn: { directory: 'd', loginType: 'oidc', providerId: 'p1' },
  };
  expect(accepted(world.send(null, unlink)).events).toEqual([
    { type: 'SignInUnlinked', directory: 'd', loginType: 'oidc', providerId: 'p1', directoryVersion: 7 },
    {
      type: 'SignInUnlinked',
      directory: 'd',
      loginType: 'oidc',
      providerId: 'p1',
      directoryVersion: 7,
      movedVersion: 7,
    },
  ]);
  expect(world.users.get('ada')!.signIns).toEqual([]);
});

it('after a second move all begins anew', () => {
  const world = moved();
  accepted(world.send('d', create('new', person('ada', 'okta-1'))));
  const again = new UserWorld([directory('d', { version: 9, movedVersion: 9 })]);
  for (const [id, user] of world.users) again.users.set(id, user);
  expect(accepted(again.decide('d', create('new', person('cleo', 'okta-1')))).events).toMatchObject([
    { type: 'UserCreated' },
  ]);
});

it('a directory that never moved writes nothing of moves', () => {
  const world = new UserWorld([directory('d')]);
  const [made] = accepted(world.send('d', create('ada', person('ada', '1')))).events;
  expect(made).not.toHaveProperty('movedVersion');
});
