import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { answers } from '#host';
import { cleanEnvironment } from '../bench/installation.js';

/** Packages are installed in 10 s from npm's cache; on a machine without it they come from the registry. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const TIMEOUT_MS = 60_000;

/** A shell outside of this project: without what npm tells its scripts, and with the Node of the machine. */
const environment = (): NodeJS.ProcessEnv => {
  const { PATH = '', ...others } = cleanEnvironment();
  return {
    ...Object.fromEntries(
      Object.entries(others).filter(
        ([name]) => !/^(npm_(?!config_)|npm_config_local_prefix$|NODE$|NODE_ENV$|INIT_CWD$)/.test(name),
      ),
    ),
    PATH: PATH.split(delimiter)
      .filter((folder) => !folder.includes('node_modules'))
      .join(delimiter),
  };
};

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-production-'));
  for (const path of execFileSync('git', ['ls-files', '-z']).toString().split('\0').filter(existsSync))
    cpSync(path, join(home, path));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

it('npm ci --omit=dev && npm start: what a clone has and its dependencies are enough', async () => {
  await promisify(execFile)(
    'npm',
    ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: home, env: environment() },
  );
  const dependencies = join(home, 'node_modules');
  expect(['pg', 'vitest', '@types/pg', 'oxlint'].filter((name) => existsSync(join(dependencies, name)))).toEqual([
    'pg',
  ]);

  const data = join(home, 'data');
  const child = spawn('npm', ['start'], {
    cwd: home,
    env: { ...environment(), DATA_DIR: data, PORT: '0', ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  try {
    const isOver = (): boolean => output.includes('Muster is ready.') || child.exitCode !== null;
    await expect.poll(isOver, { timeout: TIMEOUT_MS }).toBe(true);
    expect(output).toContain('Muster is ready.');
    const { url } = JSON.parse(readFileSync(join(data, 'runtime.json'), 'utf8')) as { url: string };
    expect(await answers(`${url}/health/ready`)).toBe(true);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
  expect(existsSync(join(data, 'postgres', 'postmaster.pid'))).toBe(false);
});
