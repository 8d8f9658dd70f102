import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LAST_USES_VIEW, RECORD_USES } from '#contracts';
import { roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { LastUses } from './last-uses.js';

const START = Date.parse('2026-01-02T03:04:00Z');
let owner: pg.Client;
let pool: pg.Pool;
let statements = 0;
let isAway = false;
const counted = {
  query: (config: pg.QueryConfig) => {
    statements++;
    return isAway ? Promise.reject(new Error('away')) : pool.query(config);
  },
} as unknown as pg.Pool;

/** A token of which the owner has an event. */
const newToken = async (): Promise<string> => {
  const id = uuidv7();
  await owner.query(
    `INSERT INTO directory.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
     VALUES ($1, 1, $2, 1, 'muster.token.created.v1', now(), $1, '', 'admin', '{}')`,
    [uuidv7(), id],
  );
  return id;
};
const recorded = async (): Promise<Record<string, string>> => {
  const { rows } = await owner.query<{ id: string; last_used_at: Date }>(`SELECT * FROM ${LAST_USES_VIEW}`);
  return Object.fromEntries(rows.map(({ id, last_used_at }) => [id, last_used_at.toISOString().slice(11, 19)]));
};

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'gateway') });
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await pool?.end();
});

it('the first use is written at the next tick, later ones a minute after it, and a thousand uses are one statement', async () => {
  let nowMs = START;
  const uses = new LastUses(counted, () => nowMs);
  const [busy, quiet] = [await newToken(), await newToken()];
  const use = (id: string, times: number, stepMs: number): void => {
    for (let count = 0; count < times; count++, nowMs += stepMs) uses.seen(id);
  };
  statements = 0;
  uses.seen(quiet);
  use(busy, 1_000, 1);
  await uses.write();
  expect(statements).toBe(1);
  expect(await recorded()).toMatchObject({ [quiet]: '03:04:00', [busy]: '03:04:00' });
  use(busy, 58, 1_000);
  await uses.write();
  expect(statements).toBe(1);
  nowMs += 2_000;
  await uses.write();
  expect(statements).toBe(2);
  expect(await recorded()).toMatchObject({ [quiet]: '03:04:00', [busy]: '03:04:58' });
});

it('uses outlast a database that is away, and the end of the process', async () => {
  const uses = new LastUses(counted, () => START + 3_600_000);
  const id = await newToken();
  isAway = true;
  uses.seen(id);
  await uses.write();
  isAway = false;
  expect(await recorded()).not.toHaveProperty(id);
  await uses.beforeApplicationShutdown();
  expect((await recorded())[id]).toBe('04:04:00');
});

it('a moment goes forward only, not beyond now, and only for what there is', async () => {
  const id = await newToken();
  const record = (at: string): Promise<unknown> =>
    pool.query(`SELECT ${RECORD_USES}($1, $2)`, [
      [id, uuidv7()],
      [at, at],
    ]);
  const before = Object.keys(await recorded()).length;
  for (const at of ['2026-01-02T05:00:00Z', '2026-01-02T04:00:00Z']) await record(at);
  expect((await recorded())[id]).toBe('05:00:00');
  expect(Object.keys(await recorded())).toHaveLength(before + 1);
  await record('2199-01-01T00:00:00Z');
  const { rows } = await owner.query(`SELECT last_used_at <= now() AS passed FROM ${LAST_USES_VIEW} WHERE id = $1`, [
    id,
  ]);
  expect(rows).toEqual([{ passed: true }]);
});
