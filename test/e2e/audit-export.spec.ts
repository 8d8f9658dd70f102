import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { writeExport } from '../../apps/cli/src/export-folder.sender.js';
import { entriesOfAll } from '../support/audit-entries.js';
import { startMuster } from '../support/muster.js';

/** How an export goes on, and how it ends before it has begun. */

const PEOPLE = 60;
vi.setConfig({ testTimeout: 120_000 });
const muster = startMuster({ log: 'Postgres' });
const folder = mkdtempSync(join(tmpdir(), 'muster-export-'));
const at = (...path: string[]): string => join(folder, ...path);
let tenant = '';
let ada = '';
const [after, before] = ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'];

const cli = async (args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> =>
  promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout + stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, out: stdout + stderr }),
  );
const entryCount = async (): Promise<number> =>
  Number(
    (await muster.owner.query<{ n: string }>('SELECT count(*) AS n FROM audit.entries WHERE tenant = $1', [tenant]))
      .rows[0]!.n,
  );

beforeAll(async () => {
  vi.stubEnv('MUSTER_URL', `http://127.0.0.1:${muster.server.adminPort}`);
  vi.stubEnv('MUSTER_API_KEY', muster.server.apiKey);
  const directory = await muster.newDirectory('Contoso Entra');
  ({ tenant } = directory);
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, (_, n) => directory.scim('POST', '/Users', { userName: `user-${n}@example.org` })),
  );
  ada = people[0]!.body.id;
  await directory.scim('PATCH', `/Users/${ada}`, { Operations: [{ op: 'replace', path: 'title', value: 'Lady' }] });
  await entriesOfAll(muster.owner);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it('an export says how far it is, in each file of entries, of one person too', async () => {
  const told = async (name: string, asked: Readonly<Record<string, string>>): Promise<unknown[]> => {
    const calls: unknown[] = [];
    const onProgress = (...call: unknown[]): void => void calls.push(call);
    await writeExport(at(name), { asked, withCsv: true, withValues: true, onProgress });
    return calls;
  };
  const ofPerson = await told('told-person', { person: ada });
  const { entries } = JSON.parse(readFileSync(at('told-person', 'export.json'), 'utf8')) as { entries: number };
  expect(ofPerson).toEqual([
    ['entries.jsonl', 0, null],
    ['entries.jsonl', entries, null],
    ['entries.csv', 0, entries],
    ['entries.csv', entries, entries],
  ]);
  const ofRange = await told('told-range', { tenant, from: '20', to: '60' });
  expect(ofRange[0]).toEqual(['entries.jsonl', 0, 40]);
  expect(ofRange).toContainEqual(['entries.jsonl', 40, 40]);
  expect(ofRange.at(-1)).toEqual(['entries.csv', 40, 40]);
});

it('an export that is refused leaves no folder behind, and one in a folder of others asks for nothing', async () => {
  for (const refused of [
    ['--since', after, '--until', before],
    ['--from', '5', '--to', '4'],
    ['--person', 'nobody@example.org'],
  ]) {
    const { code, out } = await cli(['audit', 'export', '--tenant', tenant, '--out', at('refused'), ...refused]);
    expect([code, out]).toEqual([1, out]);
    expect([refused, existsSync(at('refused'))]).toEqual([refused, false]);
  }
  await entriesOfAll(muster.owner);
  const count = await entryCount();
  const { code, out } = await cli(['audit', 'export', '--tenant', tenant, '--out', at('told-range')]);
  expect(out).toMatch(/told-range is not empty: name a new folder/);
  expect(code).toBe(1);
  await entriesOfAll(muster.owner);
  expect(await entryCount()).toBe(count);
});
