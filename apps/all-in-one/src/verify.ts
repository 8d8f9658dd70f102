import '#first';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { OWNERS } from '#contracts';
import { connectionFault, openMasterKey, unfitTls, verifyStore, type MasterKeySource, type Verification } from '#event-store';
import { isUsageError, masterKeySource, readConfig, refuseArguments, UsageError, type Config } from '#runtime';
import { verifyGroups } from '../../group/src/group-verify.queries.js';
import { verifyUsers } from '../../identity/src/user-verify.queries.js';

/** `npm run verify`: compares what must always be true with what a running installation holds. Exit code 1 = something is broken. */

const databaseUrl = ({ DATABASE_URL, DATA_DIR }: Config): string => {
  if (DATABASE_URL) return DATABASE_URL;
  const path = join(DATA_DIR, 'runtime.json');
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { databaseUrl: string }).databaseUrl;
  } catch {
    throw new UsageError(`Muster does not seem to run: ${path} cannot be read. Start it with npm start, or set DATABASE_URL.`);
  }
};

/** All checks, as one report. `url` is the owner's. Throws UsageError when the database does not answer. */
export const verifyInstallation = async (url: string, masterKey: MasterKeySource): Promise<Verification> => {
  const client = new pg.Client({ connectionString: url, application_name: 'muster-verify', statement_timeout: 5_000, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
  } catch (error) {
    const unfit = unfitTls(error);
    if (unfit) throw unfit;
    const { isAway, line } = connectionFault(url, error);
    const { host, port } = client;
    throw new UsageError(isAway ? `Muster's database does not answer at ${host}:${port}. Start Muster with npm start.` : line);
  }
  try {
    const key = await openMasterKey(client, { ...masterKey, make: null });
    const parts: Verification[] = [];
    for (const owner of OWNERS) parts.push(await verifyStore(client, owner));
    parts.push(await verifyUsers(client, key));
    parts.push(await verifyGroups(client));
    return {
      compared: Object.assign({}, ...parts.map(({ compared }) => compared)) as Record<string, number>,
      findings: parts.flatMap(({ findings }) => findings),
    };
  } finally {
    await client.end();
  }
};

const run = async (): Promise<void> => {
  const config = readConfig(process.env);
  const { compared, findings } = await verifyInstallation(databaseUrl(config), masterKeySource(config));
  console.log(`Compared: ${Object.entries(compared).map(([what, count]) => `${count.toLocaleString('en')} ${what}`).join(', ')}.`);
  for (const { invariant, detail } of findings) console.log(`${invariant}  ${detail}`);
  console.log(findings.length === 0 ? 'Everything holds.' : `${findings.length} findings.`);
  process.exitCode = findings.length === 0 ? 0 : 1;
};

if (process.argv[1]?.endsWith('verify.js')) {
  refuseArguments('npm run verify: compares a running installation with its events and changes nothing. Exit code 0 = everything holds.\n');
  run().catch((error: Error) => {
    console.error(isUsageError(error) ? error.message : error);
    process.exit(2);
  });
}
