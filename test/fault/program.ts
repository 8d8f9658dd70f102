import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../bench/installation.js';

/** A program beside the running installation. */
export const runProgram = (
  name: 'verify' | 'rebuild',
  args: readonly string[],
  dataDir: string,
  root = projectRoot(),
): Promise<{ readonly exitCode: number; readonly output: string }> =>
  new Promise((resolve) => {
    const program = join(root, `dist/apps/muster/src/${name}.js`);
    execFile(
      process.execPath,
      [program, ...args],
      { env: { ...process.env, DATA_DIR: dataDir } },
      (error, stdout, stderr) => {
        resolve({
          exitCode: error ? (typeof error.code === 'number' ? error.code : 1) : 0,
          output: `${stdout}${stderr}`,
        });
      },
    );
  });
