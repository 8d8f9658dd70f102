import { existsSync } from 'node:fs';
import { createSpeaker, type Logger } from './logger.js';
import { VERSION } from './version.js';

/**
 * Tells whether a person reads along. Anything else gets JSON lines, on standard output and nowhere else, which a
 * collector of logs can take apart.
 */
export const isTerminal = (): boolean => process.stdout.isTTY === true;

/**
 * Tells whether the output goes to a person and nowhere else: the output of a container is kept in a log, even if it
 * looks like a terminal.
 */
export const isPerson = (): boolean =>
  isTerminal() &&
  !process.env.KUBERNETES_SERVICE_HOST &&
  !['/.dockerenv', '/run/.containerenv'].some((mark) => existsSync(mark));

export type Level = 'info' | 'warn' | 'error' | 'fatal';
const speakers = new Map<string, Logger>();

/** A JSON line of a program about itself: that it starts, and why it ends. LOG_LEVEL does not silence it. */
export const sayAsJson = (name: string, level: Level, text: string, facts: object = {}): void => {
  let speaker = speakers.get(name);
  if (!speaker) speakers.set(name, (speaker = createSpeaker(name)));
  speaker[level](facts, text);
};

/** Tells those who started the program something that they should know, in one line. */
export const sayLine = (name: string, level: Level, text: string, facts: object = {}): void =>
  isTerminal() ? console.error(text) : sayAsJson(name, level, text, facts);

/** The first line of a program. To a person the program says soon enough that it is ready. */
export const sayStart = (name: string): void => {
  if (!isTerminal()) sayAsJson(name, 'info', 'starts', { version: VERSION, node: process.versions.node });
};

/** Its last line, and why. */
export const sayEnd = (name: string, reason: string): void => {
  if (!isTerminal()) sayAsJson(name, 'info', 'ends', { reason });
};

/**
 * Tells of an error with which a program cannot go on. One that the user can mend (`isUsage`) is a line without a
 * stack.
 */
export const sayError = (name: string, error: unknown, isUsage: boolean): void => {
  const { message, stack } = error as Partial<Error>;
  const text = message ?? String(error);
  if (isTerminal()) console.error(isUsage ? text : error);
  else sayAsJson(name, 'fatal', text, isUsage ? {} : { stack });
};

/** The reader of the output may leave (`| head`). The lines are lost from then on, and the program goes on. */
export const outliveReaders = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
};

/**
 * For a program that takes few options: `--help` ends it with this text, and an option that it does not know with one
 * line and exit code 64.
 */
export const refuseArguments = (help: string, known: readonly string[] = []): void => {
  const given = process.argv.slice(2);
  if (given.includes('--help') || given.includes('-h')) {
    console.log(help);
    process.exit(0);
  }
  const unknown = given.find((argument) => !known.includes(argument));
  if (unknown === undefined) return;
  console.error(`There is no option ${unknown}. --help says which there are.`);
  process.exit(64);
};
