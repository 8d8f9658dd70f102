import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GROUPS_VIEW, USERS_VIEW, type UserRow } from '#contracts';
import { roleUrl } from '#event-store';
import {
  COMMON_ATTRIBUTES, fold, foldedAttributes, GROUP, instantOf, matches, renderResource, USER,
  type Attribute, type AttributePath, type Filter, type Json, type Operator, type Resource, type ResourceDefinition, type Schema,
} from '#scim';
import { compileFilter } from '../apps/gateway/src/filter-to-sql.js';
import type { ResourceColumns } from '../apps/gateway/src/resource-columns.js';
import { ResourceQueries } from '../apps/gateway/src/resource.queries.js';
import { resourceTables } from '../apps/gateway/src/resource-tables.js';
import { groupsSeen, toGroup, toMember } from '../apps/gateway/src/to-response.js';
import { groupBehaviour, groupRow } from '../apps/group/src/group.projection.js';
import { userBehaviour, userRow } from '../apps/identity/src/user.projection.js';
import { newDatabase } from './support/postgres.js';

/**
 * The SQL of the gateway finds what `matches` finds, in rows that identity and group wrote: random users in random groups, random filters.
 * Directly in memory a filter is evaluated as RFC 7644 §3.4.2.2 reads; the database must agree on every user and group.
 */
const BASE_URL = 'https://scim.example.org/api/scim/v2';
const USERS_URL = `${BASE_URL}/Users`;
const FILTERS_PER_RUN = 50;

const simple = (name: string, type: Attribute['type'], rest: Partial<Attribute> = {}): Attribute => ({
  name, type, description: name, multiValued: false, required: false, caseExact: type === 'reference' || type === 'binary',
  mutability: 'readWrite', returned: 'default', uniqueness: 'none', ...rest,
});
const parts = [
  simple('value', 'string'), simple("it's", 'string', { caseExact: true }), simple('size', 'integer'), simple('primary', 'boolean'),
];
/** What a user has not: numbers, and several simple values. */
const EVERY_TYPE: Schema = {
  id: 'urn:example:Every', name: 'Every', description: 'Every type', attributes: [
    simple('count', 'integer'), simple('weight', 'decimal'), simple('isOld', 'boolean'), simple('exact', 'string', { caseExact: true }),
    simple('tags', 'string', { multiValued: true }), simple('scores', 'decimal', { multiValued: true }),
    simple('one', 'complex', { subAttributes: parts }), simple('several', 'complex', { multiValued: true, subAttributes: parts }),
  ],
};
const DEFINITIONS: readonly [string, number, ResourceDefinition][] = [
  ['a user', 10_000, USER], ['a user with attributes of every type', 2_500, { ...USER, extensions: [...USER.extensions, EVERY_TYPE] }],
];

/** Letters whose case is odd, letters in two forms, what SQL or LIKE or JSON could trip over, and both sides of U+E000. */
const ALPHABET = [
  'a', 'A', 'b', 'B', 'i', 'I', 'İ', 'ı', 'ß', 'ẞ', 's', 'S', 'σ', 'ς', 'Σ', 'ǆ', 'ǅ', 'k', '\u212a', 'é', 'e\u0301', 'É', '\u0307', 'ﬁ', '\ue000', '\uffff', '😀', '𐐀',
  '𐐨', ' ', '%', '_', '\\', "'", '"', '$1', '\n', '\u007f', '0', '@', '.',
];
const text = fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 3 });
const TYPES = ['work', 'Work', 'home', 'K'];
const number = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0.1, 1e21, -1e-7, 2 ** 53));
const ids = Array.from({ length: 30 }, (_, index) => `0198a000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`);
const groupIds = Array.from({ length: 4 }, (_, index) => `0198b000-0000-7000-8000-00000000000${index}`);
const MOMENTS = ['0001-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z', '2026-06-30T23:59:59.999Z', '9999-12-31T23:59:59.999Z'];

const isStored = ({ mutability, name }: Attribute): boolean => mutability !== 'readOnly' && mutability !== 'writeOnly' && name !== 'schemas';

