import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditEntryColumns, auditEntryOf, keyContext, leafTextOf, sealContext, type AuditEntryRow } from '#contracts';
import { keySeal, newKey, roleUrl, seal } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../../test/support/postgres.js';
import { jsonLine, valuesOf, type ExportRow } from './export-lines.js';
import { Exports, type Exported } from './exports.queries.js';

/** Lines of an export are made in Postgres: they have the bytes that were hashed, whatever texts stand in them. */

const TENANT = uuidv7();
const PERSONS = [uuidv7(), uuidv7()] as const;
const ENTRIES = 500;
const TEXTS = [
  'plain',
  '',
  'ä€😀',
  'a "quoted" \\ text',
  '\t\r\n\b\f\u0001\u001f\u007f\u2028',
  "o'clock",
  '</script>&',
];
const PERSONAL = JSON.stringify({ title: TEXTS });
const masterKey = newKey();
let owner: pg.Client;
let pool: pg.Pool;
let exports: Exports;
let all: Exported;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'admin_api') });
  exports = new Exports(pool, keySeal(masterKey));
  all = { tenant: TENANT, person: null, withOthers: false, withValues: true, from: 0, to: ENTRIES };
  await owner.query(
    `INSERT INTO audit.entries (tenant, number, owner, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, payload_hash)
     SELECT $1, n, 'identity', n + 1, ($2::uuid[])[n % 2 + 1], n / 2 + 1, t, '2026-01-01'::timestamptz + n * interval '1.000001 s', gen_random_uuid(), t, t,
       CASE WHEN n % 3 = 0 THEN gen_random_uuid() END, sha256(n::text::bytea)
     FROM generate_series(0, $3 - 1) AS n, LATERAL (SELECT ($4::text[])[n % cardinality($4::text[]) + 1] AS t) AS t`,
    [TENANT, PERSONS, ENTRIES, TEXTS],
  );
  const ofTenant = newKey();
  const keys = PERSONS.map(() => newKey());
  await owner.query('INSERT INTO keys.tenants VALUES ($1, $2)', [
    TENANT,
    seal(masterKey, keyContext(TENANT), ofTenant),
  ]);
  for (const [at, person] of PERSONS.entries())
    await owner.query('INSERT INTO keys.persons (tenant, person, wrapped) VALUES ($1, $2, $3)', [
      TENANT,
      person,
      seal(ofTenant, keyContext(TENANT, person), keys[at]!),
    ]);
  const numbers = Array.from({ length: ENTRIES }, (_, n) => n);
  await owner.query(
    `INSERT INTO audit.payloads (tenant, number, data, personal, hidden_hash)
     SELECT $1, r.number, r.data::json, r.personal, CASE WHEN r.personal IS NULL THEN sha256('x') END
     FROM unnest($2::bigint[], $3::text[], $4::text[]) AS r(number, data, personal) WHERE r.number % 7 <> 6`,
    [
      TENANT,
      numbers,
      numbers.map((n) => JSON.stringify({ text: TEXTS[n % TEXTS.length] })),
      numbers.map((n) =>
        n % 5 === 0 ? null : seal(keys[n % 2]!, sealContext(TENANT, PERSONS[n % 2]!, Math.floor(n / 2) + 1), PERSONAL),
      ),
    ],
  );
});
afterAll(async () => {
  await pool?.end();
  await owner?.end();
});

const rowsOf = async (exported: Exported): Promise<ExportRow[]> => {
  const rows: ExportRow[] = [];
  for await (const page of exports.pages(exported)) rows.push(...page);
  return rows;
};
const linesOf = async (exported: Exported): Promise<string[]> => {
  const keyOf = await exports.keysOf(TENANT);
  return (await rowsOf(exported)).map((row) => jsonLine(row[0], null, valuesOf(TENANT, row, keyOf(row))));
};

