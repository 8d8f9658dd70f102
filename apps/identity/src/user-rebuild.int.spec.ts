import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { rebuild, type RebuildOptions, type RebuildResult } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { recordUsers } from '../../../test/support/recorded-users.js';
import { userFold } from './user-fold.queries.js';
import { verifyUsers } from './user-verify.queries.js';

vi.setConfig({ testTimeout: 120_000 });

/** Several pages of events. */
const [USERS, EVENTS_EACH] = [3_000, 2] as const;
const EVENTS = USERS * EVENTS_EACH;
const masterKey = randomBytes(32);

let url: string;
let owner: pg.Client;
let tenant: string;
beforeAll(async () => {
  url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  tenant = await recordUsers(owner, masterKey, USERS, EVENTS_EACH - 1);
}, 120_000);
afterAll(() => owner?.end());

const rebuilt = async (options: Partial<RebuildOptions> = {}): Promise<RebuildResult> => {
  const clients = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })] as const;
  await Promise.all(clients.map((client) => client.connect()));
  try {
    return await rebuild(...clients, userFold(masterKey), { version: '1', ...options });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
};
/** Stops where it is for the `turn`th time that something is told. */
const stoppedAt = async (turn: number, options: Partial<RebuildOptions> = {}): Promise<RebuildResult> => {
  const stopping = new AbortController();
  let told = 0;
  const progress = (): void => {
    if (++told === turn) stopping.abort();
  };
  return rebuilt({ ...options, signal: stopping.signal, progress });
};
const table = async (name: string): Promise<unknown[]> =>
  (
    await owner.query<{ row: unknown }>(
      `SELECT to_jsonb(t) AS row FROM identity.${name} t ORDER BY t::text COLLATE "C"`,
    )
  ).rows.map(({ row }) => row);
const findings = async (): Promise<string[]> =>
  (await verifyUsers(owner, masterKey)).findings.map(({ rule, detail }) => `${rule} ${detail}`);
const unfinished = async (): Promise<number> =>
  (await owner.query('SELECT FROM identity.unfinished_rebuild')).rowCount!;
const idOf = async (n: number): Promise<string> =>
  (await owner.query<{ id: string }>('SELECT id FROM identity.users ORDER BY id OFFSET $1 LIMIT 1', [n])).rows[0]!.id;

it('rows that are right are written by nobody, and no lane notices', async () => {
  expect(await rebuilt()).toMatchObject({ events: EVENTS, streams: USERS, mended: 0, unfolded: 0, isStopped: false });
  expect((await owner.query('SELECT FROM identity.positions WHERE generation > 0')).rowCount).toBe(0);
  expect(await findings()).toEqual([]);
});

it('all rows that were lost come back, each as it was, and so do the names', async () => {
  const [users, claims, names] = [await table('users'), await table('claims'), await table('known_as')];
  expect(names).toHaveLength(EVENTS);
  await owner.query('DELETE FROM identity.users; DELETE FROM identity.claims; DELETE FROM identity.known_as');
  expect(await rebuilt()).toMatchObject({ events: EVENTS, mended: 2 * USERS + EVENTS });
  expect(await table('known_as')).toEqual(names);
  expect(await table('users')).toEqual(users);
  expect(await table('claims')).toEqual(claims);
  expect(await findings()).toEqual([]);
  expect(await unfinished()).toBe(0);
});

