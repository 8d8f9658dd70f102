import '#first';
/** `npm run hostile`: one tenant does its worst; prints what another one on the same partition notices. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import { isBuilt, LOGS, projectRoot, type LogKind } from '../bench/installation.js';
import { count, logs } from '../bench/options.js';
import { ATTACKS } from './attacks.js';
import { findingsOf, MAX_P99_RATIO, renderReport, runHostile, slowOnes } from './hostile-run.js';

const { log: chosenLogs, seconds, attacks, short } = new Command('hostile')
  .description(`Attacks a running Muster as a tenant; every request of another tenant must be answered, at p99 in ${MAX_P99_RATIO} times as long at the most`)
  .option('--log <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--attacks <list>', `of ${ATTACKS.map(({ name }) => name).join(',')}`, (text) => text.split(','))
  .option('--seconds <n>', 'how long each attack lasts', count, 30)
  .option('--short', 'with less to attack with, as the tests do it')
  .addHelpText('after', `\n${ATTACKS.map(({ name, title }) => `  ${name.padEnd(16)}${title}`).join('\n')}`)
  .parse()
  .opts<{ log?: LogKind[]; seconds: number; attacks?: string[]; short?: boolean }>();

const folder = join(projectRoot(), '.data/hostile');
mkdirSync(folder, { recursive: true });
const bar = new cliProgress.SingleBar({ format: '{bar} {value}/{total} {state}', clearOnComplete: true, hideCursor: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  for (const chosen of chosenLogs ?? LOGS.filter(isBuilt)) {
    const dataDir = join(folder, chosen);
    bar.start(1, 0, { state: `${chosen}: starting` });
    const report = await runHostile({
      log: chosen, dataDir, size: short ? 'short' : 'whole', attackMs: seconds * 1_000, quietMs: Math.min(seconds, 10) * 1_000, ...(attacks ? { attacks } : {}),
      progress: (state, done, total) => {
        bar.setTotal(total);
        bar.update(done, { state: `${chosen}: ${state}` });
      },
    });
    bar.stop();
    console.log(renderReport(report));
    if (findingsOf(report).length === 0 && slowOnes(report).length === 0) rmSync(dataDir, { recursive: true, force: true });
    else process.exitCode = 1;
  }
} catch (error) {
  bar.stop();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
