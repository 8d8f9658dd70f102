import '#first';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { connectionFault, openMasterKey, unfitTls, verifyStore, type Progress, type Verification } from '#event-store';
import { isUsageError, masterKeySource, readConfig, refuseArguments, UsageError, type Config } from '#runtime';
import { OWNERS } from './owners.js';

/**
 * `npm run verify`: compares what must always be true with what a running installation holds. Exit code 1 = something
 * is broken.
 */

/** The URL of the database's owner. */
export const databaseUrl = ({ DATABASE_URL, DATA_DIR }: Config): string => {
  if (DATABASE_URL) return DATABASE_URL;
  const path = join(DATA_DIR, 'runtime.json');
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { databaseUrl: string }).databaseUrl;
  } catch {
    throw new UsageError(
      `Muster does not seem to run: ${path} cannot be read. Start it with npm start, or set DATABASE_URL.`,
    );
  }
};

/**
 * No statement on a live database takes longer: what reads a table reads it in pages, and smaller ones where they take
 * too long.
 */
const STATEMENT_TIMEOUT_MS = 5_000;
const TELL_EVERY_MS = 10_000;

/** Connects as the owner of the database. Throws UsageError when it does not answer. */
export const connectToInstallation = async (url: string, name: string): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    connectionTimeoutMillis: 10_000,
  });
  try {
    await client.connect();
  } catch (error) {
    const unfit = unfitTls(error);
    if (unfit) throw unfit;
    const { isAway, line } = connectionFault(url, error);
    const { host, port } = client;
    throw new UsageError(
      isAway ? `Muster's database does not answer at ${host}:${port}. Start Muster with npm start.` : line,
    );
  }
  return client;
};

/** All checks, as one report. `url` is the owner's. Throws UsageError when the database does not answer. */
export const verifyInstallation = async (url: string, config: Config, progress?: Progress): Promise<Verification> => {
  const client = await connectToInstallation(url, 'muster-verify');
  const second = await connectToInstallation(url, 'muster-verify');
  try {
    const key = await openMasterKey(client, { ...masterKeySource(config), make: null });
    const parts: Verification[] = [];
    for (const owner of OWNERS) {
      parts.push(await verifyStore(client, owner.name, progress));
      if (owner.verify) parts.push(await owner.verify(client, key, progress, config, second));
    }
    return {
      compared: Object.assign({}, ...parts.map(({ compared }) => compared)) as Record<string, number>,
      findings: parts.flatMap(({ findings }) => findings),
    };
  } finally {
    await Promise.all([client.end(), second.end()]);
  }
};

/**
 * On the standard error output, so that the report alone is what the program says. A small installation is done before
 * there is anything to tell.
 */
const tellNowAndThen = (): Progress => {
  let toldAtMs = performance.now();
  return (what, count) => {
    if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
    toldAtMs = performance.now();
    console.error(`${count.toLocaleString('en')} ${what} so far …`);
  };
};

const run = async (): Promise<void> => {
  const config = readConfig(process.env);
  const { compared, findings } = await verifyInstallation(databaseUrl(config), config, tellNowAndThen());
  console.log(
    `Compared: ${Object.entries(compared)
      .map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
      .join(', ')}.`,
  );
  for (const { rule, detail } of findings) console.log(`${rule}  ${detail}`);
  console.log(findings.length === 0 ? 'Everything holds.' : `${findings.length} findings.`);
  process.exitCode = findings.length === 0 ? 0 : 1;
};

if (process.argv[1]?.endsWith('verify.js')) {
  refuseArguments(
    'npm run verify: compares a running installation with its events and changes nothing. Exit code 0 = everything holds.\n',
  );
  run().catch((error: Error) => {
    console.error(isUsageError(error) ? error.message : error);
    process.exit(2);
  });
}
