import { describe, expect, it } from 'vitest';
import type { UserCommand, UserEvent } from '#contracts';
import type { Json, Rejection } from '#scim';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import { explanationOf } from './explanation.js';
import type { Directory } from './user.js';

type Settings = Partial<Directory>;
const SALES = 'title eq "Sales"';
const QUIET = { refusal: 'quiet' } as const;
const person = (title: string | null, rest: Readonly<Record<string, Json>> = {}) => ({
  userName: 'ada@x',
  active: true,
  externalId: 'e-ada',
  ...(title === null ? {} : { title }),
  ...rest,
});
const create = (title: string | null = 'Sales', rest = {}): UserCommand => ({
  type: 'CreateUser',
  userId: 'u',
  resource: person(title, rest),
});
const patch = (...operations: (readonly [path: string, value: string | boolean])[]): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: operations.map(([path, value]) => ({ op: 'replace', path, value })),
  ifMatch: null,
});
const put = (title: string): UserCommand => ({
  type: 'ReplaceUser',
  userId: 'u',
  resource: person(title),
  ifMatch: null,
});
const restore = { type: 'RestoreUser', userId: 'u' } as const;
const archive = { type: 'ArchiveUser', userId: 'u' } as const;

/** The world under these settings, after commands that came before the directory had them. */
const world = (settings: Settings, past: readonly UserCommand[] = [], before: Settings = {}): UserWorld => {
  const first = new UserWorld([directory('entra', before), directory('okta')]);
  const now = new UserWorld([directory('entra', { version: 2, ...settings }), directory('okta')]);
  for (const command of past) {
    const { userId, events } = accepted(first.send('entra', command));
    now.apply(userId!, events);
  }
  return now;
};
const when = (of: UserWorld, command: UserCommand, sender: string | null = 'entra'): UserEvent[] =>
  accepted(of.send(sender, command)).events;
const whenRefused = (of: UserWorld, command: UserCommand): Rejection => refused(of.decide('entra', command));
const typesOf = (events: readonly UserEvent[]): string[] => events.map(({ type }) => type);
const under = { directory: 'entra', directoryVersion: 2 };
const HELD = { reasons: ['scope'], active: true };

