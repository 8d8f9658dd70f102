import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leastIdAt, NO_DIRECTORY, type ToldRequest } from '#contracts';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { verifyRequestCounts } from './request-counts-verify.queries.js';
import { countedRequests } from './told.js';

const TENANT = uuidv7();
const DIRECTORY = uuidv7();
const START_MS = Date.parse('2026-03-01T11:58:30Z');
/** A request each ten seconds of a day: of a directory, of none that is known, and of administrators, who are not counted. */
const REQUESTS = Array.from({ length: 8_640 }, (_, n): ToldRequest => {
  const ms = START_MS + n * 10_000;
  return {
    id: leastIdAt(ms).replace(/.{12}$/, n.toString(16).padStart(12, '0')),
    at: new Date(ms).toISOString(),
    durationMs: 1,
    face: n % 7 === 0 ? 'admin' : 'scim',
    directory: n % 5 === 0 ? null : DIRECTORY,
    actor: null,
    method: n % 3 === 0 ? 'POST' : 'PATCH',
    path: '/',
    resourceType: n % 11 === 0 ? null : 'User',
    object: null,
    name: null,
    status: n % 50 === 0 ? 409 : 200,
    effect: n % 50 === 0 ? null : 'update',
    scimType: n % 50 === 0 ? 'uniqueness' : null,
    detail: null,
    address: '::1',
    userAgent: null,
    correlationId: 'c',
    body: null,
    bodyBytes: 0,
    ifMatch: null,
    ifNoneMatch: null,
    replayOf: null,
  };
});
const COUNTED = REQUESTS.filter(({ face, id }) => face !== 'admin' && id >= leastIdAt(START_MS + 30_000)).length;

let owner: pg.Client;
beforeAll(async () => {
  owner = new pg.Client({ connectionString: await newDatabase() });
  await owner.connect();
  await owner.query(
    `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, directory, method, path, status, address, correlation_id, told_by, body_bytes)
     SELECT $1, r.id, r.at, 1, r.face, r.directory, r.method, '/', r.status, '', '', $1, 0
     FROM json_to_recordset($2) AS r(id uuid, at timestamptz, face text, directory uuid, method text, status smallint)`,
    [TENANT, JSON.stringify(REQUESTS)],
  );
  await owner.query(
    'INSERT INTO audit.request_counts SELECT * FROM json_populate_recordset(NULL::audit.request_counts, $1)',
    [JSON.stringify(countedRequests([{ tenant: TENANT, requests: REQUESTS }]))],
  );
}, 60_000);
afterAll(() => owner?.end());

const foundAfter = async (sql?: string): Promise<{ compared: number; found: string[] }> => {
  const found: string[] = [];
  await owner.query('BEGIN');
  try {
    if (sql !== undefined) expect((await owner.query(sql)).rowCount, sql).toBe(1);
    const compared = await verifyRequestCounts(owner, TENANT, ({ detail }) => void found.push(detail));
    return { compared, found };
  } finally {
    await owner.query('ROLLBACK');
  }
};
const ROW = `minute = '2026-03-01 20:00Z' AND directory = '${DIRECTORY}' AND method = 'PATCH' AND resource_type = 'User'`;

it('counters are those of the requests, but for the oldest minute, of which some may be deleted', async () => {
  expect(await foundAfter()).toEqual({ compared: COUNTED, found: [] });
  expect(await foundAfter(`DELETE FROM audit.requests WHERE id = '${REQUESTS[1]!.id}'`)).toMatchObject({ found: [] });
  expect(await verifyRequestCounts(owner, uuidv7(), () => expect.unreachable())).toBe(0);
});

it.each([
  ['is too high', `UPDATE audit.request_counts SET count = count + 1 WHERE ${ROW}`],
  ['is gone', `DELETE FROM audit.request_counts WHERE ${ROW}`],
  [
    'counts what was not asked',
    `INSERT INTO audit.request_counts VALUES ('${TENANT}', '${DIRECTORY}', '2026-03-01 20:00Z', 'scim', 'PUT', 'User', 200, '', '', 1)`,
  ],
  [
    'is of another directory',
    `INSERT INTO audit.request_counts VALUES ('${TENANT}', '${uuidv7()}', '2026-03-01 20:00Z', 'scim', 'PUT', 'User', 200, '', '', 1)`,
  ],
  [
    'is of none',
    `UPDATE audit.request_counts SET count = count + 1 WHERE minute = '2026-03-01 20:00Z' AND directory = '${NO_DIRECTORY}'`,
  ],
  [
    'misses one',
    `DELETE FROM audit.requests WHERE id = '${REQUESTS.find(({ at, face }) => at > '2026-03-01T20:00' && face === 'scim')!.id}'`,
  ],
])('a counter that %s is named, with its minute', async (_what, sql) => {
  expect((await foundAfter(sql)).found).toEqual([
    expect.stringMatching(
      /^requests of tenant .*, minute 2026-03-01T20:00:00.000Z, directory .*: there are \d+, and audit.request_counts says \d+$/,
    ),
  ]);
});
