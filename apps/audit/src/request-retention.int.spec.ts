import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { idTime } from '#contracts';
import { roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { requestRetention } from './request-retention.job.js';

const DAY_MS = 86_400_000;
const KEEP_DAYS = 30;
const NOW_MS = Date.parse('2026-03-01T00:00:00Z');
const at = (days: number): number => NOW_MS - days * DAY_MS;
const idAt = (ms: number, n: number): string =>
  `${idTime(ms).slice(0, 8)}-${idTime(ms).slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`;
const [OLD, YOUNG] = [at(KEEP_DAYS) - 1_000, at(KEEP_DAYS) + 1_000];

let owner: pg.Client;
let pool: pg.Pool;
beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'audit') });
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await pool?.end();
});

const plant = async (tenant: string, ms: number, count: number): Promise<void> => {
  const ids = Array.from({ length: count }, (_, n) => idAt(ms, n));
  await owner.query(
    `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, method, path, status, address, correlation_id, told_by, body_bytes)
     SELECT $1, id, $3, 1, 'scim', 'GET', '/', 404, '', '', id, 0 FROM unnest($2::uuid[]) AS id`,
    [tenant, ids, new Date(ms)],
  );
  await owner.query("INSERT INTO audit.bodies SELECT $1, id, '' FROM unnest($2::uuid[]) AS id", [tenant, ids]);
  await owner.query(
    `INSERT INTO audit.read_counts SELECT $1, id, $2::timestamptz, 'scim', 'Users', 1 FROM unnest($3::uuid[]) AS id`,
    [tenant, new Date(ms), ids],
  );
  // Nearly all of one directory, and some of others.
  await owner.query(
    `INSERT INTO audit.request_counts SELECT $1, CASE WHEN n % 50 = 0 THEN id ELSE $4 END, $2::timestamptz, 'scim', 'PATCH', 'User', 200, '', 'update ' || n, 1
     FROM unnest($3::uuid[]) WITH ORDINALITY AS i(id, n)`,
    [tenant, new Date(ms), ids, tenant],
  );
  await owner.query('INSERT INTO audit.seen SELECT $1, id, $2 FROM unnest($3::uuid[]) AS id', [
    tenant,
    new Date(ms),
    ids,
  ]);
};
const left = async (tenant: string): Promise<number[]> => {
  const { rows } = await owner.query<{ counts: number[] }>(
    `SELECT ARRAY[(SELECT count(*) FROM audit.requests WHERE tenant = $1), (SELECT count(*) FROM audit.bodies WHERE tenant = $1),
       (SELECT count(*) FROM audit.read_counts WHERE tenant = $1), (SELECT count(*) FROM audit.request_counts WHERE tenant = $1),
       (SELECT count(*) FROM audit.seen WHERE tenant = $1)]::int[] AS counts`,
    [tenant],
  );
  return rows[0]!.counts;
};

it('what is older than it is kept goes, of all tenants and page by page; what is younger stays', async () => {
  // Pages have 1,000 rows.
  const [many, few, young] = [uuidv7(), uuidv7(), uuidv7()];
  await plant(many, OLD, 2_500);
  await plant(many, YOUNG, 3);
  await plant(few, OLD, 1_000);
  await plant(young, YOUNG, 2);
  const told = Promise.withResolvers<object>();
  const logger = { info: told.resolve, warn: told.reject };
  const job = requestRetention(pool, { keepDays: KEEP_DAYS, logger, nowMs: () => NOW_MS });
  job.start();
  expect(await told.promise).toEqual({ deleted: 5 * 3_500 });
  await job.stop();
  expect(await left(many)).toEqual([3, 3, 3, 3, 3]);
  expect(await left(few)).toEqual([0, 0, 0, 0, 0]);
  expect(await left(young)).toEqual([2, 2, 2, 2, 2]);
});
