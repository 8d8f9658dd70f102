import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { cleanEnvironment, Installation } from '../bench/installation.js';

/** `npm run backup` of an installation that serves, as built, and a start from the copy. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let home: string;
let muster: Installation;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'muster-backup-'));
  muster = await Installation.start('embedded', join(home, 'data'));
});

afterAll(async () => {
  await muster?.stop();
  rmSync(home, { recursive: true, force: true });
});

const program = (name: string, dataDir: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [`dist/apps/muster/src/${name}.js`, ...args], {
    env: { ...cleanEnvironment(), DATA_DIR: dataDir },
  }).then(
    (output) => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
const create = async (
  { target: { host, port, usersPath, token } }: Installation,
  userName: string,
): Promise<number> => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' };
  return (
    await fetch(`http://${host}:${port}${usersPath}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ userName, title: 'x'.repeat(1_000) }),
    })
  ).status;
};
const find = async ({ target: { host, port, usersPath, token } }: Installation, userName: string): Promise<number> => {
  const url = `http://${host}:${port}${usersPath}?filter=${encodeURIComponent(`userName eq "${userName}"`)}`;
  return (
    (await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()) as { totalResults: number }
  ).totalResults;
};

it('holds everything that was acknowledged before it ended, while clients write, and Muster starts from it', async () => {
  const acknowledged: { userName: string; at: number }[] = [];
  let writing = true;
  const writer = async (name: string): Promise<void> => {
    for (let count = 0; writing; count++) {
      const userName = `${name}-${count}@example.org`;
      expect(await create(muster, userName)).toBe(201);
      acknowledged.push({ userName, at: Date.now() });
    }
  };
  const writers = Promise.all(['a', 'b', 'c', 'd'].map(writer));
  await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(50);
  const folder = join(home, 'copy');
  const { stdout, stderr, code } = await program('backup', join(home, 'data'), folder);
  const atEnd = acknowledged.length;
  await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(atEnd + 20);
  writing = false;
  await writers;
  expect(code, stderr).toBe(0);
  const until = Date.parse(/until (\S+)/.exec(stdout)![1]!);
  const promised = acknowledged.filter(({ at }) => at < until);
  expect(promised.length).toBeGreaterThan(50);

  // It holds no keys, and nobody else may look into it.
  expect(readdirSync(folder).toSorted()).toEqual(['postgres', 'postgres.password']);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  copyFileSync(join(home, 'data', 'master.key'), join(folder, 'master.key'));
  const restored = await Installation.start('embedded', folder);
  try {
    for (const { userName } of promised) expect(await find(restored, userName), userName).toBe(1);
    expect(await create(restored, 'after@example.org')).toBe(201);
    expect(await program('verify', folder)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Everything holds'),
    });
  } finally {
    await restored.stop();
  }
});

it('overwrites nothing, leaves nothing half done, and says in one line what is wrong', async () => {
  const full = join(home, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'mine'), 'mine');
  const oneLine = /^[^\n]+\n$/;
  expect(await program('backup', join(home, 'data'), full)).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringMatching(/^There is something at .*full already[^\n]*\n$/),
  });
  expect(readFileSync(join(full, 'mine'), 'utf8')).toBe('mine');
  expect(await program('backup', join(home, 'data'), join(home, 'data', 'inside'))).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/lies in the data directory/),
  });
  expect(await program('backup', join(home, 'none'), join(home, 'new'))).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(oneLine),
  });
  expect(await program('backup', join(home, 'data'), join(full, 'mine', 'new'))).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(oneLine),
  });
  expect(existsSync(join(home, 'new'))).toBe(false);
  expect(await program('backup', join(home, 'data'), '--help')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('To restore'),
  });
  expect(readdirSync(home).filter((name) => name.endsWith('.unfinished'))).toEqual([]);
});

it('is ended by a signal without a trace of a backup', async () => {
  const folder = join(home, 'ended');
  const child = spawn(process.execPath, ['dist/apps/muster/src/backup.js', folder], {
    env: { ...cleanEnvironment(), DATA_DIR: join(home, 'data') },
    stdio: 'ignore',
  });
  await expect.poll(() => existsSync(`${folder}.unfinished`), { interval: 2, timeout: 30_000 }).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(existsSync(folder)).toBe(false);
  expect(await program('backup', join(home, 'data'), folder)).toMatchObject({ code: 0 });
});
