import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MEMBERS_OF_ANY } from '#contracts';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';

const HUGE = 100_000;
const DIRECTORY = uuidv7();
const OTHER_DIRECTORY = uuidv7();

let owner: pg.Client;
beforeAll(async () => {
  owner = new pg.Client({ connectionString: await newDatabase() });
  await owner.connect();
}, 60_000);
afterAll(() => owner?.end());

/**
 * Groups with their members, of which those that are groups are in capitals. Those that begin with L are local, those
 * with O of another directory.
 */
const made = async (groups: Readonly<Record<string, readonly string[]>>, gone: readonly string[] = []) => {
  const tenant = uuidv7();
  const ids = new Map<string, string>();
  const idOf = (name: string): string => ids.get(name) ?? ids.set(name, uuidv7()).get(name)!;
  for (const [name, members] of Object.entries(groups)) {
    const directory = name.startsWith('L') ? null : name.startsWith('O') ? OTHER_DIRECTORY : DIRECTORY;
    if (!gone.includes(name)) await insertGroup(tenant, directory, idOf(name));
    for (const member of members)
      await owner.query('INSERT INTO "group".members VALUES ($1, $2, $3, $4)', [
        tenant,
        idOf(name),
        idOf(member),
        member === member.toUpperCase() ? 'G' : 'U',
      ]);
  }
  return { tenant, idOf, nameOf: (id: string) => [...ids].find(([, known]) => known === id)![0] };
};
const insertGroup = (tenant: string, directory: string | null, ...ids: string[]) =>
  owner.query(
    `INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
     SELECT $1, unnest($2::uuid[]), $3, 1, now(), now(), '{}', 'x', '{}', 0`,
    [tenant, ids, directory],
  );
/** 100,000 users in a group. */
const fill = (tenant: string, group: string) =>
  owner.query(
    `INSERT INTO "group".members SELECT $1, $2::uuid, md5($2::text || n)::uuid, 'U' FROM generate_series(1, ${HUGE}) n`,
    [tenant, group],
  );

const asked = async (tenant: string, groups: string[], first: string, last: string, most = 100) =>
  (
    await owner.query<{ group_id: string | null; member: string | null }>(
      `SELECT * FROM ${MEMBERS_OF_ANY}($1, $2::uuid[], $3, $4, $5) ORDER BY 1, 2`,
      [tenant, groups, first, last, most],
    )
  ).rows;
/** Pages of the database that are read. */
const pagesRead = async (tenant: string, groups: string[], user: string, most = 100): Promise<number> => {
  const ask = async (): Promise<number> => {
    const { rows } = await owner.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ${MEMBERS_OF_ANY}('${tenant}', '{${groups.join(',')}}', '${user}', '${user}', ${most})`,
    );
    const { Plan } = rows[0]!['QUERY PLAN'][0];
    return Plan['Shared Hit Blocks']! + Plan['Shared Read Blocks']!;
  };
  // The first one also reads what the database knows of its tables.
  await ask();
  return ask();
};

describe('who is in any of some groups', () => {
  it.each<[string, Record<string, string[]>, string[], string[], string[]]>([
    ['those who are in one', { A: ['ada', 'bob'], B: ['cy'] }, [], ['A'], ['A ada', 'A bob']],
    ['those who are in it through others', { A: ['B'], B: ['C', 'ada'], C: ['bob'] }, [], ['A'], ['A ada', 'A bob']],
    ['each once for each group', { A: ['B', 'C'], B: ['ada'], C: ['ada'] }, [], ['A', 'B'], ['A ada', 'B ada']],
    ['an end, where groups contain each other', { A: ['B'], B: ['A', 'ada'] }, [], ['A'], ['A ada']],
    ['nobody of a group that is gone', { A: ['B'], B: ['ada'], D: ['bob'] }, ['B', 'D'], ['A', 'D'], []],
    ['those who are in it through a local group', { A: ['L'], L: ['ada'] }, [], ['A'], ['A ada']],
    ['nobody through a group of another directory', { A: ['L', 'O'], L: ['O'], O: ['ada'] }, [], ['A', 'O'], ['O ada']],
    ['nobody of no group', { A: ['ada'] }, [], [], []],
  ])('it names %s', async (_what, groups, gone, ask, expected) => {
    const { tenant, idOf, nameOf } = await made(groups, gone);
    const rows = await asked(
      tenant,
      ask.map(idOf),
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
    );
    expect(rows.map(({ group_id, member }) => `${nameOf(group_id!)} ${nameOf(member!)}`).toSorted()).toEqual(expected);
    expect(await asked(uuidv7(), ask.map(idOf), idOf('ada'), idOf('ada'))).toEqual([]);
  });

  it('only those between two ids', async () => {
    const { tenant, idOf } = await made({ A: ['ada', 'bob', 'cy', 'dan'] });
    const members = (await asked(tenant, [idOf('A')], idOf('bob'), idOf('cy'))).map(({ member }) => member);
    expect(members).toEqual([idOf('bob'), idOf('cy')]);
  });

  it('a group of 100,000 users costs no more than one of a few', async () => {
    const { tenant, idOf } = await made({ A: ['B', 'ada'], B: ['bob'] });
    const before = await pagesRead(tenant, [idOf('A')], idOf('bob'));
    await fill(tenant, idOf('A'));
    await fill(tenant, idOf('B'));
    expect(await asked(tenant, [idOf('A')], idOf('bob'), idOf('bob'))).toHaveLength(1);
    expect(await pagesRead(tenant, [idOf('A')], idOf('bob'))).toBeLessThan(before + 20);
  });

  it('of more groups than are to be looked into it says so, and reads no more of them', async () => {
    const { tenant, idOf } = await made({ A: ['ada'] });
    const many = Array.from({ length: 3_000 }, () => uuidv7());
    await insertGroup(tenant, DIRECTORY, ...many);
    await owner.query(`INSERT INTO "group".members SELECT $1, $2, unnest($3::uuid[]), 'G'`, [tenant, idOf('A'), many]);
    expect(await asked(tenant, [idOf('A')], idOf('ada'), idOf('ada'))).toEqual([{ group_id: null, member: null }]);
    expect(await asked(tenant, [idOf('A')], idOf('ada'), idOf('ada'), 3_001)).toHaveLength(1);
    expect(await pagesRead(tenant, [idOf('A')], idOf('ada'), 100)).toBeLessThan(
      (await pagesRead(tenant, [idOf('A')], idOf('ada'), 3_001)) / 4,
    );
  });
});
