import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import type { UserState } from '../apps/admin-api/src/users/found.js';
import type { Users } from '../apps/admin-api/src/users/users.queries.js';
import { administeredUsers } from './support/administered-users.js';
import { readingsOf } from './support/plans.js';
import { newDatabase } from './support/postgres.js';

/**
 * How much the database reads for what administrators ask, whatever there is: with statistics and without, of a text
 * that thousands have, and of a user who has had thousands of names.
 */

const USERS = 20_000;
const NAMESAKES = 10_000;
const ARCHIVED = 4_000;
const DELETED = 2_000;
const NAMES_OF_ONE = 5_000;
/** The most that is read for one answer. */
const FEW = 4_000;
const GIVEN_AGAIN = 1_900;
const TENANT = '01980000-0000-7000-8000-00000000000a';
const SMALL_TENANT = '01980000-0000-7000-8000-00000000000b';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const PAGE = 100;

const asked: pg.QueryConfig[] = [];
let owner: pg.Client;
let pool: pg.Pool;
let users: Users;

const idOf = (n: number): string => `01980000-0000-7000-9000-${n.toString(16).padStart(12, '0')}`;
const ID_OF_N = `('01980000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid`;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'admin_api'), max: 1 });
  users = administeredUsers(pool, url, asked);
  // Statistics come when the test says so.
  await owner.query(`ALTER TABLE identity.users SET (autovacuum_enabled = off);
    ALTER TABLE identity.known_as SET (autovacuum_enabled = off);
    ALTER TABLE identity.deleted_users SET (autovacuum_enabled = off)`);
  await owner.query(
    `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, external_id, work_email_folded, folded, archived)
     SELECT CASE WHEN n < ${USERS} THEN '${TENANT}'::uuid ELSE '${SMALL_TENANT}' END, ${ID_OF_N}, '${DIRECTORY}', 1, now(), now(),
       jsonb_build_object('userName', 'user-' || n, 'displayName', CASE WHEN n < ${NAMESAKES} THEN 'Anna Schmidt' ELSE 'User ' || n END,
         'emails', jsonb_build_array(jsonb_build_object('type', 'work', 'value', 'user-' || n))),
       'user-' || n, 'ext-' || n, 'user-' || n, '{}', nullif(n % ${USERS / ARCHIVED} = 0, false)
     FROM generate_series(0, ${USERS + 9}) AS n`,
  );
  await owner.query(
    `INSERT INTO identity.deleted_users (tenant, id, directory, version, created, deleted, user_name)
     SELECT '${TENANT}', ${ID_OF_N}, '${DIRECTORY}', 2, now(), now(), 'gone-' || n
     FROM generate_series(${2 * USERS}, ${2 * USERS + DELETED - 1}) AS n`,
  );
  await owner.query(
    `INSERT INTO identity.known_as (tenant, id, version, n, kind, value)
     SELECT '${TENANT}', ${ID_OF_N}, v, 0, 'displayName', value FROM (
       SELECT n, 1 AS v, CASE WHEN n < ${NAMESAKES} THEN 'anna schmidt' ELSE 'user ' || n END AS value FROM generate_series(0, ${USERS - 1}) AS n
       UNION ALL SELECT ${USERS - 1}, v, 'known as ' || v FROM generate_series(2, ${NAMES_OF_ONE}) AS v
       UNION ALL SELECT ${USERS - 1}, v, 'to and fro' FROM generate_series(${NAMES_OF_ONE + 1}, ${NAMES_OF_ONE + GIVEN_AGAIN}) AS v
       UNION ALL SELECT ${USERS - 2}, 2, 'to and fro') AS of_all`,
  );
}, 120_000);
afterAll(() => Promise.all([owner?.end(), pool?.end()]));

const find = (text: string, tenant = TENANT) => users.find([tenant], text);
const list = (state: UserState | undefined, directory?: string, after: number | null = null) =>
  users.page({ tenants: [TENANT], state, directory }, after === null ? null : [TENANT, idOf(after)], PAGE + 1);

describe.each([
  ['without statistics', async () => undefined],
  ['with statistics', () => owner.query('ANALYZE')],
])('%s', (_when, begin) => {
  beforeAll(async () => void (await begin()));

  it.each([
    ['a userName', () => find('user-777'), 1],
    ['an externalId', () => find('ext-777'), 1],
    ['a name', () => find(`user ${NAMESAKES}`), 1],
    ['an id', () => find(idOf(777)), 0],
    ['a text that nobody has', () => find('nobody'), 0],
    ['a name that thousands have', () => find('Anna Schmidt'), PAGE],
    ['a beginning that all names of thousands have', () => find('anna*'), PAGE],
    ['a beginning that all user names have', () => find('user*'), PAGE],
    ['a beginning that all user names of another tenant have', () => find('user*', SMALL_TENANT), 10],
    ['one of thousands of names of one user', () => find('known as 77'), 1],
    ['the beginning of thousands of names of one user', () => find('known*'), 1],
    ['a name that one user was given again and again, and another one once', () => find('to and fro'), 2],
    ['active and archived users', () => list(undefined), PAGE + 1],
    ['active users', () => list('active', undefined, 5_000), PAGE + 1],
    ['archived users', () => list('archived', undefined, 5_000), PAGE + 1],
    ['archived users of a directory', () => list('archived', DIRECTORY, 5_000), PAGE + 1],
    ['deleted users', () => list('deleted', undefined, 2 * USERS + 500), PAGE + 1],
  ])('%s: a bounded part is read, by indexes, and no more of it is sorted', async (_what, ask, found) => {
    asked.length = 0;
    expect(await ask()).toHaveLength(found);
    for (const { text, values } of asked) {
      for (const { rows, sorted, withoutIndex } of await readingsOf(pool, text, values!))
        expect({ rows: Math.max(rows, FEW), sorted: Math.max(sorted, FEW), withoutIndex }).toEqual({
          rows: FEW,
          sorted: FEW,
          withoutIndex: [],
        });
    }
  });
});
