import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { anySources, compileExpression, ExpressionFault, type Result } from '#mapping';
import { addCommand, AS_JSON, print, printAll, WrongUse } from './command.js';

interface Options {
  readonly attributes?: string;
  readonly file?: string;
  readonly json?: boolean;
}

type Attributes = Parameters<ReturnType<typeof compileExpression>['evaluate']>[0];

/** One expression to try; `now` is the time of Now(), `taken` what SelectUniqueValue finds to be taken. */
interface Trial {
  readonly expression: string;
  readonly attributes: Attributes;
  readonly now?: string;
  readonly taken?: readonly string[];
}

/** The answer; `log` is what a log would show of a value that Redact hides. */
type Answer =
  | { readonly result: unknown; readonly log?: string }
  | {
      readonly error: {
        readonly message: string;
        readonly position: number;
        readonly line: number;
        readonly column: number;
        readonly expected: string;
      };
    };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fault = (message: string, expected: string, position = 0, line = 1, column = 1): Answer => ({
  error: { message, position, line, column, expected },
});

const answerOf = (result: Result): Answer => {
  if (result.kind === 'left-out')
    return { result: { [result.what === 'object' ? '$ignore_object' : '$ignore_flow']: true } };
  return { result: result.value, ...(result.isRedacted ? { log: '[Redact]' } : {}) };
};

const tryOne = ({ expression, attributes, now, taken = [] }: Trial): Answer => {
  const settings = Object.entries(attributes).flatMap(([name, value]) =>
    name.startsWith('$') && typeof value === 'string' ? [[name.slice(1), value] as const] : [],
  );
  try {
    const result = compileExpression(expression, anySources()).evaluate(attributes, {
      nowMs: now === undefined ? Date.now() : Date.parse(now),
      randomBelow: (limit) => randomInt(limit),
      settings: Object.fromEntries(settings),
      isTaken: (value) => taken.includes(value),
    });
    return answerOf(result);
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error;
    const { detail, expected, position } = error;
    return fault(detail, expected, position.offset, position.line, position.column);
  }
};

/** A line of a file may be anything: it gets its answer in its place. */
const tryLine = (line: unknown): Answer => {
  if (!isObject(line) || typeof line.expression !== 'string')
    return fault('There is no expression.', 'an object with "expression" and "attributes"');
  const { expression, attributes = {}, now, taken } = line;
  if (!isObject(attributes)) return fault('The attributes are no object.', 'an object of names and values');
  if (now !== undefined && (typeof now !== 'string' || Number.isNaN(Date.parse(now))))
    return fault('"now" is no time.', 'a time such as 2026-01-31T08:00:00Z');
  const names = Array.isArray(taken) ? taken.filter((value) => typeof value === 'string') : [];
  return tryOne({ expression, attributes: attributes as Attributes, taken: names, ...(now ? { now } : {}) });
};

const describe = (answer: Answer): string => {
  if ('error' in answer) return `error: ${answer.error.message}`;
  const { result } = answer;
  return typeof result === 'string' ? result : JSON.stringify(result);
};

/** Throws WrongUse. */
const parse = (text: string, what: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WrongUse(`${what} cannot be read as JSON: ${(error as Error).message}.`, { cause: error });
  }
};

const readLines = (file: string): unknown[] => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new WrongUse(`${file} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  const lines = parse(text, file);
  if (!Array.isArray(lines)) throw new WrongUse(`${file} holds no list of {"expression": …, "attributes": {…}}.`);
  return lines;
};

export const addMapping = (program: Command): void => {
  const mapping = program.command('mapping').description("attribute mapping, in Microsoft Entra's expression language");
  addCommand(
    mapping,
    'try',
    'show what an expression makes of attributes; nothing is sent, and Muster need not run',
    `"ToLower([mail])" --attributes '{"mail": "Ada@Example.com"}'`,
  )
    .argument('[expression]', 'as Entra has it: [names] of Entra, or paths of SCIM such as [name.givenName]')
    .option('--attributes <json>', 'an object: names of Entra with their values, or a SCIM user', '{}')
    .option('--file <file.json>', 'a list of {"expression": …, "attributes": {…}}, instead of one expression')
    .option(...AS_JSON)
    .action((expression: string | undefined, { attributes = '{}', file, json }: Options) => {
      if ((expression === undefined) === (file === undefined))
        throw new WrongUse('Give either an expression or --file with a list of them.');
      if (file !== undefined) {
        printAll(json, readLines(file).map(tryLine), describe);
        return;
      }
      const answer = tryLine({ expression, attributes: parse(attributes, '--attributes') });
      // For scripts, an answer that says what is wrong is an answer; people get the exit code that says so.
      if ('error' in answer && !json) throw new Error(answer.error.message);
      print(json, answer, describe(answer));
    });
};
