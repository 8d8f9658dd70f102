import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '#event-store';
import { startPostgres } from '#host';
import { ask } from './ask.js';

/** A migrated database of the caller's own, on the server that the suites of this run share: the owner's URL. */
export const newDatabase = (): Promise<string> => ask('database');

/** Runs one statement as the owner, and returns its rows. */
export const query = async <Row extends pg.QueryResultRow>(
  ownerUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
};

// The rest runs in vitest's own process.

export interface DatabaseServer {
  /** One call at a time. */
  newDatabase(): Promise<string>;
  stop(): Promise<void>;
}

export const startDatabaseServer = async (): Promise<DatabaseServer> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-shared-postgres-'));
  const { url, stop } = await startPostgres(dataDir);
  await migrate(url);
  // A copy of a migrated database takes 0.1 s, migrating one 0.5 s; and roles, which all databases share, are made
  // once.
  const { pathname } = new URL(url);
  const template = pathname.slice(1);
  const server = new URL(url);
  server.pathname = '/postgres';
  let count = 0;
  return {
    newDatabase: async () => {
      const name = `suite_${++count}`;
      await query(server.href, `CREATE DATABASE ${name} TEMPLATE ${template}`);
      const database = new URL(url);
      database.pathname = `/${name}`;
      return database.href;
    },
    stop: async () => {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