const valueOf = (attribute: Attribute): fc.Arbitrary<Json> => {
  const one = ((): fc.Arbitrary<Json> => {
    switch (attribute.type) {
      case 'boolean':
        return fc.boolean();
      case 'integer':
        return fc.integer({ min: -2, max: 2 });
      case 'decimal':
        return number;
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
    requiredKeys: required, noNullPrototype: true,
  }) as fc.Arbitrary<Resource>;

interface User {
  readonly id: string;
  readonly version: number;
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
  readonly managedBy: 'its directory' | 'another' | 'nobody';
}

/** Members are users by their place, and groups that come earlier: so there is no cycle. */
interface Group {
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
const groupsIn: fc.Arbitrary<Group[]> = fc.array(
  fc.record({
    owner: fc.constantFrom('its directory' as const, 'its directory' as const, 'another' as const, 'nobody' as const), version: fc.integer({ min: 1, max: 12 }),
    created: fc.constantFrom(...MOMENTS), lastModified: fc.constantFrom(...MOMENTS),
    resource: objectOf([...COMMON_ATTRIBUTES, ...GROUP.schema.attributes].filter(({ name }) => name !== 'members'), ['displayName']), users: places, inner: fc.array(fc.nat(groupIds.length), { maxLength: 2 }),
  }),
  { maxLength: groupIds.length },
).map((groups) => groups.map((group, index) => ({
  ...group, id: groupIds[index]!, users: [...new Set(group.users)], inner: [...new Set(group.inner)].filter((place) => place < index),
})));

/** The groups that a user is in: those that it is in directly, and those that contain one that it is in. */
const groupsOf = (place: number, groups: readonly Group[]): { id: string; directory: string | null; display: string; direct: boolean }[] => {
  const isIn = groups.map(({ users }) => users.includes(place));
  groups.forEach(({ inner }, index) => (isIn[index] ||= inner.some((earlier) => isIn[earlier])));
  return groups.flatMap(({ id, owner, resource, users }, index) => {
    const directory = owner === 'nobody' ? null : owner;
    return isIn[index] ? [{ id, directory, display: String(resource.displayName), direct: users.includes(place) }] : [];
  });
};

const usersOf = ({ schema, extensions }: ResourceDefinition): fc.Arbitrary<User[]> => {
  const core = objectOf([...COMMON_ATTRIBUTES, ...schema.attributes], ['userName']);
  const below = fc.tuple(...extensions.map(({ attributes }) => fc.option(objectOf(attributes, []))));
  const resource = fc.tuple(core, below).map(([attributes, objects]): Resource => ({
    ...attributes,
    ...Object.fromEntries(objects.flatMap((object, index) => (object && Object.keys(object).length > 0 ? [[extensions[index]!.id, object]] : []))),
  }));
  const user = fc.record({
    version: fc.integer({ min: 1, max: 12 }), created: fc.constantFrom(...MOMENTS), lastModified: fc.constantFrom(...MOMENTS), resource,
    managedBy: fc.constantFrom('its directory' as const, 'its directory' as const, 'another' as const, 'nobody' as const),
  });
  return fc.array(user, { minLength: 1, maxLength: ids.length }).map((users) => users.map((found, index) => ({ id: ids[index]!, ...found })));
};

const pathsOf = ({ schema, extensions }: ResourceDefinition): AttributePath[] => {
  const found = [
    ...[...COMMON_ATTRIBUTES, ...schema.attributes].map((attribute) => ({ attribute, schema: schema.id, extension: false })),
    ...extensions.flatMap(({ id, attributes }) => attributes.map((attribute) => ({ attribute, schema: id, extension: true }))),
  ].filter(({ attribute }) => attribute.returned !== 'never');
  return found.flatMap((path) => [path, ...(path.attribute.subAttributes ?? []).map((subAttribute) => ({ ...path, subAttribute }))]);
};

const EQUALITY: readonly Operator[] = ['eq', 'ne'];
const ORDERING: readonly Operator[] = ['gt', 'ge', 'lt', 'le'];
const TEXT: readonly Operator[] = ['co', 'sw', 'ew'];

/** What may be near a value of an attribute. */
const operandOf = ({ name, type }: Attribute): fc.Arbitrary<string> => {
  const near: Readonly<Record<string, string[]>> = {
    id: [...ids, ids[3]!.toUpperCase(), ids[3]!.slice(0, 8)], schemas: [USER.schema.id, ...USER.extensions.map(({ id }) => id), EVERY_TYPE.id],
    resourceType: ['User', 'user', 'U'], version: ['W/"1"', 'W/"12"', '1"', 'w/'], location: [`${USERS_URL}/${ids[2]!}`, USERS_URL, ids[2]!],
    type: [...TYPES, 'User', 'group', 'direct', 'INDIRECT'], value: [ids[1]!, ids[3]!.toUpperCase(), ...groupIds, ...groupIds.map((id) => id.toUpperCase()), groupIds[0]!.slice(0, -1)],
    $ref: [`${USERS_URL}/${ids[1]!}`, ...groupIds.map((id) => `${BASE_URL}/Groups/${id}`), `${BASE_URL}/GROUPS`, '/Users/'],
  };
  if (type === 'dateTime') return fc.constantFrom(...MOMENTS, '2026-01-01T01:00:00+01:00', '2026-01-01T00:00:00', '0000-01-01T00:00:00+14:00', '9999-12-31T23:59:59-14:00', '2026-01-01t00:00:00.0019z');
  return near[name] ? fc.oneof(fc.constantFrom(...near[name]), text) : text;
};

const comparisonOf = (whole: AttributePath): fc.Arbitrary<Filter> => {
  const part = whole.subAttribute ?? whole.attribute.subAttributes?.find(({ name }) => name === 'value');
  const path = part ? { ...whole, subAttribute: part } : whole;
  const attribute = part ?? whole.attribute;
  const present: fc.Arbitrary<Filter> = fc.constant({ kind: 'present', path: whole });
  if (attribute.type === 'complex') return present;
  const compare = (operators: readonly Operator[], value: fc.Arbitrary<string | number | boolean | null>): fc.Arbitrary<Filter> =>
    fc.record({ kind: fc.constant('compare' as const), path: fc.constant(path), operator: fc.constantFrom(...operators), value });
  const none = compare(EQUALITY, fc.constant(null));
  const weighted = (...usual: fc.Arbitrary<Filter>[]): fc.Arbitrary<Filter> =>
    fc.oneof(...usual.map((arbitrary) => ({ arbitrary, weight: 4 })), { arbitrary: none, weight: 1 }, { arbitrary: present, weight: 1 });
  switch (attribute.type) {
    case 'boolean':
      return weighted(compare(EQUALITY, fc.boolean()));
    case 'integer':
    case 'decimal':
      return weighted(compare([...EQUALITY, ...ORDERING], number));
    case 'dateTime':
      return weighted(compare([...EQUALITY, ...ORDERING], operandOf(attribute)), compare(TEXT, fc.constantFrom('2026-01', '000Z', '00z', 'T0', 't2', '.9', '')));
    case 'binary':
      return weighted(compare([...EQUALITY, ...TEXT], operandOf(attribute)));
    default:
      return weighted(compare([...EQUALITY, ...ORDERING, ...TEXT], operandOf(attribute)));
  }
};

const treeOf = (leaf: fc.Arbitrary<Filter>, maxDepth: number): fc.Arbitrary<Filter> =>
  fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth, withCrossShrink: true }, leaf,
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('filter'), right: tie('filter') }),
      fc.record({ kind: fc.constant('not' as const), filter: tie('filter') }),
    ),
  })).filter;

