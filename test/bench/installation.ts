import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { answers, freePort, lives } from '#host';
import { SERVICES } from '../../apps/muster/src/owners.js';
import type { Target } from './cycle.js';
import { processorMs } from './processor-time.js';

export const LOGS = ['embedded', 'kafka'] as const;
export type LogKind = (typeof LOGS)[number];
/** The owners and faces, embedded as one process, over Kafka as one each. */
export const SERVING: readonly string[] = ['server', ...SERVICES.map(({ name }) => name)];
/** One of them, or `broker`, or `postgres`. */
export type ProcessName = string;

/** A running installation says this about itself in DATA_DIR/runtime.json. */
interface Runtime {
  readonly url: string;
  readonly adminUrl: string;
  /** The key of the command line. */
  readonly apiKey: string;
  readonly databaseUrl: string;
  readonly pids?: { readonly [name in ProcessName]?: number };
}

const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** The folder of package.json, whether this runs as source or compiled. */
export const projectRoot = (): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
};

const programOf = (log: LogKind, root = projectRoot()): string =>
  join(root, log === 'embedded' ? 'dist/apps/muster/src/main.js' : 'dist/deploy/stack.js');

/** Tells whether the compiled program of this log is there. */
export const isBuilt = (log: LogKind): boolean => existsSync(programOf(log));

const WITHOUT_AUDIT = join(projectRoot(), 'dist/test/bench/without-audit.js');

const LAST_WORDS_LENGTH = 2_000;
/** The end of its output: the folder may be gone by the time that somebody looks. */
const lastWords = (logFile: string): string =>
  `its output, ${logFile}, ends with:\n${readFileSync(logFile, 'utf8').slice(-LAST_WORDS_LENGTH)}`;

/** Polls until `holds`; throws after `timeoutMs`, naming what was waited for. */
export const until = async (
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs: number,
): Promise<void> => {
  const endsMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > endsMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(POLL_MS);
  }
};

/** The environment of a process that shall know of no other installation than its own. */
export const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(DATABASE_|KAFKA_|MASTER_KEY|MUSTER_|PUBLIC_URL)/.test(name)),
  );

/**
 * A Muster that was started the way a user starts it: `npm start` (embedded) or `npm run stack` (Kafka), in a data
 * directory of its own, with all defaults but the ports. Its output goes to `<dataDir>.log`.
 */
export class Installation {
  private constructor(
    readonly log: LogKind,
    readonly dataDir: string,
    readonly target: Target,
    private readonly supervisor: ChildProcess,
  ) {
    process.once('exit', this.abandon);
  }

  /** Nothing is left running, however this process ends (but for SIGKILL). */
  private readonly abandon = (): void => {
    this.signal('SIGCONT');
    this.supervisor.kill('SIGTERM');
  };

  /**
   * Starts it and waits until it can serve. Throws when it ends instead, or is not ready within 120 s. `root` = another
   * checkout that it is started of.
   */
  static async start(
    log: LogKind,
    dataDir: string,
    { root, withoutAudit }: { readonly root?: string; readonly withoutAudit?: boolean } = {},
  ): Promise<Installation> {
    if (!isBuilt(log)) throw new Error(`${programOf(log)} is not there; compile first (npm run build)`);
    mkdirSync(dataDir, { recursive: true });
    const port = await freePort();
    const output = openSync(`${dataDir}.log`, 'a');
    const ports = { PORT: String(port), ADMIN_PORT: String(await freePort()) };
    // In one process the sign-in shares the port of the gateway.
    const env = {
      ...cleanEnvironment(),
      DATA_DIR: dataDir,
      ...ports,
      ...(log === 'kafka' ? { SIGN_IN_PORT: '0' } : {}),
      ...(withoutAudit ? { NODE_OPTIONS: `--import=${pathToFileURL(WITHOUT_AUDIT).href}` } : {}),
    };
    const supervisor = spawn(process.execPath, [programOf(log, root)], { env, stdio: ['ignore', output, output] });
    closeSync(output);
    try {
      await until(
        `${log} is ready`,
        async () => {
          if (!lives(supervisor)) throw new Error(`it ended; ${lastWords(`${dataDir}.log`)}`);
          return (await isReady(port)) && existsSync(join(dataDir, 'runtime.json'));
        },
        READY_TIMEOUT_MS,
      );
      let directory: Directory | undefined;
      // The first directory is made by admin, which may be a moment behind the gateway.
      await until(
        `${log} has a directory`,
        async () => (directory = await showDirectory(dataDir)) !== undefined,
        READY_TIMEOUT_MS,
      );
      const { scimBaseUrl, token } = directory!;
      const usersPath = `${new URL(scimBaseUrl).pathname}/Users`;
      return new Installation(log, dataDir, { host: '127.0.0.1', port, usersPath, token }, supervisor);
    } catch (error) {
      supervisor.kill('SIGTERM');
      throw error;
    }
  }

