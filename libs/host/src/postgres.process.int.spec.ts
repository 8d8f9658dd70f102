import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UsageError } from '#runtime';
import { keptPostgres, startPostgres, type PostgresProcess } from './postgres.process.js';
import { createSupervisor } from './supervise.js';

// A start of Postgres takes 1 to 3 s, more on a machine that does other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const isRoot = process.getuid?.() === 0;
let home: string;
let running: PostgresProcess[];

beforeEach(() => {
  // A folder of mode 0700 below the temporary one: as root, the server's user cannot enter it.
  home = mkdtempSync(join(tmpdir(), 'muster-postgres-'));
  running = [];
});

afterEach(async () => {
  for (const { stop } of running) await stop();
  rmSync(home, { recursive: true, force: true });
});

const start = async (dataDir = home, port?: number): Promise<PostgresProcess> => {
  const server = await startPostgres(dataDir, port);
  running.push(server);
  return server;
};

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
};

const REMEMBER = 'CREATE TABLE remembered AS SELECT 42 AS answer';
const RECALL = 'SELECT answer FROM remembered';
const portOf = ({ url }: PostgresProcess): number => Number(new URL(url).port);

/** Starts Postgres from a process that is then killed. It runs the built files, as `npm start` does. */
const startAndKill = async (): Promise<{ pid: number; url: string }> => {
  const script = `import { startPostgres } from '#host';
    const { pid, url } = await startPostgres(process.argv[1]);
    console.log(JSON.stringify({ pid, url }));`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script, home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => parent.once('exit', done));
  const told = await new Promise<string>((done, fail) => {
    parent.stdout.once('data', (chunk) => done(String(chunk)));
    parent.once('exit', (code) => fail(new Error(`It ended with ${code}.`)));
  });
  parent.kill('SIGKILL');
  await ended;
  return JSON.parse(told) as { pid: number; url: string };
};

