import '#first';
/** `npm run hostile`: one tenant does its worst; prints what another one on the same partition notices. */
import { Command } from 'commander';
import { runOnEachLog, whereItRuns } from '../bench/each-log.js';
import { LOGS, type LogKind } from '../bench/installation.js';
import { count, logs } from '../bench/options.js';
import { ATTACKS } from './attacks.js';
import { findingsOf, MAX_P99_RATIO, renderReport, runHostile, slowOnes } from './hostile-run.js';

const {
  log: chosenLogs,
  seconds,
  attacks,
  short,
} = new Command('hostile')
  .description(
    `Attacks Muster as a tenant; every request of another tenant must be answered, at p99 in ${MAX_P99_RATIO} times as long at the most. ${whereItRuns('hostile')}`,
  )
  .option('--log <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--attacks <list>', `of ${ATTACKS.map(({ name }) => name).join(',')}`, (text) => text.split(','))
  .option('--seconds <n>', 'how long each attack lasts', count, 30)
  .option('--short', 'with less to attack with, as the tests do it')
  .addHelpText('after', `\n${ATTACKS.map(({ name, title }) => `  ${name.padEnd(16)}${title}`).join('\n')}`)
  .parse()
  .opts<{ log?: LogKind[]; seconds: number; attacks?: string[]; short?: boolean }>();

await runOnEachLog('hostile', chosenLogs, async (log, dataDir, progress) => {
  const report = await runHostile({
    log,
    dataDir,
    size: short ? 'short' : 'whole',
    attackMs: seconds * 1_000,
    quietMs: Math.min(seconds, 10) * 1_000,
    ...(attacks ? { attacks } : {}),
    progress,
  });
  return { text: renderReport(report), isClean: findingsOf(report).length === 0 && slowOnes(report).length === 0 };
});
