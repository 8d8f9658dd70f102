import '#first';
/**
 * `npm run fault`: kills every process of a Muster that it starts, under load, and checks that nothing it said became
 * untrue.
 */
import { Command } from 'commander';
import { runOnEachLog, whereItRuns } from '../bench/each-log.js';
import { LOGS, type LogKind } from '../bench/installation.js';
import { count, logs } from '../bench/options.js';
import { isClean, renderReport, runFaults, VICTIMS } from './fault-run.js';

const LONG = { kills: 20, acknowledgedAtLeast: 10_000 };
const SHORT_ACKNOWLEDGED = 1_000;
const SHORT_KILLS_PER_PROCESS = 2;

const {
  log: chosenLogs,
  kills,
  short,
} = new Command('fault')
  .description(
    `Kills with SIGKILL while clients write; then compares what is there with what the clients were told. ${whereItRuns('fault')}`,
  )
  .option('--log <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--kills <n>', `on each log; the default is ${LONG.kills}`, count)
  .option('--short', `${SHORT_KILLS_PER_PROCESS} kills of each process`)
  .parse()
  .opts<{ log?: LogKind[]; kills?: number; short?: boolean }>();

await runOnEachLog('fault', chosenLogs, async (log, dataDir, progress) => {
  const report = await runFaults({
    log,
    dataDir,
    kills: kills ?? (short ? SHORT_KILLS_PER_PROCESS * VICTIMS[log].length : LONG.kills),
    acknowledgedAtLeast: short ? SHORT_ACKNOWLEDGED : LONG.acknowledgedAtLeast,
    progress,
  });
  return { text: renderReport(report), isClean: isClean(report) };
});
