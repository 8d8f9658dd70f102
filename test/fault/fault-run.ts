import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { schemaOf } from '#contracts';
import { isAlive } from '#host';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { SERVICES } from '../../apps/muster/src/owners.js';
import { Installation, SERVING, until, type LogKind, type ProcessName } from '../bench/installation.js';
import { query } from '../support/postgres.js';
import { Clients, type Counts } from './clients.js';
import { runProgram } from './program.js';
import { Rebuilds } from './rebuilds.js';

export interface FaultOptions {
  readonly log: LogKind;
  /** The folder with the compiled program; this one where nothing is given. */
  readonly root?: string;
  /** Made by the run, and removed if nothing was violated. */
  readonly dataDir: string;
  readonly kills: number;
  /** These are killed; all where nothing is given. */
  readonly victims?: readonly ProcessName[];
  /** The clients go on after the last kill until so many writes were acknowledged. */
  readonly acknowledgedAtLeast: number;
  /** Runs before it is stopped, when nobody writes any more. */
  readonly atEnd?: (muster: Installation) => Promise<void>;
  readonly progress?: (state: string, done: number, total: number) => void;
}

export interface Kill {
  readonly process: ProcessName;
  readonly writesInFlight: number;
  /** Until the process was there again, the service ready, and writes acknowledged. */
  readonly recoveredAfterMs: number;
}

export interface FaultReport {
  readonly log: LogKind;
  readonly kills: readonly Kill[];
  readonly counts: Readonly<Counts>;
  readonly users: number;
  readonly contests: number;
  /** At the end. */
  readonly memberships: number;
  /** Rebuilds that came to their end meanwhile, and the rows that they mended. */
  readonly rebuilds: { readonly done: number; readonly mended: number };
  readonly violations: readonly string[];
  readonly verify: { readonly exitCode: number; readonly output: string };
}

/** These are killed with SIGKILL, in turn. */
export const VICTIMS: { readonly [log in LogKind]: readonly ProcessName[] } = {
  embedded: ['server', 'postgres'],
  kafka: [...SERVICES.map(({ name }) => name), 'broker', 'postgres'],
};

const RECOVERY_TIMEOUT_MS = 120_000;
const ACKNOWLEDGED_BETWEEN_KILLS = 50;
/** The kill comes at a random moment after that. */
const MOMENT_MS = 400;
const ACKNOWLEDGED_AFTER_RECOVERY = 20;
/** Writes of groups alone, before each kill and after. */
const GROUP_WRITES_BETWEEN_KILLS = 5;

/**
 * Starts an installation, lets clients write, kills one process after another with SIGKILL while writes are in flight,
 * lets each come back by itself, and compares in the end what is there with what the clients were told; then `verify`
 * looks at the database. Violations are in the report; it throws when the run itself breaks, or when a killed process
 * does not come back in 120 s.
 */
export const runFaults = async (options: FaultOptions): Promise<FaultReport> => {
  const { log, dataDir, victims = VICTIMS[log], progress = () => {} } = options;
  rmSync(dataDir, { recursive: true, force: true });
  progress('starting', 0, options.kills);
  const muster = await Installation.start(log, dataDir, { root: options.root });
  const clients = new Clients(muster.target, `${log}-${Date.now().toString(36)}`);
  const rebuilds = new Rebuilds(muster, clients.violations, dataDir, options.root);
  try {
    await clients.start();
    const kills: Kill[] = [];
    for (let turn = 0; turn < options.kills; turn++) {
      const victim = victims[turn % victims.length]!;
      progress(`killing ${victim}`, turn, options.kills);
      kills.push(await kill(muster, clients, rebuilds, victim));
    }
    progress('writing', options.kills, options.kills);
    await until(
      'enough writes are acknowledged',
      () => clients.counts.acknowledged >= options.acknowledgedAtLeast,
      600_000,
    );
    await clients.stop();
    await clients.judge((done, total) => progress('comparing', done, total));
    await options.atEnd?.(muster);
    await rebuilds.harmAndRebuild(false);
    await until('each event is an entry of the audit log', () => isAudited(muster), RECOVERY_TIMEOUT_MS);
    const verify = await runProgram('verify', [], dataDir, options.root);
    return {
      log,
      kills,
      counts: clients.counts,
      users: clients.userCount,
      contests: clients.contestCount,
      memberships: clients.memberships.memberships,
      rebuilds: { done: rebuilds.done, mended: rebuilds.mended },
      violations: clients.violations,
      verify,
    };
  } catch (error) {
    const state = {
      ...clients.counts,
      writesInFlight: writesInFlight(clients),
      ready: await muster.isReady().catch(() => false),
    };
    const violations = clients.violations.slice(0, 5).join('\n');
    throw new Error(`${error instanceof Error ? error.message : error}; ${JSON.stringify(state)}\n${violations}`, {
      cause: error,
    });
  } finally {
    await clients.stop().catch(() => {});
    clients.close();
    await muster.stop();
  }
};

