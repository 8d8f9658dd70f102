import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  append,
  EMPTY_TREE,
  hashLeaf,
  LOG_KEY,
  openCheckpoint,
  parseTilePath,
  readSigner,
  readVerifier,
  rootOf,
  signCheckpoint,
  tileWidth,
  TILE_WIDTH,
  verifierKeyOf,
  writeSecretKey,
  type Hash,
} from '#tlog';
import { follow, type Outcome } from './follow.job.js';
import { Memory, UnfitFolder } from './memory.sender.js';
import { ServedLog } from './served-log.sender.js';

/** A log over HTTP that behaves, and then contradicts itself in every way that a witness is there to notice. */

const ORIGIN = 'log.example.org/audit/1';
const SECRET = writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 7));
const KEY = readVerifier(verifierKeyOf(SECRET));
const NOW = Date.parse('2026-03-01T12:00:00Z');
const TOKEN = 'a-token';

const leaves = (count: number, of = 'entry'): Hash[] =>
  Array.from({ length: count }, (_, at) => hashLeaf(Buffer.from(`${of} ${at}`)));
const sign = (hashes: readonly Hash[], secret = SECRET, origin = ORIGIN): string => {
  const { tree } = append(EMPTY_TREE, hashes);
  return signCheckpoint({ origin, size: tree.size, root: rootOf(tree), extensions: [] }, [readSigner(secret)]);
};

/** The checkpoint and the tiles that the log serves now. */
let served: { hashes: Hash[]; checkpoint: string; isAway?: boolean; onlyWide?: boolean };
let server: Server;
let folder = '';
let memory: Memory;
let log: ServedLog;

beforeAll(async () => {
  server = createServer(({ url, headers }, response) => {
    const path = url!.slice('/log/'.length);
    const tile = parseTilePath(path);
    const width = tile ? tileWidth(served.hashes.length, tile.level, tile.index) : 0;
    const isThere = tile && tile.width <= width && (!served.onlyWide || width < TILE_WIDTH || tile.width === width);
    const { fullTiles, tree } = append(EMPTY_TREE, served.hashes);
    const row =
      tile &&
      (fullTiles.find(({ level, index }) => level === tile.level && index === tile.index)?.hashes ??
        tree.edge[Number(tile.level)]);
    const body = path === 'checkpoint' ? served.checkpoint : isThere ? row!.subarray(0, tile.width * 32) : null;
    const status = headers.authorization !== `Bearer ${TOKEN}` ? 401 : served.isAway ? 503 : body === null ? 404 : 200;
    response.writeHead(status).end(status === 200 ? body : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  log = new ServedLog(`http://127.0.0.1:${(server.address() as AddressInfo).port}/log`, TOKEN);
});
afterAll(() => void server.close());

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-witness-'));
  memory = await Memory.open(folder, 'witness.example.org');
});
afterEach(async () => {
  await memory.close();
  rmSync(folder, { recursive: true, force: true });
});

const look = (hashes: Hash[], changes: Partial<typeof served> = {}, nowMs = NOW): Promise<Outcome> => {
  served = { hashes, checkpoint: sign(hashes), ...changes };
  return follow({ log, key: KEY }, memory, nowMs);
};
const cosignedFile = (): string =>
  join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.checkpoint'))!,
  );
const refusedFiles = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.refused'));

it('cosigns a log that grows, from nothing and over tiles, and others believe its word', async () => {
  for (const size of [0, 3, 3, 255, 256, 700, TILE_WIDTH * 3]) {
    expect(await look(leaves(size)), String(size)).toMatchObject({ kind: 'cosigned', size });
    const { checkpoint, cosigned } = openCheckpoint(readFileSync(cosignedFile()), {
      origin: ORIGIN,
      logKeys: [KEY],
      witnesses: [readVerifier(memory.verifierKey)],
      quorum: 1,
    });
    expect(checkpoint.size).toBe(size);
    expect(cosigned).toMatchObject([{ name: 'witness.example.org', timeS: NOW / 1_000 }]);
  }
  expect(refusedFiles()).toEqual([]);
});

