import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leastIdAt } from '#contracts';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../../test/support/postgres.js';
import { FailingObjects, LOOKED_UP } from './failing.queries.js';

const DIRECTORY = { id: uuidv7(), tenant: uuidv7() };
const NOW_MS = Date.parse('2026-01-05T12:00:00Z');
const OBJECTS = LOOKED_UP + 3;

let pool: pg.Pool;
beforeAll(async () => {
  pool = new pg.Pool({ connectionString: await newDatabase() });
}, 60_000);
afterAll(() => pool?.end());

/** One PATCH of each of the users from one number to another. */
const asked = async (status: number, minutesAgo: number, [from, to]: readonly [number, number]): Promise<void> => {
  const at = NOW_MS - minutesAgo * 60_000;
  await pool.query(
    `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, directory, method, path, resource_type, object, status, address, correlation_id, told_by, body_bytes)
     SELECT $1, (left($3, 24) || lpad(to_hex(n), 12, '0'))::uuid, $4, 1, 'scim', $2, 'PATCH', '/Users', 'User',
       ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $5, '::1', '', $1, 0
     FROM generate_series($6::int, $7::int - 1) AS n`,
    [DIRECTORY.tenant, DIRECTORY.id, leastIdAt(at), new Date(at), status, from, to],
  );
  if (status >= 400)
    await pool.query(`INSERT INTO audit.request_counts VALUES ($1, $2, $3, 'scim', 'PATCH', 'User', $4, '', '', $5)`, [
      DIRECTORY.tenant,
      DIRECTORY.id,
      new Date(at),
      status,
      to - from,
    ]);
};

it('what was refused in an outage and done since fails no longer, however much it was', async () => {
  const failing = new FailingObjects(pool);
  await asked(403, 60, [0, OBJECTS]);
  expect(await failing.of(DIRECTORY, NOW_MS)).toHaveLength(OBJECTS);
  await asked(200, 30, [2, OBJECTS]);
  const left = await failing.of(DIRECTORY, NOW_MS);
  expect(left.map(({ object }) => object?.slice(-2)).sort()).toEqual(['00', '01']);
});
