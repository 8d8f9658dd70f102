import '#first';
import 'reflect-metadata';
import { migrate } from '#event-store';
import { EXIT_USAGE, isUsageError, readConfig, refuseArguments, UsageError } from '#runtime';

/**
 * `npm run migrate`: brings a database to the newest shape, before or while services of their own are started on it.
 */

const run = async (): Promise<void> => {
  const { DATABASE_URL, databaseRoles } = readConfig(process.env);
  if (!DATABASE_URL)
    throw new UsageError('DATABASE_URL is missing: the URL of the owner of the database, who may make roles.');
  await migrate(DATABASE_URL, databaseRoles);
  console.log('The database has the newest shape.');
};

refuseArguments(
  'npm run migrate: brings the database of DATABASE_URL, or of the file that DATABASE_URL_FILE names, to the newest shape.\n',
);
run().catch((error: Error) => {
  console.error(isUsageError(error) ? error.message : error);
  process.exitCode = isUsageError(error) ? EXIT_USAGE : 1;
});
