import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { INSTALLATION, schemaOf } from '#contracts';
import { connectDatabase, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { append, EMPTY_TREE, openCheckpoint, readVerifier, rootOf } from '#tlog';
import { newDatabase } from '../../../test/support/postgres.js';
import { CheckpointFiles, readKeptCheckpoint, readKeptTenants } from './checkpoint-files.job.js';
import { lineOf } from './checkpoint-lines.js';
import { Integrator } from './integrator.job.js';
import { readEntryRows } from './stored-log.queries.js';
import { leafHashOf } from './tenant-log.js';

/** The integrator as its role on a real database: events are stored as owners store them, and nothing else tells it. */

const OWNERS = ['directory', 'identity', 'group', 'audit'];
const SEED = randomBytes(32);
const START = Date.parse('2026-01-02T03:04:05Z');

let owner: pg.Client;
let pool: pg.Pool;
let folder: string;
const jobs: { stop(): Promise<void> }[] = [];
const errors: Record<string, unknown>[] = [];
const warnings: Record<string, unknown>[] = [];
const logger = {
  error: (facts: object) => void errors.push(facts as Record<string, unknown>),
  warn: (facts: object) => void warnings.push(facts as Record<string, unknown>),
};

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = await connectDatabase(roleUrl(url, 'audit'), 'audit', { poolConnections: 6, queryTimeoutMs: 5_000 });
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await pool?.end();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-checkpoints-'));
  errors.length = 0;
  warnings.length = 0;
});
afterEach(async () => {
  await Promise.all(jobs.splice(0).map((job) => job.stop()));
  rmSync(folder, { recursive: true, force: true });
  expect(warnings).toEqual([]);
});

interface Stored {
  readonly tenant: string;
  readonly source: string;
  readonly events: number;
  readonly from?: number;
  /** Of the first event, in ms; each is a second after the one before. */
  readonly at?: number;
  readonly data?: string;
}

/** Events that an owner has stored. */
const store = ({ tenant, source, events, from = 1, at = START, data = '{"name": "x"}' }: Stored): Promise<unknown> =>
  owner.query(
    `INSERT INTO ${schemaOf(source)}.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data, personal)
     SELECT $1, n, gen_random_uuid(), 1, 'muster.test.v1', $4::timestamptz + (n - $2) * interval '1.000001 second', gen_random_uuid(), 'c' || n, 'token:x',
       CASE WHEN n % 2 = 0 THEN gen_random_uuid() END, $5::json, CASE WHEN n % 3 = 0 THEN 'sealed' || n END
     FROM generate_series($2::bigint, $2::bigint + $3 - 1) AS n`,
    [tenant, from, events, new Date(at), data],
  );

const integrator = (): Integrator => {
  const files = new CheckpointFiles(folder, logger);
  const job = new Integrator(pool, {
    owners: OWNERS,
    seed: SEED,
    publicUrl: 'https://scim.example.org:8443/x',
    logger,
    keep: (tenant, note) => files.keep(tenant, note),
    kept: (tenant) => readKeptCheckpoint(folder, tenant),
    keptTenants: () => readKeptTenants(folder),
  });
  job.start();
  files.start();
  jobs.push(job, files);
  return job;
};

