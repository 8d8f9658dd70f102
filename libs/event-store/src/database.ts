import { createHmac } from 'node:crypto';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { ReadingClient } from './reading-client.js';

/** The roles that connect, one for each service; each writes its own schema only. `log` is the Postgres log's own. */
export const ROLES = ['gateway', 'identity', 'admin', 'group', 'log'] as const;
export type Role = (typeof ROLES)[number];

/** The password that `migrate` gives to a role: derived from the owner's, so that one URL configures an installation. */
export const rolePassword = (ownerUrl: string, role: Role): string =>
  createHmac('sha256', decodeURIComponent(new URL(ownerUrl).password)).update(`muster_${role}`).digest('base64url');

/** The URL with which a service connects as its own role. A URL that already names a role of Muster is taken as it is. */
export const roleUrl = (url: string, role: Role): string => {
  const result = new URL(url);
  if (result.username.startsWith('muster_')) return url;
  result.password = rolePassword(url, role);
  result.username = `muster_${role}`;
  return result.href;
};

export interface DatabaseOptions {
  readonly poolConnections: number;
  readonly queryTimeoutMs: number;
}

/** Connects as a role. Throws what the driver throws when the database is away. */
export const connectDatabase = async (url: string, role: Role, options: DatabaseOptions): Promise<DataSource> => {
  const dataSource = new DataSource({
    type: 'postgres',
    url: roleUrl(url, role),
    applicationName: `muster-${role}`,
    poolSize: options.poolConnections,
    // A broken idle connection must not end the process: the pool replaces it and the next query tells.
    poolErrorHandler: () => undefined,
    extra: { Client: ReadingClient, statement_timeout: options.queryTimeoutMs, connectionTimeoutMillis: options.queryTimeoutMs, keepAlive: true },
  });
  return dataSource.initialize();
};

/** The driver's own pool: on the write path SQL is written as SQL, with named prepared statements. */
export const poolOf = (dataSource: DataSource): Pool => (dataSource.driver as unknown as { master: Pool }).master;
