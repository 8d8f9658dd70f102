import { describe, expect, it } from 'vitest';
import type { UserCommand } from '#contracts';
import { isRejection, type Resource } from '#scim';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import type { Directory } from './user.js';

const GROUP = '0190a000-0000-7000-8000-000000000001';
const OTHER = '0190a000-0000-7000-8000-000000000002';

const create = (resource: object): UserCommand => ({
  type: 'CreateUser',
  userId: 'u',
  resource: { userName: 'ada@x', active: true, ...resource } as Resource,
});
const signIn = (upn = 'ada@x'): UserCommand => ({
  type: 'RecordSignIn',
  userId: 'new',
  loginType: 'oidc',
  providerId: 'p1',
  upn,
  email: null,
  displayName: null,
});
const transfer = (directoryId: string): UserCommand => ({ type: 'TransferUser', userId: 'u', directoryId });
const unlink: UserCommand = { type: 'UnlinkUser', userId: 'u', signIn: null };
const roles = (...values: string[]): object => ({ roles: values.map((value) => ({ value })) });

/** Ada, whom the directory "entra" has sent, beside a directory "okta". */
const ada = (
  settings: Partial<Directory>,
  sent: object = {},
  groups: readonly string[] | null = [],
  ofOkta: Partial<Directory> = {},
): UserWorld => {
  const asked = (): readonly string[] | null => groups;
  const world = new UserWorld([directory('entra', settings), directory('okta', ofOkta)], undefined, undefined, asked);
  world.send('entra', create(sent));
  return world;
};
const rolesAfter = (world: UserWorld, command: UserCommand): unknown => {
  expect(world.send(null, command).outcome.status).toBe('done');
  return world.users.get('u')!.resource.roles;
};

describe('a sign-in through another directory is refused', () => {
  const refusal = (world: UserWorld): string | null => {
    const decided = world.decide('okta', signIn());
    return isRejection(decided) ? `${decided.code}: ${decided.detail}` : null;
  };

  it.each<[string, UserWorld, RegExp]>([
    [
      'where a group of the directory that manages the user gives a role',
      ada({ groupRoles: { [GROUP]: 'ReadOnly' } }, {}, [GROUP]),
      /^conflict: userName ada@x .*web role ReadOnly and is not managed/,
    ],
    [
      'with the most powerful role of attribute and groups',
      ada({ groupRoles: { [GROUP]: 'Admin' } }, roles('User'), [GROUP]),
      /web role Admin/,
    ],
    [
      'with what the ceiling leaves of it',
      ada({ groupRoles: { [GROUP]: 'Admin' }, roleCeiling: 'User' }, {}, [GROUP]),
      /web role User/,
    ],
    [
      'where the groups are too many to be looked into',
      ada({ groupRoles: { [GROUP]: 'Admin' } }, {}, null),
      /^conflict: .*may give a web role, but contain too many others/,
    ],
  ])('%s', (_what, world, because) => {
    expect(refusal(world)).toMatch(because);
    expect(isRejection(world.decide('entra', signIn()))).toBe(false);
  });

  it.each<[string, UserWorld]>([
    ['where no group gives a role', ada({}, {}, [GROUP])],
    ['where another group gives one', ada({ groupRoles: { [GROUP]: 'Admin' } }, {}, [OTHER])],
    [
      'where the ceiling leaves nothing of it',
      ada({ groupRoles: { [GROUP]: 'Admin' }, roleCeiling: 'none' }, {}, [GROUP]),
    ],
    ['where the ceiling leaves nothing of the attribute', ada({ roleCeiling: 'none' }, roles('Admin'))],
    ['where the groups of the other directory give one', ada({}, {}, [GROUP], { groupRoles: { [GROUP]: 'Admin' } })],
  ])('but not %s', (_what, world) => {
    expect(refusal(world)).toBeNull();
  });

  it('nobody asks for groups where no group gives a role, or the sign-in is that of the own directory', () => {
    const asking = (settings: Partial<Directory>): UserWorld => {
      const world = new UserWorld([directory('entra', settings), directory('okta')], undefined, undefined, () => {
        throw new Error('asked');
      });
      world.send('entra', create({}));
      return world;
    };
    expect(isRejection(asking({}).decide('okta', signIn()))).toBe(false);
    const mapped = asking({ groupRoles: { [GROUP]: 'Admin' } });
    expect(isRejection(mapped.decide('entra', signIn()))).toBe(false);
    expect(() => mapped.decide('okta', signIn())).toThrow('asked');
  });

  it('a role that a ceiling hid is handed to nobody who may take the user over', () => {
    const world = ada({ roleCeiling: 'none' }, roles('Admin'));
    world.send('entra', { type: 'DeleteUser', userId: 'u', ifMatch: null } as UserCommand);
    expect(world.users.get('u')).toMatchObject({ directory: null, withdrawnFrom: 'entra' });
    expect(world.decide('okta', create({}))).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(/Admin/),
    });
  });
});

