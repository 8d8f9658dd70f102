import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { partitionOf } from '#contracts';
import { lives, stopChild } from '#host';
import { HttpConnection, requestText } from '../bench/http-connection.js';
import { Installation, projectRoot, until, type LogKind, SERVING } from '../bench/installation.js';
import { summarise, type Summary } from '../bench/latencies.js';
import { runProgram } from '../fault/program.js';
import type { Prey } from './attacker.js';
import type { Order, Report } from './attacker-process.js';
import { ATTACKS, type Size } from './attacks.js';

export interface HostileOptions {
  readonly log: LogKind;
  /** The run makes this folder, and removes it if everything held. */
  readonly dataDir: string;
  readonly size: Size;
  /** The time that each attack lasts, and the time that the victim is watched without one before. */
  readonly attackMs: number;
  readonly quietMs: number;
  /** Names of attacks; the default is all. */
  readonly attacks?: readonly string[];
  readonly progress?: (state: string, done: number, total: number) => void;
}

/** The effect of one attack on the others. */
export interface AttackReport {
  readonly name: string;
  readonly title: string;
  /** The answers that the attacker got, by status; 0 = none. */
  readonly answers: Readonly<Record<string, number>>;
  readonly quiet: Summary;
  readonly during: Summary;
  /** Requests of the victim that were not answered as they should be. */
  readonly failures: readonly string[];
  /**
   * From the end of the attack until everything says that it is ready and a write of the victim was answered; null =
   * not in time.
   */
  readonly readyAfterMs: number | null;
}

export interface HostileReport {
  readonly log: LogKind;
  readonly attacks: readonly AttackReport[];
  /** The most that one process held, by its name. */
  readonly peakMemoryMib: Readonly<Record<string, number>>;
  readonly verify: { readonly exitCode: number; readonly output: string };
}

export const MAX_MEMORY_MIB = 1_024;
export const READY_TIMEOUT_MS = 5_000;
/** The victim's p99 under attack, as a multiple of that without one. */
export const MAX_P99_RATIO = 10;

const PREPARE_TIMEOUT_MS = 300_000;
const REQUEST_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 30_000;
const VICTIM_WORKERS = 2;
/** Together with its requests this is about 40 requests/s: more than Entra sends. */
const VICTIM_PAUSE_MS = 40;
const MAX_TENANTS = 200;

/**
 * Starts an installation with two tenants on one partition. While the attacker does its worst, the victim creates users
 * and looks them up. It throws when the run itself breaks; what did not hold is in the report.
 */
export const runHostile = async (options: HostileOptions): Promise<HostileReport> => {
  const { log, dataDir, size, progress = () => {} } = options;
  const chosen = ATTACKS.filter(({ name }) => options.attacks?.includes(name) ?? true);
  rmSync(dataDir, { recursive: true, force: true });
  progress('starting', 0, chosen.length);
  const muster = await Installation.start(log, dataDir);
  const attackers: ChildProcess[] = [];
  try {
    const [attacker, other] = await neighbours(muster);
    const victim = new Victim(other);
    const attacks: AttackReport[] = [];
    for (const { name, title } of chosen) {
      progress(`${name}: preparing`, attacks.length, chosen.length);
      const child = fork(join(projectRoot(), 'dist/test/hostile/attacker-process.js'));
      attackers.push(child);
      await obeys(child, { order: 'prepare', attack: name, prey: attacker, size }, 'prepared');
      await until(`${log} is ready before ${name}`, () => muster.isReady(), STOP_TIMEOUT_MS);
      progress(`${name}: quiet`, attacks.length, chosen.length);
      const quiet = await victim.work(options.quietMs);
      progress(`${name}: attack`, attacks.length, chosen.length);
      child.send({ order: 'strike' } satisfies Order);
      const during = await victim.work(options.attackMs);
      const { answers } = await obeys(child, { order: 'stop' }, 'stopped');
      const readyAfterMs = await readyAgain(muster, victim);
      await stopChild(child, STOP_TIMEOUT_MS);
      attacks.push({
        name,
        title,
        answers,
        quiet: summarise(quiet.latenciesMs),
        during: summarise(during.latenciesMs),
        failures: [...quiet.failures, ...during.failures],
        readyAfterMs,
      });
    }
    progress('verifying', chosen.length, chosen.length);
    const peakMemoryMib = Object.fromEntries(
      SERVING.flatMap((name) => {
        const pid = muster.pidOf(name);
        return pid === undefined ? [] : [[name, peakMib(pid)]];
      }),
    );
    return { log, attacks, peakMemoryMib, verify: await runProgram('verify', [], dataDir) };
  } finally {
    for (const child of attackers) if (lives(child)) child.kill('SIGKILL');
    await muster.stop();
  }
};

