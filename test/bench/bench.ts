import '#first';
/**
 * `npm run bench`: the cycle filter → create → patch → get on Muster, embedded and on Kafka, each against the floor in
 * the same run. All systems share this machine's cores with the load generator.
 *
 * Says what runs when: every system is started once and stays warm, but only one is awake at a time. The others'
 * processes are frozen (SIGSTOP) when no transaction of theirs is open, so that they use no CPU; their Postgres stays
 * up and idle. The floor uses the Postgres of the embedded installation, in a database of its own. Turns go floor,
 * embedded, floor, kafka, floor, …; a warm-up turn of each comes first and is not counted.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import pg from 'pg';
import { measureAuditCost, renderAuditCost, type AuditCostResult } from './audit-cost.js';
import { measureAuditLog, renderAuditLog, type AuditLogResult } from './audit-log.js';
import { measureAuthentication, renderAuthentication } from './authentication.js';
import { measureCheck, renderCheck } from './check-time.js';
import { LoadProcess, ServerProcess } from './child.js';
import { USERS_PATH, type Target } from './cycle.js';
import { measureGroups, renderGroups, type GroupsResult } from './groups.js';
import { Installation, isBuilt, LOGS, projectRoot, type LogKind } from './installation.js';
import type { LoadResult } from './load.js';
import { describeMachine, renderMachine } from './machine.js';
import { measureMapping, renderMapping } from './mapping-speed.js';
import { count, logs } from './options.js';
import { measureScale, renderScale, type ScaleResult } from './scale.js';
import { judge, renderProcessorTime, renderTable, summarise, type Level, type System, type Turn } from './summary.js';

const LEVEL_WARM_UP_SECONDS = 1;
const WARM_UP_SECONDS = 5;
const WARM_UP_IN_FLIGHT = 16;
const CEILING_SECONDS = 3;

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly inFlight: readonly number[];
  readonly logs?: readonly LogKind[];
  readonly quick?: boolean;
  readonly scale?: boolean;
  readonly users: number;
  readonly groups?: boolean;
  readonly parts?: boolean;
  readonly auditLog?: boolean;
  readonly entries: number;
  readonly auditCost?: boolean;
  readonly check?: boolean;
  readonly out: string;
}

/** A system that can be woken for its turn and put to sleep after it. */
interface Contestant {
  readonly system: System;
  readonly target: Target;
  wake(): Promise<void>;
  sleep(): Promise<void>;
  /** The processor time of its processes until now, in ms. */
  processorMs?(): Readonly<Record<string, number>>;
}

const counts = (text: string): number[] => text.split(',').map(count);

const folder = join(projectRoot(), '.data/bench');
const newBar = (): cliProgress.SingleBar =>
  new cliProgress.SingleBar({
    format: '{bar} {value}/{total} {what}',
    clearOnComplete: true,
    stream: process.stderr,
    hideCursor: true,
  });
let runs = 0;
const freshPrefix = (): string => `b${Date.now().toString(36)}${runs++}`;

/** All that is started below, newest last, so that an end in whatever way stops it all. */
const stops: (() => Promise<void>)[] = [];
const stopAll = async (): Promise<void> => {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
};

