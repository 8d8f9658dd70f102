import { describe, expect, it } from 'vitest';
import type { UserCommand, UserEvent } from '#contracts';
import type { Json, Rejection } from '#scim';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import type { Directory } from './user.js';

type Settings = Partial<Directory>;
const person = (name = 'ada', rest: Readonly<Record<string, Json>> = {}) => ({
  userName: `${name}@x`,
  active: true,
  externalId: `e-${name}`,
  emails: [{ type: 'work', value: `${name}@mail` }],
  ...rest,
});
const create = (userId = 'u', resource = person()): UserCommand => ({ type: 'CreateUser', userId, resource });
const patch = (...operations: (readonly [path: string, value: string | boolean])[]): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: operations.map(([path, value]) => ({ op: 'replace', path, value })),
  ifMatch: null,
});
const remove = (userId = 'u'): UserCommand => ({ type: 'DeleteUser', userId, ifMatch: null });
const TOMBSTONE = `${'0123456789abcdef'.repeat(2)}ada@x`;
const leave = patch(['userName', TOMBSTONE], ['active', false]);

/** What has happened under some settings, and the world as it is under others. */
const world = (settings: Settings, past: readonly UserCommand[] = [create()], before: Settings = {}): UserWorld => {
  const first = new UserWorld([directory('entra', before), directory('okta')]);
  const now = new UserWorld([directory('entra', { ...settings, version: 2 }), directory('okta')]);
  for (const command of past) {
    const { userId, events } = accepted(first.send('entra', command));
    now.apply(userId!, events);
  }
  return now;
};
const when = (of: UserWorld, command: UserCommand, sender: string | null = 'entra'): UserEvent[] =>
  accepted(of.decide(sender, command)).events;
const whenRefused = (of: UserWorld, command: UserCommand): Rejection => refused(of.decide('entra', command));
const typesOf = (events: readonly UserEvent[]): string[] => events.map(({ type }) => type);
const under = { directory: 'entra', directoryVersion: 2 };
const QUIET = { refusal: 'quiet' } as const;
const answerTo = (of: UserWorld, command: UserCommand): unknown => {
  const { outcome } = accepted(of.decide('entra', command));
  return outcome.status === 'done' ? outcome.value : outcome;
};

