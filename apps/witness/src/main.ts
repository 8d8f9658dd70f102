import '#first';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { sayLine } from '#runtime';
import { Malformed, readVerifier } from '#tlog';
import { follow, type Followed, type Outcome } from './follow.job.js';
import { Memory, UnfitFolder } from './memory.sender.js';
import { ServedLog } from './served-log.sender.js';

/**
 * `npm run witness`: cosigns the checkpoints of audit logs, on a machine and with a key that those who run Muster do not
 * have. It needs no other part of Muster.
 */

const EXIT_REFUSED = 1;
const EXIT_AWAY = 3;
const EXIT_WRONG_USE = 64;

interface Options {
  readonly log: readonly string[];
  readonly key: readonly string[];
  readonly folder: string;
  readonly name: string;
  readonly every: number;
  readonly once?: boolean;
}

/** The command line is wrong. */
class WrongUse extends Error {}

const several = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];
const secondsIn = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It is a number of seconds from 1 to 999999.');
  return Number(text);
};

const tokenOf = (): string | null => {
  const { MUSTER_API_KEY: key, MUSTER_API_KEY_FILE: path } = process.env;
  return key || (path ? read(path).trim() : null);
};

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new WrongUse(`${path} cannot be read: ${(error as Error).message}.`);
  }
};

const followed = ({ log, key }: Options): readonly Followed[] => {
  if (log.length !== key.length)
    throw new WrongUse(`Each --log needs a --key, in the same order: there are ${log.length} and ${key.length}.`);
  const token = tokenOf();
  const logs = log.map((url, at) => {
    if (!/^https?:\/\/[^\s?#]+$/.test(url)) throw new WrongUse(`"${url}" is no http or https URL of a log.`);
    try {
      return { log: new ServedLog(url.replace(/\/+$/, ''), token), key: readVerifier(read(key[at]!).trim()) };
    } catch (error) {
      if (error instanceof Malformed) throw new WrongUse(`${key[at]}: ${error.message}`);
      throw error;
    }
  });
  if (new Set(logs.map((one) => one.key.name)).size < logs.length) throw new WrongUse('A log is named twice.');
  return logs;
};

const tell = ({ kind, origin, text, size }: Outcome): void =>
  sayLine('witness', kind === 'cosigned' ? 'info' : kind === 'away' ? 'warn' : 'error', text, {
    origin,
    size,
    outcome: kind,
  });

const run = async (options: Options): Promise<void> => {
  const logs = followed(options);
  const memory = await Memory.open(options.folder, options.name);
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  try {
    sayLine('witness', 'info', `The public key of this witness: ${memory.verifierKey}`);
    do {
      const outcomes: Outcome[] = [];
      for (const one of logs) outcomes.push(await follow(one, memory, Date.now()));
      outcomes.forEach(tell);
      if (options.once) {
        const kinds = outcomes.map(({ kind }) => kind);
        process.exitCode = kinds.includes('refused') ? EXIT_REFUSED : kinds.includes('away') ? EXIT_AWAY : 0;
        return;
      }
      await wait(options.every * 1_000, undefined, { signal: stopped.signal }).catch(() => undefined);
    } while (!stopped.signal.aborted);
  } finally {
    await memory.close();
  }
};

const DEFAULT_SECONDS = 60;

await new Command('npm run witness --')
  .description(
    'Follows audit logs of Muster (or any C2SP tlog-tiles log) and cosigns their checkpoints with a key of its own. It remembers what it has cosigned last, and refuses a log that was rolled back or forked.',
  )
  .requiredOption('--log <url>', 'a log: https://…/api/audit/v1/logs/<tenant>; may be given again', several)
  .requiredOption('--key <file>', 'the public key of that log, as audit key shows it; one for each --log', several)
  .requiredOption(
    '--folder <folder>',
    'of this witness: its key (witness.key, witness.pub), and the checkpoints that it has cosigned',
  )
  .option('--name <name>', 'the name of its key, which the first start makes', `${hostname()}/muster-witness`)
  .option('--every <seconds>', 'look so often', secondsIn, DEFAULT_SECONDS)
  .option('--once', 'look once, and end: for cron')
  .addHelpText(
    'after',
    `
Example:
  MUSTER_API_KEY_FILE=./audit.key npm run witness -- --log https://muster.example.org/api/audit/v1/logs/<tenant> --key ./muster.key --folder ./witness --once

MUSTER_API_KEY, or the file that MUSTER_API_KEY_FILE names, is a key with the scope audit.
Run it where those who run Muster have no access, and keep ${'witness.pub'} with the public key of the log: audit verify --checkpoint <file> --witness-key <file> then
needs its word.

Exit codes of --once:
  0   all were cosigned
  ${EXIT_REFUSED}   one was refused: it was rolled back, forked, or is not the log of this key
  ${EXIT_AWAY}   one could not be read
  ${EXIT_WRONG_USE}  the command line is wrong, or the folder cannot be used`,
  )
  .action(run)
  .parseAsync()
  .catch((error: unknown) => {
    if (!(error instanceof WrongUse || error instanceof UnfitFolder || error instanceof Malformed)) throw error;
    console.error(error.message);
    process.exitCode = EXIT_WRONG_USE;
  });
