import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keySeal, newKey, roleUrl, seal } from '#event-store';
import { keyContext, sealContext } from '#contracts';
import { Entries, type EntryFilter } from '../apps/admin-api/src/audit/entries.queries.js';
import { Histories } from '../apps/admin-api/src/audit/histories.queries.js';
import { EntryClients } from '../apps/admin-api/src/audit/entry-clients.queries.js';
import { AuditNames } from '../apps/admin-api/src/audit/names.queries.js';
import { PersonKeys } from '../apps/admin-api/src/audit/person-values.queries.js';
import { Reports, type ReportFilter } from '../apps/admin-api/src/audit/report.queries.js';
import { FailingObjects } from '../apps/admin-api/src/directories/failing.queries.js';
import { DirectoryRequests } from '../apps/admin-api/src/directories/health.queries.js';
import { Replays } from '../apps/admin-api/src/audit/replays.queries.js';
import { AskedRequests, type RequestFilter } from '../apps/admin-api/src/audit/requests.queries.js';
import { Totals } from '../apps/admin-api/src/audit/totals.queries.js';
import { Streams } from '../apps/admin-api/src/audit/streams.queries.js';
import { readingsOf } from './support/plans.js';
import { newDatabase } from './support/postgres.js';

/** How much the database reads for what auditors ask, among a million entries: with statistics and without. */

const ENTRIES = 1_000_000;
const REQUESTS = 100_000;
const requestId = (n: number): string => `01980000-0000-7000-9000-${n.toString(16).padStart(12, '0')}`;
/** Each second of one day has a request, which is that of an entry. */
const MINUTES = 1_440;
const DAY = { since: '2026-01-05T00:00:00.000Z', until: '2026-01-06T00:00:00.000Z', seconds: 86_400 };
const OF = { id: '01980000-0000-7000-8000-00000000000d', tenant: '01980000-0000-7000-8000-00000000000a' };
const NOW_MS = Date.parse(DAY.until);
const SHIFTED = { since: '2026-01-05T00:00:30.000Z' };
const STREAMS = 50_000;
const TENANT = '01980000-0000-7000-8000-00000000000a';
const OTHER_TENANT = '01980000-0000-7000-8000-00000000000b';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const RARE_DIRECTORY = '01980000-0000-7000-8000-00000000000e';
const KEY = 'key:01980000-0000-7000-8000-0000000000aa';
const TOKEN = 'token:01980000-0000-7000-8000-0000000000ab';
const PERSON = '01980000-0000-7000-9000-0000000003e7';
/** The most that is read for one answer: what one statement of a walk looks at, and what it shows. */
const STRETCH = 5_200;
const PAGE = 100;

const asked: pg.QueryConfig[] = [];
const masterKey = newKey();
let owner: pg.Client;
let pool: pg.Pool;
let entries: Entries;
let histories: Histories;
let requests: AskedRequests;
let replays: Replays;
let reports: Reports;
let totals: Totals;
let seen: DirectoryRequests;
let failing: FailingObjects;

