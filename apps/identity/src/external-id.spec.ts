import { describe, expect, it } from 'vitest';
import type { UserCommand } from '#contracts';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';

const nick = (userName: string, email = `${userName}@x`) => ({
  userName,
  active: true,
  externalId: 'nick',
  emails: [{ type: 'work', value: email }],
});
const create = (userId: string, resource: ReturnType<typeof nick>): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource,
});
const patch = (userId: string, path: string, value: string | boolean): UserCommand => ({
  type: 'PatchUser',
  userId,
  operations: [{ op: 'replace', path, value }],
  ifMatch: null,
});
/** Ada and Bob, who have one mail nickname, in a directory whose setting is as it is given from now on. */
const shared = (externalIdIsProviderId: boolean): UserWorld => {
  const before = new UserWorld([directory('entra', { externalIdIsProviderId: false })]);
  const events = ['ada', 'bob'].map((name) => accepted(before.send('entra', create(name, nick(name)))));
  const now = new UserWorld([directory('entra', { externalIdIsProviderId, version: 2 })]);
  for (const { userId, events: some } of events) now.apply(userId!, some);
  return now;
};

describe('an externalId that is no id of the provider', () => {
  it('is had by any number of people, by POST, PATCH and PUT', () => {
    const world = shared(false);
    expect(accepted(world.decide('entra', create('cleo', nick('cleo')))).events).toMatchObject([
      { type: 'UserCreated', matching: { rule: 'create', result: 'cleo' } },
    ]);
    accepted(world.send('entra', patch('bob', 'externalId', 'other')));
    expect(accepted(world.decide('entra', patch('bob', 'externalId', 'nick'))).events).toHaveLength(1);
    const put = { type: 'ReplaceUser', userId: 'bob', resource: nick('bob'), ifMatch: null } as const;
    expect(accepted(world.decide('entra', put)).events).toHaveLength(1);
  });

  it('brings an archived user back only with the UPN or the e-mail', () => {
    const world = shared(false);
    accepted(world.send('entra', patch('ada', 'active', false)));
    const who = (resource: ReturnType<typeof nick>) =>
      accepted(world.decide('entra', create('new', resource))).events[0];
    expect(who(nick('dora'))).toMatchObject({ type: 'UserCreated' });
    expect(who(nick('ADA', 'dora@x'))).toMatchObject({ type: 'UserLinked', matching: { rule: 'upn', result: 'ada' } });
    expect(who(nick('dora', 'ada@x'))).toMatchObject({
      type: 'UserLinked',
      matching: { rule: 'email', result: 'ada' },
    });
  });
});

describe('an externalId that becomes the id of the provider while people share it', () => {
  it('is kept by them: their other writes go on', () => {
    expect(accepted(shared(true).decide('entra', patch('bob', 'title', 'Dr'))).events).toHaveLength(1);
    expect(accepted(shared(true).decide('entra', patch('bob', 'externalId', 'nick'))).events).toEqual([]);
  });

  it('is given to nobody else, and says of nobody new who it is', () => {
    const world = shared(true);
    expect(refused(world.decide('entra', create('cleo', nick('cleo'))))).toMatchObject({
      code: 'conflict',
      detail:
        'externalId nick could be any of the users with the ids ada, bob. Change externalId nick at all but one of them.',
    });
    accepted(world.send('entra', patch('bob', 'externalId', 'other')));
    expect(refused(world.decide('entra', patch('bob', 'externalId', 'nick')))).toMatchObject({ code: 'uniqueness' });
  });

  it('belongs to the directory that manages: a user who is given to another one leaves it behind', () => {
    const world = new UserWorld([directory('entra', { externalIdIsProviderId: false }), directory('okta')]);
    for (const name of ['ada', 'bob']) accepted(world.send('entra', create(name, nick(name))));
    accepted(world.send('okta', create('cleo', nick('cleo'))));
    expect(refused(world.decide('okta', create('dora', nick('dora')))).detail).toMatch(
      /externalId nick is taken by .* cleo/,
    );
    accepted(world.send(null, { type: 'TransferUser', userId: 'bob', directoryId: 'okta' }));
    expect(world.users.get('bob')!.resource).not.toHaveProperty('externalId');
    expect(refused(world.decide('okta', patch('bob', 'externalId', 'nick'))).code).toBe('uniqueness');
  });
});