it('goes on after a restart where it was, with the same key', async () => {
  await look(leaves(300));
  const { verifierKey } = memory;
  await memory.close();
  memory = await Memory.open(folder, 'another name');
  expect(memory.verifierKey).toBe(verifierKey);
  expect(await look(leaves(200))).toMatchObject({ kind: 'refused' });
  expect(await look(leaves(301))).toMatchObject({ kind: 'cosigned' });
});

it('refuses a log that was rolled back, and keeps both checkpoints', async () => {
  await look(leaves(300));
  const before = readFileSync(cosignedFile(), 'utf8');
  const { kind, text } = await look(leaves(299));
  expect([kind, text]).toEqual([
    'refused',
    expect.stringMatching(
      /^REFUSED: the log \S+ was rolled back: it shows 299 entries, and 300 were cosigned\. Both are kept in /,
    ),
  ]);
  expect(readFileSync(cosignedFile(), 'utf8')).toBe(before);
  const kept = readFileSync(join(folder, refusedFiles()[0]!), 'utf8');
  expect(kept).toContain(before);
  expect(kept).toContain(sign(leaves(299)));
  // Its word about the same log is still good.
  expect(await look(leaves(300))).toMatchObject({ kind: 'cosigned' });
});

it.each([
  ['of the same size', 300],
  ['that has grown', 400],
])('refuses a log that was forked: one %s', async (_, size) => {
  await look(leaves(300));
  const before = readFileSync(cosignedFile(), 'utf8');
  const forked = [...leaves(299), hashLeaf(Buffer.from('another')), ...leaves(size, 'later').slice(300)];
  expect(await look(forked)).toMatchObject({
    kind: 'refused',
    text: expect.stringMatching(
      /was forked, or its tiles are damaged: .* The root of the tree of 300 leaves differs: expected \S{44}, computed \S{44}/,
    ),
  });
  expect(readFileSync(cosignedFile(), 'utf8')).toBe(before);
  expect(refusedFiles()).toHaveLength(1);
  await look(forked);
  expect(refusedFiles()).toHaveLength(1);
});

it('refuses tiles that are not those of the checkpoint', async () => {
  await look(leaves(300));
  expect(await look(leaves(400, 'other'), { checkpoint: sign(leaves(400)) })).toMatchObject({ kind: 'refused' });
});

it.each([
  [
    'with another key',
    sign(leaves(3), writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 8))),
    /The signature of the log differs/,
  ],
  ['of another origin', sign(leaves(3), SECRET, 'log.example.org/audit/2'), /The origin of the checkpoint differs/],
  ['without a signature', sign(leaves(3)).split('—')[0]!, /cannot be believed/],
  ['with a changed size', sign(leaves(3)).replace('\n3\n', '\n4\n'), /cannot be believed/],
])('believes no checkpoint %s', async (_, checkpoint, why) => {
  await look(leaves(2));
  const before = readFileSync(cosignedFile(), 'utf8');
  expect(await look(leaves(3), { checkpoint })).toMatchObject({ kind: 'refused', text: expect.stringMatching(why) });
  expect(readFileSync(cosignedFile(), 'utf8')).toBe(before);
});

it('says nothing about a log that is away, and takes the wider tile where the shorter one is gone', async () => {
  await look(leaves(300));
  expect(await look(leaves(301), { isAway: true })).toMatchObject({
    kind: 'away',
    text: expect.stringMatching(/answers 503$/),
  });
  const hashes = leaves(512);
  expect(await look(hashes, { checkpoint: sign(leaves(400)), onlyWide: true })).toMatchObject({
    kind: 'cosigned',
    size: 400,
  });
});

it('believes its memory only if it was cosigned with its own key', async () => {
  await look(leaves(300));
  writeFileSync(cosignedFile(), sign(leaves(10)));
  expect(await look(leaves(20))).toMatchObject({ kind: 'refused', text: expect.stringMatching(/cosignatures/) });
});

it('keeps its key from others, and one folder is for one witness', async () => {
  expect(statSync(join(folder, 'witness.key')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, 'witness.pub'), 'utf8').trim()).toBe(memory.verifierKey);
  writeFileSync(join(folder, 'lock'), String(process.ppid));
  await expect(Memory.open(folder, 'x')).rejects.toThrow(UnfitFolder);
  await memory.close();
  chmodSync(join(folder, 'witness.key'), 0o640);
  await expect(Memory.open(folder, 'x')).rejects.toThrow(/chmod 600/);
});
