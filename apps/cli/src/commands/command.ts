import { createInterface } from 'node:readline/promises';
import { CommanderError, type Command } from 'commander';
import { plain } from '../audit-log.js';

/** The command line was wrong in a way that only the work itself found, such as a file that cannot be read. */
export class WrongUse extends Error {}

const EXIT_NOT_DONE = 1;
const EXIT_WRONG_USE = 2;
export const EXIT_CODES = `
Exit codes:
  0  done
  ${EXIT_NOT_DONE}  not done: Muster refused it, does not know the id, or does not answer
  ${EXIT_WRONG_USE}  the command line is wrong: nothing was sent`;

export const AS_JSON = ['--json', 'print JSON, for scripts'] as const;
export const OF_TENANT = ['--tenant <tenant>', 'name or id of the tenant (default: the first one)'] as const;
/** Of each command that changes something. */
export const WITH_REASON = [
  '--reason <text>',
  'why, for the record: it is kept with what the command changes',
] as const;
/** Of each command that destroys something; `confirm` asks unless it is given. */
export const AND_YES = ['--yes', 'do not ask whether it is meant'] as const;

/**
 * Asks on a terminal whether what a command destroys is meant. Throws WrongUse where nobody can be asked, and an error
 * when the answer is not yes.
 */
export const confirm = async (what: string, yes: boolean | undefined): Promise<void> => {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new WrongUse(`${what} Nobody can be asked here whether that is meant: add --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${what} Type yes to go on: `).finally(() => terminal.close());
  if (answer.trim().toLowerCase() !== 'yes') throw new Error('Nothing was done.');
};

/** Adds a command to a noun; its help ends with the example, which is what follows the noun. */
export const addCommand = (noun: Command, name: string, description: string, example: string): Command =>
  noun
    .command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n  npm run -s cli -- ${noun.name()} ${name} ${example}`.trimEnd());

/** When a token, key or client was used last, as lists say it. */
export const lastUse = (lastUsedAt: string | null): string => `last used ${lastUsedAt ?? 'never'}`;

const ESCAPE = '\u001b';
/** Line ends, and colours as we write them. */
const OURS = new RegExp(String.raw`(\n|${ESCAPE}\[\d+m)`);
/** Texts of clients move no cursor and turn nothing around, wherever they stand: controls are escaped, as in JSON. */
const printable = (text: string): string =>
  text
    .split(OURS)
    .map((part) => (part === '\n' || (OURS.test(part) && process.stdout.isTTY) ? part : plain(part)))
    .join('');

export const print = (json: boolean | undefined, value: unknown, text: string): void =>
  console.log(json ? plain(JSON.stringify(value)) : printable(text));

/** Prints a list, of which people are told when it is empty. */
export const printAll = <Row>(
  json: boolean | undefined,
  rows: readonly Row[],
  describe: (row: Row) => string,
  separator = '\n',
): void => print(json, rows, rows.map(describe).join(separator) || '(none)');

/** Runs what the arguments of this process ask for, and sets the exit code that says how it ended. */
export const run = (program: Command): Promise<void> =>
  program.parseAsync().then(
    () => undefined,
    (error: Error) => {
      if (error instanceof CommanderError) {
        // Commander has printed the help, or what is wrong. Only help that was asked for has the exit code 0.
        process.exitCode = error.exitCode === 0 ? 0 : EXIT_WRONG_USE;
      } else {
        // Messages of the server may quote what a client wrote.
        console.error(printable(error.message));
        process.exitCode = error instanceof WrongUse ? EXIT_WRONG_USE : EXIT_NOT_DONE;
      }
    },
  );