const count = async (tenant: string): Promise<number> =>
  (await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.entries WHERE tenant = $1', [tenant]))
    .rows[0]!.n;
const untilCount = (tenant: string, entries: number): Promise<void> =>
  vi.waitFor(async () => expect(await count(tenant)).toBe(entries), { timeout: 30_000, interval: 50 });

/** Checks all that has to hold of the log of a tenant, and returns `owner/sequence` of its entries in their order. */
const judge = async (tenant: string): Promise<string[]> => {
  const rows = await readEntryRows(owner, tenant, 0, 1_000_000);
  const { rows: columns } = await owner.query<{ number: string; is_hash: boolean }>(
    `SELECT e.number, e.payload_hash = sha256(sha256(convert_to(p.data::text, 'UTF8')) || sha256(convert_to(coalesce(p.personal, ''), 'UTF8')) || coalesce(p.hidden_hash, '')) AS is_hash
     FROM audit.entries e LEFT JOIN audit.payloads p USING (tenant, number) WHERE e.tenant = $1 ORDER BY e.number`,
    [tenant],
  );
  expect(columns).toEqual(rows.map((_, number) => ({ number: String(number), is_hash: true })));
  const { tree, fullTiles } = append(EMPTY_TREE, rows.map(leafHashOf));
  const { rows: tiles } = await owner.query('SELECT level, index, hashes, root FROM audit.tiles WHERE tenant = $1', [
    tenant,
  ]);
  const byPlace = (a: { level: number; index: number }, b: { level: number; index: number }): number =>
    a.level - b.level || a.index - b.index;
  expect(tiles.map((tile) => ({ ...tile, index: Number(tile.index) })).toSorted(byPlace)).toEqual(
    fullTiles.toSorted(byPlace),
  );
  const { rows: logs } = await owner.query('SELECT * FROM audit.logs_v1 WHERE tenant = $1', [tenant]);
  expect(logs).toHaveLength(1);
  expect(logs[0].origin).toBe(`scim.example.org:8443/audit/${tenant}`);
  const { rows: checkpoints } = await owner.query<{ size: string; note: string }>(
    'SELECT size, note FROM audit.checkpoints_v1 WHERE tenant = $1 ORDER BY size',
    [tenant],
  );
  for (const { size, note } of checkpoints) {
    const { origin, verifier_key: key } = logs[0];
    const { checkpoint } = openCheckpoint(note, { origin, logKeys: [readVerifier(key)] });
    expect(checkpoint.size).toBe(Number(size));
    const root = rootOf(append(EMPTY_TREE, rows.slice(0, checkpoint.size).map(leafHashOf)).tree);
    expect(checkpoint.root).toEqual(root);
  }
  expect(Number(checkpoints.at(-1)?.size)).toBe(tree.size);
  return rows.map(([, source, sequence]) => `${source}/${sequence}`);
};

it('events of all owners become entries, by their time and never out of the order of their owner', async () => {
  const tenant = uuidv7();
  await store({ tenant, source: 'identity', events: 3, at: START });
  await store({ tenant, source: 'group', events: 2, at: START + 1_500 });
  // The clock of another machine: the second one is before the first.
  await store({ tenant, source: 'directory', events: 1, at: START + 60_000 });
  await store({ tenant, source: 'directory', events: 1, from: 2, at: START - 60_000 });
  await store({ tenant: INSTALLATION, source: 'audit', events: 1 });
  const job = integrator();
  await untilCount(tenant, 7);
  await untilCount(INSTALLATION, 1);
  expect(await judge(tenant)).toEqual([
    'identity/1',
    'identity/2',
    'group/1',
    'identity/3',
    'group/2',
    'directory/1',
    'directory/2',
  ]);
  expect(await judge(INSTALLATION)).toEqual(['audit/1']);
  await store({ tenant, source: 'identity', events: 1, from: 4 });
  job.notice([tenant, tenant, randomUUID()]);
  await untilCount(tenant, 8);
  expect((await judge(tenant)).at(-1)).toBe('identity/4');
  const [{ sealed, stored }] = (
    await owner.query(
      `SELECT count(*) FILTER (WHERE p.personal = e.personal)::int AS sealed, count(*) FILTER (WHERE p.data::text = e.data::text)::int AS stored
       FROM audit.entries a JOIN audit.payloads p USING (tenant, number) JOIN identity.events e ON e.tenant = a.tenant AND e.sequence = a.sequence
       WHERE a.tenant = $1 AND a.owner = 'identity'`,
      [tenant],
    )
  ).rows as [{ sealed: number; stored: number }];
  expect([sealed, stored]).toEqual([1, 4]);
});

it('secrets of directories stay with their owner: the hash of the whole is in their place', async () => {
  const tenant = uuidv7();
  await store({
    tenant,
    source: 'directory',
    events: 1,
    data: '{"name": "n", "hash": "secret", "sealed": "secret too"}',
  });
  integrator();
  await untilCount(tenant, 1);
  await judge(tenant);
  const { rows } = await owner.query(
    `SELECT p.data, p.hidden_hash = sha256(convert_to(e.data::text, 'UTF8')) AS is_whole FROM audit.payloads p
     JOIN directory.events e USING (tenant) WHERE p.tenant = $1`,
    [tenant],
  );
  expect(rows).toEqual([{ data: { name: 'n' }, is_whole: true }]);
});

it('many events are taken in turns, tile by tile, and a tenant with few does not wait for one with many', async () => {
  const [many, few] = [uuidv7(), uuidv7()];
  await store({ tenant: many, source: 'identity', events: 9_000 });
  await store({ tenant: many, source: 'group', events: 600, at: START + 1_000_000 });
  await store({ tenant: few, source: 'identity', events: 3 });
  integrator();
  await untilCount(few, 3);
  const meanwhile = await count(many);
  expect(meanwhile).toBeLessThan(9_600);
  await untilCount(many, 9_600);
  const order = await judge(many);
  expect(order.filter((one) => one.startsWith('identity'))).toEqual(
    Array.from({ length: 9_000 }, (_, index) => `identity/${index + 1}`),
  );
}, 60_000);

it('two integrators at once add each event once', async () => {
  const tenants = Array.from({ length: 5 }, () => uuidv7());
  const both = [integrator(), integrator()];
  for (let round = 0; round < 10; round++) {
    for (const tenant of tenants)
      for (const source of ['identity', 'group'])
        await store({ tenant, source, events: 30, from: round * 30 + 1, at: START + round * 30_000 });
    for (const job of both) job.notice(tenants);
  }
  for (const tenant of tenants) {
    await untilCount(tenant, 600);
    expect(new Set(await judge(tenant)).size).toBe(600);
  }
  expect(errors).toEqual([]);
}, 60_000);

it('where a store lacks an event, nothing behind it becomes an entry, and that is told; everything else goes on', async () => {
  const [tenant, other] = [uuidv7(), uuidv7()];
  await store({ tenant, source: 'identity', events: 2 });
  await store({ tenant, source: 'identity', events: 2, from: 4 });
  await store({ tenant, source: 'group', events: 2 });
  const job = integrator();
  await untilCount(tenant, 4);
  await store({ tenant: other, source: 'identity', events: 1 });
  job.notice([other, tenant]);
  await untilCount(other, 1);
  expect(errors).toEqual([{ tenant, owner: 'identity', sequence: 4 }]);
  await store({ tenant, source: 'identity', events: 1, from: 3 });
  job.notice([tenant]);
  await untilCount(tenant, 7);
  await judge(tenant);
});

it('a log that is not the one that was signed is told, and nothing is added to it', async () => {
  const harms: Readonly<Record<string, readonly [sql: string, fault: RegExp]>> = {
    'the actor of an entry': [
      "UPDATE audit.entries SET actor = 'admin' WHERE tenant = $1 AND number = 3",
      /^its last checkpoint says that the root of its 5 entries is \S+, and it is \S+$/,
    ],
    'its last entry': ['DELETE FROM audit.entries WHERE tenant = $1 AND number = 4', /is of 5 entries, and it has 4/],
    'an entry within': [
      'DELETE FROM audit.entries WHERE tenant = $1 AND number = 2',
      /tile\/0\/000\.p\/5 has 128 of 160/,
    ],
    'its last checkpoint': [
      "UPDATE audit.checkpoints SET note = replace(note, E'\\n5\\n', E'\\n4\\n') WHERE tenant = $1",
      /^The signature of scim\.example\.org:8443\/audit\/\S+ differs/,
    ],
    'all checkpoints': ['DELETE FROM audit.checkpoints WHERE tenant = $1', /^it has 5 entries and no checkpoint$/],
    'its key': ["UPDATE audit.logs SET verifier_key = 'another' WHERE tenant = $1", /audit\.logs says another$/],
    'its name': ['DELETE FROM audit.logs WHERE tenant = $1', /no name$/],
  };
  for (const [what, [sql, fault]] of Object.entries(harms)) {
    const tenant = uuidv7();
    await store({ tenant, source: 'identity', events: 5 });
    integrator();
    await untilCount(tenant, 5);
    await Promise.all(jobs.splice(0).map((job) => job.stop()));
    await owner.query('SET session_replication_role = replica');
    expect((await owner.query(sql, [tenant])).rowCount, what).toBe(1);
    await owner.query('SET session_replication_role = DEFAULT');
    errors.length = 0;
    const [before, other] = [await count(tenant), uuidv7()];
    await store({ tenant, source: 'identity', events: 1, from: 6 });
    await store({ tenant: other, source: 'identity', events: 1 });
    integrator();
    await untilCount(other, 1);
    await vi.waitFor(() => expect(errors, what).toEqual([{ tenant, fault: expect.stringMatching(fault) as string }]));
    expect(await count(tenant), what).toBe(before);
    await Promise.all(jobs.splice(0).map((job) => job.stop()));
    // The next case does not hear of it.
    rmSync(folder, { recursive: true, force: true });
    await owner.query('SET session_replication_role = replica');
    await owner.query('DELETE FROM identity.events WHERE tenant = $1', [tenant]);
    await owner.query('SET session_replication_role = DEFAULT');
  }
}, 60_000);

it('checkpoints are kept in a private file, and a log that is rolled back or forked behind it is told', async () => {
  const tenant = uuidv7();
  await store({ tenant, source: 'identity', events: 3 });
  const job = integrator();
  await untilCount(tenant, 3);
  await vi.waitFor(async () => expect(await readKeptCheckpoint(folder, tenant)).toMatch(/\n3\n/));
  await store({ tenant, source: 'identity', events: 2, from: 4 });
  job.notice([tenant]);
  await untilCount(tenant, 5);
  await vi.waitFor(async () => expect(await readKeptCheckpoint(folder, tenant)).toMatch(/\n5\n/));
  await Promise.all(jobs.splice(0).map((one) => one.stop()));
  const path = join(folder, `${tenant}.jsonl`);
  expect([statSync(path).mode & 0o777, readFileSync(path, 'utf8').match(/\n/g)!.length]).toEqual([0o600, 2]);
  const { rows } = await owner.query<{ note: string }>(
    'SELECT note FROM audit.checkpoints WHERE tenant = $1 ORDER BY size',
    [tenant],
  );
  expect(await readKeptCheckpoint(folder, tenant)).toBe(rows.at(-1)!.note);

  // Everything behind the first checkpoint is gone, as after a backup was restored: the database agrees with itself.
  await owner.query('SET session_replication_role = replica');
  for (const sql of [
    'DELETE FROM audit.entries WHERE tenant = $1 AND number >= 3',
    'DELETE FROM audit.payloads WHERE tenant = $1 AND number >= 3',
    'DELETE FROM audit.checkpoints WHERE tenant = $1 AND size > 3',
    'DELETE FROM identity.events WHERE tenant = $1 AND sequence > 3',
  ])
    await owner.query(sql, [tenant]);
  await owner.query('SET session_replication_role = DEFAULT');
  await store({ tenant, source: 'identity', events: 3, from: 4 });
  integrator();
  await vi.waitFor(() =>
    expect(errors).toEqual([
      { tenant, fault: expect.stringMatching(/^it was rolled back: .* is of 5 entries, and it has 3$/) as string },
    ]),
  );
  await Promise.all(jobs.splice(0).map((one) => one.stop()));
  expect(await count(tenant)).toBe(3);

  // Without the file nobody notices; with it, the other history is a fork.
  const kept = readFileSync(path, 'utf8');
  rmSync(path);
  errors.length = 0;
  integrator();
  await untilCount(tenant, 6);
  await Promise.all(jobs.splice(0).map((one) => one.stop()));
  expect(errors).toEqual([]);
  writeFileSync(path, kept);
  integrator();
  await vi.waitFor(() =>
    expect(errors).toEqual([
      { tenant, fault: expect.stringMatching(/^it was forked: .* the root of its 5 entries is/) as string },
    ]),
  );
}, 60_000);

it('a file of checkpoints does not grow for ever, and the one before is kept', async () => {
  const [tenant, path] = [uuidv7(), (name: string) => join(folder, name)];
  const files = new CheckpointFiles(folder, logger);
  files.start();
  jobs.push(files);
  const written = async (note: string): Promise<void> => {
    files.keep(tenant, note);
    await vi.waitFor(async () => expect(await readKeptCheckpoint(folder, tenant)).toBe(note), { timeout: 5_000 });
  };
  await written('first\n');
  writeFileSync(path(`${tenant}.jsonl`), lineOf('', 'long\n').repeat(40_000));
  await written('second\n');
  expect(statSync(path(`${tenant}.before.jsonl`)).size).toBeGreaterThan(1_048_576);
  expect(readFileSync(path(`${tenant}.jsonl`), 'utf8')).toMatch(/^\{"at":"[^"]*","checkpoint":"second\\n"\}\n$/);
  // A crash between the two: the one before has the last one.
  rmSync(path(`${tenant}.jsonl`));
  expect(await readKeptCheckpoint(folder, tenant)).toBe('long\n');
});

it('the role of audit may add to the log, and nothing else', async () => {
  const tenant = uuidv7();
  await store({ tenant, source: 'identity', events: 300 });
  integrator();
  await untilCount(tenant, 300);
  for (const table of ['entries', 'payloads', 'tiles', 'checkpoints', 'logs']) {
    for (const sql of [
      `UPDATE audit.${table} SET tenant = tenant`,
      `DELETE FROM audit.${table}`,
      `TRUNCATE audit.${table}`,
    ])
      await expect(pool.query(sql), sql).rejects.toThrow(/permission denied/);
    const [update, remove] = [`UPDATE audit.${table} SET tenant = tenant`, `DELETE FROM audit.${table}`];
    await expect(owner.query(update)).rejects.toThrow(/append-only/);
    // Payloads may go when they are old.
    if (table !== 'payloads') await expect(owner.query(remove)).rejects.toThrow(/append-only/);
    await expect(owner.query(`TRUNCATE audit.${table}`)).rejects.toThrow(/append-only/);
  }
});
