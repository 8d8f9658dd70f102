import { describe, expect, it } from 'vitest';
import { applyPatch } from './apply-patch.js';
import type { Json } from './json.js';
import { parsePatch } from './patch.js';
import { parseResource } from './resource.js';
import {
  definitionsOf,
  findPath,
  GROUP,
  STANDARD,
  USER,
  type Attribute,
  type AttributeType,
  type Schema,
  type TenantSchema,
} from './schema.js';

const URN = 'urn:example:hr:2.0:User';
const attribute = (name: string, type: AttributeType, rest: Partial<Attribute> = {}): Attribute => ({
  name,
  type,
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  description: '',
  ...rest,
});
const value = [attribute('value', 'string')];
/** Names that mean something special in the core, or in JavaScript's own code. */
const SPECIAL = [
  'schemas',
  'id',
  'meta',
  'active',
  'password',
  'userName',
  'externalId',
  'members',
  'groups',
  'title',
].map((name) => attribute(name, 'string'));
const HR: Schema = {
  id: URN,
  name: 'HR',
  description: '',
  attributes: [
    ...SPECIAL,
    attribute('manager', 'complex', { subAttributes: [attribute('name', 'string')] }),
    attribute('roles', 'complex', { multiValued: true, subAttributes: value }),
  ],
};
const row = (version: number, rest: Partial<TenantSchema> = {}): TenantSchema => ({
  id: 's1',
  version,
  resourceType: 'User',
  schema: HR,
  ...rest,
});

describe('the resource types of a tenant', () => {
  it('are the standard ones where it has defined nothing', () => {
    for (const none of [undefined, null, []]) expect(definitionsOf(none)).toBe(STANDARD);
  });

  it('have its extensions, each at the type that it extends', () => {
    const { user, group } = definitionsOf([
      row(1),
      row(4, { id: 's2', resourceType: 'Group', schema: { ...HR, id: 'urn:example:g' } }),
    ]);
    expect(user.extensions.map(({ id }) => id)).toEqual([...USER.extensions.map(({ id }) => id), URN]);
    expect(group.extensions.map(({ id }) => id)).toEqual(['urn:example:g']);
    expect(GROUP.extensions).toEqual([]);
    expect(findPath(USER, `${URN}:title`)).toBeUndefined();
  });

  it('are made once for a version', () => {
    expect(definitionsOf([row(1)])).toBe(definitionsOf([row(1)]));
    const other = row(1, { id: 's0', schema: { ...HR, id: 'urn:example:older' } });
    expect(definitionsOf([row(1), other])).toBe(definitionsOf([other, row(1)]));
    expect(
      definitionsOf([row(1), other])
        .user.extensions.slice(-2)
        .map(({ id }) => id),
    ).toEqual(['urn:example:older', URN]);
    expect(definitionsOf([row(2)])).not.toBe(definitionsOf([row(1)]));
  });
});

describe('an attribute of an extension', () => {
  const { user } = definitionsOf([row(1)]);
  const created = (body: object): Json | undefined => parseResource(user, { userName: 'ada', ...body }).resource[URN];

  it.each(SPECIAL.map(({ name }) => name))('%s means nothing special', (name) => {
    expect(created({ [URN]: { [name]: 'x' } })).toEqual({ [name]: 'x' });
    expect(created({ [`${URN}:${name}`]: 'x' })).toEqual({ [name]: 'x' });
    const { operations } = parsePatch(user, {
      Operations: [
        { op: 'add', path: `${URN}:${name}`, value: 'x' },
        { op: 'remove', path: `${URN}:title` },
      ],
    });
    expect(applyPatch(user, { userName: 'ada' }, operations, {})).toEqual({
      userName: 'ada',
      ...(name === 'title' ? {} : { [URN]: { [name]: 'x' } }),
    });
  });

  it('takes no text for an object, and no text apart, as the core does for Entra', () => {
    expect(() => created({ [URN]: { manager: 'boss' } })).toThrow(/urn:example:hr:2.0:User:manager must be an object/);
    const text = '{"value":"Admin"}';
    expect(created({ [URN]: { roles: [{ value: text }] } })).toEqual({ roles: [{ value: text }] });
    const { operations } = parsePatch(user, {
      Operations: [{ op: 'replace', path: `${URN}:roles[value eq "x"].value`, value: text }],
    });
    expect(operations).toEqual([{ op: 'replace', path: `${URN}:roles[value eq "x"].value`, value: text }]);
  });

  it('is named with its URN when its value is wrong, wherever it stands', () => {
    for (const body of [{ [URN]: { title: 7 } }, { [`${URN}:title`]: 7 }])
      expect(() => created(body)).toThrow(`${URN}:title must be a string, not 7.`);
    for (const operation of [
      { op: 'add', path: `${URN}:title`, value: 7 },
      { op: 'replace', value: { [`${URN}:title`]: 7 } },
      { op: 'add', path: URN, value: { title: 7 } },
    ]) {
      expect(() => parsePatch(user, { Operations: [operation] })).toThrow(`${URN}:title must be a string, not 7.`);
    }
  });
});
