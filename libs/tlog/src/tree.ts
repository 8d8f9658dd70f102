import { Malformed } from './fault.js';
import { HASH_BYTES, hashChildren, rootOfPeaks, rootOfRow, type Hash } from './hashes.js';
import type { Plan } from './plan.js';
import { checkTile, partialTiles, TILE_BYTES, TILE_HEIGHT, TILE_WIDTH } from './tiles.js';

/**
 * A Merkle tree that grows (RFC 9162 §2.1): what has to be known of it to append. It is a value: appending makes
 * another one, so that a transaction that is rolled back leaves the old one as it was.
 */
export interface Tree {
  readonly size: number;
  /** The roots of its complete subtrees, one for each bit of the size, the largest first. */
  readonly peaks: readonly Hash[];
  /** For each level, the hashes of its incomplete tile in a row; empty = the last tile is full. */
  readonly edge: readonly Buffer[];
}

export const EMPTY_TREE: Tree = { size: 0, peaks: [], edge: [] };

/** A tile that will not change again. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  /** TILE_WIDTH hashes in a row. */
  readonly hashes: Buffer;
  /** The root above them: the hash at place `index` of the next level. */
  readonly root: Hash;
}

export interface Grown {
  readonly tree: Tree;
  /** The tiles that have become full, in the order in which they did; what is incomplete stands in `tree.edge`. */
  readonly fullTiles: readonly FullTile[];
}

/** Costs one hash a leaf, and the copy of the incomplete tiles. Throws Malformed for a leaf hash that is none. */
export const append = (tree: Tree, leafHashes: readonly Uint8Array[]): Grown => {
  if (tree.size + leafHashes.length > Number.MAX_SAFE_INTEGER)
    throw new Malformed('A tree has fewer leaves than 2 to the power of 53.');
  const peaks = [...tree.peaks];
  const fullTiles: FullTile[] = [];
  // Copies of the incomplete tiles that change.
  const rows: { readonly bytes: Buffer; width: number }[] = [];
  /** Gives the hashes of the tile if it has become full. */
  const put = (level: number, hash: Uint8Array): Buffer | null => {
    const hashes = tree.edge[level] ?? NO_HASHES;
    const row = (rows[level] ??= { bytes: copyOf(hashes), width: hashes.length / HASH_BYTES });
    row.bytes.set(hash, row.width * HASH_BYTES);
    row.width++;
    if (row.width < TILE_WIDTH) return null;
    rows[level] = { bytes: Buffer.allocUnsafe(TILE_BYTES), width: 0 };
    return row.bytes;
  };
  let { size } = tree;
  for (const leafHash of leafHashes) {
    if (leafHash.length !== HASH_BYTES)
      throw new Malformed(`A leaf hash has ${HASH_BYTES} bytes; this one has ${leafHash.length}.`);
    let full = put(0, leafHash);
    let peak: Hash = Buffer.from(leafHash);
    // Each trailing one of the size is a subtree as large as this one. `bits` becomes the number of those of the height.
    for (let height = 1, bits = size; bits % 2 === 1; height++) {
      peak = hashChildren(peaks.pop()!, peak);
      bits = (bits - 1) / 2;
      if (height % TILE_HEIGHT !== 0) continue;
      const level = height / TILE_HEIGHT;
      fullTiles.push({ level: level - 1, index: bits, hashes: full!, root: peak });
      full = put(level, peak);
    }
    peaks.push(peak);
    size++;
  }
  const changed = rows.map(({ bytes, width }) => bytes.subarray(0, width * HASH_BYTES));
  // A leaf changes the levels from its own up to some other one.
  const edge = [...changed, ...tree.edge.slice(changed.length)];
  return { tree: { size, peaks, edge }, fullTiles };
};

const NO_HASHES = Buffer.alloc(0);

/** The root at the tree's size; at most one hash for each bit of the size. */
export const rootOf = ({ peaks }: Tree): Hash => rootOfPeaks(peaks);

/**
 * Opens the tree of a size again from its incomplete tiles. It costs up to 255 hashes a level, and proves nothing:
 * compare the root with the one that was signed.
 */
export const planTree = (size: number): Plan<Tree> => {
  const tiles = partialTiles(size);
  return {
    tiles,
    make: (read) => {
      const edge: Buffer[] = [];
      const peaks: Hash[] = [];
      for (const [at, tile] of tiles.entries()) {
        while (edge.length < tile.level) edge.push(NO_HASHES);
        const row = copyOf(checkTile(tile, read[at])).subarray(0, tile.width * HASH_BYTES);
        edge.push(row);
        const ofLevel: Hash[] = [];
        for (let from = 0, count = TILE_WIDTH / 2; count >= 1; count /= 2) {
          if (tile.width - from < count) continue;
          ofLevel.push(rootOfRow(row, from, count));
          from += count;
        }
        peaks.unshift(...ofLevel);
      }
      return { size, peaks, edge };
    },
  };
};

const copyOf = (hashes: Uint8Array): Buffer => {
  const copy = Buffer.allocUnsafe(TILE_BYTES);
  copy.set(hashes);
  return copy;
};