const filtersOf = (definition: ResourceDefinition, paths = pathsOf(definition)): fc.Arbitrary<Filter> => {
  const comparisons = fc.oneof(...paths.map(comparisonOf));
  const valuePaths = fc.oneof(
    ...paths.filter(({ attribute, subAttribute }) => attribute.type === 'complex' && !subAttribute).map((path) =>
      fc.record({
        kind: fc.constant('valuePath' as const), path: fc.constant(path),
        filter: treeOf(fc.oneof(...path.attribute.subAttributes!.map((subAttribute) => comparisonOf({ ...path, subAttribute }))), 2),
      }),
    ),
  );
  const usual = [{ arbitrary: comparisons, weight: 6 }, { arbitrary: valuePaths, weight: 3 }];
  const emails = paths.find(({ attribute, subAttribute }) => attribute.name === 'emails' && !subAttribute);
  if (!emails) return treeOf(fc.oneof(...usual), 3);
  const email = (name: string, value: string): Filter =>
    ({ kind: 'compare', path: { ...emails, subAttribute: emails.attribute.subAttributes!.find((part) => part.name === name)! }, operator: 'eq', value });
  const workEmail = fc.tuple(text, fc.constantFrom('work', 'WORK'), fc.boolean()).map(([value, type, typeFirst]): Filter => {
    const [left, right] = typeFirst ? [email('type', type), email('value', value)] : [email('value', value), email('type', type)];
    return { kind: 'valuePath', path: emails, filter: { kind: 'and', left, right } };
  });
  return treeOf(fc.oneof(...usual, { arbitrary: workEmail, weight: 1 }), 3);
};

