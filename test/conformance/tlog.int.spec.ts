import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  addSignatures,
  append,
  EMPTY_TREE,
  hashLeaf,
  LOG_KEY,
  parseTilePath,
  planConsistency,
  planInclusion,
  readCosigner,
  readSigner,
  rootOf,
  signCheckpoint,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  verifierKeyOf,
  WITNESS_KEY,
  writeEntryBundle,
  writeSecretKey,
  writeTlogProof,
  type Plan,
  type Tile,
  type Tree,
} from '#tlog';
import { fsck, type Judgement } from './fsck.js';
import { runGo, whatGoMisses } from './go-tools.js';

/**
 * Others judge the transparency logs that libs/tlog writes: Tessera's fsck, which reads a whole log over HTTP, and the Go
 * libraries for notes, cosignatures and proofs.
 */

const ORIGIN = 'audit.example.com/acme';
const SECRET = writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 1));
const WITNESS = writeSecretKey('witness.example.com', WITNESS_KEY, Buffer.alloc(32, 2));
const BEARER_TOKEN = 'a-token-of-the-test';
/** Enough for three levels of tiles. */
const MAX_SIZE = 66_000;
const ENTRIES = Array.from({ length: MAX_SIZE }, (_, at) =>
  Buffer.from(JSON.stringify({ at, of: 'é'.repeat(at % 40) })),
);
const LEAVES = ENTRIES.map(hashLeaf);
const { fullTiles } = append(EMPTY_TREE, LEAVES);

const missing = await whatGoMisses();
// With CI=true nothing is skipped.
const isSkipped = missing !== null && process.env.CI !== 'true';

/** The bytes of a log of a size, by path; undefined = there is no such file. */
type Log = (path: string) => Buffer | undefined;

const trees = new Map<number, Tree>();
const treeOf = (size: number): Tree => {
  const known = trees.get(size) ?? append(EMPTY_TREE, LEAVES.slice(0, size)).tree;
  trees.set(size, known);
  return known;
};

const logOf = (size: number): Log => {
  const tree = treeOf(size);
  const root = rootOf(tree);
  const checkpoint = signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, [readSigner(SECRET)]);
  return (path) => {
    if (path === 'checkpoint') return Buffer.from(checkpoint);
    const tile = parseTilePath(path);
    // A partial tile is served for this size alone.
    if (!tile || tile.width !== tileWidth(size, tile.level, tile.index)) return undefined;
    if (tile.level === 'entries')
      return writeEntryBundle(ENTRIES.slice(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width));
    return tile.width === TILE_WIDTH ? fullTile(tile) : tree.edge[tile.level];
  };
};
const fullTile = ({ level, index }: Tile): Buffer | undefined =>
  fullTiles.find((tile) => tile.level === level && tile.index === index)?.hashes;

/** The questions to the program verify; hashes and entries are in base64. */
interface Question {
  readonly origin: string;
  readonly logKey: string;
  readonly logSecret: string;
  readonly witnessKey: string;
  readonly inclusions: { entry: string; readonly text: string }[];
  readonly consistencies: { first: Head; readonly second: Head; readonly hashes: string[] }[];
  readonly tiles: (Tile & { path: string })[];
}
interface Head {
  readonly size: number;
  readonly root: string;
}

let server: Server | undefined;
afterEach(() => new Promise((done) => (server ? server.close(done) : done(undefined))));

