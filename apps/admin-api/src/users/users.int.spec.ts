import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { administeredUsers } from '../../../../test/support/administered-users.js';
import { newDatabase } from '../../../../test/support/postgres.js';
import type { Users } from './users.queries.js';

const TENANT = '01980000-0000-7000-8000-00000000000a';
/** More than are read at once, and fewer than are looked for. */
const HAD = 120;
const HAS = HAD;
const MANY_EMAILS = HAD + 1;
const idOf = (n: number): string => `01980000-0000-7000-9000-${n.toString(16).padStart(12, '0')}`;

let pool: pg.Pool;
let users: Users;

beforeAll(async () => {
  const url = await newDatabase();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'admin_api'), max: 1 });
  users = administeredUsers(pool, url, []);
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  const emails = Array.from({ length: 30 }, (_, n) => ({
    type: n === 4 ? 'Work' : 'other',
    value: `${n}-${'x'.repeat(90)}@example.com`,
  }));
  for (let n = 0; n <= MANY_EMAILS; n++) {
    const displayName = n === HAS ? 'Ada Byron' : `Somebody ${n}`;
    const resource = { userName: `user-${n}`, displayName, ...(n === MANY_EMAILS ? { emails } : {}) };
    await owner.query(
      `INSERT INTO identity.users (tenant, id, version, created, last_modified, resource, user_name_folded, folded)
       VALUES ($1, $2, 1, now(), now(), $3, $4, '{}')`,
      [TENANT, idOf(n), resource, resource.userName],
    );
    if (n === MANY_EMAILS) continue;
    await owner.query(
      `INSERT INTO identity.known_as (tenant, id, version, n, kind, value) VALUES ($1, $2, 1, 0, 'displayName', 'ada byron')`,
      [TENANT, idOf(n)],
    );
  }
  await owner.end();
});
afterAll(() => pool?.end());

it.each([1, 2, 100])('who has a name comes before those who had it, where %i are asked for', async (limit) => {
  const found = await users.find([TENANT], 'ada byron', limit);
  expect(found).toHaveLength(limit);
  expect(found[0]).toMatchObject({ id: idOf(HAS), matchedBy: 'displayName' });
  expect(found.slice(1).map(({ matchedBy }) => matchedBy)).toEqual(Array(limit - 1).fill('formerDisplayName'));
});

it('of many e-mails the one for work is shown', async () => {
  const [found] = await users.find([TENANT], `user-${MANY_EMAILS}`);
  expect(found!.email).toBe(`4-${'x'.repeat(90)}@example.com`);
});