it('a leaf has the bytes that were hashed, and a line has the form that verify takes', async () => {
  const { rows } = await owner.query<AuditEntryRow[]>({
    text: `SELECT ${auditEntryColumns('e')} FROM audit.entries e WHERE tenant = $1 ORDER BY number`,
    values: [TENANT],
    rowMode: 'array',
  });
  const { rows: payloads } = await owner.query<{ number: string; data: string; personal: string; hidden: string }>(
    `SELECT number, data::text AS data, personal, encode(hidden_hash, 'base64') AS hidden FROM audit.payloads ORDER BY number`,
  );
  const byNumber = new Map(payloads.map((payload) => [Number(payload.number), payload]));
  const expected = (rows as unknown as AuditEntryRow[]).map((row, number) => {
    const found = byNumber.get(number);
    const payload = found ? { data: found.data, personal: found.personal, hiddenHash: found.hidden } : null;
    const values = payload?.personal ? `,"values":${PERSONAL}` : '';
    return `{"number":${number},"leaf":${leafTextOf(auditEntryOf(row))},"payload":${JSON.stringify(payload)}${values}}\n`;
  });
  expect(expected).toHaveLength(ENTRIES);
  expect(await linesOf(all)).toEqual(expected);
  expect(await linesOf({ ...all, from: 10, to: 200 })).toEqual(expected.slice(10, 200));
  const without = await rowsOf({ ...all, withValues: false });
  expect(without.map(([line]) => `${line}}\n`)).toEqual(
    expected.map((line) => line.replace(`,"values":${PERSONAL}`, '')),
  );
  expect(without.every((row) => row.slice(2).every((value) => value === null))).toBe(true);
});

it('of a person there are the own entries, or the leaves of all others with them', async () => {
  const [person] = PERSONS;
  const own = await rowsOf({ ...all, person });
  expect(own.map(([, number]) => Number(number))).toEqual(Array.from({ length: ENTRIES / 2 }, (_, n) => 2 * n));
  const withOthers = await linesOf({ ...all, person, withOthers: true });
  expect(withOthers).toHaveLength(ENTRIES);
  const whole = await linesOf(all);
  for (const [number, line] of withOthers.entries())
    expect(line).toBe(
      number % 2 === 0 ? whole[number] : `${whole[number]!.split(',"payload":{')[0]!.split(',"payload":null')[0]!}}\n`,
    );
});

it('somebody whose key is destroyed while an export runs is erased from the next page on', async () => {
  const keyOf = await exports.keysOf(TENANT);
  const pages = exports.pages({ ...all, to: ENTRIES });
  const read = (rows: readonly ExportRow[]): (string | null | undefined)[] =>
    rows.filter(([, , stream]) => stream === PERSONS[1]).map((row) => valuesOf(TENANT, row, keyOf(row)));
  const first = (await pages.next()).value as readonly ExportRow[];
  expect(new Set(read(first))).toEqual(new Set([PERSONAL]));
  await owner.query('BEGIN; DELETE FROM keys.persons WHERE person = $1'.replace('$1', `'${PERSONS[1]}'`));
  await owner.query('COMMIT');
  const later: (string | null | undefined)[] = [];
  // The second page was asked for with the first one.
  await pages.next();
  for await (const page of pages) later.push(...read(page));
  expect(later.length).toBeGreaterThan(50);
  expect(new Set(later)).toEqual(new Set([null]));
});

it('no page but the next one is read before somebody takes it', async () => {
  let asked = 0;
  const counted = {
    query: (config: pg.QueryConfig) => {
      asked++;
      return pool.query(config);
    },
  } as unknown as pg.Pool;
  const pages = new Exports(counted, keySeal(masterKey)).pages(all);
  for (let taken = 1; taken <= 3; taken++) {
    expect((await pages.next()).done).toBe(false);
    await pool.query('SELECT 1');
    expect(asked).toBe(taken + 1);
  }
  await pages.return(undefined);
  expect(asked).toBe(4);
});
