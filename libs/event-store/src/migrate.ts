import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { connectionFault } from './connection-fault.js';
import { DEFAULT_ROLES, roleName, ROLES, type RoleSettings } from './database.js';
import { Frame1764000000000 } from './migrations/1-frame.js';
import { OutcomeRetention1764200000000 } from './migrations/2-outcome-retention.js';
import { EventsView1764300000000 } from './migrations/3-events-view.js';
import { LookUps1764400000000 } from './migrations/4-look-ups.js';
import { WhoIsWho1764500000000 } from './migrations/5-who-is-who.js';
import { FoldedCopies1764510000000 } from './migrations/6-folded-copies.js';
import { Groups1764600000000 } from './migrations/7-groups.js';
import { IndexOnlyLists1764620000000 } from './migrations/8-index-only-lists.js';
import { Schemas1764630000000 } from './migrations/9-schemas.js';
import { EndsOfTheLog1764640000000 } from './migrations/10-ends-of-the-log.js';
import { ReadSome1764660000000 } from './migrations/12-read-some.js';
import { BoundedGroups1764670000000 } from './migrations/13-bounded-groups.js';
import { LookAlikes1764680000000 } from './migrations/14-look-alikes.js';
import { WhoMayWhat1764690000000 } from './migrations/15-who-may-what.js';
import { EmailsOfTenant1764740000000 } from './migrations/20-emails-of-tenant.js';
import { LeavingAgain1764780000000 } from './migrations/24-leaving-again.js';
import { Rebuild1764790000000 } from './migrations/25-rebuild.js';
import { makeRoles } from './roles.js';
import { UnfitDatabase, unfitTls } from './unfit-database.js';

const MIGRATIONS = [
  Frame1764000000000,
  OutcomeRetention1764200000000,
  EventsView1764300000000,
  LookUps1764400000000,
  WhoIsWho1764500000000,
  FoldedCopies1764510000000,
  Groups1764600000000,
  IndexOnlyLists1764620000000,
  Schemas1764630000000,
  EndsOfTheLog1764640000000,
  ReadSome1764660000000,
  BoundedGroups1764670000000,
  LookAlikes1764680000000,
  WhoMayWhat1764690000000,
  EmailsOfTenant1764740000000,
  LeavingAgain1764780000000,
  Rebuild1764790000000,
];
/** All are in the table `muster_migrations` of a database of the newest shape. */
export const migrationNames = MIGRATIONS.map(({ name }) => name);

/** What to do about migrations of a database that this program does not know; null = there are none. */
export const newerMigrations = (names: readonly string[]): string | null => {
  const unknown = names.filter((name) => !migrationNames.includes(name));
  if (unknown.length === 0) return null;
  return `The database was migrated by a newer Muster (${unknown.at(-1)}), and this one would damage it. Start that version or a newer one, or restore a backup of before.`;
};

/** Any number that nothing else in the database locks. */
const ADVISORY_LOCK = 7_216_001;
const CONNECT_TIMEOUT_MS = 10_000;
/** As long as a migration of a large database may take. */
const LOCK_TIMEOUT_MS = 600_000;
const LOCK_POLL_MS = 100;
const ROLE_NAME = new RegExp(`\\bmuster_(${ROLES.join('|')})\\b`, 'g');

/**
 * SQLSTATE 28: the server does not let the user in; 3D000: there is no such database; 42501: it may not do what is
 * needed.
 */
const isRefusal = ({ code = '', message = '' }: { code?: string; message?: string }): boolean =>
  // The driver itself says that the server wants a password and the URL has none.
  /^(28...|3D000|42501)$/.test(code) || message.startsWith('SASL: ');

/**
 * Brings the database to the newest shape, as its owner. Safe to call from several processes at once: an advisory lock
 * lets one after the other in, and one that has waited for too long ends with an Error that says so. Throws
 * UnfitDatabase, in one line and before anything is changed, when owner, server or roles will not do, or a newer Muster
 * has migrated it.
 */
export const migrate = async (
  ownerUrl: string,
  roles: RoleSettings = DEFAULT_ROLES,
  oldestPostgres?: number,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<void> => {
  try {
    await migrateAs(ownerUrl, roles, lockTimeoutMs, oldestPostgres);
  } catch (error) {
    if (isRefusal(error as Error))
      throw new UnfitDatabase(`The database refuses the user of DATABASE_URL: ${(error as Error).message}.`);
    throw unfitTls(error) ?? error;
  }
};

const migrateAs = async (
  ownerUrl: string,
  roles: RoleSettings,
  lockTimeoutMs: number,
  oldestPostgres?: number,
): Promise<void> => {
  const dataSource = await new DataSource({
    type: 'postgres',
    url: ownerUrl,
    applicationName: 'muster-migrate',
    migrations: MIGRATIONS,
    migrationsTableName: 'muster_migrations',
    poolSize: 2,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
  })
    .initialize()
    .catch((error: unknown) => {
      throw unfitTls(error) ?? new UnfitDatabase(connectionFault(ownerUrl, error).line);
    });
  const runner = dataSource.createQueryRunner();
  const query: typeof runner.query = runner.query.bind(runner);
  try {
    await waitForTurn(query, lockTimeoutMs);
    await refuseNewer(runner);
    await makeRoles((sql, values) => query(sql, values), ownerUrl, roles, oldestPostgres);
    // Migrations name the roles as they are called where no setting says otherwise.
    runner.query = ((sql: string, ...rest: []) =>
      query(sql.replace(ROLE_NAME, `${roles.prefix}_$1`), ...rest)) as typeof query;
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = 'all';
    await executor.executePendingMigrations();
    await query(`GRANT SELECT ON muster_migrations TO ${ROLES.map((role) => roleName(roles, role)).join(', ')}`);
  } finally {
    await query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]).catch(() => undefined);
    await runner.release();
    await dataSource.destroy();
  }
};

/**
 * Throws when another process holds the lock for too long: it may hang, and whoever waits for it would hang silently.
 */
const waitForTurn = async (query: QueryRunner['query'], timeoutMs: number): Promise<void> => {
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

/** Nothing is changed in a database that a newer Muster has migrated. */
const refuseNewer = async (runner: QueryRunner): Promise<void> => {
  if (!(await runner.hasTable('muster_migrations'))) return;
  const rows = (await runner.query('SELECT name FROM muster_migrations ORDER BY id')) as { name: string }[];
  const newer = newerMigrations(rows.map(({ name }) => name));
  if (newer !== null) throw new UnfitDatabase(newer);
};
