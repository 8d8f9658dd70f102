import { expect, it, vi } from 'vitest';
import { Command } from 'commander';
import { run } from './commands/command.js';
import { describeDryRun } from './commands/dry-run.js';

const HOSTILE = 'x\u001b[2J\u009b31m\u202ey\nz';
/** All but the ends of lines that are ours. */
const MOVES = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069\u200e\u200f]/u;

it('nothing that a client sent moves the cursor of a terminal in a dry run', () => {
  const text = describeDryRun({
    decisions: [
      {
        command: { type: 'CreateUser' },
        outcome: { status: 'rejected', code: 'uniqueness', detail: HOSTILE },
        events: [{ event: { userName: HOSTILE } }],
        explanation: {
          mapped: { lines: [{ target: HOSTILE, line: 1 }] },
          rules: [{ rule: 'upn', candidates: [{ id: 'u', userName: HOSTILE }] }],
          holds: [{ reason: 'scope', detail: HOSTILE }],
          cutRole: { detail: HOSTILE },
        },
      },
    ],
    response: { status: 409, headers: {}, body: { detail: HOSTILE } },
  } as never);
  expect(text).not.toMatch(MOVES);
  expect(text.split('\n').map((line) => line.slice(0, 11))).toEqual([
    'CreateUser',
    '  mapped   ',
    '  rule     ',
    '  held     ',
    '  web role ',
    '  event    ',
    '  refused  ',
    'Response 40',
    '{',
    '  "detail":',
    '}',
  ]);
});

it('nor in what the server says about it', async () => {
  const said: string[] = [];
  const error = vi.spyOn(console, 'error').mockImplementation((text: string) => void said.push(text));
  const { argv, exitCode } = process;
  const program = new Command().action(() => {
    throw new Error(`There are 2 of whom it is said:\n${HOSTILE.replace('\n', '')}`);
  });
  process.argv = argv.slice(0, 2);
  await run(program);
  [process.argv, process.exitCode] = [argv, exitCode];
  error.mockRestore();
  expect(said.join('\n')).not.toMatch(MOVES);
  expect(said.join('\n').split('\n')).toHaveLength(2);
});
