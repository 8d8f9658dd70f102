import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';

/**
 * Every program answers this before it loads anything, as built: those of an installation, and those that measure it.
 */
vi.setConfig({ testTimeout: 60_000 });
const PROGRAMS = [
  ...['muster', 'cli', 'witness'].map((app) => `apps/${app}/src/main`),
  'apps/cli/src/demo/demo',
  ...['backup', 'migrate', 'server', 'verify'].map((name) => `apps/muster/src/${name}`),
  'deploy/stack',
  'deploy/kafka-set-up',
  'test/bench/bench',
  'test/fault/fault',
  'test/hostile/hostile',
];
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

const run = (
  program: string,
  options: readonly string[],
  args: readonly string[],
): Promise<{ stdout: string; stderr: string; code?: number }> =>
  promisify(execFile)(process.execPath, [...options, `dist/${program}.js`, ...args], { timeout: 30_000 }).catch(
    (error: unknown) => error as never,
  );

describe.each(PROGRAMS)('%s', (program) => {
  it('says its version', async () => {
    expect(await run(program, [], ['--version'])).toEqual({ stdout: `${version}\n`, stderr: '' });
  });

  it.each(['18.20.8', '20.20.2', '22.11.0'])('refuses to be run by Node %s, in one line', async (old) => {
    const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${old}' });`;
    const { stdout, stderr, code } = await run(program, ['--import', pretend], []);
    expect({ stdout, code }).toEqual({ stdout: '', code: 64 });
    expect(stderr).toBe(
      `Muster needs Node 24 or newer, and this is Node ${old}. npm ci brings one, which the npm scripts use: npm start.\n`,
    );
  });
});

it.each(['fault', 'hostile'])(
  'the help of npm run %s says that it starts a Muster of its own, and where the data is left',
  async (name) => {
    const { stdout } = await run(`test/${name}/${name}`, [], ['--help']);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      new RegExp(
        `It starts a Muster of its own for each log, .* touches none that runs already\\. The data is in \\.data/${name}/<log>`,
      ),
    );
  },
);