const readyAgain = async (muster: Installation, victim: Victim): Promise<number | null> => {
  const sinceMs = performance.now();
  try {
    await until('ready again', async () => (await muster.isReady()) && (await victim.isServed()), READY_TIMEOUT_MS);
    return Math.round(performance.now() - sinceMs);
  } catch {
    // It must be ready before the next attack, or the run is over.
    await until('ready again', async () => (await muster.isReady()) && (await victim.isServed()), PREPARE_TIMEOUT_MS);
    return null;
  }
};

/** The most memory that a process ever held. */
const peakMib = (pid: number): number =>
  Math.round(Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1_024);

const obeys = async <R extends Report['report']>(
  child: ChildProcess,
  order: Order,
  wanted: R,
): Promise<Extract<Report, { report: R }>> => {
  child.send(order);
  const [said] = (await Promise.race([
    once(child, 'message', { signal: AbortSignal.timeout(PREPARE_TIMEOUT_MS) }),
    once(child, 'exit').then(([code]) => [{ report: 'failed', reason: `it ended with ${code}` }]),
  ])) as [Report];
  if (said.report !== wanted)
    throw new Error(`the attacker was to have ${wanted}: ${'reason' in said ? said.reason : said.report}`);
  return said as Extract<Report, { report: R }>;
};

