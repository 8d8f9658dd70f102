import { describe, expect, it } from 'vitest';
import { parsePatch } from './patch.js';
import { parseResource, type Resource } from './resource.js';
import { findPath, USER } from './schema.js';
import { NO_WEB_ROLE } from './value.js';
import type { WebRole } from './schema.js';
import { effectiveRoleOf, roleSourcesOf, webRoleOf, withRolesWithin, type RoleRules } from './web-role.js';

const roles = (...values: (string | object)[]): Resource =>
  ({ userName: 'ada', roles: values.map((value) => (typeof value === 'string' ? { value } : value)) }) as Resource;
const primary = (value: string): object => ({ value, primary: true });
const NAMES = ['ReadOnly', 'User', 'Admin', 'EnterpriseAdmin'];

describe('the web role of a user', () => {
  it.each<[string, Resource, string | null]>([
    ['none without roles: the user signs in to applications only', { userName: 'ada' }, null],
    ['none with an empty list', roles(), null],
    ['the one that was sent', roles('Admin'), 'Admin'],
    ['the same in any case, by its own name', roles('enterpriseADMIN'), 'EnterpriseAdmin'],
    ['the most powerful of several', roles('User', 'EnterpriseAdmin', 'Admin', 'ReadOnly'), 'EnterpriseAdmin'],
    ['also the first of them', roles('Admin', 'User'), 'Admin'],
    ['the most powerful one, though another is primary', roles('Admin', primary('ReadOnly')), 'Admin'],
    ['what it has beside a primary one that is no web role', roles('Admin', primary('Writer')), 'Admin'],
    ['none of a role that is no web role', roles('Writer'), null],
    ['what is known beside one', roles('Writer', 'User'), 'User'],
    [
      'none of a name that only looks like one',
      roles(' Admin', 'Admin ', 'Ａdmin', 'Admin\u200b', 'constructor', ''),
      null,
    ],
    ['no role without a value', roles({ display: 'Admin', primary: true }, 'ReadOnly'), 'ReadOnly'],
  ])('is %s', (_what, resource, expected) => {
    expect(webRoleOf(resource)).toBe(expected);
  });

  it('is one of those that the schema lists', () => {
    expect(findPath(USER, 'roles.value')!.subAttribute!.canonicalValues).toEqual(NAMES);
    for (const name of NAMES) expect(webRoleOf(roles(name))).toBe(name);
  });
});

describe('a role that is no web role', () => {
  const random = [
    { value: 'Writer', primary: true, display: 'W', type: 'x' },
    { value: 'ADMIN', primary: true },
    { value: 'Reader' },
    { display: 'nothing' },
  ];

  it('is kept as it was sent, beside others, and counted', () => {
    expect(parseResource(USER, { userName: 'ada', roles: random })).toEqual({
      resource: { userName: 'ada', active: true, roles: random },
      ignored: [NO_WEB_ROLE, NO_WEB_ROLE],
    });
    expect(
      parseResource(USER, { userName: 'ada', roles: [{ value: '{"id":"1","value":"Owner","displayName":"O"}' }] }),
    ).toMatchObject({
      resource: { roles: [{ value: 'Owner' }] },
      ignored: expect.arrayContaining([NO_WEB_ROLE]) as unknown,
    });
  });

  it.each<[object, number]>([
    [{ op: 'add', path: 'roles', value: random }, 2],
    [{ op: 'replace', path: 'roles', value: { value: 'Writer' } }, 1],
    [{ op: 'add', value: { roles: random } }, 2],
    [{ op: 'Add', path: 'roles[primary eq "True"].value', value: 'Writer' }, 1],
    [{ op: 'Add', path: 'roles[primary eq "True"].value', value: 'Admin' }, 0],
    [{ op: 'Add', path: 'roles[primary eq "True"].value', value: '{"value":"Writer"}' }, 1],
    [{ op: 'replace', path: 'roles.value', value: 'Writer' }, 1],
    [{ op: 'remove', path: 'roles[value eq "Writer"]' }, 0],
  ])('is no fault of a PATCH: %j', (operation, count) => {
    expect(parsePatch(USER, { Operations: [operation] }).ignored.filter((name) => name === NO_WEB_ROLE)).toHaveLength(
      count,
    );
  });
});

describe('the web role that a user really has', () => {
  const rules = (roleCeiling: RoleRules['roleCeiling'], groupRoles: Record<string, WebRole> = {}): RoleRules => ({
    roleCeiling,
    groupRoles,
  });
  const groups = { g1: 'User', g2: 'Admin' } as const;
  it.each<[string, Resource, string[], RoleRules | null, WebRole | null]>([
    ['that of the attribute', roles('Admin'), [], rules('EnterpriseAdmin'), 'Admin'],
    ['that of a group', roles(), ['g1'], rules('EnterpriseAdmin', groups), 'User'],
    ['that of the group, where the attribute gives less', roles('ReadOnly'), ['g1'], rules('Admin', groups), 'User'],
    ['that of the attribute, where the group gives less', roles('Admin'), ['g1'], rules('Admin', groups), 'Admin'],
    ['the most powerful one of several groups', roles(), ['g1', 'g2'], rules('Admin', groups), 'Admin'],
    ['none of a group that gives none', roles(), ['g3', 'constructor', '__proto__'], rules('Admin', groups), null],
    ['the ceiling, where the attribute names more', roles('EnterpriseAdmin'), [], rules('User'), 'User'],
    ['the ceiling, where a group gives more', roles(), ['g2'], rules('ReadOnly', groups), 'ReadOnly'],
    ['no more than is given, below the ceiling', roles('ReadOnly'), [], rules('Admin'), 'ReadOnly'],
    ['none, where the directory may give none', roles('Admin'), ['g2'], rules('none', groups), null],
    ['none of somebody archived', { ...roles('Admin'), active: false }, ['g2'], rules('Admin', groups), null],
    ['that of the attribute alone, where nobody manages the user', roles('Admin'), ['g2'], null, 'Admin'],
  ])('is %s', (_what, resource, member, given, expected) => {
    expect(effectiveRoleOf(resource, roleSourcesOf(resource, member, given))).toBe(expected);
  });

  it('says what gives it, and what the ceiling leaves of each', () => {
    expect(roleSourcesOf(roles('EnterpriseAdmin'), ['g1', 'g2', 'other'], rules('User', groups))).toEqual([
      { group: null, role: 'EnterpriseAdmin', gives: 'User' },
      { group: 'g1', role: 'User', gives: 'User' },
      { group: 'g2', role: 'Admin', gives: 'User' },
    ]);
    expect(roleSourcesOf(roles('Admin'), [], rules('none'))).toEqual([{ group: null, role: 'Admin', gives: null }]);
  });

  it('roles above a ceiling are taken out, and what is no web role stays', () => {
    const user = roles('admin', 'Owner', primary('ReadOnly'));
    expect(withRolesWithin(user, 'User')).toEqual(roles('Owner', primary('ReadOnly')));
    expect(withRolesWithin(user, 'none')).toEqual(roles('Owner'));
    expect(withRolesWithin(roles('Admin'), 'User')).toEqual({ userName: 'ada' });
    for (const [same, ceiling] of [
      [user, 'Admin'],
      [roles('Owner'), 'none'],
      [{ userName: 'ada' }, 'none'],
    ] as const)
      expect(withRolesWithin(same, ceiling)).toBe(same);
  });
});
