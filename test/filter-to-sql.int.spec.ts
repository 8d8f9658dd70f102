import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GROUPS_VIEW, USERS_VIEW } from '#contracts';
import { roleUrl } from '#event-store';
import { GROUP, matches, STANDARD, USER, type Filter } from '#scim';
import { compileFilter } from '../apps/gateway/src/read/filter-to-sql.js';
import type { ResourceColumns } from '../apps/gateway/src/read/resource-columns.js';
import { resourceTables } from '../apps/gateway/src/read/resource-tables.js';
import { newDatabase } from './support/postgres.js';
import {
  BASE_URL,
  DEFINITIONS,
  filtersOf,
  groupIds,
  groupsIn,
  ids,
  insert,
  pathsOf,
  shown,
  shownGroup,
  treeOf,
  usersOf,
} from './support/random-resources.js';

/**
 * The SQL of the gateway finds what `matches` finds, in rows that identity and group wrote: random users in random
 * groups, random filters. Directly in memory a filter is evaluated as RFC 7644 §3.4.2.2 reads; the database must agree
 * on every user and group.
 */
const FILTERS_PER_RUN = 50;

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

/** For each row of a view, in the order of ids, which of the filters its SQL is true for. */
const hitsOf = async (
  view: string,
  columns: ResourceColumns,
  { tenant, directory }: { tenant: string; directory: string },
  filters: readonly Filter[],
): Promise<boolean[][]> => {
  const values: string[] = [tenant, directory];
  const conditions = filters.map((filter) => {
    const compiled = compileFilter(columns, filter, values.length + 1);
    values.push(...compiled.values);
    return `(${compiled.sql}) IS TRUE`;
  });
  const { rows } = await gateway.query<{ hits: boolean[] }>(
    `SELECT id, ARRAY[${conditions.join(', ')}] AS hits FROM ${view} AS u WHERE tenant = $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT ${ids.length}`,
    values,
  );
  return rows.map(({ hits }) => hits);
};

/** Filters that never, or always, match would compare nothing. */
const expectBoth = (hits: readonly boolean[]): void => {
  expect(hits.filter(Boolean).length / hits.length).toBeGreaterThan(0.2);
  expect(hits.filter(Boolean).length / hits.length).toBeLessThan(0.8);
};

describe.each(DEFINITIONS)('%s', (_name, count, definition) => {
  const columns = resourceTables(BASE_URL).users.columns({ definitions: { user: definition, group: GROUP } });

  it('is found by the SQL of a filter exactly when the filter matches', async () => {
    const compared: boolean[] = [];
    const filters = fc.array(filtersOf(definition), { minLength: FILTERS_PER_RUN, maxLength: FILTERS_PER_RUN });
    await fc.assert(
      fc.asyncProperty(
        usersOf(definition),
        groupsIn,
        fc.boolean(),
        filters,
        async (users, groups, seesLocalGroups, many) => {
          const scope = await insert(owner, definition, users, groups, seesLocalGroups);
          const expected = users.map((user) =>
            many.map((filter) => matches(filter, shown(definition, user, groups, seesLocalGroups))),
          );
          expect(await hitsOf(USERS_VIEW, columns, scope, many)).toEqual(expected);
          compared.push(...expected.flat());
        },
      ),
      { numRuns: count / FILTERS_PER_RUN },
    );
    expectBoth(compared);
  }, 120_000);
});

/** Attributes that are about other resources, and therefore lie in other tables. */
describe.each([
  ['users by their groups', USER, 'groups'],
  ['groups by their members', GROUP, 'members'],
] as const)('%s', (_name, definition, name) => {
  const own = pathsOf(definition).filter(({ attribute }) => definition === GROUP || attribute.name === name);
  const value = own.find(({ attribute, subAttribute }) => attribute.name === name && subAttribute?.name === 'value')!;
  const known =
    definition === GROUP
      ? fc.oneof(fc.constantFrom(...ids.slice(0, 9)), fc.constantFrom(...groupIds))
      : fc.constantFrom(...groupIds);
  const is: fc.Arbitrary<Filter> = known.map((id) => ({ kind: 'compare', path: value, operator: 'eq', value: id }));
  const filtered = fc.array(
    treeOf(fc.oneof({ arbitrary: is, weight: 3 }, { arbitrary: filtersOf(definition, own), weight: 7 }), 2),
    { minLength: FILTERS_PER_RUN, maxLength: FILTERS_PER_RUN },
  );

  it('are found by the SQL of a filter exactly when the filter matches', async () => {
    const { users: userTable, groups: groupTable } = resourceTables(BASE_URL);
    const compared: boolean[] = [];
    await fc.assert(
      fc.asyncProperty(
        usersOf(USER),
        groupsIn,
        fc.boolean(),
        filtered,
        async (users, groups, seesLocalGroups, many) => {
          const scope = await insert(owner, USER, users, groups, seesLocalGroups);
          const resources =
            definition === GROUP
              ? groups.map(shownGroup)
              : users.map((user) => shown(USER, user, groups, seesLocalGroups));
          const expected = resources.map((resource) => many.map((filter) => matches(filter, resource)));
          expect(
            await hitsOf(
              definition === GROUP ? GROUPS_VIEW : USERS_VIEW,
              (definition === GROUP ? groupTable : userTable).columns({ definitions: STANDARD }),
              scope,
              many,
            ),
          ).toEqual(expected);
          compared.push(...expected.flat());
        },
      ),
      { numRuns: 5_000 / FILTERS_PER_RUN },
    );
    expectBoth(compared);
  }, 120_000);
});
