import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const REQUIREMENTS = 'test/conformance/requirements.txt';
const OLDEST_PYTHON = [3, 11] as const;
const INSTALL_TIMEOUT_MS = 300_000;
const RUN_TIMEOUT_MS = 300_000;
const MAX_OUTPUT_BYTES = 16 * 1_048_576;

/**
 * Says in words what this machine lacks for the suites; null = nothing. The first call makes their environment, below
 * node_modules.
 */
export const whatPythonMisses = (): string | null => {
  let version: number[];
  try {
    version = run('python3', ['-c', 'import sys; print(*sys.version_info[:2])']).split(' ').map(Number);
  } catch {
    return 'Python 3.11 or newer (python3 cannot be run)';
  }
  const [major = 0, minor = 0] = version;
  if (major < OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor < OLDEST_PYTHON[1])) {
    return `Python ${OLDEST_PYTHON.join('.')} or newer (this is ${major}.${minor})`;
  }
  const folder = environment();
  if (existsSync(folder)) return null;
  const unfinished = `${folder}.${randomUUID()}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    run('python3', ['-m', 'venv', unfinished]);
    run(pythonOf(unfinished), [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-input',
      '--disable-pip-version-check',
      '-r',
      REQUIREMENTS,
    ]);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process may have been first.
    if (!existsSync(folder))
      return `a virtual environment with ${REQUIREMENTS}: ${(error as Error).message.trim().split('\n').at(-1)}`;
  }
  return null;
};

export interface Run {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs Python in that environment, and in a folder if it may leave files there. Resolves when it has ended, however it did. */
export const python = (
  args: readonly string[],
  environmentVariables: Readonly<Record<string, string>> = {},
  cwd = '.',
): Promise<Run> =>
  new Promise((done) => {
    const options = {
      cwd,
      env: { ...process.env, PYTHONUTF8: '1', ...environmentVariables },
      timeout: RUN_TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    };
    execFile(pythonOf(environment()), args, options, (error, stdout, stderr) =>
      done({ exitCode: error ? (typeof error.code === 'number' ? error.code : -1) : 0, output: `${stdout}${stderr}` }),
    );
  });

/**
 * One for each list of requirements. Python is called in it and never its scripts, which would not survive the
 * renaming.
 */
const environment = (): string =>
  resolve(
    'node_modules/.cache/muster',
    `python-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)}`,
  );

const pythonOf = (folder: string): string => join(folder, 'bin/python');

const run = (command: string, args: readonly string[]): string =>
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: INSTALL_TIMEOUT_MS }).toString();
