import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { schemaOf, type Message } from '#contracts';
import { keySeal, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { verifyAudit } from '../apps/audit/src/audit-verify.queries.js';
import { Integrator } from '../apps/audit/src/integrator.job.js';
import { purgeAnnouncements } from '../apps/audit/src/purge-announcements.job.js';
import { SIGNING_KEY_TEXT } from '../apps/audit/src/tenant-log.js';
import { OWNERS } from '../apps/muster/src/owners.js';
import { payloadPurge } from '../apps/directory/src/payload-purge.job.js';
import { newDatabase } from './support/postgres.js';

/**
 * Two roles purge what old entries say: audit announces it in the log, and directory deletes what was announced. Events
 * are stored with moments of the past, so that nobody has to wait.
 */

const SOURCES = OWNERS.map(({ name }) => name);
const MASTER_KEY = randomBytes(32);
const DAY_MS = 86_400_000;
const KEEP_DAYS = 100;
const PURGED = 'muster.audit.purge-announced.v1';
/** More than one page of contents, which has 1,000. */
const OLD = 1_200;

let owner: pg.Client;
const pools: Record<'audit' | 'directory', pg.Pool> = {} as never;
let tenant: string;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  for (const role of ['audit', 'directory'] as const)
    pools[role] = new pg.Pool({ connectionString: roleUrl(url, role) });
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await Promise.all(Object.values(pools).map((pool) => pool.end()));
});
beforeEach(() => void (tenant = uuidv7()));

interface Stored {
  readonly source: string;
  readonly daysAgo: number;
  readonly events?: number;
  readonly type?: string;
  readonly data?: object;
}

/** Stores events of the past, and lets them become entries. */
const stored = async (...all: readonly Stored[]): Promise<void> => {
  for (const { source, daysAgo, events = 1, type = 'muster.test.v1', data = { a: 1 } } of all)
    await owner.query(
      `INSERT INTO ${schemaOf(source)}.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
       SELECT $1, (SELECT count(*) FROM ${schemaOf(source)}.events WHERE tenant = $1) + n, gen_random_uuid(), 1, $2,
         now() - make_interval(days => $3) + n * interval '1 millisecond', gen_random_uuid(), '', 'token:x', $5::json
       FROM generate_series(1, $4::int) AS n`,
      [tenant, type, daysAgo, events, data],
    );
  const integrator = new Integrator(pools.audit, {
    owners: SOURCES,
    seed: keySeal(MASTER_KEY).derive(SIGNING_KEY_TEXT),
    publicUrl: null,
    logger: { warn: () => undefined, error: (facts: object) => expect.unreachable(JSON.stringify(facts)) },
    keep: () => undefined,
    kept: async () => null,
    keptTenants: async () => [],
  });
  integrator.start();
  await vi.waitFor(
    async () =>
      expect(
        (await owner.query(`SELECT count(*)::int AS n FROM audit.entries WHERE tenant = $1`, [tenant])).rows,
      ).toEqual(
        (
          await owner.query(
            `SELECT (${SOURCES.map((name) => `(SELECT count(*) FROM ${schemaOf(name)}.events WHERE tenant = $1)`).join(' + ')})::int AS n`,
            [tenant],
          )
        ).rows,
      ),
    { timeout: 30_000, interval: 50 },
  );
  await integrator.stop();
  // As if the role that purges had looked in time.
  await owner.query(
    `INSERT INTO audit.seen_announcements SELECT tenant, number, recorded_at FROM audit.announced_purges_v1
     WHERE tenant = $1 ON CONFLICT DO NOTHING`,
    [tenant],
  );
};

const announced = (before: number, daysAgo: number, source = 'audit'): Stored => ({
  source,
  daysAgo,
  type: PURGED,
  data: { type: 'PurgeAnnounced', before, keepDays: KEEP_DAYS },
});

/** The first round of the job is done when it has been stopped. */
const purge = async (options: { readonly keepDays?: number; readonly nowMs?: () => number } = {}): Promise<void> => {
  const logger = { info: () => undefined, warn: (facts: object) => expect.unreachable(JSON.stringify(facts)) };
  let rounds = 0;
  const job = payloadPurge(
    new Proxy(pools.directory, {
      get: (pool, name) =>
        name === 'query'
          ? async (...args: Parameters<pg.Pool['query']>) => {
              const answer = (await pool.query(...args)) as unknown as pg.QueryResult;
              // The last statement of a round finds no further tenant.
              if (answer.command === 'SELECT' && answer.rowCount === 0 && String(args[0]).includes('ORDER BY tenant'))
                rounds++;
              return answer;
            }
          : (Reflect.get(pool, name) as unknown),
    }),
    { keepDays: KEEP_DAYS, logger, ...options },
  );
  job.start();
  await vi.waitFor(() => expect(rounds).toBe(1), { timeout: 10_000 });
  await job.stop();
};

