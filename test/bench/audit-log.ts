import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SingleBar } from 'cli-progress';
import pg from 'pg';
import { verifyAudit } from '../../apps/audit/src/audit-verify.queries.js';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { send } from './admin-requests.js';
import { cleanEnvironment, projectRoot, type Installation } from './installation.js';
import { median, percentile } from './latencies.js';
import { DAYS, makeLog, type MadeLog } from './made-log.js';
import { processorMs } from './processor-time.js';

const EXPORTED_PER_SECOND_AT_LEAST = 50_000;
/** Of a million entries. */
const VERIFIED_S_AT_MOST = 20;
const HISTORY_MS_AT_MOST = 50;
const STATE_MS_AT_MOST = 100;
const REPORT_MS_AT_MOST = 200;
const MANY_ENTRIES = 1_000_000;
const REQUESTS = 50;
const WARM_UP_REQUESTS = 5;
const REPORTS = 15;
const POLL_MS = 50;

interface Bar {
  readonly text: string;
  readonly figure: string;
  readonly reached: boolean;
}

export interface AuditLogResult {
  readonly entries: number;
  readonly integratedPerSecond: number;
  readonly bars: readonly Bar[];
  /** Processor time and the like, of one line each. */
  readonly details: readonly string[];
}

/**
 * Measures the audit log of a tenant with many entries: exports, both verifications, and what auditors ask for. Processor
 * time stands beside each: it holds on a machine that is not quiet. It needs a fresh installation.
 */
export const measureAuditLog = async (
  muster: Installation,
  entries: number,
  bar: SingleBar,
): Promise<AuditLogResult> => {
  const log = await makeLog(muster, entries, bar);
  await muster.idle();
  const folder = mkdtempSync(join(muster.dataDir, 'exports-'));
  try {
    bar.start(6, 0, { what: 'measurements' });
    const step = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
      bar.update({ what });
      const done = await act();
      bar.increment();
      return done;
    };
    const results: Measured[] = [];
    results.push(await step('an export with values', () => measureExport(muster, log, join(folder, 'values'), [])));
    results.push(
      await step('an export without', () => measureExport(muster, log, join(folder, 'sealed'), ['--no-values'])),
    );
    results.push(await step('verification offline', () => measureOffline(muster, log, folder)));
    results.push(await step('verification on the server', () => measureServer(muster)));
    results.push(await step('questions', () => measureQuestions(muster, log)));
    bar.stop();
    const size = Number(results[0]!.entries);
    return {
      entries: size,
      integratedPerSecond: log.integratedPerSecond,
      bars: results.flatMap(({ bars }) => bars),
      details: results.flatMap(({ details }) => details),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

interface Measured {
  readonly entries?: number;
  readonly bars: readonly Bar[];
  readonly details: readonly string[];
}

/** The figure that was measured of a row of entries, as it would be of a million. */
const ofMillion = (seconds: number, entries: number): number => (seconds / entries) * MANY_ENTRIES;

const measureExport = async (
  muster: Installation,
  { tenant }: MadeLog,
  out: string,
  options: readonly string[],
): Promise<Measured> => {
  const before = muster.processorMs();
  const ran = await runCli(muster, ['audit', 'export', '--tenant', tenant, '--out', out, '--json', ...options]);
  const after = muster.processorMs();
  const { entries } = JSON.parse(ran.stdout) as { entries: number };
  const perSecond = entries / ran.seconds;
  const what = options.length === 0 ? 'with values' : 'without values';
  const used = [...spent(before, after), ['command line', ran.processorMs] as const];
  const megabytes = statSync(join(out, 'entries.jsonl')).size / 1e6;
  return {
    entries,
    bars: [
      {
        text: `export ${what}, entries/s, at least ${rate(EXPORTED_PER_SECOND_AT_LEAST)}`,
        figure: rate(perSecond),
        reached: perSecond >= EXPORTED_PER_SECOND_AT_LEAST,
      },
    ],
    details: [
      `export ${what}: ${ran.seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB; µs of processor time an entry: ` +
        `${used.map(([name, ms]) => `${name} ${((ms * 1_000) / entries).toFixed(1)}`).join(', ')}; ` +
        `the command line held at most ${ran.megabytes.toFixed(0)} MB; load ${loadavg()[0]!.toFixed(1)}`,
    ],
  };
};

const measureOffline = async (muster: Installation, { tenant }: MadeLog, folder: string): Promise<Measured> => {
  const key = join(folder, 'log.key');
  writeFileSync(key, (await runCli(muster, ['audit', 'key', '--tenant', tenant])).stdout);
  const ran = await runCli(muster, ['audit', 'verify', join(folder, 'values'), '--key', key, '--json']);
  const { entries, findingCount } = JSON.parse(ran.stdout) as { entries: number; findingCount: number };
  if (findingCount > 0) throw new Error(`the export has ${findingCount} findings`);
  const seconds = ofMillion(ran.seconds, entries);
  return {
    bars: [
      {
        text: `audit verify of a million entries offline, s, at most ${VERIFIED_S_AT_MOST}`,
        figure: seconds.toFixed(1),
        reached: seconds <= VERIFIED_S_AT_MOST,
      },
    ],
    details: [
      `audit verify of ${rate(entries)} entries offline: ${ran.seconds.toFixed(1)} s, ${((ran.processorMs * 1_000) / entries).toFixed(1)} µs of ` +
        `processor time an entry, at most ${ran.megabytes.toFixed(0)} MB; load ${loadavg()[0]!.toFixed(1)}`,
    ],
  };
};

/** The part of `npm run verify` that is about the audit log: it makes the trees again, and reads the stores of all owners. */
const measureServer = async (muster: Installation): Promise<Measured> => {
  const masterKey = Buffer.from(readFileSync(join(muster.dataDir, 'master.key'), 'utf8').trim(), 'base64');
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: muster.databaseUrl });
    await client.connect();
    return client;
  };
  const clients = [await connect(), await connect()] as const;
  try {
    const [before, own, startedMs] = [muster.processorMs(), process.cpuUsage(), performance.now()];
    const { compared, findings } = await verifyAudit(
      clients,
      OWNERS.map(({ name }) => name),
      masterKey,
      null,
    );
    if (findings.length > 0) throw new Error(JSON.stringify(findings.slice(0, 3)));
    const took = (performance.now() - startedMs) / 1_000;
    const { user, system } = process.cpuUsage(own);
    const entries = compared['entries of the audit log']!;
    const seconds = ofMillion(took, entries);
    const used = [...spent(before, muster.processorMs()), ['verify', (user + system) / 1_000] as const];
    return {
      bars: [
        {
          text: `the audit log in npm run verify, a million entries, s, at most ${VERIFIED_S_AT_MOST}`,
          figure: seconds.toFixed(1),
          reached: seconds <= VERIFIED_S_AT_MOST,
        },
      ],
      details: [
        `npm run verify of ${rate(entries)} entries of the audit log: ${took.toFixed(1)} s; µs of processor time an entry: ` +
          `${used.map(([name, ms]) => `${name} ${((ms * 1_000) / entries).toFixed(1)}`).join(', ')}; load ${loadavg()[0]!.toFixed(1)}`,
      ],
    };
  } finally {
    for (const client of clients) await client.end();
  }
};