describe('a directory with a scope', () => {
  const scoped = { scope: SALES, ...QUIET };

  it('lets in whom the filter matches, in any case that SCIM ignores', () => {
    expect(typesOf(when(world(scoped), create('SALES')))).toEqual(['UserCreated']);
  });

  it.each([['Engineering'], [null]])('keeps whom it does not match (title %s) archived, and says why', (title) => {
    expect(when(world(scoped), create(title))).toMatchObject([
      { type: 'UserCreated', resource: { active: false }, held: HELD, ...under },
      { type: 'UserDeactivated' },
    ]);
  });

  it('changes a user who is out of it, without letting the user in', () => {
    const of = world(scoped);
    when(of, create('Engineering'));
    expect(when(of, patch(['active', true]))).toEqual([]);
    expect(when(of, patch(['displayName', 'Ada']))).toEqual([
      { type: 'UserChanged', changes: { displayName: 'Ada' }, ...under },
    ]);
  });

  it.each([
    ['a PATCH', patch(['title', 'Sales'])],
    ['a PUT', put('Sales')],
    ['another POST', create('Sales')],
  ])('releases a user who comes into it, by %s', (_what, command) => {
    const of = world(scoped);
    when(of, create('Engineering'));
    const [changed, ...rest] = when(of, command);
    expect(changed).toMatchObject({ changes: { title: 'Sales', active: true }, held: null });
    expect(typesOf(rest)).toEqual(['UserReactivated']);
    expect(of.users.get('u')).toMatchObject({ held: null, resource: { active: true } });
  });

  it('releases nobody whom the identity provider has archived meanwhile', () => {
    const of = world(scoped);
    when(of, create('Engineering'));
    when(of, patch(['active', false]));
    expect(when(of, patch(['title', 'Sales']))).toEqual([
      { type: 'UserChanged', changes: { title: 'Sales' }, held: null, ...under },
    ]);
    expect(typesOf(when(of, patch(['active', true])))).toEqual(['UserChanged', 'UserReactivated']);
  });

  it.each([
    ['a PATCH', patch(['title', 'Engineering'])],
    ['a PUT', put('Engineering')],
  ])('archives a user who leaves it, by %s, also where errors are told', (_what, command) => {
    for (const refusal of ['quiet', 'error'] as const) {
      const of = world({ scope: SALES, refusal });
      when(of, create());
      expect(when(of, command)).toEqual([
        { type: 'UserChanged', changes: { title: 'Engineering', active: false }, held: HELD, ...under },
        { type: 'UserDeactivated', ...under },
      ]);
    }
  });

  it('archives whoever leaves it also where the identity provider archives and deletes nobody, and deletes nobody itself', () => {
    const of = world({ ...scoped, deactivateUsers: false, deleteDeactivated: true });
    when(of, create());
    expect(typesOf(when(of, patch(['title', 'Engineering'])))).toEqual(['UserChanged', 'UserDeactivated']);
    const both = world({ ...scoped, deleteDeactivated: true });
    when(both, create());
    expect(typesOf(when(both, patch(['title', 'Engineering'], ['active', false])))).toContain('UserDeleted');
  });

  it('judges users who are there at their next write', () => {
    const out = world(scoped, [create('Engineering')]);
    expect(out.users.get('u')!.resource.active).toBe(true);
    expect(when(out, patch(['active', true]))).toEqual([
      { type: 'UserChanged', changes: { active: false }, held: HELD, ...under },
      { type: 'UserDeactivated', ...under },
    ]);
    const wider = world({}, [create('Engineering')], scoped);
    expect(typesOf(when(wider, patch(['displayName', 'Ada'])))).toEqual(['UserChanged', 'UserReactivated']);
  });

  it('looks at what is stored: at what the mapping made, and at what an administrator has set', () => {
    const mapped = world({ ...scoped, attributeMapping: [{ target: 'title', expression: '"Sales"' }] });
    expect(when(mapped, create('Engineering'))[0]).toMatchObject({ resource: { active: true, title: 'Sales' } });
    const local = world({ ...scoped, localAttributes: ['title'] });
    when(local, create());
    when(local, { type: 'SetAttributes', userId: 'u', changes: { title: 'Engineering' } }, null);
    expect(when(local, patch(['displayName', 'Ada']))).toMatchObject([{ held: HELD }, { type: 'UserDeactivated' }]);
  });

  it('may ask for active: that is what the identity provider says, whoever is held', () => {
    const of = world({ scope: 'active eq true', ...QUIET });
    when(of, create());
    expect(typesOf(when(of, patch(['active', false])))).toEqual(['UserChanged', 'UserDeactivated']);
    expect(when(of, patch(['active', true]))).toMatchObject([{ held: null }, { type: 'UserReactivated' }]);
  });

  it('is another reason beside a switch: the user is released when none is left', () => {
    const of = world({ ...scoped, createUsers: false });
    expect(when(of, create('Engineering'))[0]).toMatchObject({ held: { reasons: ['create', 'scope'], active: true } });
    expect(when(of, patch(['title', 'Sales']))).toMatchObject([{ held: { reasons: ['create'], active: true } }]);
  });

  it('archives whom it links quietly, and links nobody who is out of it where errors are told', () => {
    const ofNobody = (settings: Settings): UserWorld => {
      const of = world({ offerExistingUsers: true, ...settings });
      const resource = { userName: 'ada@x', active: true };
      of.apply('u', [{ type: 'UserCreated', resource, manager: null, matching: null, ...under }]);
      return of;
    };
    for (const command of [create('Engineering'), patch(['title', 'Engineering'])]) {
      expect(typesOf(when(ofNobody(scoped), command))).toEqual(['UserLinked', 'UserDeactivated']);
      expect(whenRefused(ofNobody({ scope: SALES }), command).code).toBe('forbidden');
    }
  });

  it('lets nobody sign in who is held, and judges no other sign-in', () => {
    const signIn = {
      type: 'RecordSignIn',
      userId: 'signed-in',
      loginType: 'oidc',
      providerId: 'p1',
      upn: 'ada@x',
      email: null,
      displayName: null,
    } as const;
    const held = world(scoped);
    when(held, create('Engineering'));
    for (const sender of ['entra', 'okta'])
      expect(refused(held.decide(sender, signIn))).toMatchObject({
        code: 'forbidden',
        detail: expect.stringMatching(/archived/),
      });
    const unsent = world({ ...scoped, createUsers: false });
    expect(typesOf(when(unsent, signIn))).toEqual(['UserCreated', 'UserSignedIn']);
    expect(unsent.users.get('signed-in')).toMatchObject({ directory: null, held: null });
    expect(typesOf(when(unsent, create('Engineering')))).toEqual(['UserLinked', 'UserDeactivated']);
    expect(refused(unsent.decide('entra', signIn)).code).toBe('forbidden');
  });

  it('judges somebody who is transferred to it with the next write', () => {
    const of = world(scoped);
    when(of, create('Engineering'), 'okta');
    when(of, { type: 'TransferUser', userId: 'u', directoryId: 'entra' }, null);
    expect(of.users.get('u')).toMatchObject({ resource: { active: true }, held: null });
    expect(when(of, patch(['displayName', 'Ada']))).toMatchObject([
      { type: 'UserChanged', held: HELD },
      { type: 'UserDeactivated' },
    ]);
  });

  it('is no matter of a deletion, nor of an unlink', () => {
    const of = world(scoped);
    when(of, create('Engineering'));
    expect(typesOf(when(of, { type: 'UnlinkUser', userId: 'u', signIn: null }, null))).toEqual(['UserUnlinked']);
    expect(of.users.get('u')!.held).toBeNull();
    const other = world(scoped);
    when(other, create('Engineering'));
    expect(typesOf(when(other, { type: 'DeleteUser', userId: 'u', ifMatch: null }))).toEqual(['UserWithdrawn']);
  });

  it('refuses somebody new where errors are told, with the filter', () => {
    expect(whenRefused(world({ scope: SALES }), create('Engineering'))).toEqual({
      status: 'rejected',
      code: 'forbidden',
      detail: expect.stringMatching(
        /^The user is not in the scope of the directory "Directory entra", which is: title eq "Sales"\./,
      ),
    });
    expect(typesOf(when(world({ scope: SALES }), create()))).toEqual(['UserCreated']);
  });

  it('says why a user is held to those who ask what would happen', () => {
    const told = (of: UserWorld, command: UserCommand) =>
      explanationOf(command, of.context('entra'), (id) => of.users.get(id) ?? null);
    const holds = [{ reason: 'scope', detail: expect.stringContaining(SALES) }];
    const of = world(scoped);
    expect(told(of, create('Engineering'))).toMatchObject({ holds, rules: [{}, {}, {}] });
    expect(told(of, create('Sales'))).toMatchObject({ holds: [] });
    when(of, create('Engineering'));
    expect(told(of, patch(['active', true]))).toEqual({ mapped: null, rules: [], holds, cutRole: null });
    expect(told(of, patch(['title', 'Sales']))).toBeNull();
  });
});