const kept = async (): Promise<number[]> =>
  (
    await owner.query<{ number: string }>('SELECT number FROM audit.payloads WHERE tenant = $1 ORDER BY number', [
      tenant,
    ])
  ).rows.map(({ number }) => Number(number));

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

const findings = async (): Promise<string[]> =>
  (await verifyAudit([owner, owner], SOURCES, MASTER_KEY, null)).findings
    .map(({ detail }) => detail)
    .filter((detail) => detail.includes(tenant));

it('what was announced a day ago goes, page by page; the log is as it should be, and says why it is gone', async () => {
  await stored(
    { source: 'identity', daysAgo: 300, events: OLD },
    { source: 'group', daysAgo: 10, events: 5 },
    announced(OLD, 2),
  );
  const { rows: before } = await owner.query('SELECT * FROM audit.entries WHERE tenant = $1 ORDER BY number', [tenant]);
  await purge();
  expect(await kept()).toEqual(numbers(OLD, OLD + 6));
  expect((await owner.query('SELECT * FROM audit.entries WHERE tenant = $1 ORDER BY number', [tenant])).rows).toEqual(
    before,
  );
  expect(await findings()).toEqual([]);
  // Of what is kept everything has to be there.
  await owner.query('DELETE FROM audit.payloads WHERE tenant = $1 AND number IN ($2::int, $2 + 1)', [tenant, OLD + 2]);
  expect(await findings()).toEqual([
    `audit log of tenant ${tenant}: what the entries ${OLD + 2} to ${OLD + 3} say is missing, and no entry announces that it was purged`,
  ]);
});

it('what was announced today stays, however old it is', async () => {
  await stored({ source: 'identity', daysAgo: 300, events: 3 }, announced(3, 0));
  await purge();
  // Not because the job is careful: the database lets its role delete nothing else.
  await pools.directory.query('DELETE FROM audit.purgeable_v1 WHERE tenant = $1', [tenant]);
  expect(await kept()).toEqual(numbers(0, 4));
});

it('an announcement that says that it is old stands for a day before it is believed', async () => {
  await stored({ source: 'identity', daysAgo: 300, events: 3 }, announced(3, 2));
  await owner.query('DELETE FROM audit.seen_announcements WHERE tenant = $1', [tenant]);
  await purge();
  await purge();
  await pools.directory.query('DELETE FROM audit.purgeable_v1 WHERE tenant = $1', [tenant]);
  expect(await kept()).toEqual(numbers(0, 4));
  await owner.query("UPDATE audit.seen_announcements SET seen_at = seen_at - interval '25 hours' WHERE tenant = $1", [
    tenant,
  ]);
  await purge();
  expect(await kept()).toEqual([3]);
});

it('what is not announced, or not old, stays', async () => {
  await stored(
    { source: 'identity', daysAgo: 300, events: 10 },
    { source: 'identity', daysAgo: 200, events: 10 },
    { source: 'identity', daysAgo: 99, events: 10 },
    announced(10, 50),
    // It says more than is true.
    announced(30, 3),
    announced(32, 0),
  );
  await purge();
  expect(await kept()).toEqual(numbers(20, 33));
  expect(await findings()).toEqual([
    `audit log of tenant ${tenant}: entry 31 announces that the entries before 30 were kept for ${KEEP_DAYS} days, and entry 20 was younger`,
    `audit log of tenant ${tenant}: entry 32 announces that the entries before 32 were kept for ${KEEP_DAYS} days, and entry 30 was younger`,
  ]);
});

it('a setting that was raised meanwhile keeps what is younger', async () => {
  await stored(
    { source: 'identity', daysAgo: 300, events: 5 },
    { source: 'identity', daysAgo: 200, events: 5 },
    announced(10, 2),
  );
  await purge({ keepDays: 250 });
  expect(await kept()).toEqual(numbers(5, 11));
});

it('an announcement that another owner has stored is none', async () => {
  await stored(
    { source: 'identity', daysAgo: 300, events: 5 },
    announced(5, 2, 'identity'),
    announced(5, 2, 'directory'),
  );
  await purge();
  expect(await kept()).toEqual(numbers(0, 7));
  await owner.query('DELETE FROM audit.payloads WHERE tenant = $1 AND number = 3', [tenant]);
  expect(await findings()).toEqual([expect.stringMatching(/what entry 3 says is missing, and no entry announces/)]);
});

