import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Installation, LOGS } from '../bench/installation.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-private-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Every file and folder that others than its owner may touch. A server at work removes files of its own meanwhile. */
const openIn = (path: string): string[] => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [];
  const mode = found.mode & 0o7777;
  if (found.isDirectory()) {
    return [
      ...(mode === 0o700 ? [] : [`${path} ${mode.toString(8)}`]),
      ...readdirSync(path).flatMap((name) => openIn(join(path, name))),
    ];
  }
  return mode === 0o600 ? [] : [`${path} ${mode.toString(8)}`];
};

it.each(LOGS)(
  "everything in the data directory is its owner's alone, also what lay there before, and all that was printed is JSON lines: %s",
  async (log) => {
    const dataDir = join(home, 'data');
    mkdirSync(join(dataDir, 'left'), { recursive: true });
    writeFileSync(join(dataDir, 'left', 'by a copy'), 'x');
    for (const [path, mode] of [
      [dataDir, 0o755],
      [join(dataDir, 'left'), 0o775],
      [join(dataDir, 'left', 'by a copy'), 0o644],
    ] as const)
      chmodSync(path, mode);
    expect(openIn(dataDir)).toHaveLength(3);
    const muster = await Installation.start(log, dataDir);
    try {
      expect(readdirSync(dataDir)).toEqual(
        expect.arrayContaining([
          'admin.key',
          'cli.key',
          'master.key',
          'postgres',
          'postgres.log',
          'postgres.password',
          'runtime.json',
        ]),
      );
      expect(openIn(dataDir)).toEqual([]);
    } finally {
      await muster.stop();
    }
    for (const line of readFileSync(`${dataDir}.log`, 'utf8').trim().split('\n'))
      expect(JSON.parse(line), line).toHaveProperty('msg');
    expect(openIn(dataDir)).toEqual([]);
  },
);
