import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { UsageError } from '#runtime';
import { boundLog } from './bounded-log.js';
import { isAlive, lastLine, lives, whenEnded } from './child-process.js';
import { freePort } from './free-port.js';
import { fullDisk } from './full-disk.js';
import { ENVIRONMENT, prepareCluster, type Cluster } from './postgres.cluster.js';
import type { Kept } from './supervise.js';

export interface PostgresProcess {
  /** The owner's URL: postgres://muster:password@127.0.0.1:port/muster */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<unknown>;
  /**
   * A fast shutdown: open transactions are undone, everything committed is kept. Resolves when the server has ended.
   */
  stop(): Promise<void>;
}

/** The embedded Postgres, to be kept running on the port that it had first. */
export const keptPostgres = (dataDir: string): Kept<PostgresProcess> => {
  let port: number | undefined;
  return {
    name: 'Postgres',
    start: async () => {
      const server = await startPostgres(dataDir, port);
      port = Number(new URL(server.url).port);
      return server;
    },
    whyEnded: () => fullDisk(dataDir),
  };
};

/**
 * The settings of the embedded server. fsync and synchronous_commit stay on: an outcome is on disk before it is told.
 * Files of its log that are not yet used again begin empty (wal_init_zero): to fill each of 16 MB, the next commit
 * waited up to 0.3 s, every 2 s under load. After a crash of one of its processes the server ends as a whole
 * (restart_after_crash), and whoever keeps it starts it again. When it recovers by itself and that fails at once, as on
 * a full disk, it may miss the end of the process that recovers: it then lets nobody in for ever, also when there is
 * room again.
 */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Each service has up to 14, and one that restarts, or runs twice, has as many again for a moment.
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  wal_init_zero: 'off',
  restart_after_crash: 'off',
  checkpoint_timeout: '15min',
  jit: 'off',
  log_min_messages: 'warning',
  // The log holds nothing that clients send: no statements, no parameters, and no details, which hold the values of a
  // key that is taken.
  log_min_error_statement: 'panic',
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_parameter_max_length_on_error: '0',
  log_error_verbosity: 'terse',
};

/** The children of a killed server may hold its memory for a moment, and its port. */
const START_TIMEOUT_MS = 30_000;
/** After a crash the server first redoes what its log holds, up to max_wal_size. */
const RECOVERY_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 30_000;
const OWNER_TIMEOUT_MS = 2_000;
const POLL_MS = 50;
/** Any number that nothing else in the database `postgres` locks. */
const OWNER_LOCK = 7_216_000;

/**
 * Starts the embedded Postgres in `dataDir`, or adopts the one that outlived the process that started it. `wantedPort`
 * is that of a server that ended, so that its clients find it again; otherwise a free one. Throws UsageError, one line,
 * when the folder cannot be used, belongs to another process that runs, or the server does not start.
 */
export const startPostgres = async (dataDir: string, wantedPort?: number): Promise<PostgresProcess> => {
  const cluster = await prepareCluster(dataDir);
  for (const since = performance.now(); ; await pause(POLL_MS)) {
    const server = (await findRunning(cluster)) ?? (await launch(cluster, wantedPort ?? (await freePort())));
    if (server) return own(server, cluster, dataDir);
    const full = fullDisk(dataDir);
    if (full !== null) throw new UsageError(full);
    if (performance.now() - since > START_TIMEOUT_MS) {
      throw new UsageError(`Postgres did not start; ${cluster.logFile} says: ${lastLine(cluster.logFile)}`);
    }
  }
};

/** A server that answers, and an open session of its owner in the database `postgres`. */
interface Server {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<unknown>;
  readonly session: pg.Client;
}

