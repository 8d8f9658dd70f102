import { hash } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../../test/support/postgres.js';
import { ScimTokens, type KnownToken } from './scim-tokens.queries.js';

const [tenant, directory] = [uuidv7(), uuidv7()];
let owner: pg.Client;
let pool: pg.Pool;
/** Hashes that were asked for together. */
const asked: string[][] = [];
const recorded = {
  query: (config: pg.QueryConfig) => (asked.push(config.values![0] as string[]), pool.query(config)),
} as unknown as pg.Pool;

const hashOf = (token: string): string => hash('sha256', token);
const insert = (token: string): Promise<unknown> =>
  owner.query(
    `INSERT INTO directory.tokens (id, tenant, directory, version, created, hash, status, description, sealed) VALUES ($1, $2, $3, 1, now(), $4, 'active', '', '')`,
    [uuidv7(), tenant, directory, hashOf(token)],
  );

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'gateway') });
  await owner.query(`INSERT INTO directory.tenants (id, version, created, name) VALUES ($1, 1, now(), 'T')`, [tenant]);
  await owner.query(
    `INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings) VALUES ($1, $2, 1, now(), 'D', 'scim', '{}')`,
    [directory, tenant],
  );
  await insert('known');
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await pool?.end();
});

const required = async (tokens: ScimTokens, tokenHash: string): Promise<KnownToken> => tokens.require(tokenHash);

it('somebody who tries tokens has one look-up under way, delays nobody whose token has worked, and refuses nobody whose token is new', async () => {
  const tokens = new ScimTokens(recorded, 0);
  expect((await required(tokens, hashOf('known'))).tenant).toBe(tenant);
  await insert('new');
  asked.length = 0;
  // No look-up ends before the test says so.
  await owner.query('BEGIN; LOCK directory.tokens IN ACCESS EXCLUSIVE MODE');
  const made = Array.from({ length: 1_100 }, (_, index) => `made up ${index}`);
  const tried = [...made.slice(0, 500), 'new', ...made.slice(500)].map((token) =>
    required(tokens, hashOf(token)).catch((error: unknown) => error),
  );
  const known = required(tokens, hashOf('known'));
  try {
    await vi.waitFor(() => expect(asked).toEqual([[hashOf('made up 0')], [hashOf('known')]]), { timeout: 10_000 });
  } finally {
    await owner.query('COMMIT');
  }
  expect((await known).directory).toBe(directory);
  const answers = await Promise.all(tried);
  expect(answers[500]).toMatchObject({ tenant, status: 'active' });
  const codes = answers.map((error) => (error as { code?: string }).code);
  expect([
    codes.filter((code) => code === 'unauthorized').length,
    codes.filter((code) => code === 'tooManyRequests').length,
  ]).toEqual([1_000, 100]);
  expect(asked.map(({ length }) => length)).toEqual([1, 1, 1_000]);
});

it('what is remembered of a token is one look-up for all who ask meanwhile, also when nobody knows it', async () => {
  const tokens = new ScimTokens(recorded, 600_000);
  asked.length = 0;
  for (const token of ['known', 'unknown'])
    await Promise.allSettled(Array.from({ length: 50 }, () => required(tokens, hashOf(token))));
  expect(asked).toEqual([[hashOf('known')], [hashOf('unknown')]]);
});

it('a token that is revoked is refused as soon as it is looked up again', async () => {
  const tokens = new ScimTokens(recorded, 0);
  await insert('revoked later');
  await required(tokens, hashOf('revoked later'));
  await owner.query(`UPDATE directory.tokens SET status = 'revoked' WHERE hash = $1`, [hashOf('revoked later')]);
  await expect(required(tokens, hashOf('revoked later'))).rejects.toMatchObject({
    code: 'unauthorized',
    detail: expect.stringContaining('revoked') as unknown,
  });
});
