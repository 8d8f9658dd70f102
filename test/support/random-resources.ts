import fc from 'fast-check';
import type pg from 'pg';
import type { WritePart } from '#event-store';
import {
  COMMON_ATTRIBUTES,
  GROUP,
  renderResource,
  STANDARD,
  USER,
  type Attribute,
  type AttributePath,
  type Filter,
  type Json,
  type Operator,
  type Resource,
  type ResourceDefinition,
  type Schema,
} from '#scim';
import { groupsSeen, toGroup, toMember } from '../../apps/gateway/src/read/to-response.js';
import { groupBehaviour, groupRow } from '../../apps/group/src/group.projection.js';
import { userRow } from '../../apps/identity/src/user-rows.projection.js';
import { userBehaviour } from '../../apps/identity/src/user.projection.js';
import { ORDINARY } from './user-world.js';

/**
 * Random users in random groups, random filters, and how they come into a database: for what compares SQL with memory.
 */

export const BASE_URL = 'https://scim.example.org/api/scim/v2';
export const USERS_URL = `${BASE_URL}/Users`;

const simple = (name: string, type: Attribute['type'], rest: Partial<Attribute> = {}): Attribute => ({
  name,
  type,
  description: name,
  multiValued: false,
  required: false,
  caseExact: type === 'reference' || type === 'binary',
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...rest,
});
const parts = [
  simple('value', 'string'),
  simple("it's", 'string', { caseExact: true }),
  simple('size', 'integer'),
  simple('primary', 'boolean'),
  simple('at', 'dateTime'),
];
/** Attributes that no user has: numbers, times that clients write, and several simple values. */
export const EVERY_TYPE: Schema = {
  id: 'urn:example:Every',
  name: 'Every',
  description: 'Every type',
  attributes: [
    simple('count', 'integer'),
    simple('weight', 'decimal'),
    simple('isOld', 'boolean'),
    simple('exact', 'string', { caseExact: true }),
    simple('tags', 'string', { multiValued: true }),
    simple('scores', 'decimal', { multiValued: true }),
    simple('since', 'dateTime'),
    simple('days', 'dateTime', { multiValued: true }),
    simple('one', 'complex', { subAttributes: parts }),
    simple('several', 'complex', { multiValued: true, subAttributes: parts }),
  ],
};
export const DEFINITIONS: readonly [string, number, ResourceDefinition][] = [
  ['a user', 10_000, USER],
  ['a user with attributes of every type', 2_500, { ...USER, extensions: [...USER.extensions, EVERY_TYPE] }],
];

/**
 * Letters whose case is odd, letters in two forms, what SQL or LIKE or JSON could trip over, and both sides of U+E000.
 */
