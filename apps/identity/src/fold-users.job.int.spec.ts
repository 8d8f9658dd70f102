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
const INSERT = userBehaviour(Buffer.alloc(32), 262_144)
  .parts.find(({ name }) => name === 'upserted_users')!
  .sql('$1::json');

let url: string;
let identity: pg.Pool;

beforeAll(async () => {
  url = await newDatabase();
  identity = new pg.Pool({ connectionString: roleUrl(url, 'identity'), max: 1 });
}, 60_000);

afterAll(() => identity?.end());

it('users who were written before there were folded copies get them, and are not found by a filter until then', async () => {
  const rows = Array.from({ length: USERS }, (_, index) =>
    userRow(
      TENANT,
      {
        id: `0198a000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
        directory: TENANT,
        version: 1,
        created: '2026-01-01T00:00:00.000Z',
        lastModified: '2026-01-01T00:00:00.000Z',
        resource: { userName: `u${index}`, displayName: index % 2 ? `İNCİ ${index}` : `lower ${index}` },
        signIns: [],
        awaited: false,
        refused: [],
        before: null,
      },
      USER,
    ),
  );
  await query(url, INSERT, [JSON.stringify(rows.map((row) => ({ ...row, folded: null })))]);
  const gateway = new pg.Client({ connectionString: roleUrl(url, 'gateway') });
  await gateway.connect();
  const find = async (): Promise<number> => {
    const { rows: found } = await gateway.query<{ count: string }>(
      "SELECT count(*) FROM identity.users_v2 WHERE tenant = $1 AND starts_with(coalesce(folded->>'displayName', resource->>'displayName'), $2)",
      [TENANT, 'i\u0307nci'],
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

it('long users are read and written some at a time: a page of them ends with the one that makes it long enough', async () => {
  const tenant = '0198c000-0000-7000-8000-000000000000';
  const rows = Array.from({ length: 45 }, (_, index) =>
    userRow(
      tenant,
      {
        id: `0198c000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
        directory: tenant,
        version: 1,
        created: '2026-01-01T00:00:00.000Z',
        lastModified: '2026-01-01T00:00:00.000Z',
        signIns: [],
        awaited: false,
        refused: [],
        before: null,
        resource: { userName: `long ${index}`, displayName: 'x'.repeat(index === 20 ? 6_000_000 : 262_144) },
      },
      USER,
    ),
  );
  await query(url, INSERT, [JSON.stringify(rows.map((row) => ({ ...row, folded: null })))]);
  const [read, written]: [number[], number[]] = [[], []];
  const counting = {
    query: async (sql: string, values?: unknown[]) => {
      const result = await identity.query(sql, values);
      read.push(JSON.stringify(result.rows).length);
      written.push(JSON.stringify(values ?? []).length);
      return result;
    },
  } as unknown as pg.Pool;
  await new FoldUsers(counting).onModuleInit();
  // The page, which ends with the user that reaches 4 MiB; and the copy of what is in it.
  expect(Math.max(...read)).toBeLessThan(4 * 1_048_576 + 6_100_000);
  expect(Math.max(...written)).toBeLessThan(4 * 1_048_576 + 6_100_000);
  const stored = await query<{ folded: unknown }>(
    url,
    'SELECT folded FROM identity.users WHERE tenant = $1 ORDER BY id',
    [tenant],
  );
  expect(stored.map(({ folded }) => folded)).toEqual(rows.map(({ folded }) => folded));
});

it('names of before there were keys get them, with their claims; of two that look the same the first one keeps it', async () => {
  const tenant = '0198b000-0000-7000-8000-000000000000';
  const names = ['ada@x ', 'ｂob@x', 'carl', '\u200b', 'ada@x', 'ADA@x\u00ad'];
  const state = (index: number) => ({
    id: `0198b000-0000-7000-8000-00000000000${index}`,
    directory: tenant,
    version: 1,
    created: '2026-01-01T00:00:00.000Z',
    lastModified: '2026-01-01T00:00:00.000Z',
    resource: { userName: names[index]!, emails: [{ type: 'work', value: `m${index}@x ` }] },
    signIns: [],
    awaited: false,
    refused: [],
    before: index === 2 ? { userName: 'ｃarl' } : null,
  });
  const rows = names.map((_, index) => userRow(tenant, state(index), USER));
  // As they were: nothing but folded names, in columns and claims.
  await query(url, INSERT, [
    JSON.stringify(
      rows.map((row, index) => ({
        ...row,
        name_key: null,
        work_email_key: null,
        folded: null,
        ...(index === 2 ? { links: { ...(row.links as object), nameBefore: 'ｃarl' } } : {}),
      })),
    ),
  ]);
  await query(
    url,
    "INSERT INTO identity.claims SELECT tenant, 'userName', user_name_folded, id FROM identity.users WHERE tenant = $1",
    [tenant],
  );
  const stored = () =>
    query(url, 'SELECT name_key, work_email_key, folded, links FROM identity.users WHERE tenant = $1 ORDER BY id', [
      tenant,
    ]);
  const claims = async (): Promise<object> =>
    Object.fromEntries(
      (
        await query<{ value: string; holder: string | null }>(
          url,
          'SELECT value, holder FROM identity.claims WHERE tenant = $1',
          [tenant],
        )
      ).map(({ value, holder }) => [value, holder && names[Number(holder.at(-1))]]),
    );
  await new FoldUsers(identity).onModuleInit();
  expect(await stored()).toEqual(
    rows.map(({ name_key, work_email_key, folded, links }) => ({ name_key, work_email_key, folded, links })),
  );
  const expected = {
    'ada@x': 'ada@x',
    'ada@x ': null,
    'ada@x\u00ad': null,
    'bob@x': 'ｂob@x',
    'ｂob@x': null,
    carl: 'carl',
    '\u200b': '\u200b',
  };
  expect(await claims()).toEqual(expected);
  await query(url, 'UPDATE identity.users SET folded = NULL WHERE tenant = $1', [tenant]);
  await new FoldUsers(identity).onModuleInit();
  expect(await claims()).toEqual(expected);
});
