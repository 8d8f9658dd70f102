import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { newProgram } from '../commands.js';
import { WrongUse } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'muster-mapping-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** The lines that `mapping try` prints. */
const tryMapping = async (...args: string[]): Promise<string> => {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  await newProgram().parseAsync(['mapping', 'try', ...args], { from: 'user' });
  return lines.join('\n');
};
const answer = async (...args: string[]): Promise<unknown> => JSON.parse(await tryMapping(...args, '--json'));

describe('mapping try', () => {
  it('prints the result', async () => {
    expect(await tryMapping('ToLower([mail])', '--attributes', '{"mail": "Ada@X"}')).toBe('ada@x');
    expect(await answer('ToLower([mail])', '--attributes', '{"mail": "Ada@X"}')).toEqual({ result: 'ada@x' });
    expect(await answer('[mail]')).toEqual({ result: null });
  });

  it('takes a SCIM user, too', async () => {
    const user = JSON.stringify({
      emails: [{ type: 'work', value: 'a@x' }],
      name: { familyName: 'Byron' },
      active: false,
    });
    expect(await answer('Join(",", [mail], [surname], [IsSoftDeleted])', '--attributes', user)).toEqual({
      result: 'a@x,Byron,True',
    });
  });

  it('says that an attribute is left out, and what no log may show', async () => {
    expect(await answer('IgnoreFlowIfNullOrEmpty([mail])')).toEqual({ result: { $ignore_flow: true } });
    expect(await answer('IIF("a"="a", IgnoreObjectFlow, "")')).toEqual({ result: { $ignore_object: true } });
    expect(await answer('Redact("a")')).toEqual({ result: 'a', log: '[Redact]' });
  });

  it('prints what is wrong, where, and what is expected: for scripts as JSON, for people as an error', async () => {
    const error = { position: 12, line: 2, column: 3, expected: 'the name of a function of Entra' };
    const message = expect.stringMatching(/There is no function Lower, at line 2, column 3/);
    expect(await answer('Join(" ",\n  Lower([a]))')).toEqual({ error: { message, ...error } });
    await expect(tryMapping('Join(" ",\n  Lower([a]))')).rejects.toThrow(/at line 2, column 3/);
  });

  it('answers each line of a file in its place', async () => {
    const file = join(folder, 'lines.json');
    const lines = [
      { expression: 'Now()', attributes: {}, now: '2026-01-31T08:00:00Z' },
      { expression: 'Nothing()', attributes: {} },
      { expression: 'SelectUniqueValue("a", "b")', taken: ['a'] },
      { expression: 'Join("@", "a", DefaultDomain(), %City%)', attributes: { $DefaultDomain: 'x', $City: 'y' } },
      'no object',
      { expression: 'Now()', now: 'soon' },
      { expression: '[a]', attributes: [] },
    ];
    writeFileSync(file, JSON.stringify(lines));
    expect(await answer('--file', file)).toEqual([
      { result: '1/31/2026 8:00:00 AM' },
      { error: expect.objectContaining({ position: 0 }) },
      { result: 'b' },
      { result: 'a@x@y' },
      ...[/no expression/, /"now" is no time/, /attributes are no object/].map((message) => ({
        error: expect.objectContaining({ message: expect.stringMatching(message) }),
      })),
    ]);
    expect((await tryMapping('--file', file)).split('\n')).toHaveLength(lines.length);
  });

  it('is refused as a wrong use without an expression, with two sources of one, or with what is no JSON', async () => {
    const file = join(folder, 'none.json');
    writeFileSync(file, '{}');
    for (const args of [
      [],
      ['[a]', '--file', file],
      ['[a]', '--attributes', '{'],
      ['--file', file],
      ['--file', join(folder, 'gone.json')],
    ])
      await expect(tryMapping(...args)).rejects.toBeInstanceOf(WrongUse);
  });
});
