import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cleanEnvironment } from '../bench/installation.js';
import { startMuster } from '../support/muster.js';

/** A start takes 2 to 4 s. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const TIMEOUT_MS = 60_000;
const TOKEN = /muster_[\w-]{43}/g;

/** Null = there is a program that lends a terminal to another one. */
const whatTerminalsMiss = (): string | null => {
  try {
    return execFileSync('script', ['--version'], { stdio: 'pipe' }).includes('util-linux')
      ? null
      : 'the script of util-linux';
  } catch {
    return 'the program script of util-linux (Debian: apt-get install bsdutils)';
  }
};
const missing = whatTerminalsMiss();
const isSkipped = missing !== null && process.env.CI !== 'true';

/** Containers have these files. The tests say where they are, wherever they run. */
const MARKS = ['/.dockerenv', '/run/.containerenv'];
const pretend = (marks: readonly string[]): string =>
  `data:text/javascript,${encodeURIComponent(`
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { existsSync } = fs;
    fs.existsSync = (path) => (${JSON.stringify(MARKS)}.includes(path) ? ${JSON.stringify(marks)}.includes(path) : existsSync(path));
    syncBuiltinESMExports();
  `).replaceAll("'", '%27')}`;

let home: string;
/** Stops what runs in the terminal, as Ctrl-C does. */
let stop: () => Promise<unknown>;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-terminal-'));
  stop = async () => undefined;
});
afterEach(async () => {
  await stop();
  rmSync(home, { recursive: true, force: true });
});

/** Starts Muster in a terminal, stops it when it is ready, and resolves with all that the terminal showed. */
const shown = async (environment: Record<string, string> = {}, marks: readonly string[] = []): Promise<string> => {
  const program = [process.execPath, '--import', pretend(marks), 'dist/apps/muster/src/main.js'];
  // `exec`: a shell that waits for its program ends by Ctrl-C itself (dash), and its status would hide the program's.
  const command = `exec ${program.map((word) => `'${word}'`).join(' ')}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: {
      ...cleanEnvironment(),
      DATA_DIR: join(home, 'data'),
      LOG_LEVEL: 'silent',
      PORT: '0',
      ADMIN_PORT: '0',
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  const ended = once(child, 'close');
  stop = () => {
    if (child.stdin.writable) child.stdin.write('\u0003');
    return ended;
  };
  await expect.poll(() => output, { timeout: TIMEOUT_MS }).toContain('press "Test Connection"');
  expect(await stop()).toEqual([0, null]);
  return output;
};

describe.skipIf(isSkipped)(`in a terminal${isSkipped ? ` (skipped: it needs ${missing})` : ''}`, () => {
  it('the first start shows the token, once, and later ones say how to get it', async () => {
    expect(missing).toBeNull();
    expect((await shown()).match(TOKEN)).toHaveLength(1);
    const second = await shown();
    expect(second).not.toMatch(TOKEN);
    expect(second).toContain('npm run -s cli -- directory show');
  });

  it.each([
    ['Docker', {}, ['/.dockerenv']],
    ['Podman', {}, ['/run/.containerenv']],
    ['Kubernetes', { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, []],
  ])(
    'that belongs to a container of %s, whose output is kept in a log, it shows none',
    async (_where, environment, marks) => {
      expect(await shown(environment, marks)).not.toMatch(TOKEN);
    },
  );

  describe('while Muster runs', () => {
    const muster = startMuster({ log: 'Postgres' });

    it('a rebuild shows a bar, and at the end only what it did', async () => {
      const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
      expect((await muster.scim('POST', '/Users', { schemas, userName: 'ada@example.org' })).status).toBe(201);
      const command = `exec '${process.execPath}' dist/apps/muster/src/rebuild.js identity`;
      const child = spawn('script', ['-qec', command, '/dev/null'], {
        env: { ...cleanEnvironment(), DATA_DIR: muster.environment.DATA_DIR!, DATABASE_URL: muster.database },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.on('data', (chunk) => (output += String(chunk)));
      expect(await once(child, 'close')).toEqual([0, null]);
      expect(output).toMatch(/identity \S{20,} \d+% of 1 events, \d+ rows checked, 0 mended/);
      expect(output).toMatch(/identity: 1 streams of 1 events replayed, [^\r\n]+\r?\nCome to its end\.\r?\n/);
    });
  });
});
