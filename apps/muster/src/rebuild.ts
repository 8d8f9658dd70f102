import '#first';
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import { openMasterKey, rebuild, type MasterKeySource, type Rebuilt, type RebuildResult } from '#event-store';
import type { OwnerDefinition } from '#owner';
import { isUsageError, masterKeySource, readConfig, UsageError, VERSION } from '#runtime';
import { OWNERS } from './owners.js';
import { connectToInstallation, databaseUrl } from './verify.js';

/**
 * `npm run rebuild -- <owner>`: replays the events of an owner and writes the rows that are not what they say, while
 * Muster serves (docs/decisions/0012-a-rebuild-mends-in-place.md).
 *
 * It is a program beside verify, and no command of the CLI, which speaks HTTP and works from any machine: a rebuild
 * deletes rows that no running service may delete, such as tokens that no event made, opens personal data, and works
 * for minutes. So it asks for what verify asks for, the URL of the database's owner and the master key, and the roles
 * of the services are granted nothing more. It also works while no service of Muster runs.
 */

/** Exit codes. */
const [UNFOLDED, FAILED, STOPPED, WRONG_USE] = [1, 2, 3, 64] as const;
const TELL_EVERY_MS = 10_000;

interface Options {
  readonly isFromStart: boolean;
  readonly signal: AbortSignal;
  readonly progress: (so: Rebuilt) => void;
}

/** `url` is that of the database's owner. Throws UsageError when the database does not answer. */
export const rebuildOwner = async (
  url: string,
  masterKey: MasterKeySource,
  owner: OwnerDefinition,
  options: Partial<Options> = {},
): Promise<RebuildResult> => {
  if (!owner.fold)
    throw new UsageError(
      `No row of ${owner.name} follows from its own events, so there is nothing to rebuild. Its rows are checked by: npm run -s verify`,
    );
  const rows = await connectToInstallation(url, 'muster-rebuild');
  try {
    const key = await openMasterKey(rows, { ...masterKey, make: null });
    const events = await connectToInstallation(url, 'muster-rebuild');
    try {
      // All that it asks for are look-ups by key, whatever the planner knows of a table that was emptied.
      for (const client of [rows, events])
        await client.query('SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off');
      return await rebuild(events, rows, owner.fold(key), { version: VERSION, ...options });
    } finally {
      await events.end();
    }
  } finally {
    await rows.end();
  }
};

/** Throws UsageError when there is none of this name. */
export const ownerNamed = (name: string): OwnerDefinition => {
  const owner = OWNERS.find((one) => one.name === name);
  if (owner) return owner;
  throw new UsageError(`There is no owner ${name}. The owners are ${OWNERS.map((one) => one.name).join(', ')}.`);
};

/** A bar for a person; for anything else a line now and then, on the standard error output. */
const progressOf = (name: string): { readonly tell: (so: Rebuilt) => void; readonly stop: () => void } => {
  if (process.stderr.isTTY !== true) {
    let toldAtMs = performance.now();
    const tell = ({ events, totalEvents, walked, mended }: Rebuilt): void => {
      if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = performance.now();
      const [done, all, rows, written] = [events, totalEvents, walked, mended].map((n) => n.toLocaleString('en'));
      console.error(`${name}: ${done} of ${all} events replayed, ${rows} rows checked, ${written} mended so far …`);
    };
    return { tell, stop: () => undefined };
  }
  const bar = new cliProgress.SingleBar({
    format: `${name} {bar} {percentage}% of {total} events, {walked} rows checked, {mended} mended`,
    clearOnComplete: true,
    hideCursor: true,
    stream: process.stderr,
  });
  const tell = ({ events, totalEvents, walked, mended }: Rebuilt): void => {
    if (!bar.isActive) bar.start(Math.max(events, totalEvents), events, { walked, mended });
    bar.update(Math.min(events, bar.getTotal()), { walked, mended });
  };
  return { tell, stop: () => bar.stop() };
};

const reported = (name: string, result: RebuildResult, seconds: number): string => {
  const { events, streams, walked, mended, unfolded, isStopped, resumedFrom } = result;
  const [all, of, checked, written] = [events, streams, walked, mended].map((n) => n.toLocaleString('en'));
  const rate = Math.round(events / seconds).toLocaleString('en');
  const end = isStopped ? 'Stopped before its end: the next rebuild goes on there.' : 'Come to its end.';
  return [
    `${name}: ${of} streams of ${all} events replayed, ${checked} rows checked, ${written} mended, in ${seconds.toFixed(1)} s (${rate} events/s).`,
    ...(resumedFrom === null ? [] : [`It went on where the rebuild of ${resumedFrom} had been stopped.`]),
    ...(unfolded === 0 ? [] : [`${unfolded} streams cannot be replayed, and their rows are as they were:`]),
    ...result.findings.map(({ rule, detail }) => `${rule}  ${detail}`),
    end,
  ].join('\n');
};

/** The owners that are meant: `--all` leaves out those that record events of others. Throws UsageError. */
export const chosen = (
  name: string | undefined,
  all: boolean,
  owners: readonly OwnerDefinition[] = OWNERS,
): readonly OwnerDefinition[] => {
  if ((name !== undefined) === all)
    throw new UsageError('Name one owner, or say --all. --help says which owners there are.');
  return name === undefined ? owners.filter(({ fold }) => fold) : [ownerNamed(name)];
};

const run = async (owners: readonly OwnerDefinition[], isFromStart: boolean): Promise<void> => {
  const config = readConfig(process.env);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  for (const one of owners) {
    const { tell, stop: end } = progressOf(one.name);
    const sinceMs = performance.now();
    const result = await rebuildOwner(databaseUrl(config), masterKeySource(config), one, {
      isFromStart,
      signal: stopping.signal,
      progress: tell,
    }).finally(end);
    console.log(reported(one.name, result, (performance.now() - sinceMs) / 1000));
    if (result.unfolded > 0) process.exitCode = UNFOLDED;
    if (result.isStopped) {
      process.exitCode = STOPPED;
      return;
    }
  }
};

if (process.argv[1]?.endsWith('rebuild.js')) {
  new Command('muster-rebuild')
    .description(
      'Replays the events of an owner and mends the rows that are not what they say, while Muster serves. It may be stopped (Ctrl-C) or killed at any moment, and goes on there when it is started again.',
    )
    .argument('[owner]', `one of ${OWNERS.map((owner) => owner.name).join(', ')}`)
    .option('--all', 'all owners whose rows follow from their events, one after the other')
    .option('--from-start', 'also where an earlier rebuild was stopped in the middle')
    .addHelpText(
      'after',
      `
Exit code 0 = every row is what the events say; ${UNFOLDED} = some streams cannot be replayed; ${FAILED} = it could not do its work; ${STOPPED} = it was
stopped before its end; ${WRONG_USE} = wrong use. It needs what npm run verify needs: DATA_DIR, or DATABASE_URL of the database's owner, and the master key.

  npm run -s rebuild -- identity`,
    )
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : WRONG_USE))
    .action(async (name: string | undefined, { all, fromStart }: { all?: true; fromStart?: true }) => {
      let owners: readonly OwnerDefinition[];
      try {
        owners = chosen(name, all === true);
      } catch (error) {
        console.error((error as Error).message);
        process.exit(WRONG_USE);
      }
      await run(owners, fromStart === true);
    })
    .parseAsync()
    .catch((error: Error) => {
      console.error(isUsageError(error) ? error.message : error);
      process.exit(FAILED);
    });
}
