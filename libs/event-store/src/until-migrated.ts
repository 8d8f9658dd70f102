import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { connectionFault } from './connection-fault.js';
import { APPLIED, pendingMigrations, readMigrations, type AppliedMigration, type Migration } from './migration-list.js';
import { UnfitDatabase, unfitTls } from './unfit-database.js';

/**
 * A database that is away is waited for much longer than one that refuses: before the first migration there is not even
 * the role.
 */
const AWAY_TIMEOUT_MS = 3_600_000;
const TIMEOUT_MS = 60_000;
const TELL_EVERY_MS = 60_000;
const POLL_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;

/** The reason that keeps a service from its database. */
interface Reason {
  readonly line: string;
  /** The database does not answer at all. */
  readonly isAway: boolean;
}

/**
 * Asks until nothing is missing. `tell` gets the reason at once and then once a minute. Throws UnfitDatabase when the
 * time is over and the user has something to change, otherwise Error: the supervisor of the process starts it again.
 */
const until = async (
  ask: () => Promise<Reason | null>,
  tell: (reason: string) => void,
  timeoutMs: number,
  awayTimeoutMs: number,
): Promise<void> => {
  let toldAt = -Infinity;
  let since = performance.now();
  for (const start = since; ; await pause(POLL_MS)) {
    const reason = await ask();
    if (reason === null) return;
    const { line, isAway } = reason;
    const now = performance.now();
    if (now - toldAt > TELL_EVERY_MS) {
      tell(line);
      toldAt = now;
    }
    if (isAway) since = now;
    if (isAway ? now - start > awayTimeoutMs : now - since > timeoutMs) {
      throw isAway
        ? new Error(`The database is not ready: ${line}`)
        : new UnfitDatabase(`The database is not ready: ${line}`);
    }
  }
};

/**
 * Resolves when the database answers this role and has the newest shape. A service that starts before `migrate` is done
 * waits here; it does not listen yet, so it is not ready. Throws UnfitDatabase at once when another version of Muster
 * has migrated it, or when the certificate of the server is not accepted.
 */
export const untilMigrated = async (
  url: string,
  tell: (reason: string) => void,
  timeoutMs?: number,
  migrations: readonly Migration[] = readMigrations(),
): Promise<void> =>
  until(() => whatIsMissing(url, migrations), tell, timeoutMs ?? TIMEOUT_MS, timeoutMs ?? AWAY_TIMEOUT_MS);

/**
 * Resolves when the database answers its owner. Throws UnfitDatabase at once when it refuses: waiting would not help.
 */
export const untilDatabaseAnswers = (url: string, tell: (reason: string) => void): Promise<void> =>
  until(
    async () => {
      const client = clientOf(url);
      try {
        await client.connect();
        return null;
      } catch (error) {
        const unfit = unfitTls(error);
        if (unfit) throw unfit;
        const fault = connectionFault(url, error);
        if (!fault.isAway) throw new UnfitDatabase(fault.line);
        return fault;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    tell,
    TIMEOUT_MS,
    AWAY_TIMEOUT_MS,
  );

const clientOf = (url: string): pg.Client => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'muster-wait',
  });
  // A connection that breaks tells its query, too.
  client.on('error', () => undefined);
  return client;
};

/** Null = nothing. A database that starts refuses everybody. */
const whatIsMissing = async (url: string, migrations: readonly Migration[]): Promise<Reason | null> => {
  const client = clientOf(url);
  let isConnected = false;
  try {
    await client.connect();
    isConnected = true;
    const { rows } = await client.query<AppliedMigration>(APPLIED);
    const pending = pendingMigrations(migrations, rows);
    return pending.length === 0 ? null : { line: 'it has not been migrated to this version yet', isAway: false };
  } catch (error) {
    const unfit = error instanceof UnfitDatabase ? error : unfitTls(error);
    if (unfit) throw unfit;
    return isConnected ? { line: (error as Error).message, isAway: false } : connectionFault(url, error);
  } finally {
    await client.end().catch(() => undefined);
  }
};
