import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keyFile, masterKeySource, readKeyFile } from './key-file.js';
import { makeFolder } from './private-folder.js';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'muster-keys-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const BUILT = pathToFileURL(resolve('dist/libs/runtime/src/key-file.js')).href;

it('makes a key of 32 bytes that only its owner reads, and finds it again', () => {
  const key = keyFile(dataDir, 'admin.key');
  expect(Buffer.from(key, 'base64')).toHaveLength(32);
  expect(statSync(join(dataDir, 'admin.key')).mode & 0o777).toBe(0o600);
  expect(keyFile(dataDir, 'admin.key')).toBe(key);
  expect(readdirSync(dataDir)).toEqual(['admin.key']);
});

it.each([
  ['is empty', ''],
  ['is empty', '\n'],
  ['is not 32 bytes in base64', 'c2hvcnQ=\n'],
  ['is not 32 bytes in base64', 'A'.repeat(43)],
  ['is not 32 bytes in base64', `${'A'.repeat(43)}=\n${'A'.repeat(43)}=\n`],
])('refuses a file that %s in one line that names it, and leaves it alone: %j', (reason, text) => {
  writeFileSync(join(dataDir, 'admin.key'), text);
  for (const read of [keyFile, readKeyFile]) {
    expect(() => read(dataDir, 'admin.key')).toThrow(
      new RegExp(`^${dataDir}/admin.key holds no key: it ${reason}\\. [^\\n]+$`),
    );
  }
  expect(readFileSync(join(dataDir, 'admin.key'), 'utf8')).toBe(text);
});

it('leaves nothing behind when the disk is full, and makes the key when it is not any more', () => {
  // A file may be made but nothing written to it, as on a full disk: that once left an empty key.
  const onFullDisk = `trap '' XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1"`;
  const program = `
    const { keyFile } = await import(${JSON.stringify(BUILT)});
    try { keyFile(${JSON.stringify(dataDir)}, 'admin.key'); } catch (error) { process.exitCode = error.name === 'UsageError' && /EFBIG/.test(error.message) ? 7 : 1; }`;
  expect(() => execFileSync('sh', ['-c', onFullDisk, process.execPath, program], { stdio: 'ignore' })).toThrow(
    expect.objectContaining({ status: 7 }),
  );
  expect(readdirSync(dataDir)).toEqual([]);
  expect(Buffer.from(keyFile(dataDir, 'admin.key'), 'base64')).toHaveLength(32);
});

it('gives the same key to all who make it at the same moment', async () => {
  const [workers, rounds] = [4, 25];
  const barrier = new SharedArrayBuffer(4 * rounds);
  const program = `
    const { workerData: { barrier, dataDir }, parentPort } = require('node:worker_threads');
    import(${JSON.stringify(BUILT)}).then(({ keyFile }) => {
      const arrived = new Int32Array(barrier);
      parentPort.postMessage(Array.from({ length: ${rounds} }, (_, round) => {
        Atomics.add(arrived, round, 1);
        while (Atomics.load(arrived, round) < ${workers});
        return keyFile(dataDir, 'key.' + round);
      }));
    });`;
  const keys = await Promise.all(
    Array.from(
      { length: workers },
      () =>
        new Promise<string[]>((done, fail) =>
          new Worker(program, { eval: true, workerData: { barrier, dataDir } })
            .once('message', done)
            .once('error', fail),
        ),
    ),
  );
  for (let round = 0; round < rounds; round++)
    expect(new Set(keys.map((of) => of[round]))).toEqual(new Set([readKeyFile(dataDir, `key.${round}`)]));
  expect(readdirSync(dataDir)).toHaveLength(rounds);
}, 60_000);

it('takes the master key from its setting or its file', () => {
  const MASTER_KEY = Buffer.alloc(32, 1).toString('base64');
  expect(masterKeySource({ DATA_DIR: dataDir, MASTER_KEY })).toMatchObject({ name: 'MASTER_KEY' });
  expect(masterKeySource({ DATA_DIR: dataDir, MASTER_KEY }).read()).toBe(MASTER_KEY);
  const file = masterKeySource({ DATA_DIR: dataDir });
  expect([file.name, file.read()]).toEqual([join(dataDir, 'master.key'), null]);
  expect(file.make()).toBe(file.read());
});

it('makes the folders above it, closed to others, and ends where there can be none', () => {
  keyFile(join(dataDir, 'a/b'), 'admin.key');
  expect([statSync(join(dataDir, 'a')).mode & 0o777, statSync(join(dataDir, 'a/b')).mode & 0o777]).toEqual([
    0o700, 0o700,
  ]);
  // Linux says ENOENT of a folder that is there; Node's own recursive mkdir tries for ever.
  expect(() => makeFolder('/proc/none/data')).toThrow('ENOENT');
  expect(() => makeFolder(join(dataDir, 'a/b/admin.key/data'))).toThrow('ENOTDIR');
});
