import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import { applyPatch, parsePatch, touchesUserName } from './patch.js';
import { diffResource, parseResource, type Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';

const ID = 'the-id';
const apply = (before: Resource, ...Operations: object[]): Resource =>
  applyPatch(USER, before, parsePatch(USER, { Operations }).operations, { id: ID });
const ada: Resource = {
  userName: 'ada', active: true, emails: [{ type: 'work', value: 'w@x', primary: true }, { type: 'home', value: 'h@x' }],
  roles: [{ value: 'a', primary: true }], [E]: { department: 'R&D' },
};

describe('a PATCH', () => {
  it.each<[string, object, (after: Resource) => unknown, unknown]>([
    ['op with a capital, boolean as string', { op: 'Replace', path: 'active', value: 'False' }, (r) => r.active, false],
    ['lower case, boolean', { op: 'replace', path: 'active', value: false }, (r) => r.active, false],
    ['no path', { op: 'replace', value: { active: 'FALSE', displayName: 'D' } }, (r) => [r.active, r.displayName], [false, 'D']],
    ['dotted key', { op: 'add', value: { 'name.givenName': 'Ada' } }, (r) => r.name, { givenName: 'Ada' }],
    ['flat URN key', { op: 'replace', value: { [`${E}:department`]: 'Sales' } }, (r) => r[E], { department: 'Sales' }],
    ['nested URN', { op: 'replace', value: { [E]: { costCenter: '7' } } }, (r) => r[E], { department: 'R&D', costCenter: '7' }],
    ['manager as string', { op: 'Add', path: `${E}:manager`, value: 'm' }, (r) => (r[E] as Resource).manager, { value: 'm' }],
    ['manager as object', { op: 'Add', path: `${E}:manager`, value: { value: 'm' } }, (r) => (r[E] as Resource).manager, { value: 'm' }],
    ['manager as list', { op: 'Add', path: `${E}:manager`, value: [{ value: 'm', $ref: null }] }, (r) => (r[E] as Resource).manager, { value: 'm' }],
    ['existing element', { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' }, (r) => (r.emails as Resource[])[0],
      { type: 'work', value: 'n@x', primary: true }],
    ['element that is missing is created', { op: 'replace', path: 'phoneNumbers[type eq "mobile"].value', value: '1' }, (r) => r.phoneNumbers,
      [{ type: 'mobile', value: '1' }]],
    ['address part', { op: 'add', path: 'addresses[type eq "work"].streetAddress', value: 'S 1' }, (r) => r.addresses, [{ type: 'work', streetAddress: 'S 1' }]],
    ['primary as string in a filter', { op: 'replace', path: 'roles[primary eq "True"].value', value: 'b' }, (r) => r.roles, [{ value: 'b', primary: true }]],
    ['JSON in a role', { op: 'add', path: 'roles', value: [{ value: '{"id":"1","value":"Admin","displayName":"x"}' }] },
      (r) => r.roles, [{ value: 'a', primary: true }, { value: 'Admin' }]],
    ['remove by filter', { op: 'remove', path: 'emails[type eq "home"]' }, (r) => (r.emails as Resource[]).length, 1],
    ['remove by value list removes these only', { op: 'Remove', path: 'emails', value: [{ value: 'h@x' }] }, (r) => (r.emails as Resource[]).length, 1],
    ['remove of what is not there', { op: 'remove', path: 'emails[type eq "other"]' }, (r) => r.emails, ada.emails],
    ['null removes', { op: 'replace', path: 'emails', value: null }, (r) => r.emails, undefined],
    ['a value is added once', { op: 'add', path: 'emails', value: [{ type: 'home', value: 'h@x' }] }, (r) => r.emails, ada.emails],
    ['a new primary takes the mark', { op: 'add', path: 'emails', value: [{ type: 'other', value: 'o@x', primary: true }] },
      (r) => (r.emails as Resource[]).map(({ primary }) => primary ?? null), [false, null, true]],
    ['URN before a core attribute', { op: 'replace', path: 'urn:ietf:params:scim:schemas:core:2.0:User:title', value: 'Dr' }, (r) => r.title, 'Dr'],
    ['the id as it is', { op: 'replace', value: { id: ID, title: 'Dr' } }, (r) => r.title, 'Dr'],
    ['an unknown attribute', { op: 'replace', path: 'nope', value: 'x' }, (r) => r, ada],
    ['a password', { op: 'replace', path: 'password', value: 'x' }, (r) => r, ada],
  ])('%s', (_name, operation, look, expected) => {
    expect(look(apply(ada, operation))).toEqual(expected);
  });

  it.each<[string, object, string]>([
    ['another id', { op: 'replace', path: 'id', value: 'x' }, 'mutability'],
    ['userName removed', { op: 'remove', path: 'userName' }, 'invalidValue'],
    ['active null', { op: 'replace', path: 'active', value: null }, 'invalidValue'],
    ['a wrong type', { op: 'replace', path: 'displayName', value: 5 }, 'invalidValue'],
    ['an unreadable path', { op: 'replace', path: 'emails[type eq', value: 'x' }, 'invalidPath'],
    ['an unknown op', { op: 'move', path: 'title' }, 'invalidSyntax'],
    ['remove without path', { op: 'remove' }, 'noTarget'],
    ['no value', { op: 'add', path: 'title' }, 'invalidValue'],
  ])('with %s is refused', (_name, operation, code) => {
    try {
      apply(ada, operation);
      expect.unreachable();
    } catch (error) {
      expect((error as Rejected).code).toBe(code);
    }
  });

  it('leaves its input as it was and shares what is the same', () => {
    const frozen = structuredClone(ada);
    const after = apply(ada, { op: 'replace', path: 'title', value: 'Dr' }, { op: 'add', path: 'emails', value: { value: 'z@x' } });
    expect(ada).toEqual(frozen);
    expect(after.roles).toBe(ada.roles);
    expect(diffResource(ada, apply(ada, { op: 'replace', path: 'active', value: 'True' }))).toEqual({});
  });

  it('names the user names that it may assign', () => {
    const { operations } = parsePatch(USER, { Operations: [{ op: 'replace', path: 'userName', value: 'b' }, { op: 'add', value: { USERNAME: 'c' } }] });
    expect(touchesUserName(operations)).toEqual(['b', 'c']);
  });
});

describe('a resource', () => {
  it('is taken as Entra sends it', () => {
    const { resource, ignored } = parseResource(USER, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User'],
      userName: 'ada', ACTIVE: 'True', title: null, roles: [], department: 'R&D', manager: 'm', meta: { resourceType: 'User' }, nope: 1,
      password: 'x', __proto__: { polluted: true },
    });
    expect(resource).toEqual({ userName: 'ada', active: true, [E]: { department: 'R&D', manager: { value: 'm' } } });
    expect(ignored).toEqual(['nope']);
    expect(parseResource(USER, JSON.parse('{"userName":"x","__proto__":{"a":1}}')).ignored).toEqual(['__proto__']);
  });

  it.each([[{}, 'userName'], [{ userName: ' ' }, 'userName'], [{ userName: 1 }, 'userName'], [{ userName: 'x', emails: 'y' }, 'emails'],
    [{ userName: 'x', name: 'y' }, 'name'], [{ userName: 'x', emails: [{ primary: true }, { primary: true }] }, 'emails']])('%j is refused naming %s', (body, name) => {
    expect(() => parseResource(USER, body)).toThrow(name);
  });
});
