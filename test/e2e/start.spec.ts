import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { migrate, untilMigrated } from '#event-store';
import { answers, freePort, isAlive, startPostgres, type PostgresProcess } from '#host';
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
  /** Reads its output no more. */
  close(): void;
  stop(): Promise<number | null>;
}

const run = (environment: Record<string, string> = {}, args: readonly string[] = []): Muster => {
  const env = {
    ...cleanEnvironment(),
    DATA_DIR: join(home, 'data'),
    LOG_LEVEL: 'silent',
    ADMIN_PORT: '0',
    ...environment,
  };
  const child = spawn(process.execPath, ['dist/apps/muster/src/main.js', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk) => (output[name] += String(chunk)));
  // Its output is its children's too: `close` comes when all of them have ended.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const muster: Muster = {
    output,
    ended,
    printed: (text) => expect.poll(() => output.stdout + output.stderr, { timeout: TIMEOUT_MS }).toContain(text),
    close: () => {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
  running.push(muster);
  return muster;
};

/**
 * The lines that it says besides those of its start and its end. Fails where a line is no JSON, or anything was written
 * to standard error.
 */
const saidBy = ({ stdout, stderr }: Muster['output']): string[] => {
  expect(stderr).toBe('');
  return stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
    .filter((text) => text !== 'starts' && text !== 'ends');
};

interface Told {
  readonly url: string;
  readonly databaseUrl: string;
  readonly pids: { readonly server: number; readonly postgres?: number };
}
const told = (): Told => JSON.parse(readFileSync(join(home, 'data', 'runtime.json'), 'utf8')) as Told;
/** The number that Postgres itself writes down. */
const postmaster = (): number =>
  Number(readFileSync(join(home, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
const isServer = (pid: number): boolean =>
  execFileSync('ps', ['-o', 'args=', '-p', String(pid)])
    .toString()
    .includes('server.js');
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
    const muster = run({
      PORT: String(await freePort()),
      DATABASE_URL: postgres.url,
      MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      MUSTER_API_KEY: 'k'.repeat(32),
    });
    await muster.printed('Muster is ready.');
    expect(told()).toMatchObject({ databaseUrl: postgres.url, pids: { server: expect.any(Number) } });
    expect(told().pids).not.toHaveProperty('postgres');
    expect(existsSync(join(home, 'data', 'postgres'))).toBe(false);
    expect(await muster.stop()).toBe(0);
    expect(isAlive(postgres.pid)).toBe(true);
    // A fault that nobody but the administrator can mend is said once, and not tried for ever.
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    const refused = run({ DATABASE_URL: wrong.href });
    expect(await refused.ended).toBe(64);
    expect(saidBy(refused.output)).toEqual([
      'The database refuses the user of DATABASE_URL: password authentication failed for user "muster".',
    ]);
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
    expect(saidBy(output)).toEqual([`Port ${port} is taken. Stop what uses it, or set PORT to another one.`]);
    expect(existsSync(join(home, 'data', 'postgres', 'postmaster.pid'))).toBe(false);
  } finally {
    stranger.close();
  }
});

it('says in one line that it cannot listen on an address of another machine, and ends with 64', async () => {
  // RFC 5737: nobody has it.
  const { ended, output } = run({ HOST: '192.0.2.1', PORT: '8080' });
  expect(await ended).toBe(64);
  expect(saidBy(output)).toEqual([
    expect.stringMatching(/^Muster cannot serve there: .*192\.0\.2\.1:8080. Set HOST and PORT to others.$/),
  ]);
});

it.each([
  ['alone', {}],
  [
    'with a Postgres and keys of its own',
    {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      MUSTER_API_KEY: 'k'.repeat(32),
    },
  ],
])('says in one line that a file cannot be its data directory, and ends with 64: %s', async (_title, environment) => {
  writeFileSync(join(home, 'data'), '');
  const { ended, output } = run(environment);
  expect(await ended).toBe(64);
  expect(saidBy(output)).toEqual([expect.stringMatching(/^The data directory .*data cannot be used: .*$/)]);
});

it.each([
  ['HOST', 'localhost:8080', /^HOST must be/],
  ['HOST', 'no-such-host.invalid', /^HOST is no-such-host.invalid, and this machine knows no address/],
  ['KAFKA_BROKERS', 'kafka', /^KAFKA_BROKERS must be/],
  ['DATABASE_URL', 'mysql://a:b@c/d', /^DATABASE_URL must be/],
  ['MASTER_KEY', 'secret', /^MASTER_KEY must be/],
  ['PORT', 'http', /^PORT must/],
  ['PUBLIC_URL', 'muster.example.org', /^PUBLIC_URL must be/],
  ['LOG_LEVEL', 'loud', /^LOG_LEVEL must be/],
  ['MASTER_KEY_FILE', '/no/such/file', /^MASTER_KEY_FILE names a file that cannot be read/],
])('says in one line what is wrong with %s=%s, and ends with 64', async (name, value, line) => {
  const { ended, output } = run({ PORT: '0', [name]: value });
  expect(await ended).toBe(64);
  expect(saidBy(output)).toEqual([expect.stringMatching(line)]);
  const lines = output.stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { msg: string; reason?: string });
  expect(
    lines.filter(({ msg, reason = '' }) => line.test(msg) || line.test(reason)),
    'the reason is said once',
  ).toHaveLength(1);
  expect(existsSync(join(home, 'data', 'postgres', 'postmaster.pid'))).toBe(false);
});

