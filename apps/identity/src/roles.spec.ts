import { describe, expect, it } from 'vitest';
import { findPath, USER, type Resource } from '#scim';
import { requireWebRoles, webRoleOf } from './roles.js';

const roles = (...values: (string | object)[]): Resource =>
  ({ userName: 'ada', roles: values.map((value) => (typeof value === 'string' ? { value } : value)) }) as Resource;
const primary = (value: string): object => ({ value, primary: true });
const NAMES = ['ReadOnly', 'User', 'Admin', 'EnterpriseAdmin'];

describe('the web role of a user', () => {
  it.each<[string, Resource, string | null]>([
    ['none without roles: the user signs in to applications only', { userName: 'ada' }, null], ['none with an empty list', roles(), null],
    ['the one that was sent', roles('Admin'), 'Admin'], ['the same in any case, by its own name', roles('enterpriseADMIN'), 'EnterpriseAdmin'],
    ['the most powerful of several', roles('User', 'EnterpriseAdmin', 'Admin', 'ReadOnly'), 'EnterpriseAdmin'], ['also the first of them', roles('Admin', 'User'), 'Admin'],
    ['the primary one, though another is more powerful', roles('Admin', primary('ReadOnly')), 'ReadOnly'],
    ['not one that says it is not primary', roles({ value: 'User', primary: false }, 'ReadOnly'), 'User'],
    ['none where the primary one is of before there were web roles', roles('Admin', primary('Writer')), null],
    ['no role of before there were web roles', roles('Writer'), null], ['what is known of what was stored', roles('Writer', 'User'), 'User'],
    ['no role without a value', roles({ display: 'Admin', primary: true }, 'ReadOnly'), 'ReadOnly'],
  ])('is %s', (_what, resource, expected) => {
    expect(webRoleOf(resource)).toBe(expected);
  });

  it('is one of those that the schema lists', () => {
    expect(findPath(USER, 'roles.value')!.subAttribute!.canonicalValues).toEqual(NAMES);
    for (const name of NAMES) expect(webRoleOf(roles(name))).toBe(name);
  });
});

describe('a role', () => {
  it.each<[string, Resource, Resource | null]>([
    ['of the list', roles(...NAMES), null], ['in any case', roles('readonly'), null], ['without a value', roles({ display: 'x' }), null], ['that nobody has', { userName: 'ada' }, null],
    ['that was stored before', roles('Writer', 'User'), roles('writer')],
  ])('%s is taken', (_what, after, before) => {
    expect(() => requireWebRoles(after, before)).not.toThrow();
  });

  it.each<[string, Resource, Resource | null]>([
    ['Writer', roles('Writer'), null], ['', roles(''), null], [' Admin', roles(' Admin'), null], ['Reader', roles('User', 'Reader'), roles('Writer', 'User')],
    ['constructor', roles('constructor'), null],
  ])('%j is refused, and the answer lists those that there are', (name, after, before) => {
    expect(() => requireWebRoles(after, before)).toThrow(`roles.value must be one of ReadOnly, User, Admin, EnterpriseAdmin, not ${JSON.stringify(name)}`);
  });

  it('that is long is repeated in part', () => {
    expect(() => requireWebRoles(roles('x'.repeat(60_000)), null)).toThrow(/^.{1,400}$/);
  });
});
