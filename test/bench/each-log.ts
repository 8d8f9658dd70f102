import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import cliProgress from 'cli-progress';
import { isBuilt, LOGS, projectRoot, type LogKind } from './installation.js';

/** The words of a run on one log in the end; the data of a clean one is removed. */
export interface LogReport {
  readonly text: string;
  readonly isClean: boolean;
}

export type Progress = (state: string, done: number, total: number) => void;

/**
 * For the help of a run: nobody should have to read code to know whether it may be started beside a Muster that serves.
 */
export const whereItRuns = (name: string): string =>
  'It starts a Muster of its own for each log, on free ports, and touches none that runs already. ' +
  `The data is in .data/${name}/<log>; it is removed after a clean run and left after any other.`;

/**
 * Runs on each of the logs, in a data directory below `.data/<name>`, shows how far it is, and prints the reports. The
 * exit code becomes 1 when one of them is not clean, 2 when a run breaks.
 */
export const runOnEachLog = async (
  name: string,
  chosenLogs: readonly LogKind[] | undefined,
  run: (log: LogKind, dataDir: string, progress: Progress) => Promise<LogReport>,
): Promise<void> => {
  const folder = join(projectRoot(), '.data', name);
  mkdirSync(folder, { recursive: true });
  const bar = new cliProgress.SingleBar({
    format: '{bar} {value}/{total} {state}',
    clearOnComplete: true,
    hideCursor: true,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  try {
    for (const log of chosenLogs ?? LOGS.filter(isBuilt)) {
      const dataDir = join(folder, log);
      bar.start(1, 0, { state: `${log}: starting` });
      const { text, isClean } = await run(log, dataDir, (state, done, total) => {
        bar.setTotal(total);
        bar.update(done, { state: `${log}: ${state}` });
      });
      bar.stop();
      console.log(text);
      if (isClean) {
        rmSync(dataDir, { recursive: true, force: true });
      } else {
        console.log(`  the data is left in ${dataDir}`);
        process.exitCode = 1;
      }
    }
  } catch (error) {
    bar.stop();
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
};