describe('a DELETE', () => {
  const gone = [create(), remove()];

  it('keeps the user as archived, with its memberships and its events, and the client is told nothing of it', () => {
    expect(when(world({}), remove())).toEqual([
      { type: 'UserWithdrawn', changes: { active: false }, ...under },
      { type: 'UserDeactivated', ...under },
    ]);
    expect(answerTo(world({}), remove())).toBeNull();
    const { users } = world({}, gone);
    expect(users.get('u')).toMatchObject({ directory: null, withdrawnFrom: 'entra', resource: { active: false } });
  });

  it('says nothing more of a user who is archived already', () => {
    expect(typesOf(when(world({}, [create(), patch(['active', false])]), remove()))).toEqual(['UserWithdrawn']);
  });

  it('deletes where the directory deletes those who are deactivated', () => {
    expect(when(world({ deleteDeactivated: true }), remove())).toEqual([{ type: 'UserDeleted', ...under }]);
  });

  it.each([
    ['a PATCH', patch(['title', 'Dr'])],
    ['a PUT', { type: 'ReplaceUser', userId: 'u', resource: person(), ifMatch: null } as const],
    ['another DELETE', remove()],
  ])('is the end for the client: %s finds nobody, also where it is offered users of nobody', (_what, command) => {
    expect(whenRefused(world({}, gone), command).code).toBe('notFound');
    expect(whenRefused(world({ offerExistingUsers: true }, gone), command).code).toBe('notFound');
  });

  it.each([
    ['provider id', person('new', { externalId: 'e-ada' }), 'providerId'],
    ['UPN', person('ada', { externalId: 'other', emails: [] }), 'upn'],
    ['e-mail', person('new', { externalId: '', emails: [{ type: 'work', value: 'ada@mail' }] }), 'email'],
  ])('lets the person come back by %s, with the id of before', (_by, resource, rule) => {
    const back = world({}, gone);
    const { userId, events } = accepted(back.send('entra', create('new', resource)));
    expect(userId).toBe('u');
    expect(events).toMatchObject([{ type: 'UserLinked', matching: { rule } }, { type: 'UserReactivated' }]);
    expect(back.users.get('u')).toMatchObject({ directory: 'entra', withdrawnFrom: null, before: null });
  });

  it('frees the name: somebody else may have it, and then goes before whom it was taken from', () => {
    const of = world({}, [...gone, create('bob', person('bob'))]);
    accepted(of.send('entra', { ...patch(['userName', 'ada@x']), userId: 'bob' } as UserCommand));
    expect(whenRefused(of, create('new', person('ada', { externalId: 'other' })))).toMatchObject({
      code: 'uniqueness',
      detail: expect.stringContaining('id bob'),
    });
    // The person herself comes back when her name is free, or with another one.
    expect(whenRefused(of, create('new')).detail).toMatch(/^userName ada@x is taken by the user with the id bob/);
    expect(typesOf(when(of, create('new', person('al', { externalId: 'e-ada' }))))).toContain('UserLinked');
    expect(refused(of.decide(null, { type: 'TransferUser', userId: 'u', directoryId: 'okta' })).detail).toMatch(
      /taken/,
    );
  });

  it('frees e-mail and externalId, too', () => {
    const of = world({ emailIsLoginName: true }, gone);
    accepted(of.send('entra', create('bob', person('bob'))));
    const taking = patch(['externalId', 'e-ada'], ['emails[type eq "work"].value', 'ada@mail']);
    expect(typesOf(when(of, { ...taking, userId: 'bob' } as UserCommand))).toEqual(['UserChanged']);
  });

  it('leaves the person to another directory, or to an administrator who gives it to one', () => {
    const of = world({}, gone);
    const [linked] = when(of, create('new', person('ada', { externalId: 'okta-1' })), 'okta');
    expect(linked).toMatchObject({ type: 'UserLinked', directory: 'okta', changes: { externalId: 'okta-1' } });
    accepted(of.send('okta', create('new', person('ada', { externalId: 'okta-1' }))));
    expect(of.users.get('u')!.before).not.toHaveProperty('externalId');
    const given = world({}, gone);
    accepted(given.send(null, { type: 'TransferUser', userId: 'u', directoryId: 'okta' }));
    expect(given.users.get('u')).toMatchObject({ directory: 'okta', withdrawnFrom: null, awaited: true });
  });

  it('is undone by an administrator where the name is free: then nobody manages the user', () => {
    const restore = { type: 'RestoreUser', userId: 'u' } as const;
    const of = world({}, gone);
    accepted(of.send(null, restore));
    expect(of.users.get('u')).toMatchObject({ directory: null, withdrawnFrom: null, resource: { active: true } });
    expect(of.users.get('u')!.resource).not.toHaveProperty('externalId');
    const taken = world({}, [...gone, create('bob', person('bob'))]);
    accepted(taken.send('entra', { ...patch(['userName', 'ada@x']), userId: 'bob' } as UserCommand));
    expect(refused(taken.decide(null, restore)).detail).toMatch(/^userName ada@x is taken/);
  });

  it('keeps a web role for the directory that gave it', () => {
    const admin = person('ada', { roles: [{ value: 'Admin' }] });
    const of = world({}, [create('u', admin), remove()]);
    expect(refused(of.decide('okta', create('new', admin))).code).toBe('conflict');
    expect(typesOf(when(of, create('new', admin)))).toContain('UserLinked');
  });

  it('keeps the person out, who may still try to sign in', () => {
    const signIn = {
      type: 'RecordSignIn',
      userId: 'new',
      loginType: 'oidc',
      providerId: 'p',
      displayName: null,
    } as const;
    expect(whenRefused(world({}, gone), { ...signIn, upn: 'ada@x', email: null }).code).toBe('forbidden');
  });
});

