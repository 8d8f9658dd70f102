import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { cleanEnvironment, projectRoot, type Installation } from './installation.js';

const AT_MOST_SECONDS = 60;

export interface CheckTime {
  readonly seconds: number;
  readonly cases: number;
  readonly failed: number;
  readonly atMostSeconds: number;
  readonly reached: boolean;
}

/** Measures how long `directory check` takes, as an administrator starts it. */
export const measureCheck = async ({ dataDir }: Installation): Promise<CheckTime> => {
  const env = { ...cleanEnvironment(), DATA_DIR: dataDir };
  const cli = join(projectRoot(), 'dist/apps/cli/src/main.js');
  const startedMs = performance.now();
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [cli, 'directory', 'check', '--json'],
      { env, maxBuffer: 2 ** 26 },
      // A case that fails makes it exit with 1.
      (error, stdout, stderr) => (stdout === '' ? reject(error ?? new Error(stderr)) : resolve(stdout)),
    );
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  const cases = JSON.parse(output) as { readonly isExpected: boolean; readonly passed: boolean }[];
  return {
    seconds,
    cases: cases.length,
    failed: cases.filter(({ isExpected, passed }) => isExpected && !passed).length,
    atMostSeconds: AT_MOST_SECONDS,
    reached: seconds <= AT_MOST_SECONDS,
  };
};

export const renderCheck = ({ seconds, cases, failed, atMostSeconds, reached }: CheckTime): string =>
  `${reached ? 'reached' : 'MISSED '} directory check: ${cases} cases in ${seconds.toFixed(1)} s, at most ${atMostSeconds} s` +
  (failed > 0 ? `; ${failed} of those for its kind failed` : '');
