import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roleSeal, roleUrl } from '#event-store';
import { Directories } from '../apps/admin-api/src/directories/directories.queries.js';
import { RolePreviews, type RolePreview } from '../apps/admin-api/src/directories/role-previews.queries.js';
import { RoleGroups } from '../apps/admin-api/src/groups/role-groups.queries.js';
import { Pages } from '../apps/admin-api/src/http/pages.queries.js';
import { readingOf } from './support/plans.js';
import { newDatabase } from './support/postgres.js';

/** How much the database reads for a preview of web roles, where a group has 100,000 members. */

const USERS = 100_000;
/** Every third user is one of another directory, and every tenth one is archived. */
const isCounted = (n: number): boolean => n % 3 !== 0 && n % 10 !== 0;
const COUNTED = Array.from({ length: USERS }, (_, n) => n).filter(isCounted).length;
const TENANT = '01980000-0000-7000-8000-00000000000a';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const OTHER = '01980000-0000-7000-8000-00000000000e';
const EVERYBODY = '01980000-0000-7000-8000-0000000000f1';
const FEW = '01980000-0000-7000-8000-0000000000f2';
/** The most that one statement reads: some rows of each of the 1,000 users at whom it looks. */
const MAX_ROWS = 5_000;

const asked: { text: string; values: unknown[] }[] = [];
let owner: pg.Client;
let pool: pg.Pool;
let previews: RolePreviews;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'admin_api'), max: 1 });
  const recorded = {
    query: (text: string, values: unknown[]) => (asked.push({ text, values }), pool.query(text, values)),
  } as unknown as pg.Pool;
  const pages = new Pages(roleSeal(roleUrl(url, 'admin_api'), 'admin_api', 'cursor'));
  previews = new RolePreviews(recorded, new Directories(recorded, '', ''), new RoleGroups(recorded), pages);
  // Statistics come when the test says so.
  await owner.query(`ALTER TABLE identity.users SET (autovacuum_enabled = off);
    ALTER TABLE "group".members SET (autovacuum_enabled = off)`);
  await owner.query(
    `INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings)
     SELECT id, $1, 1, now(), id::text, 'scim', '{}' FROM unnest($2::uuid[]) AS t(id)`,
    [TENANT, [DIRECTORY, OTHER]],
  );
  await owner.query(
    `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded, archived)
     SELECT $1, ('01980000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, CASE WHEN n % 3 = 0 THEN $3::uuid ELSE $2 END, 1, now(), now(),
       jsonb_build_object('userName', 'user-' || n, 'roles', CASE WHEN n % 4 = 1 THEN '[{"value": "Admin"}]'::jsonb END),
       'user-' || n, '{}', nullif(n % 10 = 0, false)
     FROM generate_series(0, ${USERS - 1}) AS n`,
    [TENANT, DIRECTORY, OTHER],
  );
  await owner.query(
    `INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
     SELECT $1, id, $2, 1, now(), now(), jsonb_build_object('displayName', id), id::text, '{}', 0 FROM unnest($3::uuid[]) AS t(id)`,
    [TENANT, DIRECTORY, [EVERYBODY, FEW]],
  );
  await owner.query(
    `INSERT INTO "group".members SELECT $1::uuid, $2::uuid, id, 'U' FROM identity.users
     UNION ALL SELECT $1::uuid, $3::uuid, id, 'U' FROM (SELECT id FROM identity.users ORDER BY id LIMIT 10) u`,
    [TENANT, EVERYBODY, FEW],
  );
}, 120_000);
afterAll(() => Promise.all([owner?.end(), pool?.end()]));

const part = (cursor?: string): Promise<RolePreview> =>
  previews.of(
    DIRECTORY,
    { groupRoles: { [EVERYBODY]: 'User', [FEW]: 'Admin' }, roleCeiling: 'User' },
    { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) },
  );

describe.each([
  ['without statistics', async () => undefined],
  ['with statistics', () => owner.query('ANALYZE')],
])('%s', (_when, begin) => {
  beforeAll(async () => void (await begin()));

  it('a part of a preview reads a bounded part of users and memberships, by indexes', async () => {
    const first = await part();
    asked.length = 0;
    await part(first.next!);
    const groups = asked.filter(({ text }) => text.includes('members_of_any'));
    expect(groups.length).toBeGreaterThan(0);
    for (const { text, values } of asked) {
      const { rows, withoutIndex } = await readingOf(pool, text, values);
      expect({ rows: Math.max(rows, MAX_ROWS), withoutIndex }).toEqual({ rows: MAX_ROWS, withoutIndex: [] });
    }
  });

  it('a whole preview looks at every active user of the directory, once', async () => {
    let [cursor, changed]: [string | null | undefined, number] = [undefined, 0];
    let counts: RolePreview['counts'] = [];
    while (cursor !== null) {
      const { items, next, counts: until }: RolePreview = await part(cursor);
      [cursor, changed, counts] = [next, changed + items.length, until];
    }
    const sum = (those: RolePreview['counts']): number => those.reduce((all, { users }) => all + users, 0);
    expect(sum(counts)).toBe(COUNTED);
    expect(sum(counts.filter(({ from, to }) => from !== to))).toBe(changed);
    expect(changed).toBe(COUNTED);
  });
});