describe('deleteDeactivated', () => {
  it('deletes whom the directory archives; the answer shows the user for the last time', () => {
    const of = world({ deleteDeactivated: true });
    expect(typesOf(when(of, leave))).toEqual(['UserChanged', 'UserDeactivated', 'UserDeleted']);
    expect(answerTo(of, leave)).toMatchObject({ id: 'u', version: 3, resource: { active: false } });
  });

  it('leaves those who are archived already, and those who come so', () => {
    const archived = world({ deleteDeactivated: true }, [create(), patch(['active', false])]);
    expect(typesOf(when(archived, patch(['title', 'Dr'])))).toEqual(['UserChanged']);
    expect(
      typesOf(when(world({ deleteDeactivated: true }, []), create('u', person('ada', { active: false })))),
    ).toEqual(['UserCreated', 'UserDeactivated']);
  });
});

describe('createUsers off', () => {
  const off = { createUsers: false };

  it('refuses with the name of the setting', () => {
    expect(whenRefused(world(off, []), create())).toEqual({
      status: 'rejected',
      code: 'forbidden',
      detail: expect.stringMatching(/^The setting createUsers of the directory "Directory entra" is off/),
    });
  });

  it('quietly: keeps whoever is new archived, and says why', () => {
    const held = { reasons: ['create'], active: true };
    expect(when(world({ ...off, ...QUIET }, []), create())).toMatchObject([
      { type: 'UserCreated', resource: { active: false }, held, ...under },
      { type: 'UserDeactivated' },
    ]);
    const of = world({ ...off, ...QUIET }, []);
    accepted(of.send('entra', create()));
    expect(of.users.get('u')!.held).toEqual(held);
    // What the directory says of the user goes on being known, and lets nobody in.
    expect(when(of, patch(['active', true]))).toEqual([]);
    expect(when(of, patch(['title', 'Dr']))).toEqual([{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }]);
    accepted(of.send('entra', patch(['active', false])));
    expect(of.users.get('u')!.held).toEqual({ reasons: ['create'], active: false });
  });

  it.each([
    ['any write', patch(['active', true])],
    ['one of another attribute', patch(['title', 'Dr'])],
    ['another POST', create('new')],
  ])('is lifted by %s when it is on again', (_what, command) => {
    const of = world({}, [create()], { ...off, ...QUIET });
    const events = when(of, command);
    expect(events).toMatchObject([{ held: null, changes: { active: true } }, { type: 'UserReactivated' }]);
    of.apply('u', events);
    expect(of.users.get('u')).toMatchObject({ held: null, resource: { active: true } });
  });

  it('lets nobody in who was archived meanwhile', () => {
    const of = world({}, [create(), patch(['active', false])], { ...off, ...QUIET });
    expect(when(of, patch(['title', 'Dr']))).toMatchObject([{ held: null, changes: { title: 'Dr' } }]);
  });

  it('is stronger than an administrator who archives meanwhile, and weaker than one who restores', () => {
    const of = world({ ...off, ...QUIET }, []);
    accepted(of.send('entra', create()));
    for (const type of ['ArchiveUser', 'RestoreUser'] as const) accepted(of.send(null, { type, userId: 'u' }));
    expect(of.users.get('u')).toMatchObject({ held: { active: true }, resource: { active: false } });
    accepted(of.send(null, { type: 'RestoreUser', userId: 'u' }));
    expect(of.users.get('u')).toMatchObject({ held: null, resource: { active: true } });
    expect(when(of, patch(['title', 'Dr']))).toMatchObject([{ type: 'UserChanged', changes: { title: 'Dr' } }]);
  });

  it('concerns nobody who is there: an archived user comes back, a deleted one does not', () => {
    const archived = world(off, [create(), patch(['active', false])]);
    expect(typesOf(when(archived, create('new')))).toEqual(['UserLinked', 'UserReactivated']);
    expect(whenRefused(world(off, [create(), remove()]), create('new')).code).toBe('forbidden');
    expect(when(world({ ...off, ...QUIET }, [create(), remove()]), create('new'))).toEqual([
      expect.objectContaining({ type: 'UserLinked', changes: {}, held: { reasons: ['create'], active: true } }),
    ]);
  });
});

