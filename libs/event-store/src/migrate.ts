import { DataSource } from 'typeorm';
import { ROLES, rolePassword } from './database.js';
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
import { ExpectHeld1764650000000 } from './migrations/11-expect-held.js';
import { BoundedGroups1764670000000 } from './migrations/13-bounded-groups.js';
import { WhoMayWhat1764690000000 } from './migrations/15-who-may-what.js';

const MIGRATIONS = [
  Frame1764000000000, OutcomeRetention1764200000000, EventsView1764300000000, LookUps1764400000000, WhoIsWho1764500000000,
  FoldedCopies1764510000000, Groups1764600000000, IndexOnlyLists1764620000000, Schemas1764630000000,
  EndsOfTheLog1764640000000, ExpectHeld1764650000000, BoundedGroups1764670000000, WhoMayWhat1764690000000,
];
/** All are in the table `muster_migrations` of a database of the newest shape. */
export const migrationNames = MIGRATIONS.map(({ name }) => name);
/** Any number that nothing else in the database locks. */
const ADVISORY_LOCK = 7_216_001;

/**
 * Brings the database to the newest shape, as its owner. Safe to call from several processes at once: an advisory lock lets
 * one after the other in. Throws what the database says when it refuses.
 */
export const migrate = async (ownerUrl: string): Promise<void> => {
  const dataSource = await new DataSource({
    type: 'postgres', url: ownerUrl, applicationName: 'muster-migrate', migrations: MIGRATIONS,
    migrationsTableName: 'muster_migrations', poolSize: 2,
  }).initialize();
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    for (const role of ROLES) {
      // Neither takes parameters; the password is base64url and the role a constant of ours.
      const [found] = (await lock.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [`muster_${role}`])) as unknown[];
      const password = rolePassword(ownerUrl, role);
      await lock.query(`${found ? 'ALTER' : 'CREATE'} ROLE muster_${role} LOGIN PASSWORD '${password}'`);
      // Everything on the path is a look-up by key. A plan that is prepared while a table is empty reads all of it, and stays.
      for (const setting of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) await lock.query(`ALTER ROLE muster_${role} SET ${setting} = off`);
    }
    // Without statistics a page of a walk would be read as all that is left, and sorted: an index has it in order.
    await lock.query('ALTER ROLE muster_gateway SET enable_sort = off');
    await dataSource.runMigrations({ transaction: 'all' });
    await lock.query(`GRANT SELECT ON muster_migrations TO ${ROLES.map((role) => `muster_${role}`).join(', ')}`);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]).catch(() => undefined);
    await lock.release();
    await dataSource.destroy();
  }
};
