import { describe, expect, it } from 'vitest';
import {
  COMMON_ATTRIBUTES,
  ENTERPRISE_USER_SCHEMA,
  ENTERPRISE_USER_URN,
  findAttribute,
  findPath,
  findSchema,
  pathName,
  USER,
  USER_SCHEMA,
  USER_URN,
  type Attribute,
} from './schema.js';

const partsOf = (schema: readonly Attribute[], name: string): string[] | undefined =>
  schema.find((attribute) => attribute.name === name)?.subAttributes?.map((sub) => sub.name);

describe('the schemas', () => {
  it('have the attributes of RFC 7643 §4.1, §4.3 and §3.1', () => {
    expect(USER_SCHEMA.attributes.map(({ name }) => name)).toEqual([
      'userName',
      'name',
      'displayName',
      'nickName',
      'profileUrl',
      'title',
      'userType',
      'preferredLanguage',
      'locale',
      'timezone',
      'active',
      'password',
      'emails',
      'phoneNumbers',
      'ims',
      'photos',
      'addresses',
      'groups',
      'entitlements',
      'roles',
      'x509Certificates',
    ]);
    expect(ENTERPRISE_USER_SCHEMA.attributes.map(({ name }) => name)).toEqual([
      'employeeNumber',
      'costCenter',
      'organization',
      'division',
      'department',
      'manager',
    ]);
    expect(COMMON_ATTRIBUTES.map(({ name }) => name)).toEqual(['schemas', 'id', 'externalId', 'meta']);
  });

  it.each<[string, string[]]>([
    ['name', ['formatted', 'familyName', 'givenName', 'middleName', 'honorificPrefix', 'honorificSuffix']],
    ['emails', ['value', 'display', 'type', 'primary']],
    ['phoneNumbers', ['value', 'display', 'type', 'primary']],
    ['roles', ['value', 'display', 'type', 'primary']],
    ['groups', ['value', '$ref', 'display', 'type']],
    ['addresses', ['formatted', 'streetAddress', 'locality', 'region', 'postalCode', 'country', 'type', 'primary']],
  ])('give %s its parts', (name, parts) => {
    expect(partsOf(USER_SCHEMA.attributes, name)).toEqual(parts);
  });

  it('give the manager its parts, of which the name belongs to the manager', () => {
    expect(partsOf(ENTERPRISE_USER_SCHEMA.attributes, 'manager')).toEqual(['value', '$ref', 'displayName']);
    expect(findPath(USER, 'manager.displayName')?.subAttribute?.mutability).toBe('readOnly');
  });

  it('say what is required, unique, exact, computed and secret', () => {
    const user = (name: string): Attribute | undefined => findAttribute(USER, name)?.attribute;
    expect(user('userName')).toMatchObject({ required: true, uniqueness: 'server', caseExact: false });
    expect(user('externalId')).toMatchObject({ caseExact: true, required: false });
    expect(user('id')).toMatchObject({ caseExact: true, mutability: 'readOnly', returned: 'always' });
    expect(user('groups')).toMatchObject({ mutability: 'readOnly', multiValued: true });
    expect(user('password')).toMatchObject({ mutability: 'writeOnly', returned: 'never' });
    expect(USER_SCHEMA.attributes.filter(({ required }) => required).map(({ name }) => name)).toEqual(['userName']);
  });

  it('are JSON without null, as discovery shows them', () => {
    for (const schema of [USER_SCHEMA, ENTERPRISE_USER_SCHEMA]) {
      expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
      expect(JSON.stringify(schema)).not.toContain('null');
    }
  });
});

describe('an attribute is found', () => {
  it.each([
    ['userName', 'userName'],
    ['USERNAME', 'userName'],
    ['name.givenname', 'name.givenName'],
    ['emails.VALUE', 'emails.value'],
    [`${USER_URN}:userName`, 'userName'],
    [`${USER_URN.toUpperCase()}:Name.GivenName`, 'name.givenName'],
    [`${USER_URN}:externalId`, 'externalId'],
    ['meta.lastModified', 'meta.lastModified'],
    [`${ENTERPRISE_USER_URN}:department`, `${ENTERPRISE_USER_URN}:department`],
    [`${ENTERPRISE_USER_URN}:manager.value`, `${ENTERPRISE_USER_URN}:manager.value`],
    [`${ENTERPRISE_USER_URN.toLowerCase()}:MANAGER.Value`, `${ENTERPRISE_USER_URN}:manager.value`],
    ['urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department', `${ENTERPRISE_USER_URN}:department`],
    ['department', `${ENTERPRISE_USER_URN}:department`],
    ['manager.$ref', `${ENTERPRISE_USER_URN}:manager.$ref`],
  ])('%s as %s', (text, canonical) => {
    const path = findPath(USER, text);
    expect(path && pathName(path)).toBe(canonical);
    expect(findPath(USER, canonical)).toEqual(path);
  });

  it.each([
    '',
    '.',
    'nope',
    'name.nope',
    'userName.value',
    '__proto__',
    'constructor',
    'toString',
    'name.__proto__',
    'name.constructor',
    `${USER_URN}:department`,
    `${ENTERPRISE_USER_URN}:userName`,
    `${ENTERPRISE_USER_URN}:__proto__`,
    'urn:x:userName',
    USER_URN,
    'name.givenName.x',
    ':userName',
  ])('not under %j', (text) => {
    expect(findPath(USER, text)).toBeUndefined();
  });

  it('in an extension whose names the core has as well, only after its URN', () => {
    const urn = 'urn:example:2.0:User';
    const attribute = findAttribute(USER, 'title')!.attribute;
    const definition = {
      ...USER,
      extensions: [{ id: urn, name: 'Example', description: '', attributes: [attribute] }],
    };
    expect(findAttribute(definition, 'title')).toMatchObject({ schema: USER_URN, extension: false });
    expect(findAttribute(definition, `${urn}:title`)).toMatchObject({ schema: urn, extension: true });
  });
});

it('a schema is found by its URN in any case and by the misspelt one', () => {
  expect(findSchema(USER, USER_URN.toUpperCase())).toMatchObject({ id: USER_URN, extension: false });
  for (const urn of [ENTERPRISE_USER_URN, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User']) {
    expect(findSchema(USER, urn)).toMatchObject({ id: ENTERPRISE_USER_URN, extension: true });
  }
  for (const urn of ['', 'urn:x', '__proto__']) expect(findSchema(USER, urn)).toBeUndefined();
});
