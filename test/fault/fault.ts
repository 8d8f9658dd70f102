import '#first';
/** `npm run fault`: kills every process of a running Muster under load, and checks that nothing it said became untrue. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import { isBuilt, LOGS, projectRoot, type LogKind } from '../bench/installation.js';
import { count, logs } from '../bench/options.js';
import { isClean, renderReport, runFaults, VICTIMS } from './fault-run.js';

const LONG = { kills: 20, acknowledgedAtLeast: 10_000 };
const SHORT_ACKNOWLEDGED = 1_000;
const SHORT_KILLS_PER_PROCESS = 2;

const { log: chosenLogs, kills, short } = new Command('fault')
  .description('Kills with SIGKILL while clients write; then compares what is there with what the clients were told')
  .option('--log <list>', `of ${LOGS.join(',')}; the default is what is there`, logs)
  .option('--kills <n>', `on each log; the default is ${LONG.kills}`, count)
  .option('--short', `${SHORT_KILLS_PER_PROCESS} kills of each process`)
  .parse()
  .opts<{ log?: LogKind[]; kills?: number; short?: boolean }>();

const folder = join(projectRoot(), '.data/fault');
mkdirSync(folder, { recursive: true });
const bar = new cliProgress.SingleBar({ format: '{bar} {value}/{total} {state}', clearOnComplete: true, hideCursor: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  for (const chosen of chosenLogs ?? LOGS.filter(isBuilt)) {
    const dataDir = join(folder, chosen);
    bar.start(1, 0, { state: `${chosen}: starting` });
    const report = await runFaults({
      log: chosen,
      dataDir,
      kills: kills ?? (short ? SHORT_KILLS_PER_PROCESS * VICTIMS[chosen].length : LONG.kills),
      acknowledgedAtLeast: short ? SHORT_ACKNOWLEDGED : LONG.acknowledgedAtLeast,
      progress: (state, done, total) => {
        bar.setTotal(total);
        bar.update(done, { state: `${chosen}: ${state}` });
      },
    });
    bar.stop();
    console.log(renderReport(report));
    if (isClean(report)) rmSync(dataDir, { recursive: true, force: true });
    else {
      console.log(`  the data is left in ${dataDir}`);
      process.exitCode = 1;
    }
  }
} catch (error) {
  bar.stop();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