  /** The owner's URL of its database. */
  get databaseUrl(): string {
    return this.runtime().databaseUrl;
  }

  /** The admin API, with the key of the command line. */
  get adminApi(): { readonly url: string; readonly key: string } {
    const { adminUrl, apiKey } = this.runtime();
    return { url: adminUrl, key: apiKey };
  }

  /** Throws when it has ended, which it never does by itself. */
  async isReady(): Promise<boolean> {
    if (!lives(this.supervisor)) throw new Error(`the installation has ended; ${lastWords(`${this.dataDir}.log`)}`);
    return isReady(this.target.port);
  }

  /** The process that bears this name now; undefined while there is none. */
  pidOf(name: ProcessName): number | undefined {
    try {
      return this.runtime().pids?.[name];
    } catch {
      return undefined;
    }
  }

  /** Processor time of each of its processes until now, in ms; empty where the system does not tell it. */
  processorMs(): Readonly<Record<string, number>> {
    const all = [...SERVING, 'broker', 'postgres'].map((name) => {
      const pid = this.pidOf(name);
      return [name, pid === undefined ? undefined : processorMs(pid)] as const;
    });
    return Object.fromEntries(all.filter((one): one is [string, number] => one[1] !== undefined));
  }

  /**
   * Stops every process but Postgres with SIGSTOP, so that it costs nothing while another one is measured; Postgres,
   * which the floor shares, then has no work from it: freezing waits for open transactions to end, those of background
   * work too.
   */
  async freeze(): Promise<void> {
    const database = new pg.Client({ connectionString: this.databaseUrl });
    await database.connect();
    try {
      await until(
        `${this.log} has no open transaction`,
        async () => {
          if (await hasWork(database)) return false;
          this.signal('SIGSTOP');
          // It may have begun one in between: let it finish, and try again.
          if (!(await hasWork(database))) return true;
          this.signal('SIGCONT');
          return false;
        },
        IDLE_TIMEOUT_MS,
      );
    } finally {
      await database.end();
    }
  }

  /** Undoes `freeze` and waits until it can serve again. */
  async thaw(): Promise<void> {
    this.signal('SIGCONT');
    await until(`${this.log} is ready again`, () => this.isReady(), READY_TIMEOUT_MS);
  }

  /** Stops one of its processes, which then neither works nor answers, until `thaw`. */
  pause(name: ProcessName): void {
    for (const pid of this.pids([name])) send(pid, 'SIGSTOP');
  }

  /** Waits until no transaction is open: background work, autovacuum included, has ended. */
  async idle(): Promise<void> {
    const database = new pg.Client({ connectionString: this.databaseUrl });
    await database.connect();
    try {
      await until(`${this.log} is idle`, async () => !(await hasWork(database)), IDLE_TIMEOUT_MS);
    } finally {
      await database.end();
    }
  }

  /** SIGTERM to the supervisor, which stops the rest; SIGKILL to what is left after 30 s. */
  async stop(): Promise<void> {
    if (!lives(this.supervisor)) return;
    const exited = new Promise<void>((resolve) => this.supervisor.once('exit', () => resolve()));
    const pids = this.pids([...SERVING, 'broker', 'postgres']);
    this.signal('SIGCONT');
    this.supervisor.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.supervisor.kill('SIGKILL');
      for (const pid of pids) send(pid, 'SIGKILL');
    }, STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    process.off('exit', this.abandon);
  }

  private runtime(): Runtime {
    return JSON.parse(readFileSync(join(this.dataDir, 'runtime.json'), 'utf8')) as Runtime;
  }

  private pids(names: readonly ProcessName[]): number[] {
    return names.map((name) => this.pidOf(name)).filter((pid) => pid !== undefined);
  }

  private signal(signal: NodeJS.Signals): void {
    for (const pid of this.pids([...SERVING, 'broker'])) send(pid, signal);
  }
}

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
};

const isReady = (port: number): Promise<boolean> => answers(`http://127.0.0.1:${port}/health/ready`);

/** Tells whether some session or autovacuum worker is in a transaction. */
const hasWork = async (database: pg.Client): Promise<boolean> => {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`,
  );
  return rows[0]!.count > 0;
};

interface Directory {
  readonly scimBaseUrl: string;
  readonly token: string;
}

/** The words of the CLI about the first directory; undefined while there is none. */
const showDirectory = async (dataDir: string): Promise<Directory | undefined> => {
  const cli = join(projectRoot(), 'dist/apps/cli/src/main.js');
  const env = { ...cleanEnvironment(), DATA_DIR: dataDir };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, 'directory', 'show', '--json'], { env });
    return JSON.parse(stdout) as Directory;
  } catch {
    return undefined;
  }
};
