import '#first';
/**
 * `npm run fault`: kills every process of a Muster that it starts, under load, and checks that nothing it said became
 * untrue.
 */
import { Command, InvalidArgumentError } from 'commander';
import { runOnEachLog, whereItRuns } from '../bench/each-log.js';
import { LOGS, type LogKind } from '../bench/installation.js';
import { count, logs } from '../bench/options.js';
import { isClean, renderReport, runFaults, VICTIMS } from './fault-run.js';

const LONG = { kills: 20, acknowledgedAtLeast: 10_000 };
const SHORT_ACKNOWLEDGED = 1_000;
const SHORT_KILLS_PER_PROCESS = 2;

/** Processes on the command line: `audit,postgres`. */
const processes = (text: string): string[] => {
  const names = text.split(',');
  const all = [...new Set(Object.values(VICTIMS).flat())];
  if (names.some((name) => !all.includes(name))) throw new InvalidArgumentError(`one or more of ${all.join(',')}`);
  return names;
};

const {
  log: chosenLogs,
  kills,
  only,
  short,
} = new Command('fault')
  .description(
    `Kills with SIGKILL while clients write; then compares what is there with what the clients were told. ${whereItRuns('fault')}`,
  )
  .option('--log <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--kills <n>', `on each log; the default is ${LONG.kills}`, count)
  .option(
    '--only <list>',
    'kills these processes alone, where a log has them; embedded, `server` is all of Muster',
    processes,
  )
  .option('--short', `${SHORT_KILLS_PER_PROCESS} kills of each process`)
  .parse()
  .opts<{ log?: LogKind[]; kills?: number; only?: string[]; short?: boolean }>();

await runOnEachLog('fault', chosenLogs, async (log, dataDir, progress) => {
  const victims = VICTIMS[log].filter((name) => only?.includes(name) ?? true);
  if (victims.length === 0) return { text: `${log}: it has no process ${only!.join(', ')}`, isClean: true };
  const report = await runFaults({
    log,
    dataDir,
    victims,
    kills: kills ?? (short ? SHORT_KILLS_PER_PROCESS * victims.length : LONG.kills),
    acknowledgedAtLeast: short ? SHORT_ACKNOWLEDGED : LONG.acknowledgedAtLeast,
    progress,
  });
  return { text: renderReport(report), isClean: isClean(report) };
});
