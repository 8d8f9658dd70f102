import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate, untilMigrated } from '#event-store';
import { startPostgres, type PostgresProcess } from '#runtime';
import { query } from '../../../test/support/postgres.js';

// A server of its own: roles are the server's, and this is about the time before there are any.
const dataDir = mkdtempSync(join(tmpdir(), 'muster-migrate-'));
let postgres: PostgresProcess;

beforeAll(async () => {
  postgres = await startPostgres(dataDir);
}, 60_000);

afterAll(async () => {
  await postgres?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

it('a service that starts before the migration waits for it, and says why', async () => {
  const reasons: string[] = [];
  const waiting = untilMigrated(postgres.url, 'gateway', (reason) => reasons.push(reason));
  await expect.poll(() => reasons).toHaveLength(1);
  await migrate(postgres.url);
  await waiting;
  expect(reasons).toEqual([expect.stringMatching(/muster_gateway/)]);
});

it('a database of an older shape is not enough', async () => {
  const take = 'DELETE FROM muster_migrations WHERE id = (SELECT max(id) FROM muster_migrations) RETURNING name';
  const [newest] = await query<{ name: string }>(postgres.url, take);
  await expect(untilMigrated(postgres.url, 'identity', () => undefined, 0)).rejects.toThrow(/not been migrated to this version/);
  await query(postgres.url, 'INSERT INTO muster_migrations (timestamp, name) VALUES (0, $1)', [newest!.name]);
  await untilMigrated(postgres.url, 'identity', () => undefined, 0);
});

it('a database that does not answer ends the wait in time', async () => {
  const nobody = 'postgres://muster:secret@127.0.0.1:1/muster';
  await expect(untilMigrated(nobody, 'admin', () => undefined, 0)).rejects.toThrow(/^The database is not ready: .*ECONNREFUSED/);
});