const judged = async (log: Log, verifierKey = verifierKeyOf(SECRET), origin?: string): Promise<Judgement> => {
  server = createServer((request, response) => {
    const isAllowed = request.headers.authorization === `Bearer ${BEARER_TOKEN}`;
    const bytes = isAllowed ? log(request.url!.replace('/logs/acme/', '')) : undefined;
    response.writeHead(bytes ? 200 : isAllowed ? 404 : 401).end(bytes);
  });
  await new Promise<void>((done) => void server!.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logs/acme`;
  return fsck({ url, verifierKey, bearerToken: BEARER_TOKEN, ...(origin === undefined ? {} : { origin }) });
};

describe.skipIf(isSkipped)(`judges in Go${isSkipped ? ` (skipped: they need ${missing})` : ''}`, () => {
  beforeAll(() => {
    if (missing !== null) throw new Error(`The judges need ${missing}`);
  });

  describe('fsck accepts', () => {
    it.each([1, 255, 256, 257, 65_536, MAX_SIZE])('a log of %i entries', async (size) => {
      const { accepted, output } = await judged(logOf(size));
      expect(accepted, output).toEqual({ size, root: rootOf(treeOf(size)).toString('base64') });
    });
  });

  describe('fsck refuses', () => {
    const size = MAX_SIZE;
    const good = logOf(size);
    const flipped =
      (changed: string): Log =>
      (path) => {
        const bytes = good(path);
        if (path !== changed || !bytes) return bytes;
        const other = Buffer.from(bytes);
        other[other.length - 1]! ^= 1;
        return other;
      };

    it.each([
      ['tile/0/100', /tile\/0\/100: log has/],
      [tilePath({ level: 0, index: 257, width: 208 }), /tile\/0\/257\.p\/208: log has/],
      ['tile/1/000', /tile\/1\/000: log has/],
      [tilePath({ level: 2, index: 0, width: 1 }), /tile\/2\/000\.p\/1: log has/],
      // The tiles above it differ, too, and any of them may be told first.
      ['tile/entries/255', /tile\/(0\/255|1\/000|2\/000\.p\/1): log has/],
      [tilePath({ level: 'entries', index: 257, width: 208 }), /tile\/0\/257\.p\/208: log has/],
    ])('a log of which one bit of %s was changed', async (path, message) => {
      const { accepted, output } = await judged(flipped(path));
      expect(accepted, output).toBeNull();
      expect(output).toMatch(message);
    });

    it('a checkpoint with a root that is not that of the entries', async () => {
      const root = rootOf(treeOf(size - 1));
      const forked = signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, [readSigner(SECRET)]);
      const { accepted, output } = await judged((path) => (path === 'checkpoint' ? Buffer.from(forked) : good(path)));
      expect(accepted, output).toBeNull();
      expect(output).toContain(`but checkpoint claims ${root.toString('hex')}`);
    });

    it.each([
      ['a key that has not signed', verifierKeyOf(writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 9))), undefined],
      ['another origin', undefined, 'audit.example.com/other'],
    ])('%s', async (_what, key, origin) => {
      const { accepted, output } = await judged(logOf(300), key, origin);
      expect(accepted, output).toBeNull();
      expect(output).toContain('failed to fetch and verify checkpoint');
    });
  });

  describe("Go's libraries agree on", () => {
    const sizes = [1, 2, 3, 7, 8, 255, 256, 257, 300, 1_000, 65_537, MAX_SIZE];
    const tree = treeOf(MAX_SIZE);
    const made = <Made>({ tiles, make }: Plan<Made>): Made =>
      make(tiles.map((tile) => fullTile(tile) ?? tree.edge[tile.level as number]!));
    const pairs = sizes.flatMap((size) =>
      [...new Set([0, 1, 100, 255, 256, size - 2, size - 1])]
        .filter((at) => at >= 0 && at < size)
        .map((at) => [at, size] as const),
    );
    const fileOf = (index: number, size: number): string => {
      const head = { origin: ORIGIN, size, root: rootOf(treeOf(size)), extensions: [] };
      const checkpoint = addSignatures(signCheckpoint(head, [readSigner(SECRET)]), [
        readCosigner(WITNESS, 1_679_315_147),
      ]);
      const extra = index % 2 === 0 ? Buffer.from(`extra ${index}`) : null;
      return writeTlogProof({ index, hashes: made(planInclusion(index, size)), checkpoint, extra });
    };
    const headOf = (size: number): Head => ({ size, root: rootOf(treeOf(size)).toString('base64') });
    const tiles = [0, 1, 999, 1_000, 1_234_067, Number.MAX_SAFE_INTEGER].flatMap((index) =>
      [0, 5, 63].flatMap((level) =>
        [1, 255, 256].map((width) => ({ level, index, width, path: tilePath({ level, index, width }) })),
      ),
    );
    const question = (): Question => ({
      origin: ORIGIN,
      logKey: verifierKeyOf(SECRET),
      logSecret: SECRET,
      witnessKey: verifierKeyOf(WITNESS),
      inclusions: pairs.map(([at, size]) => ({ entry: ENTRIES[at]!.toString('base64'), text: fileOf(at, size) })),
      consistencies: pairs.map(([at, size]) => ({
        first: headOf(at + 1),
        second: headOf(size),
        hashes: made(planConsistency(at + 1, size)).map((hash) => hash.toString('base64')),
      })),
      tiles,
    });
    const answered = async (asked: object): Promise<unknown> => {
      const { exitCode, stdout, stderr } = await runGo('verify', [], JSON.stringify(asked));
      expect(exitCode, stderr).toBe(0);
      return JSON.parse(stdout);
    };

    it('keys, signed and cosigned checkpoints, proof files, consistency proofs and paths of tiles', async () => {
      expect(await answered(question())).toEqual({
        inclusions: pairs.length,
        consistencies: pairs.length,
        tiles: tiles.length,
      });
    });

    it.each([
      ['another entry', 'inclusions', ({ inclusions }) => (inclusions[5]!.entry = 'AAAA')],
      ['another tree', 'consistencies', ({ consistencies }) => (consistencies[5]!.first = headOf(9))],
      ['another path', 'tiles', ({ tiles: named }) => (named[5]!.path = 'tile')],
    ] satisfies [string, string, (asked: Question) => unknown][])('and not on %s', async (_what, kind, change) => {
      const asked = structuredClone(question());
      change(asked);
      expect(await answered(asked)).toMatchObject({ [kind]: 5, error: expect.any(String) });
    });
  });
});
