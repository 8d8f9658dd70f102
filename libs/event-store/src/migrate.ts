import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectionFault } from './connection-fault.js';
import { DEFAULT_ROLES, roleName, type RoleSettings } from './database.js';
import {
  APPLIED,
  pendingMigrations,
  readMigrations,
  rolesNamedBy,
  type AppliedMigration,
  type Migration,
} from './migration-list.js';
import { makeRoles, type Query } from './roles.js';
import { UnfitDatabase, unfitTls } from './unfit-database.js';

/** Any number that nothing else in the database locks. */
const ADVISORY_LOCK = 7_216_001;
const CONNECT_TIMEOUT_MS = 10_000;
/** As long as a migration of a large database may take. */
const LOCK_TIMEOUT_MS = 600_000;
const LOCK_POLL_MS = 100;

/**
 * SQLSTATE 28: the server does not let the user in; 3D000: there is no such database; 42501: it may not do what is
 * needed.
 */
const isRefusal = ({ code = '', message = '' }: { code?: string; message?: string }): boolean =>
  // The driver itself says that the server wants a password and the URL has none.
  /^(28...|3D000|42501)$/.test(code) || message.startsWith('SASL: ');

export interface MigrateOptions {
  /** In their order; those of the product where nothing is given. */
  readonly migrations?: readonly Migration[];
  readonly oldestPostgres?: number;
  readonly lockTimeoutMs?: number;
}

/**
 * Brings the database to the newest shape, as its owner. Safe to call from several processes at once: an advisory lock
 * lets one after the other in, and one that has waited for too long ends with an Error that says so. Throws
 * UnfitDatabase, in one line and before anything is changed, when owner, server or roles will not do, or another
 * version of Muster has migrated it. All migrations that are due are one transaction: one that fails leaves nothing
 * behind.
 */
export const migrate = async (
  ownerUrl: string,
  roles: RoleSettings = DEFAULT_ROLES,
  options: MigrateOptions = {},
): Promise<void> => {
  try {
    await migrateAs(ownerUrl, roles, options);
  } catch (error) {
    if (isRefusal(error as Error))
      throw new UnfitDatabase(`The database refuses the user of DATABASE_URL: ${(error as Error).message}.`);
    throw unfitTls(error) ?? error;
  }
};

const migrateAs = async (
  ownerUrl: string,
  roles: RoleSettings,
  { migrations = readMigrations(), oldestPostgres, lockTimeoutMs = LOCK_TIMEOUT_MS }: MigrateOptions,
): Promise<void> => {
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: 'muster-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A connection that breaks tells its query, too.
  client.on('error', () => undefined);
  await client.connect().catch((error: unknown) => {
    throw unfitTls(error) ?? new UnfitDatabase(connectionFault(ownerUrl, error).line);
  });
  const query: Query = async (sql, values) => (await client.query(sql, values)).rows;
  try {
    await waitForTurn(query, lockTimeoutMs);
    const pending = pendingMigrations(migrations, await appliedMigrations(query));
    const names = rolesNamedBy(migrations);
    checkNames(roles, names);
    await makeRoles(query, ownerUrl, roles, names, oldestPostgres);
    await query('BEGIN');
    if (pending.length === migrations.length) await query(FIRST);
    // For create_owner, which is called with the name of an owner and grants to its role.
    await query("SELECT set_config('muster.role_prefix', $1, true)", [roles.prefix]);
    for (const migration of pending) await run(query, migration, roles, names);
    const all = names.map((role) => roleName(roles, role)).join(', ');
    await query(`GRANT USAGE ON SCHEMA public TO ${all}; GRANT SELECT ON public.muster_migrations TO ${all}`);
    await query('COMMIT');
  } finally {
    // With the connection go its lock and a transaction that has not been committed.
    await client.end().catch(() => undefined);
  }
};

/**
 * Postgres lets everybody call every function: here nobody may do what is not granted, also with what is made later.
 */
const FIRST = `
  ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
  CREATE TABLE public.muster_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
  )`;

/** The wrong name is not repeated: it may be the end of a password that holds a comma. */
const checkNames = ({ passwords }: RoleSettings, names: readonly string[]): void => {
  if (Object.keys(passwords).every((role) => names.includes(role))) return;
  throw new UnfitDatabase(
    `DATABASE_ROLE_PASSWORDS names a role that Muster does not have: it takes ${names.map((name) => `${name}=…`).join(',')}.`,
  );
};

const run = async (
  query: Query,
  migration: Migration,
  roles: RoleSettings,
  names: readonly string[],
): Promise<void> => {
  const { name, checksum } = migration;
  // Migrations name the roles as they are called where no setting says otherwise.
  const named = new RegExp(`\\bmuster_(${names.join('|')})\\b`, 'g');
  await query(migration.sql().replace(named, `${roles.prefix}_$1`)).catch((error: Error) => {
    throw Object.assign(error, { message: `The migration ${name} failed: ${error.message}` });
  });
  await query('INSERT INTO public.muster_migrations (name, checksum) VALUES ($1, $2)', [name, checksum]);
};

/** In the order of their names; none, as long as the database has not been migrated at all. */
const appliedMigrations = async (query: Query): Promise<AppliedMigration[]> => {
  const [table] = (await query("SELECT to_regclass('public.muster_migrations') AS oid")) as [{ oid: string | null }];
  return table.oid === null ? [] : ((await query(APPLIED)) as AppliedMigration[]);
};

/**
 * Throws when another process holds the lock for too long: it may hang, and whoever waits for it would hang silently.
 */
const waitForTurn = async (query: Query, timeoutMs: number): Promise<void> => {
  for (const since = performance.now(); ; await delay(LOCK_POLL_MS)) {
    const [{ mine }] = (await query('SELECT pg_try_advisory_lock($1) AS mine', [ADVISORY_LOCK])) as [{ mine: boolean }];
    if (mine) return;
    if (performance.now() - since > timeoutMs) {
      throw new Error(
        `Another process has been migrating this database for ${Math.round(timeoutMs / 1_000)} s: wait for its end, or end it, and start again.`,
      );
    }
  }
};
