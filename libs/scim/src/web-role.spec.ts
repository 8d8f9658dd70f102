import { describe, expect, it } from 'vitest';
import { parsePatch } from './patch.js';
import { parseResource, type Resource } from './resource.js';
import { findPath, USER } from './schema.js';
import { NO_WEB_ROLE } from './value.js';
import { webRoleOf } from './web-role.js';

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