const urlOf = (port: number, password: string, database: string): string =>
  `postgres://muster:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;

/**
 * Tells whether the process exists and is the server of this folder: process numbers are used again, above all in
 * containers.
 */
const runsIn = (folder: string, pid: number): boolean => {
  if (!isAlive(pid)) return false;
  if (platform() !== 'linux') return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder;
  } catch (error) {
    // A dead process that nobody waited for has no folder any more.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
};

/** Null while the server cannot be talked to. */
const connect = async (port: number, password: string): Promise<pg.Client | null> => {
  const session = new pg.Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
  });
  // The session ends with the server, which tells by `exited`.
  session.on('error', () => undefined);
  return session.connect().then(
    () => session,
    () => null,
  );
};

/** Waits for the server as long as it lives: null when it ended first. */
const connectWhile = async (runs: () => boolean, port: number, password: string): Promise<pg.Client | null> => {
  for (const since = performance.now(); runs(); await pause(POLL_MS)) {
    const session = await connect(port, password);
    if (session) return session;
    if (performance.now() - since > RECOVERY_TIMEOUT_MS) return null;
  }
  return null;
};

/** A server that still runs in this folder: its pid file names its process (line 1) and port (line 4). */
const findRunning = async ({ folder, password }: Cluster): Promise<Server | null> => {
  const pidFile = join(folder, 'postmaster.pid');
  let lines: string[];
  try {
    lines = readFileSync(pidFile, 'utf8').split('\n');
  } catch {
    return null;
  }
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!pid) return null;
  if (!runsIn(folder, pid)) {
    // Postgres itself would take any process of that number for its predecessor. The predecessor's children are found
    // without it.
    rmSync(pidFile, { force: true });
    return null;
  }
  const session = port ? await connectWhile(() => runsIn(folder, pid), port, password) : null;
  return session && { pid, port, session, exited: ended(folder, pid) };
};

const ended = async (folder: string, pid: number): Promise<void> => {
  while (runsIn(folder, pid)) await pause(POLL_MS);
};

const launch = async (
  { folder, name, program, runner, password, logFile }: Cluster,
  port: number,
): Promise<Server | null> => {
  const log = openSync(logFile, 'a', 0o600);
  const settings = Object.entries({ ...POSTGRES_SETTINGS, port: String(port) }).flatMap(([setting, value]) => [
    '-c',
    `${setting}=${value}`,
  ]);
  // In a session of its own: Ctrl-C does not reach it, and it outlives a killed parent and is adopted by the next one.
  const child = spawn(program, ['-D', name, ...settings], {
    ...runner,
    env: ENVIRONMENT,
    cwd: folder,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const exited = whenEnded(child);
  child.unref();
  const session = await connectWhile(() => lives(child), port, password);
  return session && { pid: child.pid!, port, session, exited };
};

/**
 * Takes the server for this process: an advisory lock, held as long as the session, keeps others off and ends with the
 * process, however it ends.
 */
const own = async (
  { pid, port, exited, session }: Server,
  { password, logFile }: Cluster,
  dataDir: string,
): Promise<PostgresProcess> => {
  for (const since = performance.now(); ; await pause(POLL_MS)) {
    const { rows } = await session.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [OWNER_LOCK]);
    if (rows[0]?.mine) break;
    // The session of an owner that was killed ends a moment after it.
    if (performance.now() - since > OWNER_TIMEOUT_MS) {
      await session.end();
      throw new UsageError(
        `The data directory ${dataDir} is in use by another Muster that runs. Stop that one, or set DATA_DIR to another folder.`,
      );
    }
  }
  const { rowCount } = await session.query("SELECT FROM pg_database WHERE datname = 'muster'");
  if (rowCount === 0) await session.query('CREATE DATABASE muster');
  boundLog(logFile, exited);
  let hasEnded = false;
  void exited.then(() => (hasEnded = true));
  // The number of a process that has ended may belong to another one by now.
  return {
    url: urlOf(port, password, 'muster'),
    pid,
    exited,
    stop: async () => (hasEnded ? undefined : stop(pid, exited)),
  };
};

const stop = async (pid: number, exited: Promise<unknown>): Promise<void> => {
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      // The server has ended by itself.
    }
  };
  signal('SIGINT');
  // An immediate shutdown loses nothing either; the next start takes longer.
  const timer = setTimeout(() => signal('SIGQUIT'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
};