it('a process whose clock is wrong announces and purges nothing early', async () => {
  await stored(
    { source: 'identity', daysAgo: 99, events: 5 },
    { source: 'identity', daysAgo: 98, events: 5 },
    announced(5, 2),
  );
  await purge({ nowMs: () => Date.now() + 1_000 * DAY_MS });
  expect(await kept()).toEqual(numbers(0, 11));
  expect(await announcements({ nowMs: () => Date.now() + 1_000 * DAY_MS })).toEqual([]);
  // A clock that is behind keeps for longer.
  expect(await announcements({ keepDays: 50 })).toMatchObject([{ before: 10 }]);
  expect(await announcements({ keepDays: 50, nowMs: () => Date.now() - 60 * DAY_MS })).toEqual([]);
});

/** The announcements of one round about this tenant. */
const announcements = async (
  options: { readonly keepDays?: number; readonly nowMs?: () => number } = {},
): Promise<object[]> => {
  const sent: Message[] = [];
  const logger = { warn: (facts: object) => expect.unreachable(JSON.stringify(facts)) };
  const marker = uuidv7().replace(/^./, 'f');
  // The last tenant of all has something to be announced: when that is sent, the round is at its end.
  await owner.query("INSERT INTO audit.logs VALUES ($1::uuid, $1::text, '')", [marker]);
  await owner.query(
    `INSERT INTO audit.entries SELECT $1::uuid, 0, 'identity', 1, $1::uuid, 1, 'x', '2000-01-01', $1::uuid, '', '', NULL, '\\x'`,
    [marker],
  );
  const job = purgeAnnouncements(pools.audit, {
    keepDays: KEEP_DAYS,
    send: async (messages) => void sent.push(...messages),
    logger,
    ...options,
  });
  job.start();
  await vi.waitFor(() => expect(sent.some((message) => message.tenant === marker)).toBe(true), { timeout: 10_000 });
  await job.stop();
  await owner.query('SET session_replication_role = replica');
  for (const table of ['entries', 'logs']) await owner.query(`DELETE FROM audit.${table} WHERE tenant = $1`, [marker]);
  await owner.query('SET session_replication_role = DEFAULT');
  return sent
    .filter((message) => message.tenant === tenant)
    .map(({ id, data }) => ({ id, ...(data as { readonly command: object }).command }));
};

it('announced is what all is old of, once for each day, and nothing where there is no news', async () => {
  await stored({ source: 'identity', daysAgo: 300, events: 10_500 }, { source: 'group', daysAgo: 10, events: 3 });
  const first = await announcements();
  expect(first).toMatchObject([{ type: 'AnnouncePurge', before: 10_500, keepDays: KEEP_DAYS }]);
  expect(await announcements()).toEqual(first);
  await stored(announced(10_500, 0));
  expect(await announcements()).toEqual([]);
  // Of the entries that have become old since, one is an announcement, and the others are news.
  expect(await announcements({ keepDays: 5 })).toMatchObject([{ before: 10_503, keepDays: 5 }]);
});

it('where nothing has become old but an announcement, there is no news', async () => {
  await stored({ source: 'identity', daysAgo: 300, events: 3 }, announced(3, 150), { source: 'group', daysAgo: 10 });
  expect(await announcements()).toEqual([]);
});

it('the role that writes the log removes nothing, and the one that purges sees no content and no more than may go', async () => {
  await stored(
    { source: 'identity', daysAgo: 300, events: 4 },
    { source: 'identity', daysAgo: 5, events: 2 },
    announced(4, 2),
  );
  for (const sql of [
    'DELETE FROM audit.payloads',
    'DELETE FROM audit.purgeable_v1',
    'SELECT * FROM audit.purgeable_v1',
    'INSERT INTO audit.seen_announcements_v1 VALUES (gen_random_uuid(), 0)',
    'INSERT INTO audit.seen_announcements VALUES (gen_random_uuid(), 0)',
  ])
    await expect(pools.audit.query(sql), sql).rejects.toThrow(/permission denied/);
  for (const sql of [
    'DELETE FROM audit.payloads',
    'SELECT data FROM audit.payloads',
    'SELECT * FROM audit.payloads_v1',
    'DELETE FROM audit.entries',
    'UPDATE audit.purgeable_v1 SET number = 0',
    "INSERT INTO audit.seen_announcements VALUES (gen_random_uuid(), 0, '2000-01-01')",
    'UPDATE audit.seen_announcements_v1 SET number = 0',
    'DELETE FROM audit.seen_announcements_v1',
    'INSERT INTO audit.purgeable_v1 (tenant, number) VALUES (gen_random_uuid(), 0)',
    'INSERT INTO audit.entries SELECT * FROM audit.entries',
    'INSERT INTO audit.events SELECT * FROM audit.events',
  ])
    await expect(pools.directory.query(sql), sql).rejects.toThrow(/permission denied/);
  await pools.directory.query('DELETE FROM audit.purgeable_v1 WHERE tenant = $1', [tenant]);
  expect(await kept()).toEqual(numbers(4, 7));
});