const streamOf = (n: string): string => `('01980000-0000-7000-9000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'admin_api'), max: 1 });
  const recorded = {
    query: (asking: string | pg.QueryConfig, values: unknown[] = []) => {
      const config = typeof asking === 'string' ? { text: asking, values } : asking;
      asked.push(config);
      return pool.query(config);
    },
  } as unknown as pg.Pool;
  const master = keySeal(masterKey);
  entries = new Entries(recorded);
  histories = new Histories(
    new Streams(recorded, new PersonKeys(recorded, master)),
    new AuditNames(recorded),
    new EntryClients(recorded),
  );
  requests = new AskedRequests(recorded, master);
  replays = new Replays(recorded);
  totals = new Totals(recorded);
  seen = new DirectoryRequests(recorded);
  failing = new FailingObjects(recorded);
  reports = new Reports(recorded, requests, failing);
  // Statistics come when the test says so.
  await owner.query(`ALTER TABLE audit.entries SET (autovacuum_enabled = off);
    ALTER TABLE audit.payloads SET (autovacuum_enabled = off);
    ALTER TABLE audit.requests SET (autovacuum_enabled = off);
    ALTER TABLE audit.request_counts SET (autovacuum_enabled = off)`);
  // Every stream has 20 versions; a hundredth is of another tenant, and little of a key and of a rare directory.
  await owner.query(
    `INSERT INTO audit.entries
     SELECT CASE WHEN n % 100 = 0 THEN '${OTHER_TENANT}'::uuid ELSE '${TENANT}' END, n, 'identity', n, ${streamOf(`n % ${STREAMS}`)}, n / ${STREAMS} + 1,
       CASE WHEN n < ${STREAMS} THEN 'muster.user.created.v2' ELSE 'muster.user.changed.v1' END,
       '2026-01-01'::timestamptz + n * interval '1 second', ${streamOf('n')}, CASE WHEN n % 3 = 0 THEN 'the same' ELSE 'c-' || n END,
       CASE WHEN n % 5000 = 1 THEN '${KEY}' ELSE '${TOKEN}' END, CASE WHEN n % 100000 = 3 THEN '${RARE_DIRECTORY}' ELSE '${DIRECTORY}' END::uuid, '\\x00'
     FROM generate_series(0, ${ENTRIES - 1}) AS n`,
  );
  await owner.query(
    `INSERT INTO audit.payloads SELECT tenant, number, '{"attributes": ["title"]}', NULL FROM audit.entries WHERE stream <> $1`,
    [PERSON],
  );
  const [tenantKey, personKey] = [newKey(), newKey()];
  await owner.query('INSERT INTO keys.tenants VALUES ($1, $2)', [
    TENANT,
    seal(masterKey, keyContext(TENANT), tenantKey),
  ]);
  await owner.query('INSERT INTO keys.persons VALUES ($1, $2, $3)', [
    TENANT,
    PERSON,
    seal(tenantKey, keyContext(TENANT, PERSON), personKey),
  ]);
  const payloads = Array.from({ length: ENTRIES / STREAMS }, (_, index) => ({
    tenant: TENANT,
    number: index * STREAMS + parseInt(PERSON.slice(-4), 16),
    data: { directory: DIRECTORY, directoryVersion: 1, manager: DIRECTORY, matching: null, attributes: ['title'] },
    personal: seal(
      personKey,
      sealContext(TENANT, PERSON, index + 1),
      JSON.stringify(
        index === 0
          ? { resource: { userName: 'ada', title: 'Title 1' } }
          : { changes: { title: `Title ${index + 1}` } },
      ),
    ),
  }));
  await owner.query('INSERT INTO audit.payloads SELECT * FROM json_populate_recordset(NULL::audit.payloads, $1)', [
    JSON.stringify(payloads),
  ]);
  await owner.query(
    `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, directory, actor, method, path, object, name, status, address, correlation_id, told_by, body_bytes)
     SELECT '${TENANT}', ('01980000-' || lpad(to_hex(n / 65536), 4, '0') || '-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, now(), 1, 'scim', '${DIRECTORY}', '${TOKEN}', 'PATCH', '/Users',
       ${streamOf(`n % 1000`)}, 'user-' || n, CASE WHEN n % 50 = 0 THEN 409 ELSE 200 END, '::1', CASE WHEN n % 3 = 0 THEN 'the same' ELSE 'c-' || n END, '${TENANT}', 0
     FROM generate_series(0, ${REQUESTS - 1}) AS n`,
  );
  await owner.query(
    `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, directory, actor, method, path, resource_type, object, name, status, address, correlation_id, told_by, body_bytes)
     SELECT '${TENANT}', (left(ms, 8) || '-' || right(ms, 4) || '-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, at, 1, 'scim', '${DIRECTORY}', '${TOKEN}',
       CASE WHEN n % 10 = 0 THEN 'POST' ELSE 'PATCH' END, '/Users', 'User', ${streamOf(`n % ${STREAMS}`)}, 'of-day-' || n,
       CASE WHEN n % 50 = 0 THEN 409 ELSE 200 END, '::1', CASE WHEN n % 3 = 0 THEN 'the same' ELSE 'c-' || n END, '${TENANT}', 0
     FROM (SELECT n, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms
       FROM (SELECT n, '2026-01-01'::timestamptz + n * interval '1 second' AS at FROM generate_series(345600, 431999) AS n) AS i) AS t`,
  );
  // The eighth request was sent again by the tenth, and that by the twelfth.
  for (const n of [9, 11])
    await owner.query('UPDATE audit.requests SET replay_of = $1 WHERE id = $2', [requestId(n - 2), requestId(n)]);
  await owner.query(
    `INSERT INTO audit.request_counts
     SELECT tenant, directory, date_trunc('minute', at), face, method, coalesce(resource_type, ''), status, '', 'update', count(*) FROM audit.requests
     WHERE at < '2026-02-01' GROUP BY 1, 2, 3, 4, 5, 6, 7`,
  );
}, 300_000);
afterAll(() => Promise.all([owner?.end(), pool?.end()]));

const list = (filter: Partial<EntryFilter>) => () =>
  entries.page({ tenant: TENANT, ...filter }, null, PAGE).then(({ items }) => items.length);
const request = (filter: Partial<RequestFilter>) => () =>
  requests.page({ tenant: TENANT, failed: false, ...filter }, null, PAGE).then(({ items }) => items.length);

const family = (id: string) => async () => {
  const found = await requests.byIds(TENANT, [id]);
  return (await replays.circumstances(found.get(id)!)).family.length;
};

const report = (filter: Partial<ReportFilter>) => () =>
  reports.page({ tenant: TENANT, ...DAY, ...filter }, null, PAGE).then(({ items }) => items.length);
const count = (filter: Partial<ReportFilter>) => () =>
  totals
    .count({ tenant: TENANT, ...DAY, ...filter }, 3_600)
    .then(({ groups }) => groups.reduce((sum, group) => sum + group.count, 0));

describe.each([
  ['without statistics', async () => undefined],
  ['with statistics', () => owner.query('ANALYZE')],
])('%s', (_when, begin) => {
  beforeAll(async () => void (await begin()), 120_000);

  it.each([
    ['the newest entries', list({}), PAGE, 3 * PAGE],
    ['entries before a moment', list({ until: '2026-01-05T00:00:00Z' }), PAGE, 3 * PAGE],
    [
      'entries of a short timespan',
      list({ since: '2026-01-05T00:00:00Z', until: '2026-01-05T00:01:00Z' }),
      59,
      3 * PAGE,
    ],
    ['entries of another tenant', list({ tenant: OTHER_TENANT }), PAGE, 3 * PAGE],
    ['entries of a person', list({ subject: PERSON }), 20, PAGE],
    ['entries of a key', list({ actors: [KEY] }), PAGE, 3 * PAGE],
    ['entries of a token, which has nearly all', list({ actors: [TOKEN] }), PAGE, STRETCH],
    ['entries of one request', list({ correlation: 'c-777775' }), 1, PAGE],
    [
      'entries of a client that sends the same correlation id always',
      list({ correlation: 'the same' }),
      PAGE,
      3 * PAGE,
    ],
    ['entries of a rare directory: in stretches', list({ directory: RARE_DIRECTORY }), null, STRETCH],
    ['entries of an action that nobody did: in stretches', list({ action: 'token.revealed' }), 0, STRETCH],
    ['entries with a result: in stretches', list({ result: 'partly' }), 0, 2 * STRETCH],
    [
      'the history of a person',
      () => histories.history(TENANT, PERSON, 0, PAGE).then(({ items }) => items.length),
      20,
      PAGE,
    ],
    [
      'the state of a person',
      () => histories.state(TENANT, PERSON, '2026-01-09T00:00:00Z', undefined).then(({ version }) => version),
      14,
      PAGE,
    ],
    ['the newest requests', request({}), PAGE, 3 * PAGE],
    ['requests that were refused', request({ failed: true }), PAGE, 3 * PAGE],
    ['requests about a person', request({ object: PERSON }), PAGE, 3 * PAGE],
    [
      'requests of a client that sends the same correlation id always',
      request({ correlation: 'the same' }),
      PAGE,
      4 * PAGE,
    ],
    ['requests that repeat one', family(requestId(7)), 2, 3 * PAGE],
    ['requests that repeat one that nobody has sent again', family(requestId(8)), 0, PAGE],
    [
      'the last write of a person that was done after a request',
      () => replays.laterWrite({ tenant: TENANT, id: requestId(0), object: PERSON }).then((later) => (later ? 1 : 0)),
      1,
      PAGE,
    ],
    ['requests with a name: in stretches', request({ name: `user-${REQUESTS - 1}` }), 1, STRETCH],
  ])('%s: a bounded part is read, by indexes', async (_what, ask, found, most) => {
    asked.length = 0;
    const count = await ask();
    if (found !== null) expect(count).toBe(found);
    expect(asked.length).toBeGreaterThan(0);
    // The stretches of a walk are one statement: the first and the last of them are looked at.
    for (const { text, values } of [asked[0]!, asked.at(-1)!]) {
      for (const { rows, sorted, withoutIndex } of await readingsOf(pool, text, values!))
        expect({ rows: Math.max(rows, most), sorted: Math.max(sorted, STRETCH), withoutIndex, text }).toEqual({
          rows: most,
          sorted: STRETCH,
          withoutIndex: [],
          text,
        });
    }
  });

  it.each([
    ['a page of a day', report({}), PAGE, STRETCH],
    ['a page of what was skipped', report({ result: 'skipped' }), null, 6 * STRETCH],
    ['a page of failures', report({ result: 'failure' }), PAGE, 6 * STRETCH],
    ['a page of a person', report({ person: { ids: [PERSON], names: ['ada'] } }), null, STRETCH],
    ['the totals of a day', count({}), DAY.seconds, 4 * MINUTES],
    ['the totals of a directory in a day', count({ directory: DIRECTORY }), DAY.seconds, 4 * MINUTES],
    ['the totals of 24 hours that begin within a minute', count(SHIFTED), DAY.seconds - 30, 4 * MINUTES],
    // These are few enough to say about how many users they were.
    ['the totals of an hour', count({ since: '2026-01-05T23:00:00.000Z' }), 3_600, 2 * 3_700],
    ['the totals of a person in a day', count({ person: { ids: [PERSON], names: ['ada'] } }), null, STRETCH],
    ['the minutes of a directory', () => seen.minutes(OF, NOW_MS).then(({ length }) => length), MINUTES, 4 * MINUTES],
    ['its answers', () => seen.answers(OF, NOW_MS - 3_600_000, NOW_MS).then(({ length }) => length), 3, 4 * MINUTES],
    ['its last request', () => seen.last(OF, false).then((last) => (last ? 1 : 0)), 1, 2 * 60],
    ['its last request that was done', () => seen.last(OF, true).then((last) => (last ? 1 : 0)), 1, 2 * 60],
    ['its last read', () => seen.lastRead(OF), null, 1],
    ['what fails of it', () => failing.of(OF, NOW_MS).then(({ length }) => length), null, DAY.seconds / 20],
    [
      'the failing objects of a day',
      () => reports.failing({ tenant: TENANT, ...DAY }).then(({ length }) => length),
      50,
      DAY.seconds / 50 + PAGE,
    ],
  ])('of a report, %s: no more than its timespan is read, by indexes', async (_what, ask, found, most) => {
    asked.length = 0;
    const answered = await ask();
    if (found !== null) expect(answered).toBe(found);
    // Of a walk, in which each stretch is the same statement, the first and the last one.
    for (const { text, values } of [asked[0]!, ...new Map(asked.map((one) => [one.text, one])).values()])
      for (const { rows, compared, withoutIndex } of await readingsOf(pool, text, values!))
        expect({ rows: Math.max(rows, most), compared: Math.max(compared, DAY.seconds), withoutIndex, text }).toEqual({
          rows: most,
          compared: DAY.seconds,
          withoutIndex: [],
          text,
        });
  });
});