const ALPHABET = [
  'a',
  'A',
  'b',
  'B',
  'i',
  'I',
  'İ',
  'ı',
  'ß',
  'ẞ',
  's',
  'S',
  'σ',
  'ς',
  'Σ',
  'ǆ',
  'ǅ',
  'k',
  '\u212a',
  'é',
  'e\u0301',
  'É',
  '\u0307',
  'ﬁ',
  '\ue000',
  '\uffff',
  '😀',
  '𐐀',
  '𐐨',
  ' ',
  '%',
  '_',
  '\\',
  "'",
  '"',
  '$1',
  '\n',
  '\u007f',
  '0',
  '@',
  '.',
];
const text = fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 3 });
const TYPES = ['work', 'Work', 'home', 'K'];
const number = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0.1, 1e21, -1e-7, 2 ** 53),
);
export const ids = Array.from(
  { length: 30 },
  (_, index) => `0198a000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
);
export const groupIds = Array.from({ length: 4 }, (_, index) => `0198b000-0000-7000-8000-00000000000${index}`);
export const MOMENTS = [
  '0001-01-01T00:00:00.000Z',
  '2026-01-01T00:00:00.000Z',
  '2026-01-01T00:00:00.001Z',
  '2026-06-30T23:59:59.999Z',
  '9999-12-31T23:59:59.999Z',
];

/** Texts that `instantOf` takes: some of these no database takes for a time. */
const WRITTEN_MOMENTS = [
  ...MOMENTS,
  '2026-01-01T01:00:00+01:00',
  '2026-01-01T00:00:00',
  '0000-01-01T00:00:00+14:00',
  '0000-02-29T12:00:00Z',
  '9999-12-31T23:59:59-14:00',
  '2026-01-01t00:00:00.0019z',
  '2026-01-01T00:00:00.9999999Z',
  '2026-02-31T00:00:00Z',
  '2026-03-03T00:00:00Z',
  '2024-02-29T24:00:00Z',
  '1969-12-31T23:59:59.999-00:30',
];

const isStored = ({ mutability, name }: Attribute): boolean =>
  mutability !== 'readOnly' && mutability !== 'writeOnly' && name !== 'schemas';

const valueOf = (attribute: Attribute): fc.Arbitrary<Json> => {
  const one = ((): fc.Arbitrary<Json> => {
    switch (attribute.type) {
      case 'boolean':
        return fc.boolean();
      case 'integer':
        return fc.integer({ min: -2, max: 2 });
      case 'decimal':
        return number;
      case 'dateTime':
        return fc.constantFrom(...WRITTEN_MOMENTS);
      case 'complex':
        return objectOf(attribute.subAttributes!, []);
      default:
        return attribute.name === 'type' ? fc.oneof(fc.constantFrom(...TYPES), text) : text;
    }
  })();
  return attribute.multiValued ? fc.array(one, { minLength: 1, maxLength: 3 }) : one;
};

const objectOf = (attributes: readonly Attribute[], required: string[]): fc.Arbitrary<Resource> =>
  fc.record(Object.fromEntries(attributes.filter(isStored).map((attribute) => [attribute.name, valueOf(attribute)])), {
    requiredKeys: required,
    noNullPrototype: true,
  }) as fc.Arbitrary<Resource>;

export interface User {
  readonly id: string;
  readonly version: number;
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
  readonly managedBy: 'its directory' | 'another' | 'nobody';
}

/** Members are users by their place, and groups that come earlier: so there is no cycle. */
export interface Group {
  readonly id: string;
  readonly owner: 'its directory' | 'another' | 'nobody';
  readonly version: number;
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
  readonly users: readonly number[];
  readonly inner: readonly number[];
}

const places = fc.array(fc.nat(ids.length - 1), { maxLength: 12 });
export const groupsIn: fc.Arbitrary<Group[]> = fc
  .array(
    fc.record({
      owner: fc.constantFrom('its directory' as const, 'its directory' as const, 'another' as const, 'nobody' as const),
      version: fc.integer({ min: 1, max: 12 }),
      created: fc.constantFrom(...MOMENTS),
      lastModified: fc.constantFrom(...MOMENTS),
      resource: objectOf(
        [...COMMON_ATTRIBUTES, ...GROUP.schema.attributes].filter(({ name }) => name !== 'members'),
        ['displayName'],
      ),
      users: places,
      inner: fc.array(fc.nat(groupIds.length), { maxLength: 2 }),
    }),
    { maxLength: groupIds.length },
  )
  .map((groups) =>
    groups.map((group, index) => ({
      ...group,
      id: groupIds[index]!,
      users: [...new Set(group.users)],
      inner: [...new Set(group.inner)].filter((place) => place < index),
    })),
  );

/** The groups that a user is in: those that it is in directly, and those that contain one that it is in. */
export const groupsOf = (
  place: number,
  groups: readonly Group[],
): { id: string; directory: string | null; display: string; direct: boolean }[] => {
  const isIn = groups.map(({ users }) => users.includes(place));
  groups.forEach(({ inner }, index) => (isIn[index] ||= inner.some((earlier) => isIn[earlier])));
  return groups.flatMap(({ id, owner, resource, users }, index) => {
    const directory = owner === 'nobody' ? null : owner;
    return isIn[index] ? [{ id, directory, display: String(resource.displayName), direct: users.includes(place) }] : [];
  });
};

export const usersOf = ({ schema, extensions }: ResourceDefinition): fc.Arbitrary<User[]> => {
  const core = objectOf([...COMMON_ATTRIBUTES, ...schema.attributes], ['userName']);
  const below = fc.tuple(...extensions.map(({ attributes }) => fc.option(objectOf(attributes, []))));
  const resource = fc
    .tuple(core, below)
    .map(([attributes, objects]): Resource => ({
      ...attributes,
      ...Object.fromEntries(
        objects.flatMap((object, index) =>
          object && Object.keys(object).length > 0 ? [[extensions[index]!.id, object]] : [],
        ),
      ),
    }));
  const user = fc.record({
    version: fc.integer({ min: 1, max: 12 }),
    created: fc.constantFrom(...MOMENTS),
    lastModified: fc.constantFrom(...MOMENTS),
    resource,
    managedBy: fc.constantFrom(
      'its directory' as const,
      'its directory' as const,
      'another' as const,
      'nobody' as const,
    ),
  });
  return fc
    .array(user, { minLength: 1, maxLength: ids.length })
    .map((users) => users.map((found, index) => ({ id: ids[index]!, ...found })));
};

export const pathsOf = ({ schema, extensions }: ResourceDefinition): AttributePath[] => {
  const found = [
    ...[...COMMON_ATTRIBUTES, ...schema.attributes].map((attribute) => ({
      attribute,
      schema: schema.id,
      extension: false,
    })),
    ...extensions.flatMap(({ id, attributes }) =>
      attributes.map((attribute) => ({ attribute, schema: id, extension: true })),
    ),
  ].filter(({ attribute }) => attribute.returned !== 'never');
  return found.flatMap((path) => [path, ...partsOf(path.attribute).map((subAttribute) => ({ ...path, subAttribute }))]);
};

/** By which something is found: not the names of members, which are looked up where they are shown. */
const partsOf = ({ name, subAttributes = [] }: Attribute): readonly Attribute[] =>
  subAttributes.filter((part) => !(name === 'members' && part.name === 'display'));

const EQUALITY: readonly Operator[] = ['eq', 'ne'];
const ORDERING: readonly Operator[] = ['gt', 'ge', 'lt', 'le'];
const TEXT: readonly Operator[] = ['co', 'sw', 'ew'];

/** Values that are near a value of an attribute. */
const operandOf = ({ name, type }: Attribute): fc.Arbitrary<string> => {
  const near: Readonly<Record<string, string[]>> = {
    id: [...ids, ids[3]!.toUpperCase(), ids[3]!.slice(0, 8)],
    schemas: [USER.schema.id, ...USER.extensions.map(({ id }) => id), EVERY_TYPE.id],
    resourceType: ['User', 'user', 'U'],
    version: ['W/"1"', 'W/"12"', '1"', 'w/'],
    location: [`${USERS_URL}/${ids[2]!}`, USERS_URL, ids[2]!],
    type: [...TYPES, 'User', 'group', 'direct', 'INDIRECT'],
    value: [
      ids[1]!,
      ids[3]!.toUpperCase(),
      ...groupIds,
      ...groupIds.map((id) => id.toUpperCase()),
      groupIds[0]!.slice(0, -1),
    ],
    $ref: [
      `${USERS_URL}/${ids[1]!}`,
      ...groupIds.map((id) => `${BASE_URL}/Groups/${id}`),
      `${BASE_URL}/GROUPS`,
      '/Users/',
    ],
  };
  if (type === 'dateTime') return fc.constantFrom(...WRITTEN_MOMENTS);
  return near[name] ? fc.oneof(fc.constantFrom(...near[name]), text) : text;
};

const comparisonOf = (whole: AttributePath): fc.Arbitrary<Filter> => {
  const part = whole.subAttribute ?? whole.attribute.subAttributes?.find(({ name }) => name === 'value');
  const path = part ? { ...whole, subAttribute: part } : whole;
  const attribute = part ?? whole.attribute;
  const present: fc.Arbitrary<Filter> = fc.constant({ kind: 'present', path: whole });
  if (attribute.type === 'complex') return present;
  const compare = (
    operators: readonly Operator[],
    value: fc.Arbitrary<string | number | boolean | null>,
  ): fc.Arbitrary<Filter> =>
    fc.record({
      kind: fc.constant('compare' as const),
      path: fc.constant(path),
      operator: fc.constantFrom(...operators),
      value,
    });
  const none = compare(EQUALITY, fc.constant(null));
  const weighted = (...usual: fc.Arbitrary<Filter>[]): fc.Arbitrary<Filter> =>
    fc.oneof(
      ...usual.map((arbitrary) => ({ arbitrary, weight: 4 })),
      { arbitrary: none, weight: 1 },
      { arbitrary: present, weight: 1 },
    );
  switch (attribute.type) {
    case 'boolean':
      return weighted(compare(EQUALITY, fc.boolean()));
    case 'integer':
    case 'decimal':
      return weighted(compare([...EQUALITY, ...ORDERING], number));
    case 'dateTime':
      return weighted(
        compare([...EQUALITY, ...ORDERING], operandOf(attribute)),
        compare(TEXT, fc.constantFrom('2026-01', '000Z', '00z', 'T0', 't2', '.9', '')),
      );
    case 'binary':
      return weighted(compare([...EQUALITY, ...TEXT], operandOf(attribute)));
    default:
      return weighted(compare([...EQUALITY, ...ORDERING, ...TEXT], operandOf(attribute)));
  }
};

export const treeOf = (leaf: fc.Arbitrary<Filter>, maxDepth: number): fc.Arbitrary<Filter> =>
  fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth, withCrossShrink: true },
      leaf,
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('filter'), right: tie('filter') }),
      fc.record({ kind: fc.constant('not' as const), filter: tie('filter') }),
    ),
  })).filter;

export const filtersOf = (definition: ResourceDefinition, paths = pathsOf(definition)): fc.Arbitrary<Filter> => {
  const comparisons = fc.oneof(...paths.map(comparisonOf));
  const valuePaths = fc.oneof(
    ...paths
      .filter(({ attribute, subAttribute }) => attribute.type === 'complex' && !subAttribute)
      .map((path) =>
        fc.record({
          kind: fc.constant('valuePath' as const),
          path: fc.constant(path),
          filter: treeOf(
            fc.oneof(...partsOf(path.attribute).map((subAttribute) => comparisonOf({ ...path, subAttribute }))),
            2,
          ),
        }),
      ),
  );
  const usual = [
    { arbitrary: comparisons, weight: 6 },
    { arbitrary: valuePaths, weight: 3 },
  ];
  const emails = paths.find(({ attribute, subAttribute }) => attribute.name === 'emails' && !subAttribute);
  if (!emails) return treeOf(fc.oneof(...usual), 3);
  const email = (name: string, value: string): Filter => ({
    kind: 'compare',
    path: { ...emails, subAttribute: emails.attribute.subAttributes!.find((part) => part.name === name)! },
    operator: 'eq',
    value,
  });
  const workEmail = fc
    .tuple(text, fc.constantFrom('work', 'WORK'), fc.boolean())
    .map(([value, type, typeFirst]): Filter => {
      const [left, right] = typeFirst
        ? [email('type', type), email('value', value)]
        : [email('value', value), email('type', type)];
      return { kind: 'valuePath', path: emails, filter: { kind: 'and', left, right } };
    });
  return treeOf(fc.oneof(...usual, { arbitrary: workEmail, weight: 1 }), 3);
};

let tenants = 0;

/** SQL: the statement of one part of a write statement alone; its only parameter is the rows. */
export const partOf = (parts: readonly WritePart[], name: string): string => {
  const { sql, type = 'json' } = parts.find((part) => part.name === name)!;
  return sql(`$1::${type}`);
};
export const INSERT_USERS = partOf(userBehaviour(Buffer.alloc(32), 262_144).parts, 'upserted_users');
const INSERT_GROUPS = partOf(groupBehaviour(262_144).parts, 'upserted_groups');
const INSERT_MEMBERS = partOf(groupBehaviour(262_144).parts, 'new_members');

/** In a tenant of their own, written as identity and group write them. */
export const insert = async (
  owner: pg.Client,
  definition: ResourceDefinition,
  users: readonly User[],
  groups: readonly Group[] = [],
  seesLocalGroups = false,
): Promise<{ tenant: string; directory: string }> => {
  const tenant = `0198a000-0000-7000-9000-${(++tenants).toString(16).padStart(12, '0')}`;
  const directoryOf = (managedBy: User['managedBy']): string | null =>
    managedBy === 'nobody' ? null : managedBy === 'another' ? ids[0]! : tenant;
  const type = definition.name === USER.name ? definition : USER;
  const rows = users.map((user) =>
    userRow(tenant, { ...user, directory: directoryOf(user.managedBy), ...ORDINARY }, type),
  );
  await owner.query(INSERT_USERS, [JSON.stringify(rows)]);
  if (groups.length === 0) return { tenant, directory: tenant };
  await owner.query(
    `INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings)
     VALUES ($1, $1, 1, now(), 'Its directory', 'scim', $2)`,
    [tenant, { offerLocalGroups: seesLocalGroups }],
  );
  const memberCount = ({ users: people, inner }: Group): number => people.length + inner.length;
  await owner.query(INSERT_GROUPS, [
    JSON.stringify(
      groups.map((group) =>
        groupRow(tenant, { ...group, directory: directoryOf(group.owner), memberCount: memberCount(group) }, GROUP),
      ),
    ),
  ]);
  const members = groups.flatMap(({ id, users: people, inner }) => [
    { tenant, group_id: id, kind: 'U', members: people.map((place) => ids[place]!) },
    { tenant, group_id: id, kind: 'G', members: inner.map((place) => groupIds[place]!) },
  ]);
  await owner.query(INSERT_MEMBERS, [JSON.stringify(members)]);
  return { tenant, directory: tenant };
};

/** As the directory of the test sees it. */
export const shown = (
  definition: ResourceDefinition,
  user: User,
  groups: readonly Group[] = [],
  seesLocalGroups = false,
): Resource => {
  const seen = groupsSeen(
    { ...user, groups: groupsOf(ids.indexOf(user.id), groups) },
    { directory: 'its directory', seesLocalGroups, definitions: STANDARD },
  ).map(({ id, display, direct }) => ({
    value: id,
    $ref: `${BASE_URL}/Groups/${id}`,
    display,
    type: direct ? 'direct' : 'indirect',
  }));
  const resource = seen.length === 0 ? user.resource : { ...user.resource, groups: seen };
  return renderResource(definition, resource, { ...user, location: `${USERS_URL}/${user.id}` }) as Resource;
};
export const shownGroup = (group: Group): Resource => {
  const members = [
    ...group.users.map((place) => ({ value: ids[place]!, type: 'User' as const })),
    ...group.inner.map((place) => ({ value: groupIds[place]!, type: 'Group' as const })),
  ].map((member) => toMember({ ...member, display: null }, BASE_URL, undefined));
  return {
    ...(toGroup({ ...group, memberCount: members.length }, STANDARD, BASE_URL, undefined) as Resource),
    ...(members.length === 0 ? {} : { members }),
  };
};
