import { describe, expect, it } from 'vitest';
import type { UserCommand, UserEvent } from '#contracts';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';

const DIGITS = '0123456789abcdef'.repeat(2);
const ARCHIVE: UserCommand = { type: 'ArchiveUser', userId: 'u' };
const RESTORE: UserCommand = { type: 'RestoreUser', userId: 'u' };
const DELETE: UserCommand = { type: 'DeleteUser', userId: 'u', ifMatch: null };
const patch = (...changes: [path: string, value: string | boolean][]): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: changes.map(([path, value]) => ({ op: 'replace', path, value })),
  ifMatch: null,
});
const create = (resource: object = {}, userId = 'u'): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource: { userName: 'ada@x.org', active: true, ...resource },
});
const SIGN_IN: UserCommand = {
  type: 'RecordSignIn',
  userId: 'new',
  loginType: 'oidc',
  providerId: 'p',
  upn: 'ada@x.org',
  email: null,
  displayName: null,
};

/** Administrators archive and restore; everything else comes from the directory. */
const senderOf = ({ type }: UserCommand): string | null =>
  /^(Archive|Restore|Unlink|Transfer)/.test(type) ? null : 'entra';
const after = (...commands: UserCommand[]): UserWorld => {
  const result = new UserWorld([directory('entra'), directory('okta')]);
  for (const command of commands)
    expect(result.send(senderOf(command), command).outcome).toMatchObject({ status: 'done' });
  return result;
};
const isActive = (of: UserWorld): unknown => of.users.get('u')!.resource.active;
const events = (of: UserWorld, command: UserCommand): UserEvent[] =>
  accepted(of.decide(senderOf(command), command)).events;

describe('a user whom an administrator has archived', () => {
  it('is archived once, and its directory sees active:false', () => {
    expect(events(after(create()), ARCHIVE)).toEqual([{ type: 'UserArchived', changes: { active: false } }]);
    expect(isActive(after(create(), ARCHIVE))).toBe(false);
    expect(events(after(create(), ARCHIVE), ARCHIVE)).toEqual([]);
  });

  it.each<[string, UserCommand[]]>([
    ['a change of something else', [patch(['title', 'Countess'])]],
    ['active:true', [patch(['active', true])]],
    ['active:false and then active:true', [patch(['active', false]), patch(['active', true])]],
    [
      'a PUT with active:true',
      [{ type: 'ReplaceUser', userId: 'u', resource: { userName: 'ada@x.org', active: true }, ifMatch: null }],
    ],
    [
      'a PUT that does not speak of active',
      [{ type: 'ReplaceUser', userId: 'u', resource: { userName: 'ada@x.org' }, ifMatch: null }],
    ],
    ['a POST of somebody who comes back', [create({ title: 'Countess' }, 'new')]],
    [
      'a soft deletion that is undone',
      [
        patch(['userName', `${DIGITS}ada@x.org`], ['active', false]),
        patch(['userName', 'ada@x.org'], ['active', true]),
      ],
    ],
  ])('stays archived after %s', (_what, commands) => {
    const of = after(create(), ARCHIVE, ...commands);
    expect(isActive(of)).toBe(false);
    expect(of.users.size).toBe(1);
  });

  it('stays archived when it goes to another directory, and when it is taken from one', () => {
    const transferred = after(create(), ARCHIVE, { type: 'TransferUser', userId: 'u', directoryId: 'okta' });
    expect(transferred.send('okta', patch(['active', true])).outcome).toMatchObject({ status: 'done' });
    expect(isActive(transferred)).toBe(false);
    expect(isActive(after(create(), ARCHIVE, { type: 'UnlinkUser', userId: 'u', signIn: null }))).toBe(false);
  });

  it('takes what its directory sends besides', () => {
    const of = after(create(), ARCHIVE, patch(['active', true], ['title', 'Countess']));
    expect(of.users.get('u')!.resource).toEqual({ userName: 'ada@x.org', active: false, title: 'Countess' });
    expect(events(after(create(), ARCHIVE), patch(['active', true]))).toEqual([]);
  });

  it('may not sign in', () => {
    expect(refused(after(create(), ARCHIVE).decide('entra', SIGN_IN)).code).toBe('forbidden');
  });

  it('may be deleted by its directory', () => {
    const gone = after(create({ externalId: 'e' }), ARCHIVE, DELETE);
    expect(gone.users.get('u')).toMatchObject({ directory: null, withdrawnFrom: 'entra' });
    // The person who comes back is still archived.
    accepted(gone.send('entra', create({ externalId: 'e' }, 'new')));
    expect(gone.users.get('u')).toMatchObject({ directory: 'entra', resource: { active: false } });
  });
});

describe('restoring gives back', () => {
  it('access to a user who had it', () => {
    expect(events(after(create(), ARCHIVE), RESTORE)).toEqual([{ type: 'UserRestored', changes: { active: true } }]);
    expect(isActive(after(create(), ARCHIVE, RESTORE))).toBe(true);
  });

  it('no access that the directory has taken meanwhile, or had taken before; a second time it does', () => {
    for (const of of [
      after(create(), ARCHIVE, patch(['active', false]), RESTORE),
      after(create({ active: false }), ARCHIVE, RESTORE),
    ]) {
      expect(isActive(of)).toBe(false);
      of.send(null, RESTORE);
      expect(isActive(of)).toBe(true);
    }
  });

  it('access that the directory has given back meanwhile', () => {
    expect(isActive(after(create({ active: false }), ARCHIVE, patch(['active', true]), RESTORE))).toBe(true);
  });

  it('access to a user whom its directory has deactivated, and which may deactivate it again', () => {
    const of = after(create(), patch(['active', false]), RESTORE);
    expect(isActive(of)).toBe(true);
    of.send('entra', patch(['active', false]));
    expect(isActive(of)).toBe(false);
  });

  it('the name of before a soft deletion, if nobody else has it', () => {
    const softDeleted = [create(), patch(['userName', `${DIGITS}ada@x.org`], ['active', false])];
    expect(after(...softDeleted, RESTORE).users.get('u')!.resource.userName).toBe('ada@x.org');
    const taken = after(...softDeleted);
    taken.apply('other', [
      {
        type: 'UserCreated',
        resource: { userName: 'ada@x.org', active: true },
        manager: 'okta',
        matching: null,
        directory: 'okta',
        directoryVersion: 1,
      },
    ]);
    expect(refused(taken.decide(null, RESTORE)).code).toBe('uniqueness');
  });

  it('nothing to somebody who is active, and nobody who is not there', () => {
    expect(events(after(create()), RESTORE)).toEqual([]);
    expect(refused(after().decide(null, RESTORE)).code).toBe('notFound');
    expect(refused(after().decide(null, ARCHIVE)).code).toBe('notFound');
  });
});
