import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The module whose go.mod and go.sum name every version and its hash. */
const MODULE = 'test/conformance/go';
const SOURCES = ['go.mod', 'go.sum', 'verify/main.go'].map((path) => join(MODULE, path));
const PROGRAMS = ['github.com/transparency-dev/tessera/cmd/fsck', './verify'];
const OLDEST_GO = [1, 25] as const;
/** A minute of two cores, without a cache; the modules are fetched before. */
const BUILD_TIMEOUT_MS = 600_000;
const RUN_TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 16 * 1_048_576;

/**
 * Says in words what this machine lacks for the programs in Go; null = nothing. The first call builds them, below
 * node_modules.
 */
export const whatGoMisses = async (): Promise<string | null> => {
  const wanted = `Go ${OLDEST_GO.join('.')} or newer`;
  let version: string;
  try {
    version = (await go(['env', 'GOVERSION'])).stdout.trim();
  } catch {
    return `${wanted} (go cannot be run)`;
  }
  const [major = 0, minor = 0] = version.replace(/^go/, '').split('.').map(Number.parseFloat);
  if (major < OLDEST_GO[0] || (major === OLDEST_GO[0] && minor < OLDEST_GO[1])) return `${wanted} (this is ${version})`;
  const folder = programs();
  if (existsSync(folder)) return null;
  const unfinished = `${folder}.${randomUUID()}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    // Version control has nothing to say here: the versions are those of go.mod.
    await go(['build', '-buildvcs=false', '-mod=readonly', '-o', `${unfinished}/`, ...PROGRAMS]);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process may have been first.
    if (!existsSync(folder))
      return `the programs of ${MODULE}: ${(error as Error).message.trim().split('\n').slice(-5).join('\n')}`;
  }
  return null;
};

const go = (args: readonly string[]): Promise<{ readonly stdout: string }> =>
  promisify(execFile)('go', args, { cwd: MODULE, timeout: BUILD_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES });

export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of them. Resolves when it has ended, however it did. */
export const runGo = (program: 'fsck' | 'verify', args: readonly string[], input = ''): Promise<Run> =>
  new Promise((done) => {
    const options = { timeout: RUN_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
    const child = execFile(join(programs(), program), args, options, (error, stdout, stderr) =>
      done({ exitCode: error ? (typeof error.code === 'number' ? error.code : -1) : 0, stdout, stderr }),
    );
    // A program that ends before it has read everything closes the pipe; its exit code tells the rest.
    child.stdin!.on('error', () => undefined).end(input);
  });

/** One folder for each state of the sources. */
const programs = (): string => {
  const sources = createHash('sha256');
  for (const path of SOURCES) sources.update(readFileSync(path));
  return resolve('node_modules/.cache/muster', `go-${sources.digest('hex').slice(0, 12)}`);
};