it('makes a Postgres 18 that commits to disk, compares by code point, and asks for a password', async () => {
  const { url } = await start();
  expect(
    await query(
      url,
      "SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync'), current_setting('synchronous_commit')",
    ),
  ).toEqual([18, 'on', 'on']);
  expect(
    await query(
      url,
      "SELECT current_setting('server_encoding'), datlocale, current_database() FROM pg_database WHERE datname = current_database()",
    ),
  ).toEqual(['UTF8', 'C.UTF-8', 'muster']);
  expect(
    await query(url, "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"),
  ).toEqual(['127.0.0.1', '']);
  await expect(query(url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  expect(statSync(join(home, 'postgres.password')).mode & 0o777).toBe(0o600);
});

it.skipIf(process.platform !== 'linux')('does not hand its own environment to the server', async () => {
  process.env.MUSTER_SPEC_SECRET = 'a secret';
  try {
    const { pid } = await start();
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('a secret');
  } finally {
    delete process.env.MUSTER_SPEC_SECRET;
  }
});

it('keeps the data over a stop and a start', async () => {
  const first = await start();
  await query(first.url, REMEMBER);
  await first.stop();
  expect(await query((await start()).url, RECALL)).toEqual([42]);
});

it('comes back on the same port after a kill -9, with everything that was committed', async () => {
  const first = await start();
  const client = new pg.Client({ connectionString: first.url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(REMEMBER);
  // A transaction that is open keeps a child of the server busy when it dies.
  await client.query('BEGIN; DELETE FROM remembered');
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const second = await start(home, portOf(first));
  expect(second.url).toBe(first.url);
  expect(second.pid).not.toBe(first.pid);
  expect(await query(second.url, RECALL)).toEqual([42]);
});

it('adopts the server of a killed process, and stops it', async () => {
  const orphan = await startAndKill();
  await query(orphan.url, REMEMBER);
  const adopted = await start();
  expect(adopted).toMatchObject(orphan);
  expect(await query(adopted.url, RECALL)).toEqual([42]);
  await adopted.stop();
  await expect(query(adopted.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('tells when an adopted server is killed', async () => {
  const { pid } = await startAndKill();
  const adopted = await start();
  process.kill(pid, 'SIGKILL');
  await adopted.exited;
  expect((await start(home, portOf(adopted))).url).toBe(adopted.url);
});

it('takes no other process for its server, whatever number the pid file of a crash names', async () => {
  const first = await start();
  await query(first.url, REMEMBER);
  const pidFile = join(home, 'postgres', 'postmaster.pid');
  const left = readFileSync(pidFile, 'utf8').split('\n');
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  // Another process of the server's own user has got the number: Postgres alone would refuse to start.
  const { uid, gid } = statSync(join(home, 'postgres/'));
  const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    ...(isRoot ? { uid, gid } : {}),
  });
  try {
    writeFileSync(pidFile, [String(other.pid), ...left.slice(1)].join('\n'));
    expect(await query((await start()).url, RECALL)).toEqual([42]);
  } finally {
    other.kill('SIGKILL');
  }
});

it('refuses a data directory that another process uses, and leaves that one alone', async () => {
  const first = await start();
  const error: unknown = await startPostgres(home).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(/^The data directory .* is in use by another Muster/);
  expect(await query(first.url, 'SELECT 1')).toEqual([1]);
});

it('starts once when two processes start on a new data directory together', async () => {
  const results = await Promise.allSettled([start(), start()]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(UsageError);
});

it('makes the cluster anew when the first start was killed halfway', async () => {
  const unfinished = join(home, 'postgres.new');
  mkdirSync(unfinished);
  writeFileSync(join(unfinished, 'PG_VERSION'), '18\n');
  expect(await query((await start()).url, 'SELECT 1')).toEqual([1]);
  expect(existsSync(unfinished)).toBe(false);
});

it('waits for its port when a stranger holds it for a moment', async () => {
  const first = await start();
  await first.stop();
  const stranger = createServer((socket) => {
    // The first attempt to talk to the server reaches the stranger, who then leaves.
    socket.destroy();
    stranger.close();
  });
  await new Promise<void>((done) => stranger.listen(portOf(first), '127.0.0.1', done));
  expect((await start(home, portOf(first))).url).toBe(first.url);
});

it.each([
  ['a file', (path: string) => writeFileSync(path, ''), /cannot be used: .*(ENOTDIR|EEXIST)/],
  [
    'a link to a file',
    (path: string) => {
      writeFileSync(join(dirname(path), 'file'), '');
      symlinkSync('file', path);
    },
    /cannot be used: .*(ENOTDIR|EEXIST)/,
  ],
  [
    'a cluster of another version',
    (path: string) => {
      mkdirSync(join(path, 'postgres'), { recursive: true });
      writeFileSync(join(path, 'postgres', 'PG_VERSION'), '17\n');
    },
    /cannot be used: its files are of Postgres 17, and this is Postgres 18/,
  ],
  [
    'a link to a cluster that is gone',
    (path: string) => {
      mkdirSync(path);
      symlinkSync(join(path, 'gone'), join(path, 'postgres'));
    },
    /cannot be used: ENOENT/,
  ],
])('says in one line that %s cannot be the data directory', async (_what, prepare, message) => {
  const path = join(home, 'data');
  prepare(path);
  const error: unknown = await startPostgres(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
});

it.runIf(isRoot)('lends the server to a user without rights', async () => {
  const { pid, url } = await start();
  const uid = Number(execFileSync('ps', ['-o', 'uid=', '-p', String(pid)]).toString());
  expect(uid).not.toBe(0);
  expect(statSync(join(home, 'postgres')).uid).toBe(uid);
  expect(await query(url, 'SELECT 1')).toEqual([1]);
});

it.each([
  ['that the server can enter', 0o755],
  ['that only its owner can enter', 0o700],
])(
  'keeps all files in the data directory, one %s, so that they are moved and deleted with it',
  async (_title, mode) => {
    chmodSync(home, mode);
    const [dataDir, moved] = [join(home, 'data'), join(home, 'moved')];
    const first = await start(dataDir);
    await query(first.url, REMEMBER);
    await first.stop();
    renameSync(dataDir, moved);
    expect(await query((await start(moved)).url, RECALL)).toEqual([42]);
    expect(lstatSync(join(moved, 'postgres')).isDirectory()).toBe(true);
    expect(statSync(home).mode & 0o777).toBe(mode);
  },
);

it('follows a link to the files', async () => {
  const [dataDir, elsewhere] = [join(home, 'data'), join(home, 'elsewhere')];
  const first = await start(dataDir);
  await query(first.url, REMEMBER);
  await first.stop();
  renameSync(join(dataDir, 'postgres'), elsewhere);
  symlinkSync(elsewhere, join(dataDir, 'postgres'));
  expect(await query((await start(dataDir)).url, RECALL)).toEqual([42]);
});

it('writes nothing of what clients send to its log: no statement, no parameter, no value of a key that is taken', async () => {
  const { url } = await start();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('CREATE TABLE people (email text PRIMARY KEY CHECK (email <> $$nobody$$))');
    await client.query('INSERT INTO people VALUES ($1)', ['ada@example.org']);
    for (const [sql, values] of [
      ['INSERT INTO people VALUES ($1)', ['ada@example.org']],
      ['INSERT INTO people VALUES ($1)', ['nobody']],
      ["SELECT 'ada@example.org' FROM nowhere", []],
      ["SELECT * FROM people WHERE email = 'ada@example.org' AND", []],
    ] as const)
      await expect(client.query(sql, [...values])).rejects.toThrow();
  } finally {
    await client.end();
  }
  const log = readFileSync(join(home, 'postgres.log'), 'utf8');
  expect(log).toContain('duplicate key value');
  expect(log).not.toMatch(/ada@example|STATEMENT|DETAIL|INSERT|nobody/);
});

/** Keeps a server running as `npm start` does, and hands `work` the first one and a promise of the next. */
const keeping = async (
  work: (first: PostgresProcess, next: Promise<PostgresProcess>) => Promise<void>,
): Promise<void> => {
  const supervisor = createSupervisor(
    (error) => expect.unreachable(error.message),
    () => undefined,
  );
  const next = Promise.withResolvers<PostgresProcess>();
  let starts = 0;
  try {
    const first = await supervisor.keep({
      ...keptPostgres(home),
      started: (server) => {
        if (++starts === 2) next.resolve(server);
      },
    });
    await work(first, next.promise);
  } finally {
    await supervisor.stop();
  }
};

it('ends as a whole when one of its processes crashes, and is started again: whoever had it has it again', async () => {
  await keeping(async (first, next) => {
    const client = new pg.Client({ connectionString: first.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(REMEMBER);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    process.kill(rows[0]!.pid, 'SIGKILL');
    await first.exited;
    const second = await next;
    expect(second.url).toBe(first.url);
    expect(await query(second.url, RECALL)).toEqual([42]);
    await expect(startPostgres(home)).rejects.toThrow(/is in use by another Muster/);
  });
});

it('loses nothing that was committed when its log cannot be written any more, and comes back when it can', async () => {
  await keeping(async (first, next) => {
    const [offset] = await query(first.url, 'SELECT file_offset FROM pg_walfile_name_offset(pg_current_wal_lsn())');
    // As on a full disk: a process that the server makes from now on can write 256 KiB more to its log.
    const limit = Number(offset) + 262_144;
    const { uid, gid } = statSync(join(home, 'postgres'));
    execFileSync('prlimit', ['--pid', String(first.pid), `--fsize=${limit}`], isRoot ? { uid, gid } : {});
    const client = new pg.Client({ connectionString: first.url });
    client.on('error', () => undefined);
    await client.connect();
    let committed = 0;
    await expect(
      (async () => {
        await client.query('CREATE TABLE written (number int PRIMARY KEY, text text)');
        for (; committed < 10_000; committed++)
          await client.query("INSERT INTO written VALUES ($1, repeat('x', 1000))", [committed]);
      })(),
    ).rejects.toThrow();
    await first.exited;
    const { url } = await next;
    expect(committed).toBeGreaterThan(0);
    // The last one may have been committed, although nobody was told.
    expect([[committed], [committed + 1]]).toContainEqual(await query(url, 'SELECT count(*)::int FROM written'));
    expect(await query(url, REMEMBER).then(() => query(url, RECALL))).toEqual([42]);
  });
});
