import '#first';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import { backUpPostgres } from '#host';
import { isUsageError, readConfig, UsageError } from '#runtime';

/** `npm run backup -- <folder>`: a copy of the embedded database while it serves. */

const databaseUrl = (dataDir: string): string => {
  const path = join(dataDir, 'runtime.json');
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { databaseUrl: string }).databaseUrl;
  } catch {
    throw new UsageError(
      `Muster does not seem to run: ${path} cannot be read. While it is stopped, copy the data directory with cp -a, as root or its owner.`,
    );
  }
};

const run = async (folder: string): Promise<void> => {
  const { DATA_DIR, DATABASE_URL } = readConfig(process.env);
  if (DATABASE_URL || !existsSync(join(DATA_DIR, 'postgres'))) {
    throw new UsageError(
      'This installation has a Postgres of its own: back it up with its own tools, such as pg_basebackup or pg_dump, and keep the master key apart from it.',
    );
  }
  const bar = new cliProgress.SingleBar({
    format: '{bar} {percentage}% of {megabytes} MB',
    clearOnComplete: true,
    hideCursor: true,
    noTTYOutput: false,
    stream: process.stderr,
  });
  const { holdsUntil, bytes } = await backUpPostgres(DATA_DIR, databaseUrl(DATA_DIR), folder, (done, total) => {
    if (!bar.isActive) bar.start(total, 0, { megabytes: Math.ceil(total / 1e6) });
    bar.update(done);
  }).finally(() => bar.stop());
  console.log(
    `${folder} holds everything that was acknowledged until ${holdsUntil.toISOString()} (${Math.ceil(bytes / 1e6)} MB).`,
  );
  console.log(
    `It holds no keys. To start from it, put a copy of ${join(DATA_DIR, 'master.key')} into it, which you keep elsewhere: DATA_DIR=${folder} npm start`,
  );
};

const program = new Command('muster-backup')
  .description(
    'Copies the embedded database of the running Muster to a new folder, while it serves. The copy is a data directory without its keys.',
  )
  .argument('<folder>', 'is made; it must be empty or not be there')
  .addHelpText(
    'after',
    `
The data directory is DATA_DIR (./.data). To restore: put master.key into the folder, and start Muster with DATA_DIR set to it.
The files keep their owners, which matter: Postgres starts on files of its own user only. Copy the folder with cp -a or tar --same-owner, as root.`,
  );
program
  .action(run)
  .parseAsync()
  .catch((error: Error & { code?: string }) => {
    // Connections, folders that cannot be written, a disk that is full: each is one line.
    const { message, code } = error;
    const isStopped = code === 'ECONNREFUSED';
    const stopped =
      'Muster does not run: start it with npm start, or, while it is stopped, copy the data directory with cp -a, as root or its owner.';
    console.error(isStopped ? stopped : isUsageError(error) || code !== undefined ? message || code : error);
    process.exit(isUsageError(error) ? 64 : 1);
  });