it('each row that is wrong, missing or too many is mended, and no other', async () => {
  const [users, claims] = [await table('users'), await table('claims')];
  const [first, second, third, fourth] = [await idOf(0), await idOf(1_000), await idOf(USERS - 1), await idOf(7)];
  await owner.query(`UPDATE identity.users SET resource = resource || '{"title": "Wrong"}' WHERE id = $1`, [first]);
  await owner.query(`UPDATE identity.users SET version = 17, folded = jsonb_build_object('title', 1) WHERE id = $1`, [
    second,
  ]);
  await owner.query('DELETE FROM identity.users WHERE id = $1', [third]);
  // The names of two are exchanged, one is free, and one is held by somebody whom there is not.
  await owner.query(
    `UPDATE identity.claims SET holder = CASE holder WHEN $1::uuid THEN $2::uuid ELSE $1::uuid END WHERE holder IN ($1, $2)`,
    [first, second],
  );
  await owner.query('UPDATE identity.claims SET holder = NULL WHERE holder = $1', [fourth]);
  await owner.query(`INSERT INTO identity.claims VALUES ($1, 'userName', 'nobody', gen_random_uuid())`, [tenant]);
  // A row without events, and one of somebody in another tenant.
  for (const [of, id] of [
    [tenant, uuidv7()],
    [uuidv7(), fourth],
  ] as const)
    await owner.query(
      `INSERT INTO identity.users (tenant, id, version, created, last_modified, resource, user_name_folded, folded)
       VALUES ($1, $2, 1, now(), now(), '{}', 'x', '{}')`,
      [of, id],
    );
  expect(await rebuilt()).toMatchObject({ mended: 9, unfolded: 0 });
  expect(await table('users')).toEqual(users);
  expect((await table('claims')).filter((claim) => (claim as { value: string }).value !== 'nobody')).toEqual(claims);
  expect(await findings()).toEqual([]);
});

it('stopped in the middle, it goes on there, and mends what is behind', async () => {
  const users = await table('users');
  await owner.query('UPDATE identity.users SET version = version + 1');
  const before = await stoppedAt(1);
  expect(before).toMatchObject({ isStopped: true, resumedFrom: null });
  expect(before.mended).toBeGreaterThan(0);
  expect(before.mended).toBeLessThan(USERS);
  expect(await unfinished()).toBe(1);
  expect(await findings()).not.toEqual([]);
  const after = await rebuilt();
  expect(after).toMatchObject({
    isStopped: false,
    resumedFrom: expect.stringMatching(/^20/),
    mended: USERS - before.mended,
  });
  expect(after.streams).toBe(USERS - before.streams);
  expect(await table('users')).toEqual(users);
  expect(await unfinished()).toBe(0);
});

it('stopped while rows without events are looked for, it goes on there and replays nothing again', async () => {
  const stray = uuidv7();
  await owner.query(
    `INSERT INTO identity.users (tenant, id, version, created, last_modified, resource, user_name_folded, folded)
     VALUES ($1, $2, 1, now(), now(), '{}', 'x', '{}')`,
    [tenant, stray],
  );
  let turns = 0;
  await rebuilt({ progress: ({ walked }) => walked === 0 && turns++ });
  await owner.query(
    `INSERT INTO identity.users (tenant, id, version, created, last_modified, resource, user_name_folded, folded)
     VALUES ($1, $2, 1, now(), now(), '{}', 'x', '{}')`,
    [tenant, stray],
  );
  expect(await stoppedAt(turns + 1)).toMatchObject({ isStopped: true, streams: USERS });
  expect(await rebuilt()).toMatchObject({ isStopped: false, streams: 0, events: 0, mended: 1 });
  expect(await findings()).toEqual([]);
});

it('it begins anew where another version stopped, and when it is told to', async () => {
  await stoppedAt(1);
  expect(await rebuilt({ version: '2' })).toMatchObject({ resumedFrom: null, streams: USERS });
  await stoppedAt(1);
  expect(await rebuilt({ isFromStart: true })).toMatchObject({ resumedFrom: null, streams: USERS });
});

it('what cannot be opened is left as it is and named; the others are mended', async () => {
  const users = await table('users');
  const [erased, other] = [await idOf(10), await idOf(11)];
  const { rows: keys } = await owner.query('DELETE FROM keys.persons WHERE person = $1 RETURNING *', [erased]);
  await owner.query('UPDATE identity.users SET version = version + 1 WHERE id = $1', [other]);
  const result = await rebuilt();
  expect(result).toMatchObject({ unfolded: 1, mended: 1, isStopped: false });
  expect(result.findings).toEqual([{ rule: 'row', detail: `user ${erased} has events and no key` }]);
  expect(await table('users')).toEqual(users);
  await owner.query('INSERT INTO keys.persons SELECT * FROM json_populate_recordset(NULL::keys.persons, $1)', [
    JSON.stringify(keys),
  ]);
});

it('of two at once the second one says so', async () => {
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  await holder.query(`SELECT pg_advisory_lock(7216002, hashtext('identity'))`);
  await expect(rebuilt()).rejects.toThrow('Another rebuild of identity is under way');
  await holder.end();
});