let url: string;
let owner: pg.Client;
let gateway: pg.Pool;
let tenants = 0;

beforeAll(async () => {
  url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  // As the role of the gateway, with its rights and settings.
  gateway = new pg.Pool({ connectionString: roleUrl(url, 'gateway'), max: 1 });
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await gateway?.end();
});

const partOf = (parts: readonly { readonly name: string; readonly sql: (rows: string) => string }[], name: string): string =>
  parts.find((part) => part.name === name)!.sql('$1::json');
const INSERT_USERS = partOf(userBehaviour(Buffer.alloc(32)).parts, 'upserted_users');
const INSERT_GROUPS = partOf(groupBehaviour().parts, 'upserted_groups');
const INSERT_MEMBERS = partOf(groupBehaviour().parts, 'new_members');

/** In a tenant of their own, written as identity and group write them. */
const insert = async (
  definition: ResourceDefinition, users: readonly User[], groups: readonly Group[] = [], seesLocalGroups = false,
): Promise<{ tenant: string; directory: string }> => {
  const tenant = `0198a000-0000-7000-9000-${(++tenants).toString(16).padStart(12, '0')}`;
  const directoryOf = (managedBy: User['managedBy']): string | null => (managedBy === 'nobody' ? null : managedBy === 'another' ? ids[0]! : tenant);
  const rows = users.map((user) => ({
    ...userRow(tenant, { ...user, directory: directoryOf(user.managedBy), signIns: [], awaited: false, refused: [], before: null }),
    // Identity knows none but the attributes of a user.
    ...(definition.name === USER.name && definition !== USER ? { folded: foldedAttributes(definition, user.resource) } : {}),
  }));
  await owner.query(INSERT_USERS, [JSON.stringify(rows)]);
  if (groups.length === 0) return { tenant, directory: tenant };
  await owner.query(
    `INSERT INTO admin.directories (id, tenant, version, created, name, kind, offer_existing_users, email_is_login_name, offer_local_groups)
     VALUES ($1, $1, 1, now(), 'Its directory', 'scim', false, false, $2)`, [tenant, seesLocalGroups],
  );
  const memberCount = ({ users: people, inner }: Group): number => people.length + inner.length;
  await owner.query(INSERT_GROUPS, [JSON.stringify(groups.map((group) => groupRow(tenant, { ...group, directory: directoryOf(group.owner), memberCount: memberCount(group) })))]);
  const members = groups.flatMap(({ id, users: people, inner }) => [
    ...people.map((place) => ({ tenant, group_id: id, member: ids[place]!, kind: 'U' })), ...inner.map((place) => ({ tenant, group_id: id, member: groupIds[place]!, kind: 'G' })),
  ]);
  await owner.query(INSERT_MEMBERS, [JSON.stringify(members)]);
  return { tenant, directory: tenant };
};

/** As the directory of the test sees it. */
const shown = (definition: ResourceDefinition, user: User, groups: readonly Group[] = [], seesLocalGroups = false): Resource => {
  const seen = groupsSeen({ ...user, groups: groupsOf(ids.indexOf(user.id), groups) }, { directory: 'its directory', seesLocalGroups })
    .map(({ id, display, direct }) => ({ value: id, $ref: `${BASE_URL}/Groups/${id}`, display, type: direct ? 'direct' : 'indirect' }));
  const resource = seen.length === 0 ? user.resource : { ...user.resource, groups: seen };
  return renderResource(definition, resource, { ...user, location: `${USERS_URL}/${user.id}` }) as Resource;
};
const shownGroup = (group: Group): Resource => {
  const members = [...group.users.map((place) => ({ value: ids[place]!, type: 'User' as const })), ...group.inner.map((place) => ({ value: groupIds[place]!, type: 'Group' as const }))]
    .map((member) => toMember(member, BASE_URL, undefined));
  return { ...(toGroup({ ...group, memberCount: members.length }, BASE_URL, undefined) as Resource), ...(members.length === 0 ? {} : { members }) };
};