describe('a database of its own', () => {
  let postgres: PostgresProcess;
  beforeEach(async () => {
    postgres = await startPostgres(join(home, 'external'));
  });
  afterEach(() => postgres.stop());
  const query = async (sql: string, ...values: string[]): Promise<void> => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(sql, values).finally(() => client.end());
  };

  it('that refuses the password, or has no such database, ends it with 64 and one line', async () => {
    for (const [url, line] of [
      [
        postgres.url.replace(/:[^:@]+@/, ':wrong@'),
        /^The database refuses the user of DATABASE_URL: password authentication failed for user "muster"\.$/,
      ],
      [
        postgres.url.replace(/muster$/, 'none'),
        /^The database refuses the user of DATABASE_URL: database "none" does not exist\.$/,
      ],
    ] as const) {
      const { ended, output } = run({ PORT: '0', DATABASE_URL: url });
      expect(await ended).toBe(64);
      expect(saidBy(output)).toEqual([expect.stringMatching(line)]);
    }
  });

  it('that a newer Muster has migrated is left alone', async () => {
    await migrate(postgres.url);
    await query("INSERT INTO muster_migrations (name, checksum) VALUES ('9999-newer', '')");
    const { ended, output } = run({ PORT: '0', DATABASE_URL: postgres.url });
    expect(await ended).toBe(64);
    expect(saidBy(output)).toEqual([
      expect.stringMatching(/^The database was migrated by a newer Muster \(9999-newer\)/),
    ]);
    await expect(untilMigrated(postgres.url, () => undefined)).rejects.toThrow(
      /^The database was migrated by a newer Muster/,
    );
  });

  it('that another process works with is told in one line, and served when that process has gone', async () => {
    const first = run({ PORT: '0', DATABASE_URL: postgres.url });
    await first.printed('Muster is ready.');
    const second = run({ PORT: '0', DATABASE_URL: postgres.url });
    await second.printed('Another Muster process works with this database');
    const line = second.output.stdout.split('\n').find((text) => text.includes('Another Muster process'));
    expect(JSON.parse(line!)).toMatchObject({ msg: expect.stringMatching(/: end it, or set KAFKA_BROKERS for both/) });
    expect(second.output.stdout + second.output.stderr).not.toMatch(/\bat .*\.js:\d+/);
    expect(await first.stop()).toBe(0);
    await second.printed('Muster is ready.');
  });

  it('that is away is waited for, with one line a minute', async () => {
    const { url } = postgres;
    await postgres.stop();
    const muster = run({ PORT: '0', DATABASE_URL: url, LOG_LEVEL: 'warn' });
    await muster.printed('waiting for the database');
    postgres = await startPostgres(join(home, 'external'), Number(new URL(url).port));
    await muster.printed('Muster is ready.');
    expect(saidBy(muster.output)).toEqual(['waiting for the database', 'Muster is ready.']);
  });
});

