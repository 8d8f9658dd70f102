import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { USER } from '#scim';
import { newDatabase, query } from '../../../test/support/postgres.js';
import { FoldUsers } from './fold-users.job.js';
import { userBehaviour, userRow } from './user.projection.js';

/** More than two pages. */
const USERS = 2_500;
const TENANT = '0198a000-0000-7000-8000-000000000000';
const INSERT = userBehaviour(Buffer.alloc(32)).parts.find(({ name }) => name === 'upserted_users')!.sql('$1::json');

let url: string;
let identity: pg.Pool;

beforeAll(async () => {
  url = await newDatabase();
  identity = new pg.Pool({ connectionString: roleUrl(url, 'identity'), max: 1 });
}, 60_000);

afterAll(() => identity?.end());

it('users who were written before there were folded copies get them, and are not found by a filter until then', async () => {
  const rows = Array.from({ length: USERS }, (_, index) => userRow(TENANT, {
    id: `0198a000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`, directory: TENANT, version: 1, created: '2026-01-01T00:00:00.000Z',
    lastModified: '2026-01-01T00:00:00.000Z', resource: { userName: `u${index}`, displayName: index % 2 ? `İNCİ ${index}` : `lower ${index}` }, signIns: [], awaited: false, refused: [], before: null,
  }, USER));
  await query(url, INSERT, [JSON.stringify(rows.map((row) => ({ ...row, folded: null })))]);
  const gateway = new pg.Client({ connectionString: roleUrl(url, 'gateway') });
  await gateway.connect();
  const find = async (): Promise<number> => {
    const { rows: found } = await gateway.query<{ count: string }>(
      "SELECT count(*) FROM identity.users_v2 WHERE tenant = $1 AND starts_with(coalesce(folded->>'displayName', resource->>'displayName'), $2)", [TENANT, 'i\u0307nci'],
    );
    return Number(found[0]!.count);
  };
  try {
    // cannot_connect_now: the gateway says 503, try again.
    await expect(find()).rejects.toMatchObject({ code: '57P03' });
    await new FoldUsers(identity).onModuleInit();
    expect(await find()).toBe(USERS / 2);
  } finally {
    await gateway.end();
  }
  const stored = await query<{ folded: unknown }>(url, 'SELECT folded FROM identity.users ORDER BY id');
  expect(stored.map(({ folded }) => folded)).toEqual(rows.map(({ folded }) => folded));
  await new FoldUsers(identity).onModuleInit();
  expect(await query(url, 'SELECT folded FROM identity.users ORDER BY id')).toEqual(stored);
});
