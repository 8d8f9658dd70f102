import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { migrationNames } from './migrate.js';
import { unfitTls } from './unfit-database.js';

const TIMEOUT_MS = 60_000;
const POLL_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Resolves when the database answers this role and has the newest shape. A service that starts before `migrate` is done waits
 * here; it does not listen yet, so it is not ready. `tell` gets the reason of the wait, once. Rejects after `timeoutMs`: whoever
 * keeps the process starts it again; with UnfitDatabase at once when the certificate of the server is not accepted.
 */
export const untilMigrated = async (url: string, tell: (reason: string) => void, timeoutMs = TIMEOUT_MS): Promise<void> => {
  let told = false;
  for (const since = performance.now(); ; await pause(POLL_MS)) {
    const reason = await whatIsMissing(url);
    if (reason === null) return;
    if (!told) tell(reason);
    told = true;
    if (performance.now() - since > timeoutMs) throw new Error(`The database is not ready: ${reason}.`);
  }
};

/** Null = nothing. Before the first migration there is not even the role; a database that starts refuses everybody. */
const whatIsMissing = async (url: string): Promise<string | null> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, application_name: 'muster-wait' });
  // A connection that breaks tells its query, too.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM public.muster_migrations WHERE name = ANY ($1)', [migrationNames]);
    return rowCount !== migrationNames.length ? 'it has not been migrated to this version yet' : null;
  } catch (error) {
    const unfit = unfitTls(error);
    if (unfit) throw unfit;
    return (error as Error).message || String((error as { code?: string }).code);
  } finally {
    await client.end().catch(() => undefined);
  }
};
