import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserRow } from '#contracts';
import { roleSeal, roleUrl } from '#event-store';
import {
  fold,
  GROUP,
  instantOf,
  matches,
  STANDARD,
  USER,
  type AttributePath,
  type Filter,
  type Json,
  type Operator,
  type Resource,
  type Search,
} from '#scim';
import { Cursors } from '../apps/gateway/src/read/cursors.js';
import { ResourceQueries, type Page } from '../apps/gateway/src/read/resource.queries.js';
import { resourceTables, type Scope } from '../apps/gateway/src/read/resource-tables.js';
import { userRow } from '../apps/identity/src/user-rows.projection.js';
import { newDatabase, query } from './support/postgres.js';
import { asRead, readingLimits } from './support/reading-limits.js';
import {
  BASE_URL,
  DEFINITIONS,
  filtersOf,
  ids,
  insert,
  INSERT_USERS,
  MOMENTS,
  pathsOf,
  shown,
  usersOf,
  type User,
} from './support/random-resources.js';

/**
 * The lists of the gateway, paged by number and by cursor, sorted and not: what comes, in which order, and what the
 * database reads for it.
 */

let url: string;
let owner: pg.Client;
let gateway: pg.Pool;

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

describe('a search', () => {
  /** RFC 7644 §3.4.2.3, as simply as it can be said. */
  const keyOf = (
    { attribute, subAttribute, schema, extension }: AttributePath,
    resource: Resource,
  ): Json | undefined => {
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

  /**
   * The ids of all pages, each asked for with the cursor of the one before; what happens between pages comes with the
   * first of them.
   */
  const walk = async (
    users: ResourceQueries<UserRow>,
    scope: Scope,
    search: Omit<Search, 'cursor' | 'startIndex'>,
    between?: (page: Page<UserRow>) => Promise<unknown>,
  ): Promise<string[]> => {
    const cursors = new Cursors(roleSeal(roleUrl(url, 'gateway'), 'gateway', 'cursor'), 1_000, () => 0);
    const found: string[] = [];
    let total: number | undefined;
    for (let text: string | undefined = ''; text !== undefined;) {
      const resumed = cursors.resume(scope, '/Users', 'User', {
        ...search,
        startIndex: 1,
        cursor: { text, asked: '', count: null },
      });
      const page = await users.page(scope, resumed.search, asRead, resumed.begin);
      const place = cursors.place(
        resumed.search,
        page.totalResults,
        page.hasMore ? { type: 'User', position: page.end } : null,
      );
      found.push(...page.shown.map(({ id }) => id));
      expect(page.totalResults).toBe((total ??= page.totalResults));
      // Only the last page may have less, and none is empty but that of an empty list.
      text = (place as { nextCursor?: string }).nextCursor;
      if (text !== undefined) expect(page.shown).toHaveLength(search.count);
      else expect(page.shown.length > 0 || total === 0).toBe(true);
      await between?.(page);
    }
    return found;
  };

  it.each(DEFINITIONS)(
    'for %s pages through what matches of those that the directory sees, in the order that was asked for, by startIndex and by cursor',
    async (_name, _count, definition) => {
      const texts: string[] = [];
      const recorded = {
        query: (config: pg.QueryConfig) => (texts.push(config.text), gateway.query(config)),
      } as unknown as pg.Pool;
      const users = new ResourceQueries<UserRow>(recorded, resourceTables(BASE_URL).users, readingLimits());
      const paths = fc.constantFrom(
        ...pathsOf(definition).filter(
          ({ attribute, subAttribute }) =>
            attribute.name !== 'groups' && (subAttribute ?? attribute).type !== 'complex',
        ),
      );
      const filters = fc.option(filtersOf(definition));
      await fc.assert(
        fc.asyncProperty(
          usersOf(definition),
          filters,
          fc.option(fc.record({ path: paths, descending: fc.boolean() })),
          fc.integer({ min: 1, max: 9 }),
          fc.boolean(),
          async (all, filter, sort, count, seesUnmanaged) => {
            const scope = {
              ...(await insert(owner, definition, all)),
              seesUnmanaged,
              seesLocalGroups: false,
              definitions: { user: definition, group: GROUP },
            };
            const seen = all.filter(
              ({ managedBy }) => managedBy === 'its directory' || (seesUnmanaged && managedBy === 'nobody'),
            );
            const hits = seen
              .map((user) => ({ id: user.id, resource: shown(definition, user) }))
              .filter(({ resource }) => !filter || matches(filter, resource));
            if (sort) {
              hits.sort(
                (a, b) =>
                  (sort.descending ? -1 : 1) *
                    compareKeys(keyOf(sort.path, a.resource), keyOf(sort.path, b.resource)) || (a.id < b.id ? -1 : 1),
              );
            }
            const found: string[] = [];
            for (let startIndex = 1; startIndex <= hits.length + 1; startIndex += count) {
              const page = await users.page(
                scope,
                { filter, sort, selection: undefined, startIndex, count, cursor: null },
                asRead,
              );
              // A look-up of somebody unique that finds two, which are there only here, shows one.
              if (page.totalResults !== hits.length) expect([page.totalResults, hits.length > 1]).toEqual([1, true]);
              found.push(...page.shown.map(({ id }) => id));
              if (page.totalResults !== hits.length) return;
            }
            expect(found).toEqual(hits.map(({ id }) => id));
            expect(await walk(users, scope, { filter, sort, selection: undefined, count })).toEqual(found);
          },
        ),
        { numRuns: 300 },
      );
      expect(texts.filter((sql) => !/ LIMIT (1|\$\d+)\b/.test(sql))).toEqual([]);
    },
    120_000,
  );

  it('by cursor goes on behind a user that is gone, and passes who was there all the time once, whatever is left out or comes meanwhile', async () => {
    const users = new ResourceQueries<UserRow>(gateway, resourceTables(BASE_URL).users, readingLimits());
    const nickName = pathsOf(USER).find(
      ({ attribute, subAttribute }) => attribute.name === 'nickName' && !subAttribute,
    )!;
    // Users have one of two texts, or none: most have the same sort key as others.
    const all = ids.map((id, index): User => ({
      id,
      version: 1,
      created: MOMENTS[1]!,
      lastModified: MOMENTS[1]!,
      managedBy: 'its directory',
      resource: { userName: `u${index}`, ...(index % 3 === 0 ? {} : { nickName: index % 3 === 1 ? 'a' : 'B' }) },
    }));
    for (const sort of [null, { path: nickName, descending: false }, { path: nickName, descending: true }]) {
      const scope = {
        ...(await insert(owner, USER, all)),
        seesUnmanaged: false,
        seesLocalGroups: false,
        definitions: STANDARD,
      };
      const gone = new Set<string>();
      let come = 0;
      const found = await walk(
        users,
        scope,
        { filter: null, sort, selection: undefined, count: 4 },
        async ({ shown: rows }) => {
          const leaving = [rows.at(-1)!.id, ids[(++come * 7) % ids.length]!];
          for (const id of leaving) gone.add(id);
          await owner.query('DELETE FROM identity.users WHERE tenant = $1 AND id = ANY ($2)', [scope.tenant, leaving]);
          await owner.query(INSERT_USERS, [
            JSON.stringify([
              userRow(
                scope.tenant,
                {
                  ...all[come]!,
                  id: `0198a000-0000-7000-${come % 2 ? '7' : '9'}000-${come.toString(16).padStart(12, '0')}`,
                  directory: scope.directory,
                  withdrawnFrom: null,
                  held: null,
                  signIns: [],
                  awaited: false,
                  refused: [],
                  before: null,
                  mapping: null,
                },
                USER,
              ),
            ]),
          ]);
        },
      );
      expect(gone.size).toBeGreaterThan(8);
      expect(found.filter((id) => ids.includes(id) && !gone.has(id)).sort()).toEqual(ids.filter((id) => !gone.has(id)));
      expect(new Set(found).size).toBe(found.length);
    }
  });

  it('by cursor sorts by a text as long as a URL can hold, in the same order as by startIndex', async () => {
    const users = new ResourceQueries<UserRow>(gateway, resourceTables(BASE_URL).users, readingLimits(100_000_000));
    const displayName = pathsOf(USER).find(
      ({ attribute, subAttribute }) => attribute.name === 'displayName' && !subAttribute,
    )!;
    const all = ids.map((id, index): User => ({
      id,
      version: 1,
      created: MOMENTS[1]!,
      lastModified: MOMENTS[1]!,
      managedBy: 'its directory',
      resource: { userName: `u${index}`, displayName: '\u0001'.repeat(65_000) + String(30 - index) },
    }));
    const scope = {
      ...(await insert(owner, USER, all)),
      seesUnmanaged: false,
      seesLocalGroups: false,
      definitions: STANDARD,
    };
    const search = { filter: null, sort: { path: displayName, descending: true }, selection: undefined, count: 7 };
    const { shown: rows } = await users.page(scope, { ...search, startIndex: 1, count: 100, cursor: null }, asRead);
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

  it.each([
    ['users', 'users_pkey', 'identity.users'],
    ['groups', 'groups_pkey', '"group".groups'],
  ] as const)(
    'by cursor reads a piece of the primary key of the %s, wherever the page begins, with statistics and without',
    async (type, index, table) => {
      const scope = {
        tenant: ids[1]!,
        directory: ids[2]!,
        seesUnmanaged: false,
        seesLocalGroups: false,
        definitions: STANDARD,
      };
      // A database that has no statistics until it is told to.
      const own = await newDatabase();
      const [name, more] =
        type === 'users' ? ['user_name_folded', 'former_upn_key'] : ['display_name_folded', 'member_count'];
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
      const explain = async ({
        text,
        values,
      }: {
        readonly text: string;
        readonly values: readonly unknown[];
      }): Promise<Plan[]> => {
        await client.query(`PREPARE page AS ${text}`);
        const { rows } = await client.query(
          `EXPLAIN (FORMAT JSON) EXECUTE page (${values.map((value) => pg.escapeLiteral(String(value))).join()})`,
        );
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
            const pool = {
              query: async (statement: never) => {
                asked.push(await explain(statement));
                return { rows: [{ total: null, fetched: 0, tooMany: false, found: null, key: null }] };
              },
            } as unknown as pg.Pool;
            await new ResourceQueries(pool, resourceTables(BASE_URL)[type], readingLimits()).page(
              scope,
              { filter: null, sort: null, selection: undefined, startIndex: 1, count: 100, cursor: null },
              asRead,
              { type: '', position: { id: '0198b000-0000-7000-8000-000000000009', key: null }, totalResults: 5_000 },
            );
            const [limit] = asked[0]!.filter((node) => node['Node Type'] === 'Limit');
            expect(limit!.Plans, `${mode}, ${analyzed}`).toEqual([
              expect.objectContaining({
                'Node Type': expect.stringMatching(/^Index (Only )?Scan$/) as unknown,
                'Index Name': index,
                'Index Cond': expect.stringMatching(/tenant = .*id > /) as unknown,
              }),
            ]);
          }
        }
      } finally {
        await client.end();
      }
    },
  );

  const one = async (filter: Filter, pool = gateway): Promise<unknown> => {
    const queries = new ResourceQueries<UserRow>(pool, resourceTables(BASE_URL).users, readingLimits());
    return queries.page(
      { tenant: ids[0]!, directory: ids[0]!, seesUnmanaged: false, seesLocalGroups: false, definitions: STANDARD },
      { filter, sort: null, selection: undefined, startIndex: 1, count: 1, cursor: null },
      asRead,
    );
  };
  const leaf = (name: string, operator: Operator): Filter => ({
    kind: 'compare',
    path: pathsOf(USER).find(({ attribute, subAttribute }) => attribute.name === name && !subAttribute)!,
    operator,
    value: 'x',
  });

  it('may be as long and as deep as the grammar allows', async () => {
    let long: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++)
      long = { kind: index % 2 ? 'or' : 'and', left: long, right: leaf('title', 'co') };
    let flat: Filter = leaf('displayName', 'co');
    for (let index = 0; index < 900; index++) flat = { kind: 'or', left: flat, right: leaf('title', 'co') };
    for (const filter of [long, flat]) expect(await one(filter)).toMatchObject({ shown: [], totalResults: 0 });
  });

  it('for everybody reads an index and nobody but the page', async () => {
    const { tenant, directory } = await insert(owner, USER, []);
    await owner.query(`
      INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
        SELECT '${tenant}', uuidv7(), '${directory}', 1, now(), now(), jsonb_build_object('userName', i::text), i::text, '{}' FROM generate_series(1, 5000) AS i`);
    await owner.query('VACUUM ANALYZE identity.users');
    const asked: pg.QueryConfig[] = [];
    const recorded = {
      query: (config: pg.QueryConfig) => (asked.push(config), gateway.query(config)),
    } as unknown as pg.Pool;
    for (const seesUnmanaged of [false, true]) {
      const everybody = { filter: null, sort: null, selection: undefined, startIndex: 4_990, count: 100, cursor: null };
      const page = await new ResourceQueries<UserRow>(recorded, resourceTables(BASE_URL).users, readingLimits()).page(
        { tenant, directory, seesUnmanaged, seesLocalGroups: false, definitions: STANDARD },
        everybody,
        asRead,
      );
      expect([page.totalResults, page.shown.length]).toEqual([5_000, 11]);
      const { text: sql, values } = asked.pop()!;
      const { rows } = await gateway.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values);
      const scans = rows.flatMap(
        (row) => /(?<=-> +|^)\w[\w ]* Scan using users_\w+/.exec(row['QUERY PLAN'])?.[0] ?? [],
      );
      expect(scans.sort()).toEqual([
        'Index Only Scan using users_pkey',
        'Index Only Scan using users_pkey',
        'Index Scan using users_pkey',
      ]);
    }
  });

  it('that takes too long is refused as tooMany; that a look-up does is no fault of the client', async () => {
    const hasty = new pg.Pool({ connectionString: roleUrl(url, 'gateway'), max: 1, statement_timeout: 50 });
    // Nobody gets at the table, however fast the machine is.
    await owner.query('BEGIN; LOCK TABLE identity.users IN ACCESS EXCLUSIVE MODE');
    try {
      expect(await one(leaf('displayName', 'co'), hasty).catch((error: unknown) => error)).toMatchObject({
        name: 'Rejected',
        code: 'tooMany',
      });
      for (const name of ['userName', 'externalId'])
        await expect(one(leaf(name, 'eq'), hasty), name).rejects.toMatchObject({ code: '57014' });
    } finally {
      await owner.query('ROLLBACK');
      await hasty.end();
    }
  });
});
