import { chownSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectDatabase, migrate, roleUrl, allRoles, untilMigrated } from '#event-store';
import { startPostgres, type PostgresProcess } from '#host';
import { createLogger, isUsageError, readConfig } from '#runtime';
import { startServer } from '../apps/muster/src/server.module.js';
import { verifyInstallation } from '../apps/muster/src/verify.js';
import { makeAuthority } from './support/certificates.js';

const ROLES = allRoles();

/** sslmode=verify-full, in every place that connects: a server that takes TLS alone, with an authority of its own. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string;
let server: PostgresProcess;
let authority: string;
let stranger: string;
/** The owner's URL as an operator writes it. */
const urlOf = (host: string, query: string): string => {
  const url = new URL(server.url);
  url.hostname = host;
  url.search = query;
  return url.href;
};
const verified = (): string => urlOf('localhost', `?sslmode=verify-full&sslrootcert=${authority}`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-postgres-tls-'));
  process.env.LOG_LEVEL = 'silent';
  server = await startPostgres(folder);
  const trusted = makeAuthority(folder, 'authority');
  authority = trusted.file;
  stranger = makeAuthority(folder, 'stranger').file;
  const { certificate, key } = trusted.issue('server', ['DNS:localhost']);
  const data = join(folder, 'postgres');
  const { uid, gid } = statSync(data);
  const hba = join(folder, 'pg_hba.conf');
  // From here on nobody comes in without TLS.
  writeFileSync(hba, 'hostssl all all 127.0.0.1/32 scram-sha-256\n', { mode: 0o600 });
  for (const [file, name] of [
    [certificate, 'server.crt'],
    [key, 'server.key'],
    [hba, 'pg_hba.conf'],
  ] as const) {
    rmSync(join(data, name), { force: true });
    copyFileSync(file, join(data, name));
    chownSync(join(data, name), uid, gid);
  }
  const owner = new pg.Client({ connectionString: server.url });
  await owner.connect();
  await owner.query('ALTER SYSTEM SET ssl = on');
  await owner.query('SELECT pg_reload_conf()');
  await owner.end();
  await vi.waitFor(() => expect(connects(server.url)).rejects.toThrow(/no encryption/), { timeout: 10_000 });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const connects = async (url: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    return rows[0]!.ssl;
  } finally {
    await client.end().catch(() => undefined);
  }
};

describe('a Postgres that takes TLS alone', () => {
  it('is migrated, served and verified by verify-full, on every connection', async () => {
    const url = verified();
    const settings = { DATA_DIR: folder, DATABASE_URL: url };
    await migrate(url);
    for (const role of ROLES) await untilMigrated(roleUrl(url, role), (reason: string) => expect.fail(reason));
    const muster = await startServer(
      Object.assign(readConfig(settings), { PORT: 0, ADMIN_PORT: 0 }),
      url,
      createLogger('test'),
    );
    try {
      const owner = new pg.Client({ connectionString: url });
      await owner.connect();
      const { rows } = await owner.query<{ usename: string; ssl: boolean }>(
        'SELECT usename, bool_and(ssl) AS ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = current_database() GROUP BY 1 ORDER BY 1',
      );
      expect(rows).toEqual(
        ['muster', ...[...ROLES].sort().map((role) => `muster_${role}`)].map((usename) => ({ usename, ssl: true })),
      );
      await owner.end();
      const { findings } = await verifyInstallation(url, readConfig(settings));
      expect(findings).toEqual([]);
    } finally {
      await muster.stop();
    }
  });

  it('refuses who comes without TLS', async () => {
    await expect(connects(urlOf('localhost', '?sslmode=disable'))).rejects.toThrow(/no encryption/);
  });

  it.each([
    [
      'an authority that did not sign its certificate',
      () => urlOf('localhost', `?sslmode=verify-full&sslrootcert=${stranger}`),
      /self-signed|unable to (verify|get)/,
    ],
    [
      'the authorities that Node knows',
      () => urlOf('localhost', '?sslmode=verify-full'),
      /self-signed|unable to (verify|get)/,
    ],
    [
      'a name that is not in its certificate',
      () => urlOf('127.0.0.1', `?sslmode=verify-full&sslrootcert=${authority}`),
      /does not match certificate's altnames/,
    ],
  ])('is refused by %s', async (_what, url, reason) => {
    await expect(connects(url())).rejects.toThrow(reason);
    const starts = [
      () => migrate(url()),
      () => untilMigrated(roleUrl(url(), 'gateway'), () => undefined),
      () => verifyInstallation(url(), readConfig({ DATA_DIR: folder })),
    ];
    for (const start of starts) {
      const error: unknown = await start().catch((caught: unknown) => caught);
      expect(isUsageError(error)).toBe(true);
      expect((error as Error).message).toMatch(
        /^The certificate of the database is not accepted \([^\n]*\): sslrootcert in DATABASE_URL [^\n]*$/,
      );
      expect((error as Error).message).toMatch(reason);
    }
    await expect(
      connectDatabase(roleUrl(url(), 'gateway'), 'gateway', { poolConnections: 1, queryTimeoutMs: 5_000 }),
    ).rejects.toThrow(reason);
  });
});