describe('roles above a ceiling do not leave the directory', () => {
  it('an unlink takes away what the directory could not give', () => {
    expect(rolesAfter(ada({ roleCeiling: 'User' }, roles('Admin', 'ReadOnly', 'Owner')), unlink)).toEqual([
      { value: 'ReadOnly' },
      { value: 'Owner' },
    ]);
    expect(rolesAfter(ada({ roleCeiling: 'none' }, roles('Admin')), unlink)).toBeUndefined();
    expect(rolesAfter(ada({}, roles('EnterpriseAdmin')), unlink)).toEqual([{ value: 'EnterpriseAdmin' }]);
  });

  it('a transfer takes away what either of the two directories could not give', () => {
    const from = (mine: Directory['roleCeiling'], other: Directory['roleCeiling']): unknown =>
      rolesAfter(ada({ roleCeiling: mine }, roles('Admin', 'User'), [], { roleCeiling: other }), transfer('okta'));
    expect(from('EnterpriseAdmin', 'EnterpriseAdmin')).toEqual([{ value: 'Admin' }, { value: 'User' }]);
    expect(from('EnterpriseAdmin', 'User')).toEqual([{ value: 'User' }]);
    expect(from('User', 'EnterpriseAdmin')).toEqual([{ value: 'User' }]);
    expect(from('none', 'EnterpriseAdmin')).toBeUndefined();
  });

  it('a transfer of somebody whom nobody manages takes away what the new directory could not give', () => {
    const world = ada({}, roles('Admin', 'User'), [], { roleCeiling: 'User' });
    expect(rolesAfter(world, unlink)).toEqual([{ value: 'Admin' }, { value: 'User' }]);
    expect(rolesAfter(world, transfer('okta'))).toEqual([{ value: 'User' }]);
  });

  it('restoring somebody whom the directory has deleted takes away what it could not give', () => {
    const restored = (settings: Partial<Directory>, sent: object): UserWorld => {
      const world = ada(settings, sent);
      world.send('entra', { type: 'DeleteUser', userId: 'u', ifMatch: null });
      world.send(null, { type: 'RestoreUser', userId: 'u' });
      expect(world.users.get('u')).toMatchObject({ directory: null, withdrawnFrom: null, resource: { active: true } });
      return world;
    };
    const rolesOf = (world: UserWorld): unknown => world.users.get('u')!.resource.roles;
    expect(rolesOf(restored({ roleCeiling: 'User' }, roles('Admin', 'ReadOnly')))).toEqual([{ value: 'ReadOnly' }]);
    expect(rolesOf(restored({ roleCeiling: 'none' }, roles('Admin')))).toBeUndefined();
    expect(rolesOf(restored({}, roles('Admin')))).toEqual([{ value: 'Admin' }]);
  });

  it('restoring somebody whom the directory manages leaves the roles', () => {
    const world = ada({ roleCeiling: 'User' }, { ...roles('Admin'), active: false });
    expect(rolesAfter(world, { type: 'RestoreUser', userId: 'u' })).toEqual([{ value: 'Admin' }]);
  });

  it('the directory itself keeps what was sent: a ceiling that is raised gives it', () => {
    const world = ada({ roleCeiling: 'ReadOnly' }, roles('Admin'));
    expect(world.users.get('u')!.resource.roles).toEqual([{ value: 'Admin' }]);
  });
});