it('has JSON lines only, and no token in them unless it is asked to', async () => {
  const muster = run({ PORT: '0', LOG_LEVEL: 'info' });
  await muster.printed('Muster is ready.');
  expect(await muster.stop()).toBe(0);
  const lines = muster.output.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(muster.output.stderr).toBe('');
  expect(lines[0]).toMatchObject({
    name: 'supervisor',
    msg: 'starts',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
  });
  expect(lines.at(-1)).toMatchObject({ name: 'supervisor', msg: 'ends', reason: 'SIGTERM' });
  expect(muster.output.stdout).not.toMatch(/muster_[\w-]{40}/);

  const asked = run({ PORT: '0' }, ['--show-token']);
  await asked.printed('Muster is ready.');
  expect(asked.output.stdout).toMatch(/"token":"muster_[\w-]{43}"/);
});

it('goes on when nobody reads its output any more, and takes Postgres with it when it ends', async () => {
  const muster = run({ PORT: '0', LOG_LEVEL: 'info' });
  await muster.printed('"starts"');
  muster.close();
  const runtimeFile = join(home, 'data', 'runtime.json');
  await expect.poll(() => existsSync(runtimeFile), { timeout: TIMEOUT_MS }).toBe(true);
  await expect.poll(isReady, { timeout: TIMEOUT_MS }).toBe(true);
  // Every restart is told, to nobody.
  const { server, postgres } = told().pids;
  process.kill(server, 'SIGKILL');
  await expect.poll(() => told().pids.server, { timeout: TIMEOUT_MS }).not.toBe(server);
  await expect.poll(isReady, { timeout: TIMEOUT_MS }).toBe(true);
  expect(isAlive(postgres!)).toBe(true);
  await muster.stop();
  expect(isAlive(postgres!)).toBe(false);
});

it('a key that a full disk left empty, or that is lost beside data, ends the start with 64 in one line, and none is made in its place', async () => {
  const muster = run({ PORT: '0' });
  await muster.printed('Muster is ready.');
  await muster.stop();
  const data = join(home, 'data');
  for (const [name, becomes, line] of [
    ['admin.key', '', /^\S*admin\.key holds no key: it is empty\. [^\n]*$/],
    ['postgres.password', '', /^\S*postgres\.password holds no key: it is empty\. [^\n]*$/],
    ['postgres.password', null, /^\S*postgres\.password is missing, and the database beside it [^\n]*$/],
    ['master.key', null, /^\S*master\.key is missing, and what this database holds [^\n]*$/],
    [
      'master.key',
      `${Buffer.alloc(32, 1).toString('base64')}\n`,
      /^\S*master\.key is not the key of this database[^\n]*$/,
    ],
  ] as const) {
    const path = join(data, name);
    const before = readFileSync(path, 'utf8');
    if (becomes === null) rmSync(path);
    else writeFileSync(path, becomes);
    const { ended, output } = run({ PORT: '0' });
    expect(await ended, `${name}: ${output.stdout}`).toBe(64);
    expect(saidBy(output)).toEqual([expect.stringMatching(line)]);
    expect(existsSync(path) ? readFileSync(path, 'utf8') : null).toBe(becomes);
    writeFileSync(path, before, { mode: 0o600 });
  }
  await run({ PORT: '0' }).printed('Muster is ready.');
});
