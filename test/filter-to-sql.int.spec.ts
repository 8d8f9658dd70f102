import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserRow } from '#contracts';
import { roleSeal, roleUrl } from '#event-store';
import { Slots } from '#runtime';
import {
  COMMON_ATTRIBUTES, fold, foldedAttributes, GROUP, instantOf, matches, renderResource, USER,
  type Attribute, type AttributePath, type Filter, type Json, type Operator, type Resource, type ResourceDefinition, type Schema, type Search,
} from '#scim';
import { Cursors } from '../apps/gateway/src/cursors.js';
import { compileFilter } from '../apps/gateway/src/filter-to-sql.js';
import { ResourceQueries, type Page, type ReadingLimits } from '../apps/gateway/src/resource.queries.js';
import { resourceTables, type Scope } from '../apps/gateway/src/resource-tables.js';
import { userBehaviour, userRow } from '../apps/identity/src/user.projection.js';
import { newDatabase, query } from './support/postgres.js';

/**
 * The SQL of the gateway finds what `matches` finds, in rows that identity wrote: random users, random filters. Directly in memory a
 * filter is evaluated as RFC 7644 §3.4.2.2 reads; the database must agree on every user.
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
    resourceType: ['User', 'user', 'U'], version: ['W/"1"', 'W/"12"', '1"', 'w/'], location: [`${USERS_URL}/${ids[2]!}`, USERS_URL, ids[2]!], type: TYPES,
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

const filtersOf = (definition: ResourceDefinition): fc.Arbitrary<Filter> => {
  const paths = pathsOf(definition);
  const comparisons = fc.oneof(...paths.map(comparisonOf));
  const valuePaths = fc.oneof(
    ...paths.filter(({ attribute, subAttribute }) => attribute.type === 'complex' && !subAttribute).map((path) =>
      fc.record({
        kind: fc.constant('valuePath' as const), path: fc.constant(path),
        filter: treeOf(fc.oneof(...path.attribute.subAttributes!.map((subAttribute) => comparisonOf({ ...path, subAttribute }))), 2),
      }),
    ),
  );
  const emails = paths.find(({ attribute, subAttribute }) => attribute.name === 'emails' && !subAttribute)!;
  const email = (name: string, value: string): Filter =>
    ({ kind: 'compare', path: { ...emails, subAttribute: emails.attribute.subAttributes!.find((part) => part.name === name)! }, operator: 'eq', value });
  const workEmail = fc.tuple(text, fc.constantFrom('work', 'WORK'), fc.boolean()).map(([value, type, typeFirst]): Filter => {
    const [left, right] = typeFirst ? [email('type', type), email('value', value)] : [email('value', value), email('type', type)];
    return { kind: 'valuePath', path: emails, filter: { kind: 'and', left, right } };
  });
  return treeOf(fc.oneof({ arbitrary: comparisons, weight: 6 }, { arbitrary: valuePaths, weight: 3 }, { arbitrary: workEmail, weight: 1 }), 3);
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

const INSERT = userBehaviour(Buffer.alloc(32)).parts.find(({ name }) => name === 'upserted_users')!.sql('$1::json');

/** In a tenant of their own, written as identity writes them. */
const insert = async (definition: ResourceDefinition, users: readonly User[]): Promise<{ tenant: string; directory: string }> => {
  const tenant = `0198a000-0000-7000-9000-${(++tenants).toString(16).padStart(12, '0')}`;
  const directoryOf = ({ managedBy }: User): string | null => (managedBy === 'nobody' ? null : managedBy === 'another' ? ids[0]! : tenant);
  const rows = users.map((user) => ({
    ...userRow(tenant, { ...user, directory: directoryOf(user), signIns: [], awaited: false, refused: [], before: null }),
    // Identity knows none but the attributes of a user.
    ...(definition === USER ? {} : { folded: foldedAttributes(definition, user.resource) }),
  }));
  await owner.query(INSERT, [JSON.stringify(rows)]);
  return { tenant, directory: tenant };
};

const shown = (definition: ResourceDefinition, user: User): Resource =>
  renderResource(definition, user.resource, { ...user, location: `${USERS_URL}/${user.id}` }) as Resource;

