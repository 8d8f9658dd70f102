import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { GROUP_EVENT_TYPES, type GroupEvent } from '#contracts';
import { rebuild, type RebuildResult } from '#event-store';
import { uuidv7 } from '#runtime';
import { STANDARD } from '#scim';
import { newDatabase } from '../../../test/support/postgres.js';
import { groupFold } from './group-fold.queries.js';
import { groupRow } from './group.projection.js';
import { evolve, type GroupState } from './group.js';

vi.setConfig({ testTimeout: 120_000 });

/** More than one statement reads, and many times what one transaction writes. */
const MEMBERS = 25_000;
const MEMBERS_PER_EVENT = 1_000;
const WRITTEN_AT_ONCE = 500;
const NOW = '2026-01-01T00:00:00.000Z';

let url: string;
let owner: pg.Client;
beforeAll(async () => {
  url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
}, 60_000);
afterAll(() => owner?.end());

/** A group as its lane writes it: events, the row, memberships. */
class Group {
  readonly id = uuidv7();
  readonly tenant = uuidv7();
  private state: GroupState = null;
  private version = 0;

  async write(event: GroupEvent): Promise<void> {
    this.state = evolve(this.state, event, this.id, NOW);
    this.version++;
    const { tenant, id, version } = this;
    await owner.query(
      `INSERT INTO "group".events VALUES ($1, $2::int, $3, $2::int, $4, $5, gen_random_uuid(), '', '', NULL, $6, NULL)`,
      [tenant, version, id, GROUP_EVENT_TYPES[event.type], NOW, JSON.stringify(event)],
    );
    if (!this.state) {
      await owner.query('DELETE FROM "group".groups WHERE id = $1', [id]);
      return;
    }
    const row = groupRow(tenant, this.state, STANDARD.group);
    const columns = Object.keys(row);
    await owner.query(
      `INSERT INTO "group".groups (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM json_populate_record(NULL::"group".groups, $1)
       ON CONFLICT (tenant, id) DO UPDATE SET ${columns.map((name) => `${name} = excluded.${name}`).join(', ')}`,
      [JSON.stringify(row)],
    );
    if (event.type !== 'GroupMembersChanged') return;
    const idsOf = (members: typeof event.added): string[] => members.map(({ value }) => value);
    await owner.query('DELETE FROM "group".members WHERE group_id = $1 AND member = ANY ($2)', [
      id,
      idsOf(event.removed),
    ]);
    await owner.query(`INSERT INTO "group".members SELECT $1, $2, m, 'U' FROM unnest($3::uuid[]) AS m`, [
      tenant,
      id,
      idsOf(event.added),
    ]);
  }
}

const users = (ids: readonly string[]): { readonly type: 'User'; readonly value: string }[] =>
  ids.map((value) => ({ type: 'User', value }));

const bigGroup = async (): Promise<{ readonly group: Group; readonly ids: readonly string[] }> => {
  const group = new Group();
  const ids = Array.from({ length: MEMBERS }, () => uuidv7());
  const displayName = `Group ${group.id}`;
  await group.write({ type: 'GroupCreated', resource: { schemas: [], displayName }, directory: null });
  await owner.query(`INSERT INTO "group".claims VALUES ($1, 'displayName', $2, $3)`, [
    group.tenant,
    `local/${displayName.toLowerCase()}`,
    group.id,
  ]);
  for (let from = 0; from < MEMBERS; from += MEMBERS_PER_EVENT)
    await group.write({
      type: 'GroupMembersChanged',
      added: users(ids.slice(from, from + MEMBERS_PER_EVENT)),
      removed: [],
    });
  return { group, ids };
};

/** Calls `afterCommit` with the number of each transaction of the rebuild, when it is committed. */
const rebuilt = async (
  afterCommit: (transaction: number) => Promise<void> = async () => undefined,
): Promise<RebuildResult> => {
  const [events, rows] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })];
  await Promise.all([events.connect(), rows.connect()]);
  let transactions = 0;
  const query = rows.query.bind(rows) as (sql: string, values?: unknown[]) => Promise<pg.QueryResult>;
  rows.query = (async (sql: string, values?: unknown[]) => {
    const result = await query(sql, values);
    if (sql === 'COMMIT') await afterCommit(++transactions);
    return result;
  }) as typeof rows.query;
  try {
    return await rebuild(events, rows, groupFold(), { version: '1' });
  } finally {
    await Promise.all([events.end(), rows.end()]);
  }
};
const membersOf = async ({ id }: Group): Promise<string[]> =>
  (
    await owner.query<{ member: string }>('SELECT member FROM "group".members WHERE group_id = $1 ORDER BY member', [
      id,
    ])
  ).rows.map(({ member }) => member);

it('a group of many members is mended with one small transaction after the other', async () => {
  const { group, ids } = await bigGroup();
  expect(await rebuilt()).toMatchObject({ mended: 0 });
  await owner.query('DELETE FROM "group".members WHERE group_id = $1', [group.id]);
  let transactions = 0;
  const written: number[] = [0];
  const result = await rebuilt(async (transaction) => {
    transactions = transaction;
    written.push((await membersOf(group)).length);
  });
  expect(result.mended).toBe(MEMBERS);
  expect(transactions).toBe(MEMBERS / WRITTEN_AT_ONCE);
  expect(Math.max(...written.slice(1).map((count, index) => count - written[index]!))).toBe(WRITTEN_AT_ONCE);
  expect(await membersOf(group)).toEqual(ids.toSorted());
});

it('more surplus members than one statement reads are deleted, and members of another kind are mended', async () => {
  const { group, ids } = await bigGroup();
  await owner.query(
    `INSERT INTO "group".members SELECT $1, $2, gen_random_uuid(), 'U' FROM generate_series(1, 12000)`,
    [group.tenant, group.id],
  );
  await owner.query(`UPDATE "group".members SET kind = 'G' WHERE group_id = $1 AND member = $2`, [group.id, ids[7]]);
  expect(await rebuilt()).toMatchObject({ mended: 12_001 });
  expect(await membersOf(group)).toEqual(ids.toSorted());
});

it('who comes and goes between two of these transactions is a member as the events say', async () => {
  const { group, ids } = await bigGroup();
  const [back, stays] = [ids[0]!, ids.at(-1)!];
  const newcomer = uuidv7();
  await owner.query('DELETE FROM "group".members WHERE group_id = $1', [group.id]);
  await rebuilt(async (transaction) => {
    if (transaction === 3)
      await group.write({ type: 'GroupMembersChanged', added: users([newcomer, stays]), removed: [] });
    if (transaction === 5)
      await group.write({ type: 'GroupMembersChanged', added: [], removed: users([back, newcomer]) });
  });
  expect(await membersOf(group)).toEqual(ids.slice(1).toSorted());
  expect(await rebuilt()).toMatchObject({ mended: 0 });
});

it('a group that is deleted between two of these transactions has no members afterwards', async () => {
  const { group } = await bigGroup();
  await owner.query('DELETE FROM "group".members WHERE group_id = $1', [group.id]);
  let left = -1;
  await rebuilt(async (transaction) => {
    if (transaction === 3) await group.write({ type: 'GroupDeleted' });
    if (transaction === 4) left = (await membersOf(group)).length;
  });
  // The trigger has left the others to a job.
  expect(left).toBe(1_000);
  expect((await owner.query('SELECT FROM "group".emptying WHERE group_id = $1', [group.id])).rowCount).toBe(1);
  expect(await membersOf(group)).toHaveLength(left);
});
