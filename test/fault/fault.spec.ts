import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOGS, projectRoot, removeDataDirectory, type LogKind } from '../bench/installation.js';
import { isClean, renderReport, runFaults, VICTIMS } from './fault-run.js';

/** The short fault run: it takes about 15 s embedded and a minute or two on Kafka. The long one is `npm run fault`. */

const KILLS_PER_PROCESS = 2;
const ACKNOWLEDGED_AT_LEAST = 1_000;
const TIMEOUT_MS = 600_000;

/** What this machine lacks to run the log; null when nothing. */
const missing = (log: LogKind): string | null => {
  if (log === 'embedded') return null;
  const absent = ['java', 'mvn'].filter((command) => spawnSync(command, ['-version'], { stdio: 'ignore' }).error);
  return absent.length > 0 ? `${absent.join(' and ')} to run a Kafka broker` : null;
};

const supported = LOGS.filter((log) => log === 'embedded' || existsSync(join(projectRoot(), 'deploy/stack.ts')));

it.each(supported)('on %s no kill takes back what a client was told', { timeout: TIMEOUT_MS }, async (log) => {
  const lacks = missing(log);
  if (lacks) {
    expect(process.env.CI, `missing: ${lacks}`).not.toBe('true');
    return console.warn(`the fault run on ${log} is skipped; missing: ${lacks}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'muster-fault-'));
  const kills = KILLS_PER_PROCESS * VICTIMS[log].length;
  const report = await runFaults({ log, dataDir: join(folder, log), kills, acknowledgedAtLeast: ACKNOWLEDGED_AT_LEAST });
  expect(isClean(report), renderReport(report)).toBe(true);
  expect(report.kills).toHaveLength(kills);
  expect(report.counts.acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_AT_LEAST);
  removeDataDirectory(join(folder, log));
  rmSync(folder, { recursive: true });
});
