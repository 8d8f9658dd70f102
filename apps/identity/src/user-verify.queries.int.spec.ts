import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { streams } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { verifyUsers } from './user-verify.queries.js';

/**
 * So many take longer in one statement than it may take here; in pages, however slow the machine, none of them does.
 */
const USERS = 60_000;
const STATEMENT_TIMEOUT_MS = 100;
const NOW = '2026-01-01T00:00:00.000Z';

let owner: pg.Client;
let verifier: pg.Client;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  verifier = new pg.Client({ connectionString: url, statement_timeout: STATEMENT_TIMEOUT_MS });
  await Promise.all([owner.connect(), verifier.connect()]);
}, 60_000);

afterAll(() => Promise.all([owner?.end(), verifier?.end()]));

it('a stream is read in pages that end where they are long enough, each event once and in order', async () => {
  const [tenant, long, short] = [uuidv7(), uuidv7(), uuidv7()];
  await owner.query(
    `INSERT INTO identity.events SELECT $1, n, CASE WHEN n <= 40 THEN $2::uuid ELSE $3::uuid END, CASE WHEN n <= 40 THEN n ELSE n - 40 END, 'type', $4, gen_random_uuid(),
       '', '', NULL, json_build_object('text', repeat('x', CASE WHEN n <= 40 THEN 262144 ELSE 1 END)), NULL FROM generate_series(1, 3000) AS n`,
    [tenant, long, short, NOW],
  );
  const read: number[] = [];
  const counting = {
    query: async (sql: string, values: unknown[]) => {
      const result = await owner.query(sql, values);
      read.push(JSON.stringify(result.rows).length);
      return result;
    },
  } as unknown as pg.Client;
  const versions = new Map<string, number[]>();
  for await (const { stream, events } of streams(counting, 'identity')) {
    for await (const { version } of events) versions.set(stream, [...(versions.get(stream) ?? []), version]);
  }
  const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
  expect(versions).toEqual(
    new Map([
      [long, upTo(40)],
      [short, upTo(2_960)],
    ]),
  );
  expect(Math.max(...read)).toBeLessThan(4 * 1_048_576 + 300_000);
  // The rest of a stream is left out if the reader stops before its end.
  const seen: string[] = [];
  for await (const { stream, events } of streams(counting, 'identity')) {
    for await (const { version } of events) {
      seen.push(`${stream}/${version}`);
      break;
    }
  }
  expect(seen).toEqual([`${long}/1`, `${short}/1`]);
}, 60_000);

it('more users than one statement may compare are compared in pages: what is claimed and borne differently is found', async () => {
  const [tenant, directory] = [uuidv7(), uuidv7()];
  await owner.query(
    `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded, links)
     SELECT $1, gen_random_uuid(), $2::uuid, 1, $3, $3, '{}', 'user-' || n, '{}', jsonb_build_object('signIns', jsonb_build_array(
       jsonb_build_object('directory', $2::uuid, 'loginType', 'oidc', 'providerId', n::text))) FROM generate_series(1, ${USERS}) AS n`,
    [tenant, directory, NOW],
  );
  await owner.query(`
    INSERT INTO identity.claims SELECT tenant, 'userName', user_name_folded, id FROM identity.users
    UNION ALL SELECT tenant, 'signIn', directory || '/oidc/' || substr(user_name_folded, 6), id FROM identity.users`);
  const compared: [string, number][] = [];
  const verified = async (): Promise<string[]> => {
    const { findings } = await verifyUsers(verifier, randomBytes(32), (what, count) => compared.push([what, count]));
    return findings
      .filter(({ detail }) => !/has a row and no events|has events and no key/.test(detail))
      .map(({ rule, detail }) => `${rule} ${detail}`);
  };
  expect(await verified()).toEqual([]);
  expect(compared).toEqual(
    expect.arrayContaining([
      ['user rows', USERS],
      ['claims of users', 2 * USERS],
    ]),
  );
  const idOf = async (name: string): Promise<string> =>
    (await owner.query<{ id: string }>('SELECT id FROM identity.users WHERE user_name_folded = $1', [name])).rows[0]!
      .id;
  const [taken, free, twin, gone] = [
    await idOf('user-1'),
    await idOf('user-30000'),
    await idOf('user-45000'),
    await idOf('user-60000'),
  ];
  await owner.query("UPDATE identity.claims SET holder = $1 WHERE holder = $2 AND kind = 'userName'", [free, taken]);
  await owner.query("UPDATE identity.claims SET holder = NULL WHERE holder = $1 AND kind = 'signIn'", [free]);
  await owner.query("UPDATE identity.users SET user_name_folded = 'user-30000' WHERE id = $1", [twin]);
  await owner.query('DELETE FROM identity.users WHERE id = $1', [gone]);
  expect((await verified()).toSorted()).toEqual(
    [
      `name signIn ${directory}/oidc/30000 is claimed by nobody and borne by ${free}`,
      `name signIn ${directory}/oidc/60000 is claimed by ${gone}, who does not bear it`,
      `name userName user-1 is claimed by ${free} and borne by ${taken}`,
      `name userName user-1 is claimed by ${free}, who does not bear it`,
      `name userName user-30000 is claimed by ${free} and borne by ${twin}`,
      `name userName user-45000 is claimed by ${twin}, who does not bear it`,
      `name userName user-60000 is claimed by ${gone}, who does not bear it`,
    ].toSorted(),
  );
}, 120_000);