describe.each(DEFINITIONS)('%s', (_name, count, definition) => {
  const { columns } = resourceTables(BASE_URL, { user: definition, group: GROUP }).users;

  it('is found by the SQL of a filter exactly when the filter matches', async () => {
    let matched = 0;
    let compared = 0;
    const filters = fc.array(filtersOf(definition), { minLength: FILTERS_PER_RUN, maxLength: FILTERS_PER_RUN });
    await fc.assert(
      fc.asyncProperty(usersOf(definition), filters, async (users, many) => {
        const { tenant, directory } = await insert(definition, users);
        const values: string[] = [tenant, directory];
        const conditions = many.map((filter) => {
          const compiled = compileFilter(columns, filter, values.length + 1);
          values.push(...compiled.values);
          return `(${compiled.sql}) IS TRUE`;
        });
        const { rows } = await gateway.query<{ id: string; hits: boolean[] }>(
          `SELECT id, ARRAY[${conditions.join(', ')}] AS hits FROM identity.users_v2 AS u WHERE tenant = $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT ${ids.length}`, values,
        );
        const expected = users.map((user) => many.map((filter) => matches(filter, shown(definition, user))));
        expect(rows.map(({ hits }) => hits)).toEqual(expected);
        compared += users.length * many.length;
        matched += expected.flat().filter(Boolean).length;
      }),
      { numRuns: count / FILTERS_PER_RUN },
    );
    // Filters that never, or always, match would compare nothing.
    expect(matched / compared).toBeGreaterThan(0.2);
    expect(matched / compared).toBeLessThan(0.8);
  }, 120_000);
});