const startInstallation = async (log: LogKind, name: string = log, withoutAudit = false): Promise<Installation> => {
  const dataDir = join(folder, name);
  rmSync(dataDir, { recursive: true, force: true });
  process.stderr.write(`starting ${name} …\n`);
  const muster = await Installation.start(log, dataDir, { withoutAudit });
  stops.push(async () => {
    await muster.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return muster;
};

const startFloor = async (owner: Installation): Promise<Contestant> => {
  const url = new URL(owner.databaseUrl);
  const database = new pg.Client({ connectionString: url.href });
  await database.connect();
  await database.query('CREATE DATABASE floor');
  await database.end();
  url.pathname = '/floor';
  const floor = await ServerProcess.start('floor', { DATABASE_URL: url.href });
  stops.push(() => floor.stop());
  const target = { host: '127.0.0.1', port: floor.port, usersPath: USERS_PATH, token: 'none' };
  // It does nothing without requests, so there is nothing to freeze.
  return { system: 'floor', target, wake: async () => {}, sleep: async () => {} };
};

const postgresSettings = async (owner: Installation): Promise<Record<string, string>> => {
  const database = new pg.Client({ connectionString: owner.databaseUrl });
  await database.connect();
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size'];
  const { rows } = await database.query<{ name: string; value: string }>(
    'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)',
    [names],
  );
  await database.end();
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
};

const measureCeiling = async (
  load: LoadProcess,
  levels: readonly number[],
): Promise<{ inFlight: number; result: LoadResult }[]> => {
  const empty = await ServerProcess.start('empty');
  const target = { host: '127.0.0.1', port: empty.port, usersPath: USERS_PATH, token: 'none' };
  try {
    const ceiling: { inFlight: number; result: LoadResult }[] = [];
    for (const inFlight of levels) {
      const job = { kind: 'cycle', target, inFlight, prefix: freshPrefix(), constant: true } as const;
      ceiling.push({
        inFlight,
        result: await load.run({ ...job, seconds: CEILING_SECONDS, warmUpSeconds: LEVEL_WARM_UP_SECONDS }),
      });
    }
    return ceiling;
  } finally {
    await empty.stop();
  }
};

/** All turns, in their order. */
const compete = async (
  floor: Contestant,
  others: readonly Contestant[],
  load: LoadProcess,
  options: Options,
): Promise<Turn[]> => {
  const order = [
    floor,
    ...Array.from({ length: options.rounds }, () => others.flatMap((other) => [other, floor])).flat(),
  ];
  const bar = newBar();
  bar.start(order.length * options.inFlight.length, 0, { what: 'warm-up' });
  const cycle = (contestant: Contestant, inFlight: number, seconds: number): Promise<LoadResult> =>
    load.run({
      kind: 'cycle',
      target: contestant.target,
      prefix: freshPrefix(),
      warmUpSeconds: LEVEL_WARM_UP_SECONDS,
      inFlight,
      seconds,
    });
  const measured = async (contestant: Contestant, inFlight: number): Promise<Level> => {
    const before = contestant.processorMs?.();
    const result = await cycle(contestant, inFlight, options.seconds);
    const after = contestant.processorMs?.() ?? {};
    // The load is warmed up at the same rate.
    const cycles = (result.completed / result.seconds) * (options.seconds + LEVEL_WARM_UP_SECONDS);
    const spent = Object.entries(after).map(([name, ms]) => [name, (ms - (before?.[name] ?? 0)) / cycles] as const);
    return { inFlight, result, processorMs: Object.fromEntries(spent) };
  };
  for (const contestant of [floor, ...others]) {
    await contestant.wake();
    await cycle(contestant, WARM_UP_IN_FLIGHT, WARM_UP_SECONDS);
    await contestant.sleep();
  }
  const turns: Turn[] = [];
  for (const contestant of order) {
    const levels: Level[] = [];
    await contestant.wake();
    for (const inFlight of options.inFlight) {
      bar.update({ what: `${contestant.system} at ${inFlight} in flight` });
      levels.push(await measured(contestant, inFlight));
      bar.increment();
    }
    await contestant.sleep();
    turns.push({ system: contestant.system, levels });
  }
  bar.stop();
  return turns;
};

const chosenLogs = (options: Options): readonly LogKind[] => {
  if (options.logs) return options.logs;
  const built = LOGS.filter(isBuilt);
  for (const log of LOGS) if (!built.includes(log)) console.log(`${log} is not measured: its program is not there.`);
  return built;
};

const runCycle = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const load = new LoadProcess();
  stops.push(() => load.stop());
  const ceiling = await measureCeiling(load, options.inFlight);
  for (const { inFlight, result } of ceiling) {
    const perSecond = (result.completed / result.seconds).toFixed(0);
    console.log(
      `ceiling of the load generator at ${inFlight} in flight: ${perSecond} cycles/s, ` +
        `${((result.completed * 4) / result.seconds).toFixed(0)} requests/s, ${result.cpuPerRequestUs.toFixed(1)} µs of its CPU a request`,
    );
  }
  const others: Contestant[] = [];
  let owner: Installation | undefined;
  for (const log of chosenLogs(options)) {
    const muster = await startInstallation(log);
    owner ??= muster;
    await muster.freeze();
    others.push({
      system: log,
      target: muster.target,
      wake: () => muster.thaw(),
      sleep: () => muster.freeze(),
      processorMs: () => muster.processorMs(),
    });
  }
  if (!owner) throw new Error('nothing to measure');
  const settings = await postgresSettings(owner);
  console.log(
    `floor on the Postgres of ${owner.log}: ${Object.entries(settings)
      .map((pair) => pair.join(' '))
      .join(', ')}`,
  );
  const turns = await compete(await startFloor(owner), others, load, options);
  await stopAll();
  const rows = summarise(turns);
  const bars = judge(rows);
  console.log(
    `\n${renderTable(rows)}\n\nLatencies are p50/p99; each figure is the median of its turns (${options.seconds} s each); ratio = median over ` +
      `${options.rounds} rounds; generator = the load generator's share of one core.\n`,
  );
  for (const line of renderProcessorTime(rows)) console.log(line);
  console.log();
  for (const { text, figure, reached } of bars)
    console.log(`${reached === null ? '-' : reached ? 'reached' : 'MISSED '} ${text}: ${figure}`);
  save(options, { machine, settings, options, ceiling, rows, bars, turns });
  return bars.every(({ reached }) => reached === true);
};

const runScale = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const results: Record<string, ScaleResult> = {};
  for (const log of chosenLogs(options)) {
    const load = new LoadProcess();
    stops.push(() => load.stop());
    const result = await measureScale(await startInstallation(log), load, options.users, newBar());
    await stopAll();
    results[log] = result;
    console.log(`\n${renderScale(log, result)}`);
  }
  save(options, { machine, scale: results });
  return Object.values(results).every(({ reached }) => reached);
};