/** For each row of a view, in the order of ids, which of the filters its SQL is true for. */
const hitsOf = async (view: string, columns: ResourceColumns, { tenant, directory }: { tenant: string; directory: string }, filters: readonly Filter[]): Promise<boolean[][]> => {
  const values: string[] = [tenant, directory];
  const conditions = filters.map((filter) => {
    const compiled = compileFilter(columns, filter, values.length + 1);
    values.push(...compiled.values);
    return `(${compiled.sql}) IS TRUE`;
  });
  const { rows } = await gateway.query<{ hits: boolean[] }>(
    `SELECT id, ARRAY[${conditions.join(', ')}] AS hits FROM ${view} AS u WHERE tenant = $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT ${ids.length}`, values,
  );
  return rows.map(({ hits }) => hits);
};

/** Filters that never, or always, match would compare nothing. */
const expectBoth = (hits: readonly boolean[]): void => {
  expect(hits.filter(Boolean).length / hits.length).toBeGreaterThan(0.2);
  expect(hits.filter(Boolean).length / hits.length).toBeLessThan(0.8);
};

describe.each(DEFINITIONS)('%s', (_name, count, definition) => {
  const { columns } = resourceTables(BASE_URL, { user: definition, group: GROUP }).users;

  it('is found by the SQL of a filter exactly when the filter matches', async () => {
    const compared: boolean[] = [];
    const filters = fc.array(filtersOf(definition), { minLength: FILTERS_PER_RUN, maxLength: FILTERS_PER_RUN });
    await fc.assert(
      fc.asyncProperty(usersOf(definition), groupsIn, fc.boolean(), filters, async (users, groups, seesLocalGroups, many) => {
        const scope = await insert(definition, users, groups, seesLocalGroups);
        const expected = users.map((user) => many.map((filter) => matches(filter, shown(definition, user, groups, seesLocalGroups))));
        expect(await hitsOf(USERS_VIEW, columns, scope, many)).toEqual(expected);
        compared.push(...expected.flat());
      }),
      { numRuns: count / FILTERS_PER_RUN },
    );
    expectBoth(compared);
  }, 120_000);
});

/** What is about other resources, and therefore lies in other tables. */
describe.each([['users by their groups', USER, 'groups'], ['groups by their members', GROUP, 'members']] as const)('%s', (_name, definition, name) => {
  const own = pathsOf(definition).filter(({ attribute }) => definition === GROUP || attribute.name === name);
  const value = own.find(({ attribute, subAttribute }) => attribute.name === name && subAttribute?.name === 'value')!;
  const known = definition === GROUP ? fc.oneof(fc.constantFrom(...ids.slice(0, 9)), fc.constantFrom(...groupIds)) : fc.constantFrom(...groupIds);
  const is: fc.Arbitrary<Filter> = known.map((id) => ({ kind: 'compare', path: value, operator: 'eq', value: id }));
  const filtered = fc.array(treeOf(fc.oneof({ arbitrary: is, weight: 3 }, { arbitrary: filtersOf(definition, own), weight: 7 }), 2), { minLength: FILTERS_PER_RUN, maxLength: FILTERS_PER_RUN });

  it('are found by the SQL of a filter exactly when the filter matches', async () => {
    const { users: userTable, groups: groupTable } = resourceTables(BASE_URL);
    const compared: boolean[] = [];
    await fc.assert(
      fc.asyncProperty(usersOf(USER), groupsIn, fc.boolean(), filtered, async (users, groups, seesLocalGroups, many) => {
        const scope = await insert(USER, users, groups, seesLocalGroups);
        const resources = definition === GROUP ? groups.map(shownGroup) : users.map((user) => shown(USER, user, groups, seesLocalGroups));
        const expected = resources.map((resource) => many.map((filter) => matches(filter, resource)));
        expect(await hitsOf(definition === GROUP ? GROUPS_VIEW : USERS_VIEW, (definition === GROUP ? groupTable : userTable).columns, scope, many)).toEqual(expected);
        compared.push(...expected.flat());
      }),
      { numRuns: 5_000 / FILTERS_PER_RUN },
    );
    expectBoth(compared);
  }, 120_000);
});