describe('a search', () => {
  const limits = (maxPageBytes = 1_000_000): ReadingLimits => ({ slots: new Slots({ maxRunning: 1, maxWaiting: 0, waitTimeoutMs: 1 }), maxPageBytes });

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

  /** The ids of all pages, each asked for with the cursor of the one before; what happens between pages comes with the first of them. */
  const walk = async (users: ResourceQueries<UserRow>, scope: Scope, search: Omit<Search, 'cursor' | 'startIndex'>, between?: (page: Page<UserRow>) => Promise<unknown>): Promise<string[]> => {
    const cursors = new Cursors(roleSeal(url, 'gateway', 'cursor'), 1_000, () => 0);
    const found: string[] = [];
    let total: number | undefined;
    for (let text: string | undefined = ''; text !== undefined; ) {
      const resumed = cursors.resume(scope, '/Users', 'User', { ...search, startIndex: 1, cursor: { text, asked: '', count: null } });
      const page = await users.page(scope, resumed.search, resumed.begin);
      const place = cursors.place(resumed.search, page.totalResults, page.hasMore ? { type: 'User', position: page.end } : null);
      found.push(...page.rows.map(({ id }) => id));
      expect(page.totalResults).toBe((total ??= page.totalResults));
      // Only the last page may have less, and none is empty but that of an empty list.
      text = (place as { nextCursor?: string }).nextCursor;
      if (text !== undefined) expect(page.rows).toHaveLength(search.count);
      else expect(page.rows.length > 0 || total === 0).toBe(true);
      await between?.(page);
    }
    return found;
  };

  it('pages through what matches of the users that the directory sees, in the order that was asked for, by startIndex and by cursor', async () => {
    const texts: string[] = [];
    const recorded = { query: (config: pg.QueryConfig) => (texts.push(config.text), gateway.query(config)) } as unknown as pg.Pool;
    const users = new ResourceQueries<UserRow>(recorded, resourceTables(BASE_URL).users, limits());
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
            const page = await users.page(scope, { filter, sort, selection: undefined, startIndex, count, cursor: null });
            // A look-up of somebody unique that finds two, which are there only here, shows one.
            if (page.totalResults !== hits.length) expect([page.totalResults, hits.length > 1]).toEqual([1, true]);
            found.push(...page.rows.map(({ id }) => id));
            if (page.totalResults !== hits.length) return;
          }
          expect(found).toEqual(hits.map(({ id }) => id));
          expect(await walk(users, scope, { filter, sort, selection: undefined, count })).toEqual(found);
        },
      ),
      { numRuns: 300 },
    );
    expect(texts.filter((sql) => !/ LIMIT (1|\$\d+)\b/.test(sql))).toEqual([]);
  }, 120_000);

  it('by cursor goes on behind a user that is gone, and passes who was there all the time once, whatever is left out or comes meanwhile', async () => {
    const users = new ResourceQueries<UserRow>(gateway, resourceTables(BASE_URL).users, limits());
    const nickName = pathsOf(USER).find(({ attribute, subAttribute }) => attribute.name === 'nickName' && !subAttribute)!;
    // Of two texts, and of none: most users have the same sort key as others.
    const all = ids.map((id, index): User => ({
      id, version: 1, created: MOMENTS[1]!, lastModified: MOMENTS[1]!, managedBy: 'its directory',
      resource: { userName: `u${index}`, ...(index % 3 === 0 ? {} : { nickName: index % 3 === 1 ? 'a' : 'B' }) },
    }));
    for (const sort of [null, { path: nickName, descending: false }, { path: nickName, descending: true }]) {
      const scope = { ...(await insert(USER, all)), seesUnmanaged: false, seesLocalGroups: false };
      const gone = new Set<string>();
      let come = 0;
      const found = await walk(users, scope, { filter: null, sort, selection: undefined, count: 4 }, async ({ rows }) => {
        const leaving = [rows.at(-1)!.id, ids[(++come * 7) % ids.length]!];
        for (const id of leaving) gone.add(id);
        await owner.query('DELETE FROM identity.users WHERE tenant = $1 AND id = ANY ($2)', [scope.tenant, leaving]);
        await owner.query(INSERT, [JSON.stringify([userRow(scope.tenant, {
          ...all[come]!, id: `0198a000-0000-7000-${come % 2 ? '7' : '9'}000-${come.toString(16).padStart(12, '0')}`, directory: scope.directory, signIns: [], awaited: false, refused: [], before: null,
        })])]);
      });
      expect(gone.size).toBeGreaterThan(8);
      expect(found.filter((id) => ids.includes(id) && !gone.has(id)).sort()).toEqual(ids.filter((id) => !gone.has(id)));
      expect(new Set(found).size).toBe(found.length);
    }
  });

  it('by cursor sorts by a text as long as a URL can hold, in the same order as by startIndex', async () => {
    const users = new ResourceQueries<UserRow>(gateway, resourceTables(BASE_URL).users, limits(100_000_000));
    const displayName = pathsOf(USER).find(({ attribute, subAttribute }) => attribute.name === 'displayName' && !subAttribute)!;
    const all = ids.map((id, index): User => ({
      id, version: 1, created: MOMENTS[1]!, lastModified: MOMENTS[1]!, managedBy: 'its directory',
      resource: { userName: `u${index}`, displayName: '\u0001'.repeat(65_000) + String(30 - index) },
    }));
    const scope = { ...(await insert(USER, all)), seesUnmanaged: false, seesLocalGroups: false };
    const search = { filter: null, sort: { path: displayName, descending: true }, selection: undefined, count: 7 };
    const { rows } = await users.page(scope, { ...search, startIndex: 1, count: 100, cursor: null });
    expect(await walk(users, scope, search)).toEqual(rows.map(({ id }) => id));
    expect(rows).toHaveLength(ids.length);
  });

  interface Plan {
    readonly 'Node Type': string;
    readonly 'Index Name'?: string;
    readonly 'Index Cond'?: string;
    readonly Plans?: readonly Plan[];
  }
  const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

  it.each([['users', 'users_pkey', 'identity.users'], ['groups', 'groups_pkey', '"group".groups']] as const)(
    'by cursor reads a piece of the primary key of the %s, wherever the page begins, with statistics and without',
    async (type, index, table) => {
      const scope = { tenant: ids[1]!, directory: ids[2]!, seesUnmanaged: false, seesLocalGroups: false };
      // A database that has no statistics until it is told to.
      const own = await newDatabase();
      const [name, more] = type === 'users' ? ['user_name_folded', 'former_upn_folded'] : ['display_name_folded', 'member_count'];
      await query(own, `ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
      await query(
        own,
        `INSERT INTO ${table} (tenant, id, directory, version, created, last_modified, resource, folded, ${name}, ${more})
         SELECT CASE WHEN n % 5 = 0 THEN $2::uuid ELSE $1::uuid END, ('0198b000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $2, 1, now(), now(),
           jsonb_build_object('a', repeat('a', 500)), '{}', n::text, ${type === 'users' ? 'NULL' : '0'} FROM generate_series(1, 10000) AS n`,
        [scope.tenant, scope.directory],
      );
      const client = new pg.Client({ connectionString: roleUrl(own, 'gateway') });
      await client.connect();
      const explain = async ({ text, values }: { readonly text: string; readonly values: readonly unknown[] }): Promise<Plan[]> => {
        await client.query(`PREPARE page AS ${text}`);
        const { rows } = await client.query(`EXPLAIN (FORMAT JSON) EXECUTE page (${values.map((value) => pg.escapeLiteral(String(value))).join()})`);
        await client.query('DEALLOCATE page');
        return nodes(rows[0]['QUERY PLAN'][0].Plan);
      };
      try {
        for (const analyzed of [false, true]) {
          if (analyzed) await query(own, `ANALYZE ${table}`);
          // As it is planned for these values, and for any.
          for (const mode of ['force_custom_plan', 'force_generic_plan']) {
            await client.query(`SET plan_cache_mode = ${mode}`);
            const asked: Plan[][] = [];
            const pool = { query: async (statement: never) => {
              asked.push(await explain(statement));
              return { rows: [{ total: null, found: null }] };
            } } as unknown as pg.Pool;
            await new ResourceQueries(pool, resourceTables(BASE_URL)[type], limits()).page(
              scope, { filter: null, sort: null, selection: undefined, startIndex: 1, count: 100, cursor: null }, { type: '', position: { id: '0198b000-0000-7000-8000-000000000009', key: null }, totalResults: 5_000 },
            );
            const [limit] = asked[0]!.filter((node) => node['Node Type'] === 'Limit');
            expect(limit!.Plans, `${mode}, ${analyzed}`).toEqual([expect.objectContaining({ 'Node Type': expect.stringMatching(/^Index (Only )?Scan$/) as unknown, 'Index Name': index, 'Index Cond': expect.stringMatching(/tenant = .*id > /) as unknown })]);
          }
        }
      } finally {
        await client.end();
      }
    },
  );

  const one = async (filter: Filter, pool = gateway): Promise<unknown> => {
    const queries = new ResourceQueries<UserRow>(pool, resourceTables(BASE_URL).users, limits());
    return queries.page({ tenant: ids[0]!, directory: ids[0]!, seesUnmanaged: false, seesLocalGroups: false }, { filter, sort: null, selection: undefined, startIndex: 1, count: 1, cursor: null });
  };
  const leaf = (name: string, operator: Operator): Filter =>
    ({ kind: 'compare', path: pathsOf(USER).find(({ attribute, subAttribute }) => attribute.name === name && !subAttribute)!, operator, value: 'x' });

  it('may be as long and as deep as the grammar allows', async () => {
    let long: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++) long = { kind: index % 2 ? 'or' : 'and', left: long, right: leaf('title', 'co') };
    let flat: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++) flat = { kind: 'or', left: flat, right: leaf('title', 'co') };
    for (const filter of [long, flat]) expect(await one(filter)).toMatchObject({ rows: [], totalResults: 0 });
  });

  it('for everybody reads an index and nobody but the page', async () => {
    const { tenant, directory } = await insert(USER, []);
    await owner.query(`
      INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
        SELECT '${tenant}', uuidv7(), '${directory}', 1, now(), now(), jsonb_build_object('userName', i::text), i::text, '{}' FROM generate_series(1, 5000) AS i`);
    await owner.query('VACUUM ANALYZE identity.users');
    const asked: pg.QueryConfig[] = [];
    const recorded = { query: (config: pg.QueryConfig) => (asked.push(config), gateway.query(config)) } as unknown as pg.Pool;
    for (const seesUnmanaged of [false, true]) {
      const everybody = { filter: null, sort: null, selection: undefined, startIndex: 4_990, count: 100, cursor: null };
      const page = await new ResourceQueries<UserRow>(recorded, resourceTables(BASE_URL).users, limits()).page({ tenant, directory, seesUnmanaged, seesLocalGroups: false }, everybody);
      expect([page.totalResults, page.rows.length]).toEqual([5_000, 11]);
      const { text: sql, values } = asked.pop()!;
      const { rows } = await gateway.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values);
      const scans = rows.flatMap((row) => /(?<=-> +|^)\w[\w ]* Scan using users_\w+/.exec(row['QUERY PLAN'])?.[0] ?? []);
      expect(scans.sort()).toEqual(['Index Only Scan using users_pkey', 'Index Only Scan using users_pkey', 'Index Scan using users_pkey']);
    }
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