const runGroups = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const results: Record<string, GroupsResult> = {};
  for (const log of chosenLogs(options)) {
    const load = new LoadProcess();
    stops.push(() => load.stop());
    const result = await measureGroups(await startInstallation(log), load, newBar());
    await stopAll();
    results[log] = result;
    console.log(`\n${renderGroups(log, result)}`);
  }
  save(options, { machine, groups: results });
  // The bars are those of the embedded default.
  return results.embedded?.bars.every(({ reached }) => reached) ?? true;
};

const runAuditLog = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const results: Record<string, AuditLogResult> = {};
  for (const log of chosenLogs(options)) {
    const result = await measureAuditLog(await startInstallation(log), options.entries, newBar());
    await stopAll();
    results[log] = result;
    console.log(`\n${renderAuditLog(result)}`);
  }
  save(options, { machine, auditLog: results });
  return Object.values(results).every(({ bars }) => bars.every(({ reached }) => reached));
};

const runAuditCost = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const results: Record<string, AuditCostResult> = {};
  for (const log of chosenLogs(options)) {
    const load = new LoadProcess();
    stops.push(() => load.stop());
    const without = await startInstallation(log, `${log}-without-audit`, true);
    await without.freeze();
    const having = await startInstallation(log);
    await having.freeze();
    const restart = async (): Promise<Installation> => {
      const again = await Installation.start(log, without.dataDir);
      stops.push(() => again.stop());
      return again;
    };
    const result = await measureAuditCost([without, having], restart, load, options, newBar());
    await stopAll();
    results[log] = result;
    console.log(`\n${renderAuditCost(log, result)}`);
  }
  save(options, { machine, options, auditCost: results });
  return Object.values(results).every(({ bars }) => bars.every(({ reached }) => reached));
};

const runParts = async (options: Options): Promise<boolean> => {
  const machine = describeMachine(folder);
  console.log(renderMachine(machine));
  const mapping = measureMapping();
  console.log(renderMapping(mapping));
  const load = new LoadProcess();
  stops.push(() => load.stop());
  const muster = await startInstallation('embedded');
  const authentication = await measureAuthentication(muster, load);
  console.log(renderAuthentication(authentication));
  const check = await measureCheck(muster);
  console.log(renderCheck(check));
  await stopAll();
  save(options, { machine, mapping, authentication, check });
  return mapping.reached && authentication.reached && check.reached;
};

const save = (options: Options, results: object): void => {
  const path = resolve(options.out);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ measuredAt: new Date().toISOString(), ...results }, null, 2)}\n`);
  console.log(`\nwritten to ${path}`);
};

const program = new Command('bench')
  .description('The Entra cycle filter → create → patch → get on Muster, against a bare CRUD server in the same run')
  .option('--seconds <n>', 'how long each system is measured at each number in flight', count, 5)
  .option('--rounds <n>', 'how often each system has its turn', count, 5)
  .option('--in-flight <list>', 'requests in flight', counts, [1, 16, 64])
  .option('--logs <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--quick', 'one round of 2 s: tells whether it works, not how fast it is')
  .option('--scale', 'instead of the cycle: filter by userName with 1,000 and with many users, and find them')
  .option('--users <n>', 'with --scale: how many users, a multiple of 2,000', count, 200_000)
  .option('--groups', 'instead of the cycle: groups of 100,000 members')
  .option('--parts', 'instead of the cycle: attribute mapping, the part of authentication, and directory check')
  .option('--audit-log', 'instead of the cycle: exports, verifications and questions of an audit log with many entries')
  .option('--entries <n>', 'with --audit-log: how many entries', count, 1_000_000)
  .option(
    '--audit-cost',
    'instead of the cycle: what the audit log costs, in turns with an installation without it: cycles/s, processor time, lag, catching up',
  )
  .option('--check', 'exit 1 unless every bar is reached')
  .option('--out <file>', 'JSON with everything that was measured', join(folder, 'bench-results.json'));

const given = program.parse().opts<Options>();
const options: Options = given.quick ? { ...given, seconds: 2, rounds: 1 } : given;
mkdirSync(folder, { recursive: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
}
try {
  const run = [
    [options.scale, runScale] as const,
    [options.groups, runGroups] as const,
    [options.parts, runParts] as const,
    [options.auditLog, runAuditLog] as const,
    [options.auditCost, runAuditCost] as const,
  ].find(([isChosen]) => isChosen)?.[1];
  const reached = await (run ?? runCycle)(options);
  process.exitCode = options.check && !reached ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
} finally {
  await stopAll();
}