describe('an administrator who restores a user who is out of scope', () => {
  const restored = (): UserWorld => {
    const of = world({ scope: SALES, ...QUIET });
    when(of, create('Engineering'));
    expect(when(of, restore, null)).toEqual([{ type: 'UserRestored', changes: { active: true } }]);
    return of;
  };

  it('lets the user in, and writes of the directory leave it so', () => {
    const of = restored();
    expect(when(of, patch(['displayName', 'Ada']))).toEqual([
      { type: 'UserChanged', changes: { displayName: 'Ada' }, ...under },
    ]);
    expect(when(of, patch(['active', false]))).toMatchObject([{ changes: { active: false } }, {}]);
    expect(typesOf(when(of, patch(['active', true])))).toEqual(['UserChanged', 'UserReactivated']);
  });

  it('counts until the user comes into scope: whoever leaves it then is archived', () => {
    const of = restored();
    expect(when(of, patch(['title', 'Sales']))).toMatchObject([{ changes: { title: 'Sales' }, held: null }]);
    expect(typesOf(when(of, patch(['title', 'Engineering'])))).toEqual(['UserChanged', 'UserDeactivated']);
  });

  it('may archive the user again, and restore it again', () => {
    const of = restored();
    when(of, archive, null);
    expect(when(of, patch(['active', true]))).toEqual([]);
    when(of, restore, null);
    expect(of.users.get('u')).toMatchObject({ resource: { active: true }, held: { letIn: true } });
  });
});
