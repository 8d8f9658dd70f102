import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { newProgram } from './commands.js';

const leavesOf = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
const pathOf = (command: Command): string[] => (command.parent ? [...pathOf(command.parent), command.name()] : []);

/** The help as it is printed, in one line a paragraph. */
const helpOf = (command: Command): string => {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 1_000 }).outputHelp();
  return text;
};

/** The words of a shell command up to a redirection, without their quotes. */
const words = (line: string): string[] =>
  [...line.split(' > ')[0]!.matchAll(/"([^"]*)"|'([^']*)'|\S+/g)].map(
    ([word, double, single]) => double ?? single ?? word,
  );

const COMMANDS = leavesOf(newProgram()).map((command) => [pathOf(command).join(' '), command] as const);

it("has the nouns of the admin API and of the auditors' API, and mapping", () => {
  expect(newProgram().commands.map((noun) => noun.name())).toEqual([
    'tenant',
    'directory',
    'token',
    'client',
    'key',
    'domain',
    'schema',
    'user',
    'group',
    'mapping',
    'audit',
    'request',
    'report',
  ]);
});

it.each(COMMANDS)('the help of %s says what it does, and has an example that works', (path, command) => {
  expect(command.description()).not.toBe('');
  const [, example = ''] = /^ {2}npm run -s cli -- (.*)$/m.exec(helpOf(command)) ?? [];
  expect(words(example).join(' ')).toMatch(new RegExp(`^${path}`));
  const program = newProgram();
  const done: string[] = [];
  for (const leaf of leavesOf(program)) leaf.action(() => void done.push(pathOf(leaf).join(' ')));
  program.parse(words(example), { from: 'user' });
  expect(done).toEqual([path]);
});

it.each(COMMANDS)('the help of %s says what the exit codes mean', (_path, command) => {
  expect(helpOf(command)).toMatch(
    /Exit codes:\n {2}0 {2}done\n {2}1 {2}not done: .+\n {2}2 {2}the command line is wrong/,
  );
});

/** The commands that only look. */
const LOOKS =
  /^(list|events|members|try|find|guide|health|check|dry-run|trace-auth|roles|report)$|^(schema|client|key|user|tenant|token|request) show$|^audit /;

it.each(COMMANDS)('%s takes the options that all commands of its kind take', (path, command) => {
  const names = command.options.map(({ long }) => long);
  // Its output is a file as it is.
  if (path !== 'audit key') expect(names).toContain('--json');
  const looks = LOOKS.test(path) || LOOKS.test(command.name());
  expect(names.includes('--reason'), 'a command that changes something takes a reason').toBe(!looks);
  if (/^(delete|revoke|disconnect|move)$/.test(command.name())) expect(names).toContain('--yes');
});