describe('a search', () => {
  /** RFC 7644 §3.4.2.3, as simply as it can be said. */
  const keyOf = ({ attribute, subAttribute, schema, extension }: AttributePath, resource: Resource): Json | undefined => {
    const value = ((extension ? resource[schema] : resource) as Resource | undefined)?.[attribute.name];
    const list = Array.isArray(value) ? (value as Resource[]) : undefined;
    const one = list ? (list.find(({ primary }) => primary === true) ?? list[0]) : value;
    const key = subAttribute ? (one as Resource | undefined)?.[subAttribute.name] : one;
    const { type, caseExact } = subAttribute ?? attribute;
    if (typeof key !== 'string') return key;
    return type === 'dateTime' ? instantOf(key) : caseExact ? key : fold(key);
  };
  const compareKeys = (a: Json | undefined, b: Json | undefined): number => {
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    // The order of UTF-8 is that of code points.
    return typeof a === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b as string)) : Number(a) - Number(b);
  };

  it('pages through what matches of the users that the directory sees, in the order that was asked for', async () => {
    const users = new ResourceQueries<UserRow>(gateway, resourceTables(BASE_URL).users);
    const paths = fc.constantFrom(...pathsOf(USER).filter(({ attribute, subAttribute }) => attribute.name !== 'groups' && (subAttribute ?? attribute).type !== 'complex'));
    const filters = fc.option(filtersOf(USER));
    await fc.assert(
      fc.asyncProperty(
        usersOf(USER), filters, fc.option(fc.record({ path: paths, descending: fc.boolean() })), fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (all, filter, sort, count, seesUnmanaged) => {
          const scope = { ...(await insert(USER, all)), seesUnmanaged, seesLocalGroups: false };
          const seen = all.filter(({ managedBy }) => managedBy === 'its directory' || (seesUnmanaged && managedBy === 'nobody'));
          const hits = seen.map((user) => ({ id: user.id, resource: shown(USER, user) })).filter(({ resource }) => !filter || matches(filter, resource));
          if (sort) {
            hits.sort((a, b) => (sort.descending ? -1 : 1) * compareKeys(keyOf(sort.path, a.resource), keyOf(sort.path, b.resource)) || (a.id < b.id ? -1 : 1));
          }
          const found: string[] = [];
          for (let startIndex = 1; startIndex <= hits.length + 1; startIndex += count) {
            const page = await users.page(scope, { filter, sort, selection: undefined, startIndex, count });
            // A look-up of somebody unique that finds two, which are there only here, shows one.
            if (page.totalResults !== hits.length) expect([page.totalResults, hits.length > 1]).toEqual([1, true]);
            found.push(...page.rows.map(({ id }) => id));
            if (page.totalResults !== hits.length) return;
          }
          expect(found).toEqual(hits.map(({ id }) => id));
        },
      ),
      { numRuns: 300 },
    );
  }, 120_000);

  const one = async (filter: Filter, pool = gateway): Promise<unknown> => {
    const queries = new ResourceQueries<UserRow>(pool, resourceTables(BASE_URL).users);
    return queries.page({ tenant: ids[0]!, directory: ids[0]!, seesUnmanaged: false, seesLocalGroups: false }, { filter, sort: null, selection: undefined, startIndex: 1, count: 1 });
  };
  const leaf = (name: string, operator: Operator): Filter =>
    ({ kind: 'compare', path: pathsOf(USER).find(({ attribute, subAttribute }) => attribute.name === name && !subAttribute)!, operator, value: 'x' });

  it('may be as long and as deep as the grammar allows', async () => {
    let long: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++) long = { kind: index % 2 ? 'or' : 'and', left: long, right: leaf('title', 'co') };
    let flat: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++) flat = { kind: 'or', left: flat, right: leaf('title', 'co') };
    for (const filter of [long, flat]) expect(await one(filter)).toEqual({ rows: [], totalResults: 0 });
  });

  it('that takes too long is refused as tooMany; that a look-up does is no fault of the client', async () => {
    const hasty = new pg.Pool({ connectionString: roleUrl(url, 'gateway'), max: 1, statement_timeout: 50 });
    // Nobody gets at the table, however fast the machine is.
    await owner.query('BEGIN; LOCK TABLE identity.users IN ACCESS EXCLUSIVE MODE');
    try {
      expect(await one(leaf('displayName', 'co'), hasty).catch((error: unknown) => error)).toMatchObject({ name: 'Rejected', code: 'tooMany' });
      for (const name of ['userName', 'externalId']) await expect(one(leaf(name, 'eq'), hasty), name).rejects.toMatchObject({ code: '57014' });
    } finally {
      await owner.query('ROLLBACK');
      await hasty.end();
    }
  });
});
