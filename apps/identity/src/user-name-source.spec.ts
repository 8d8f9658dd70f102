import { describe, expect, it } from 'vitest';
import type { UserCommand, UserEvent } from '#contracts';
import { accepted } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import { explanationOf } from './explanation.js';

/** It has the form of a name that a soft deletion at Entra gives. */
const NAME = `${'0123456789abcdef'.repeat(2)}ada@x`;

const create = (userName: string, active = true, userId = 'new'): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource: { userName, active },
});
const world = (userNameSource: 'upn' | 'other'): UserWorld => {
  const of = new UserWorld([directory('d', { userNameSource }), directory('okta')]);
  accepted(of.send('d', create(NAME, false, 'u')));
  return of;
};
const typesOf = (events: readonly UserEvent[]): string[] => events.map(({ type }) => type);

describe('a userName that is the UPN', () => {
  it('is known without what a soft deletion put before it', () => {
    const { userId, events } = accepted(world('upn').send('d', create('ada@x')));
    expect(userId).toBe('u');
    expect(events[0]).toMatchObject({ type: 'UserLinked', matching: { rule: 'upn' } });
  });
});

describe('a userName that is something else', () => {
  it('is taken as it is: a part of it is nobody else’s name', () => {
    for (const sender of ['d', 'okta']) {
      const { userId, events } = accepted(world('other').send(sender, create('ada@x')));
      expect(userId).toBe('new');
      expect(typesOf(events)).toEqual(['UserCreated']);
    }
    const of = new UserWorld([directory('d', { userNameSource: 'other' })]);
    accepted(of.send('d', create('ada@x', false, 'u')));
    expect(accepted(of.send('d', create(NAME, false))).userId).toBe('new');
  });

  it('is explained as it is decided', () => {
    const of = world('other');
    const told = explanationOf(create('ada@x'), of.context('d'), (id) => of.users.get(id) ?? null);
    expect(told).toMatchObject({ rules: [{}, { rule: 'upn', candidates: [] }, {}] });
  });

  it('is what a sign-in is compared with', () => {
    const of = new UserWorld([directory('d', { userNameSource: 'other' })]);
    accepted(of.send('d', create('4711', true, 'u')));
    const signIn = { type: 'RecordSignIn', userId: 'new', loginType: 'oidc', providerId: 'p', email: null } as const;
    const { userId, events } = accepted(of.send('d', { ...signIn, upn: '4711', displayName: null }));
    expect(userId).toBe('u');
    expect(events).toMatchObject([{ type: 'UserSignedIn', matching: { rule: 'upn' } }]);
  });

  it('stays when an administrator restores the user', () => {
    const restore = { type: 'RestoreUser', userId: 'u' } as const;
    const restored = (of: UserWorld): unknown => {
      accepted(of.send(null, restore));
      return of.users.get('u')!.resource.userName;
    };
    expect(restored(world('other'))).toBe(NAME);
    expect(restored(world('upn'))).toBe('ada@x');
  });

  it('is changed by an identity provider that archives quietly nobody, but not lost', () => {
    const of = new UserWorld([directory('d', { userNameSource: 'other', deactivateUsers: false, refusal: 'quiet' })]);
    accepted(of.send('d', create('4711', true, 'u')));
    const operations = [
      { op: 'replace', path: 'userName', value: NAME },
      { op: 'replace', path: 'active', value: false },
    ] as const;
    const { events } = accepted(of.send('d', { type: 'PatchUser', userId: 'u', operations, ifMatch: null }));
    expect(events).toMatchObject([{ type: 'UserChanged', changes: { userName: NAME } }]);
  });
});