/** Nobody writes any more. What the entries say, verify compares. */
const isAudited = async ({ databaseUrl }: Installation): Promise<boolean> => {
  const events = audit.consumes!.map(({ source }) => `(SELECT count(*) FROM ${schemaOf(source)}.events)`);
  const [row] = await query<{ waiting: string }>(
    databaseUrl,
    `SELECT ${events.join(' + ')} - (SELECT count(*) FROM audit.entries) AS waiting`,
  );
  return row!.waiting === '0';
};

/** Those that `victim` has a part in. */
const writesInFlight = (
  { writesInFlight: ofUsers, memberships: { writesInFlight: ofGroups } }: Clients,
  victim?: ProcessName,
): number => (victim === 'identity' ? ofUsers : victim === 'group' ? ofGroups : ofUsers + ofGroups);

/** So many more writes are acknowledged, some of groups among them. */
const more = async (what: string, muster: Installation, clients: Clients, writes: number): Promise<void> => {
  const { acknowledged, groupWrites } = clients.counts;
  const holds = async (): Promise<boolean> =>
    (await muster.isReady()) &&
    clients.counts.acknowledged >= acknowledged + writes &&
    clients.counts.groupWrites >= groupWrites + GROUP_WRITES_BETWEEN_KILLS;
  await until(what, holds, RECOVERY_TIMEOUT_MS);
};

const kill = async (muster: Installation, clients: Clients, rebuilds: Rebuilds, victim: ProcessName): Promise<Kill> => {
  await more(`writes are acknowledged before ${victim} is killed`, muster, clients, ACKNOWLEDGED_BETWEEN_KILLS);
  const rebuilding = rebuilds.harmAndRebuild(victim === 'postgres');
  // It is awaited when the process is back.
  rebuilding.catch(() => undefined);
  await delay(Math.random() * MOMENT_MS);
  const pid = muster.pidOf(victim);
  if (pid === undefined) throw new Error(`no process ${victim} is known`);
  // Those have to outlive their database, so that they serve again as soon as it is back.
  const survivors = victim === 'postgres' ? SERVING.map((name) => ({ name, pid: muster.pidOf(name) })) : [];
  await until(
    `writes are in flight, so that ${victim} can be killed`,
    () => writesInFlight(clients, victim) > 0,
    RECOVERY_TIMEOUT_MS,
  );
  const inFlight = writesInFlight(clients, victim);
  process.kill(pid, 'SIGKILL');
  const killedMs = performance.now();
  const isBack = async (): Promise<boolean> => {
    const next = muster.pidOf(victim);
    return next !== undefined && next !== pid && isAlive(next) && (await muster.isReady());
  };
  await until(`${victim} is back and ready`, isBack, RECOVERY_TIMEOUT_MS);
  await more(`writes are acknowledged after ${victim} was killed`, muster, clients, ACKNOWLEDGED_AFTER_RECOVERY);
  await rebuilding;
  for (const service of survivors) {
    const next = muster.pidOf(service.name);
    if (next !== service.pid)
      clients.violations.push(`${service.name} did not survive the end of ${victim}: ${service.pid} became ${next}`);
  }
  return { process: victim, writesInFlight: inFlight, recoveredAfterMs: Math.round(performance.now() - killedMs) };
};

/**
 * Tells whether the run shows what it has to: nothing violated, a clean database, and writes in flight at every kill.
 */
export const isClean = ({ kills, rebuilds, violations, verify }: FaultReport): boolean =>
  violations.length === 0 &&
  verify.exitCode === 0 &&
  rebuilds.mended > 0 &&
  kills.every(({ writesInFlight }) => writesInFlight > 0);

/** The report for people. */
export const renderReport = (report: FaultReport): string => {
  const { log, kills, counts, users, contests, memberships, rebuilds, violations, verify } = report;
  const names = [...new Set(kills.map((kill) => kill.process))];
  return [
    `${log}: ${kills.length} kills, ${counts.acknowledged} writes acknowledged (${counts.groupWrites} of groups), ${counts.refused} refused, ` +
      `${counts.lost} without answer, ${counts.reads} reads after a write, ${users} users, ${contests} names contested, ` +
      `${memberships} memberships at the end`,
    ...names.map((name) => {
      const own = kills.filter((kill) => kill.process === name);
      const slowestMs = Math.max(...own.map(({ recoveredAfterMs }) => recoveredAfterMs));
      const inFlight = own.map(({ writesInFlight }) => writesInFlight).join(', ');
      return `  ${name.padEnd(8)} killed ${own.length} times, back after ${slowestMs} ms at most; writes in flight at each kill: ${inFlight}`;
    }),
    `  ${rebuilds.done} rebuilds came to their end meanwhile and mended ${rebuilds.mended} rows`,
    `  violations: ${violations.length}`,
    ...violations.slice(0, 20).map((violation) => `    ${violation}`),
    `  verify: ${verify.exitCode === 0 ? 'clean' : `exit code ${verify.exitCode}`}\n${verify.output.trim().replace(/^/gm, '    ')}`,
  ].join('\n');
};
