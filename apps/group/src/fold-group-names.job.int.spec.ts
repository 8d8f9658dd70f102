import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { GROUP } from '#scim';
import { newDatabase, query } from '../../../test/support/postgres.js';
import { FoldGroupNames } from './fold-group-names.job.js';
import { groupBehaviour, groupRow } from './group.projection.js';

const TENANT = '0198b000-0000-7000-8000-000000000000';
const INSERT = groupBehaviour(262_144)
  .parts.find(({ name }) => name === 'upserted_groups')!
  .sql('$1::json');

let url: string;
let group: pg.Pool;

beforeAll(async () => {
  url = await newDatabase();
  group = new pg.Pool({ connectionString: roleUrl(url, 'group'), max: 1 });
}, 60_000);

afterAll(() => group?.end());

it('names of before there were keys get them, with their claims; of two that look the same the first one keeps it', async () => {
  const names: readonly [string, string | null][] = [
    ['Sales  North', TENANT],
    ['sales north', TENANT],
    ['Ｓales north', null],
    ['Team', TENANT],
    ['Sales north\u200b', TENANT],
  ];
  const rows = names.map(([displayName, directory], index) =>
    groupRow(
      TENANT,
      {
        id: `0198b000-0000-7000-8000-00000000000${index}`,
        directory,
        version: 1,
        created: '2026-01-01T00:00:00.000Z',
        lastModified: '2026-01-01T00:00:00.000Z',
        resource: { displayName },
        memberCount: 0,
      },
      GROUP,
    ),
  );
  // As the migration leaves them: marked where the key may be another than the folded name.
  await query(url, INSERT, [
    JSON.stringify(rows.map((row, index) => ({ ...row, name_key: index === 1 || index === 3 ? null : '' }))),
  ]);
  await query(
    url,
    `INSERT INTO "group".claims SELECT tenant, 'displayName', coalesce(directory::text, 'local') || '/' || display_name_folded, id FROM "group".groups`,
  );
  for (let time = 0; time < 2; time++) {
    await new FoldGroupNames(group).onModuleInit();
    expect(await query(url, 'SELECT name_key FROM "group".groups ORDER BY id')).toEqual(
      rows.map(({ name_key }) => ({ name_key })),
    );
    const claims = await query<{ value: string; holder: string | null }>(
      url,
      'SELECT value, holder FROM "group".claims',
    );
    expect(
      Object.fromEntries(
        claims.map(({ value, holder }) => [value.replace(TENANT, 'idp'), holder && Number(holder.at(-1))]),
      ),
    ).toEqual({
      'idp/sales north': 1,
      'idp/sales  north': null,
      'idp/sales north\u200b': null,
      'local/sales north': 2,
      'local/ｓales north': null,
      'idp/team': 3,
    });
  }
});

it('long groups are read some at a time: a page of them ends where it is long enough', async () => {
  const tenant = '0198c000-0000-7000-8000-000000000000';
  const rows = Array.from({ length: 45 }, (_, index) =>
    groupRow(
      tenant,
      {
        id: `0198c000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
        directory: null,
        version: 1,
        created: '2026-01-01T00:00:00.000Z',
        lastModified: '2026-01-01T00:00:00.000Z',
        resource: { displayName: `Long  ${index}`, externalId: 'x'.repeat(262_144) },
        memberCount: 0,
      },
      GROUP,
    ),
  );
  // The column of externalId is indexed, and holds no more than 2,700 bytes.
  await query(url, INSERT, [JSON.stringify(rows.map((row) => ({ ...row, name_key: '', external_id: null })))]);
  const read: number[] = [];
  const counting = {
    query: async (sql: string, values?: unknown[]) => {
      const result = await group.query(sql, values);
      read.push(JSON.stringify(result.rows).length);
      return result;
    },
  } as unknown as pg.Pool;
  await new FoldGroupNames(counting).onModuleInit();
  expect(Math.max(...read)).toBeLessThan(4 * 1_048_576 + 300_000);
  const stored = await query(url, 'SELECT name_key FROM "group".groups WHERE tenant = $1 ORDER BY id', [tenant]);
  expect(stored).toEqual(rows.map(({ name_key }) => ({ name_key })));
});