describe('updateUsers off', () => {
  const off = { updateUsers: false };

  it('refuses a change with the name of the setting and the attributes, as a whole', () => {
    expect(whenRefused(world(off), patch(['title', 'Dr'], ['active', false])).detail).toMatch(
      /^The setting updateUsers of .* is off: title would change/,
    );
    expect(when(world(off), patch(['userName', 'ada@x']))).toEqual([]);
  });

  it('quietly: leaves the attributes as they are', () => {
    expect(when(world({ ...off, ...QUIET }), patch(['title', 'Dr'], ['externalId', 'other']))).toEqual([]);
    expect(answerTo(world({ ...off, ...QUIET }), patch(['title', 'Dr']))).toMatchObject({ id: 'u', version: 1 });
  });

  it('archives and reactivates nevertheless', () => {
    expect(when(world(off), patch(['active', false]))).toHaveLength(2);
    const of = world({ ...off, ...QUIET });
    expect(when(of, leave)).toMatchObject([{ changes: { active: false } }, { type: 'UserDeactivated' }]);
    accepted(of.send('entra', leave));
    expect(typesOf(when(of, patch(['active', true])))).toEqual(['UserChanged', 'UserReactivated']);
  });

  it('leaves nobody with the name of a soft deletion', () => {
    const gone = world({ ...off, ...QUIET }, [create(), leave]);
    expect(when(gone, patch(['userName', 'ada@x'], ['active', true]))).toMatchObject([
      { changes: { userName: 'ada@x', active: true } },
      { type: 'UserReactivated' },
    ]);
    const offered = world({ ...off, ...QUIET, offerExistingUsers: true }, []);
    const resource = { userName: 'ada@x', active: true };
    offered.apply('u', [{ type: 'UserCreated', resource, manager: null, matching: null, ...under }]);
    expect(when(offered, leave)).toMatchObject([
      { type: 'UserLinked', changes: { active: false } },
      { type: 'UserDeactivated' },
    ]);
    accepted(offered.send('entra', leave));
    expect(offered.users.get('u')!.resource.userName).toBe('ada@x');
  });

  it('gives a user who is linked only that by which the directory finds it again', () => {
    const of = world({ ...off, ...QUIET }, []);
    of.apply('u', [
      {
        type: 'UserCreated',
        resource: { userName: 'ADA@x', active: true, title: 'Countess' },
        manager: null,
        matching: null,
        ...under,
      },
    ]);
    expect(when(of, create('new', person('ada', { title: 'Dr' })))).toMatchObject([
      { type: 'UserLinked', changes: { userName: 'ada@x', externalId: 'e-ada' } },
    ]);
  });
});

describe('deactivateUsers off', () => {
  const off = { deactivateUsers: false };

  it('refuses with the name of the setting', () => {
    expect(whenRefused(world(off), patch(['active', false])).detail).toMatch(/^The setting deactivateUsers of /);
  });

  it('quietly: carries out the rest, and leaves no active user with the name of a soft deletion', () => {
    const of = world({ ...off, ...QUIET });
    expect(when(of, patch(['title', 'Dr'], ['active', false]))).toEqual([
      { type: 'UserChanged', changes: { title: 'Dr' }, ...under },
    ]);
    expect(when(of, leave)).toEqual([]);
  });

  it('lets archived users be changed and come back', () => {
    const archived = world(off, [create(), patch(['active', false])]);
    expect(typesOf(when(archived, patch(['title', 'Dr'])))).toEqual(['UserChanged']);
    expect(typesOf(when(archived, patch(['active', true])))).toEqual(['UserChanged', 'UserReactivated']);
  });
});

describe('deleteUsers off', () => {
  it('refuses with the name of the setting; quietly: nothing happens', () => {
    expect(whenRefused(world({ deleteUsers: false }), remove()).detail).toMatch(/^The setting deleteUsers of /);
    expect(when(world({ deleteUsers: false, ...QUIET }), remove())).toEqual([]);
    expect(when(world({ deleteUsers: false, deleteDeactivated: true, ...QUIET }), remove())).toEqual([]);
  });
});
