import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { answers, freePort, isAlive, startPostgres } from '#runtime';
import { cleanEnvironment } from '../bench/installation.js';

/** `npm start` as a user has it: the built program with its children. A start takes 2 to 4 s. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const TIMEOUT_MS = 30_000;

let home: string;
let running: Muster[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-start-'));
  running = [];
});

afterEach(async () => {
  for (const { stop } of running) await stop();
  rmSync(home, { recursive: true, force: true });
});

interface Muster {
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
  /** Resolves when this was printed. */
  printed(text: string): Promise<void>;
  stop(): Promise<number | null>;
}

const run = (environment: Record<string, string> = {}): Muster => {
  const env = { ...cleanEnvironment(), DATA_DIR: join(home, 'data'), LOG_LEVEL: 'silent', ADMIN_PORT: '0', ...environment };
  const child = spawn(process.execPath, ['dist/apps/all-in-one/src/main.js'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk) => (output[name] += String(chunk)));
  // Its output is its children's too: `close` comes when all of them have ended.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const muster: Muster = {
    output, ended,
    printed: (text) => expect.poll(() => output.stdout + output.stderr, { timeout: TIMEOUT_MS }).toContain(text),
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
  running.push(muster);
  return muster;
};

interface Told {
  readonly url: string;
  readonly databaseUrl: string;
  readonly pids: { readonly server: number; readonly postgres?: number };
}
const told = (): Told => JSON.parse(readFileSync(join(home, 'data', 'runtime.json'), 'utf8')) as Told;
/** The number that Postgres itself writes down. */
const postmaster = (): number => Number(readFileSync(join(home, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
const isServer = (pid: number): boolean => execFileSync('ps', ['-o', 'args=', '-p', String(pid)]).toString().includes('server.js');
const isReady = (): Promise<boolean> => answers(`${told().url}/health/ready`);

it('heals a kill -9 of the server and of Postgres on the same ports, tells the numbers of the new ones, and says only once that it is ready', async () => {
  const muster = run({ PORT: '0' });
  await muster.printed('Muster is ready.');
  const first = told();
  expect(statSync(join(home, 'data', 'runtime.json')).mode & 0o777).toBe(0o600);
  expect(first.pids.postgres).toBe(postmaster());
  expect(isServer(first.pids.server)).toBe(true);

  process.kill(first.pids.server, 'SIGKILL');
  await muster.printed('The server has ended');
  await expect.poll(() => told().pids.server, { timeout: TIMEOUT_MS }).not.toBe(first.pids.server);
  expect(isServer(told().pids.server)).toBe(true);
  await expect.poll(isReady, { timeout: TIMEOUT_MS }).toBe(true);
  const second = told();
  expect(second).toEqual({ ...first, pids: { ...first.pids, server: second.pids.server } });

  process.kill(first.pids.postgres!, 'SIGKILL');
  await muster.printed('Postgres has ended');
  await expect.poll(() => told().pids.postgres, { timeout: TIMEOUT_MS }).not.toBe(first.pids.postgres);
  await expect.poll(isReady, { timeout: TIMEOUT_MS }).toBe(true);
  const third = told();
  expect(third.pids.postgres).toBe(postmaster());
  // The server outlives its database.
  expect(third).toEqual({ ...second, pids: { ...second.pids, postgres: third.pids.postgres } });

  expect(muster.output.stdout.match(/Muster is ready/g)).toHaveLength(1);
  expect(await muster.stop()).toBe(0);
  expect(isAlive(third.pids.server)).toBe(false);
  expect(isAlive(third.pids.postgres!)).toBe(false);
  // A shutdown, not a crash.
  expect(existsSync(join(home, 'data', 'postgres', 'postmaster.pid'))).toBe(false);
});

it('uses the Postgres of DATABASE_URL and starts none, also with all keys given and no data directory yet', async () => {
  const postgres = await startPostgres(join(home, 'external'));
  try {
    const muster = run({ PORT: String(await freePort()), DATABASE_URL: postgres.url, MASTER_KEY: Buffer.alloc(32, 1).toString('base64'), MUSTER_API_KEY: 'k'.repeat(32) });
    await muster.printed('Muster is ready.');
    expect(told()).toMatchObject({ databaseUrl: postgres.url, pids: { server: expect.any(Number) } });
    expect(told().pids).not.toHaveProperty('postgres');
    expect(existsSync(join(home, 'data', 'postgres'))).toBe(false);
    expect(await muster.stop()).toBe(0);
    expect(isAlive(postgres.pid)).toBe(true);
    // What nobody but the administrator can mend is said once, and not tried for ever.
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    const refused = run({ DATABASE_URL: wrong.href });
    expect(await refused.ended).toBe(64);
    expect(refused.output.stderr).toMatch(/^The database refuses the user of DATABASE_URL: password authentication failed for user "muster"\.\n$/);
  } finally {
    await postgres.stop();
  }
});

it('says in one line that its port is taken, and ends with 64', async () => {
  const stranger = createServer().listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  const { port } = stranger.address() as AddressInfo;
  try {
    const { ended, output } = run({ PORT: String(port) });
    expect(await ended).toBe(64);
    expect(output).toEqual({ stdout: '', stderr: `Port ${port} is taken. Stop what uses it, or set PORT to another one.\n` });
    expect(existsSync(join(home, 'data', 'postgres', 'postmaster.pid'))).toBe(false);
  } finally {
    stranger.close();
  }
});

it('says in one line that it cannot listen on an address of another machine, and ends with 64', async () => {
  // RFC 5737: nobody has it.
  const { ended, output } = run({ HOST: '192.0.2.1', PORT: '8080' });
  expect(await ended).toBe(64);
  expect(output).toEqual({ stdout: '', stderr: expect.stringMatching(/^Muster cannot serve there: .*192\.0\.2\.1:8080. Set HOST and PORT to others.\n$/) });
});

it.each([
  ['alone', {}],
  ['with a Postgres and keys of its own', { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', MASTER_KEY: Buffer.alloc(32, 1).toString('base64'), MUSTER_API_KEY: 'k'.repeat(32) }],
])('says in one line that a file cannot be its data directory, and ends with 64: %s', async (_title, environment) => {
  writeFileSync(join(home, 'data'), '');
  const { ended, output } = run(environment);
  expect(await ended).toBe(64);
  expect(output.stdout).toBe('');
  expect(output.stderr).toMatch(/^The data directory .*data cannot be used: .*\n$/);
});

it('a key that a full disk left empty, or that is lost beside data, ends the start with 64 in one line, and none is made in its place', async () => {
  const muster = run({ PORT: '0' });
  await muster.printed('Muster is ready.');
  await muster.stop();
  const data = join(home, 'data');
  for (const [name, becomes, line] of [
    ['admin.key', '', /^\S*admin\.key holds no key: it is empty\. [^\n]*\n$/], ['postgres.password', '', /^\S*postgres\.password holds no key: it is empty\. [^\n]*\n$/],
    ['postgres.password', null, /^\S*postgres\.password is missing, and the database beside it [^\n]*\n$/],
    ['master.key', null, /^\S*master\.key is missing, and what this database holds [^\n]*\n$/],
    ['master.key', `${Buffer.alloc(32, 1).toString('base64')}\n`, /^\S*master\.key is not the key of this database[^\n]*\n$/],
  ] as const) {
    const path = join(data, name);
    const before = readFileSync(path, 'utf8');
    if (becomes === null) rmSync(path);
    else writeFileSync(path, becomes);
    const { ended, output } = run({ PORT: '0' });
    expect(await ended, `${name}: ${output.stderr}`).toBe(64);
    expect(output).toEqual({ stdout: '', stderr: expect.stringMatching(line) });
    expect(existsSync(path) ? readFileSync(path, 'utf8') : null).toBe(becomes);
    writeFileSync(path, before, { mode: 0o600 });
  }
  await run({ PORT: '0' }).printed('Muster is ready.');
});