/** The questions of auditors at their screens, over HTTP, one at a time. */
const measureQuestions = async (muster: Installation, log: MadeLog): Promise<Measured> => {
  const { url, key } = muster.adminApi;
  const { persons, sinceMs, untilMs, tenant } = log;
  const iso = (ms: number): string => new Date(ms).toISOString();
  const pick = (): string => persons[Math.floor(Math.random() * persons.length)]!;
  const anyMoment = (): string => iso(sinceMs + Math.random() * (untilMs - sinceMs));
  const timed = async (path: () => string, times: number): Promise<number[]> => {
    const took: number[] = [];
    for (let n = -WARM_UP_REQUESTS; n < times; n++) {
      const startedMs = performance.now();
      await send('GET', `${url}/api/audit/v1/${path()}`, key);
      if (n >= 0) took.push(performance.now() - startedMs);
    }
    return took;
  };
  const lastDay = `since=${iso(untilMs - (untilMs - sinceMs) / DAYS)}&until=${iso(untilMs)}`;
  const questions: readonly [what: string, atMost: number, path: () => string, times: number][] = [
    ['history of one user', HISTORY_MS_AT_MOST, () => `subjects/${pick()}/history`, REQUESTS],
    [
      'state of one user at a past moment',
      STATE_MS_AT_MOST,
      () => `subjects/${pick()}/state?at=${anyMoment()}`,
      REQUESTS,
    ],
    ['provisioning report over a day', REPORT_MS_AT_MOST, () => `report?tenant=${tenant}&${lastDay}`, REPORTS],
  ];
  const bars: Bar[] = [];
  for (const [what, atMost, path, times] of questions) {
    const took = await timed(path, times);
    const [p50, p99] = [median(took), percentile(Float64Array.from(took).sort(), 0.99)];
    const figure = `${p50.toFixed(1)}/${p99.toFixed(1)}`;
    bars.push({ text: `${what}, p50/p99 in ms, p50 at most ${atMost}`, figure, reached: p50 <= atMost });
  }
  return { bars, details: [] };
};

const spent = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): readonly (readonly [name: string, ms: number])[] =>
  Object.entries(after)
    .map(([name, ms]) => [name, ms - (before[name] ?? 0)] as const)
    .filter(([, ms]) => ms > 0);

interface Ran {
  readonly stdout: string;
  readonly seconds: number;
  /** As often as it was looked at: some dozens of ms at its end may be missing. */
  readonly processorMs: number;
  /** The most that it held in memory. */
  readonly megabytes: number;
}

/** Runs the command line as administrators do. Throws when it fails. */
const runCli = async (muster: Installation, args: readonly string[]): Promise<Ran> => {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/apps/cli/src/main.js'), ...args], {
    env: { ...cleanEnvironment(), DATA_DIR: muster.dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += String(text)));
  child.stderr.on('data', (text) => (stderr += String(text)));
  let code: number | null = null;
  const ended = new Promise<void>((resolve) =>
    child.once('close', (exitCode) => {
      code = exitCode ?? -1;
      resolve();
    }),
  );
  let [usedMs, megabytes] = [0, 0];
  while (code === null) {
    usedMs = processorMs(child.pid!) ?? usedMs;
    megabytes = peakMegabytes(child.pid!) ?? megabytes;
    await Promise.race([ended, delay(POLL_MS)]);
  }
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return { stdout, seconds: (performance.now() - startedMs) / 1_000, processorMs: usedMs, megabytes };
};

const peakMegabytes = (pid: number): number | undefined => {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1_000;
  } catch {
    return undefined;
  }
};

const rate = (number: number): string => Math.round(number).toLocaleString('en');

export const renderAuditLog = ({ entries, integratedPerSecond, bars, details }: AuditLogResult): string =>
  [
    `an audit log of ${rate(entries)} entries, which were added at ${rate(integratedPerSecond)}/s:`,
    ...bars.map(({ text, figure, reached }) => `  ${reached ? 'reached' : 'MISSED '} ${text}: ${figure}`),
    ...details.map((line) => `  ${line}`),
  ].join('\n');