/** Two directories of two tenants whose commands share a partition. */
const neighbours = async (muster: Installation): Promise<[Prey, Prey]> => {
  const { host, port, usersPath } = muster.target;
  const { adminUrl, apiKey } = JSON.parse(readFileSync(join(muster.dataDir, 'runtime.json'), 'utf8')) as {
    adminUrl: string;
    apiKey: string;
  };
  const make = async (path: string, body: object): Promise<{ id: string; token: string }> => {
    const response = await fetch(`${adminUrl}/api/admin/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path} was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as { id: string; token: string };
  };
  const seen = new Map<number, string>();
  for (let count = 0; count < MAX_TENANTS; count++) {
    const { id } = await make('tenants', { name: `Neighbour ${count}` });
    const before = seen.get(partitionOf(id));
    if (before === undefined) {
      seen.set(partitionOf(id), id);
      continue;
    }
    const preys: Prey[] = [];
    for (const tenant of [before, id]) {
      const { token } = await make('directories', { name: `Directory ${preys.length}`, kind: 'scim', tenant });
      preys.push({ host, port, basePath: usersPath.replace(/\/Users$/, ''), token });
    }
    return preys as [Prey, Prey];
  }
  throw new Error(`no two of ${MAX_TENANTS} tenants share a partition`);
};

/** A tenant that does what Entra does, and expects every answer. */
class Victim {
  private count = 0;

  constructor(private readonly prey: Prey) {}

  async work(
    durationMs: number,
  ): Promise<{ readonly latenciesMs: readonly number[]; readonly failures: readonly string[] }> {
    const latenciesMs: number[] = [];
    const failures: string[] = [];
    const endsMs = performance.now() + durationMs;
    await Promise.all(
      Array.from({ length: VICTIM_WORKERS }, async () => {
        const connection = this.connect();
        while (performance.now() < endsMs) {
          const name = this.newName();
          const filter = encodeURIComponent(`userName eq "${name}"`);
          for (const [method, path, body, status, holds] of [
            ['GET', `/Users?filter=${filter}`, undefined, 200, '"totalResults":0'],
            [
              'POST',
              '/Users',
              JSON.stringify({ userName: name, active: true, name: { familyName: 'Victim' } }),
              201,
              name,
            ],
            ['GET', `/Users?filter=${filter}`, undefined, 200, name],
          ] as const) {
            const sinceMs = performance.now();
            const said = await this.ask(connection, method, path, body);
            latenciesMs.push(performance.now() - sinceMs);
            if (said.status !== status || !said.body.includes(holds))
              failures.push(`${method} ${path.slice(0, 12)} was answered ${said.status}: ${said.body.slice(0, 200)}`);
          }
          await delay(VICTIM_PAUSE_MS);
        }
        connection.close();
      }),
    );
    return { latenciesMs, failures };
  }

  /** Tells whether a write is answered. */
  async isServed(): Promise<boolean> {
    const connection = this.connect();
    const { status } = await this.ask(connection, 'POST', '/Users', JSON.stringify({ userName: this.newName() }));
    connection.close();
    return status === 201;
  }

  private newName(): string {
    return `victim-${process.pid}-${this.count++}@victim.example`;
  }

  private connect(): HttpConnection {
    return new HttpConnection(this.prey.host, this.prey.port, REQUEST_TIMEOUT_MS);
  }

  private async ask(
    connection: HttpConnection,
    method: string,
    path: string,
    body?: string,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { host, port, basePath, token } = this.prey;
    try {
      return await connection.send(requestText(method, basePath + path, { authority: `${host}:${port}`, token }, body));
    } catch (error) {
      return { status: 0, body: (error as Error).message };
    }
  }
}

/**
 * The rules that were broken and have to hold wherever it runs; how long the victim waited depends on the machine and
 * is for the long run.
 */
export const findingsOf = ({ attacks, peakMemoryMib, verify }: HostileReport): string[] => [
  ...attacks.flatMap(({ name, failures, readyAfterMs, during }) => [
    ...failures.slice(0, 5).map((failure) => `${name}: ${failure}`),
    ...(failures.length > 5 ? [`${name}: ${failures.length} requests of the victim failed`] : []),
    ...(during.count === 0 ? [`${name}: the victim sent nothing`] : []),
    ...(readyAfterMs === null ? [`${name}: not ready ${READY_TIMEOUT_MS} ms after it`] : []),
  ]),
  ...Object.entries(peakMemoryMib).flatMap(([name, mib]) => (mib < MAX_MEMORY_MIB ? [] : [`${name} held ${mib} MiB`])),
  ...(verify.exitCode === 0 ? [] : [`verify: ${verify.output}`]),
];

export const slowOnes = ({ attacks }: HostileReport): AttackReport[] =>
  attacks.filter(({ quiet, during }) => during.p99Ms > MAX_P99_RATIO * quiet.p99Ms);

/** The report for people. */
export const renderReport = (report: HostileReport): string => {
  const { log, attacks, peakMemoryMib, verify } = report;
  const ms = (value: number): string => value.toFixed(1).padStart(8);
  return [
    `${log}: what another tenant of the same partition notices`,
    `  ${'attack'.padEnd(16)}requests  failed   p50 ms   p99 ms  quiet p99  ratio  ready ms  the attacker was answered`,
    ...attacks.map(
      ({ name, quiet, during, failures, readyAfterMs, answers }) =>
        `  ${name.padEnd(16)}${String(during.count).padStart(8)}${String(failures.length).padStart(8)} ${ms(during.p50Ms)} ${ms(during.p99Ms)}   ${ms(quiet.p99Ms)} ` +
        `${(during.p99Ms / quiet.p99Ms).toFixed(1).padStart(6)}  ${String(readyAfterMs ?? '> 5000').padStart(8)}  ${Object.entries(
          answers,
        )
          .map(([status, count]) => `${status}: ${count}`)
          .join(', ')}`,
    ),
    `  most memory: ${Object.entries(peakMemoryMib)
      .map(([name, mib]) => `${name} ${mib} MiB`)
      .join(', ')}`,
    `  verify: ${verify.exitCode === 0 ? 'clean' : verify.output}`,
    ...findingsOf(report).map((finding) => `  ! ${finding}`),
  ].join('\n');
};
