import { Mismatch } from './fault.js';
import { EMPTY_ROOT, HASH_BYTES, hashAt, hashChildren, hashPair, rootOfPeaks, type Hash } from './hashes.js';
import type { Plan } from './plan.js';
import { checkTile, TILE_HEIGHT, TILE_WIDTH, tilePath, tileWidth, type Tile } from './tiles.js';

/** The leaves from one index up to, but without, another. */
interface Leaves {
  readonly from: number;
  readonly to: number;
}

/** A subtree beside the path from a leaf to the root. */
interface Sibling extends Leaves {
  readonly side: 'left' | 'right';
}

/** The largest power of two below a number: where RFC 9162 §2.1.1 splits a tree of so many leaves. */
const splitOf = (leaves: number): number => {
  let half = 1;
  while (half * 2 < leaves) half *= 2;
  return half;
};

/**
 * Goes from the root of a tree down to a leaf, for as long as it is told to. Gives the subtree where it has stopped, and
 * the siblings of its path from there upwards.
 */
const descend = (
  index: number,
  size: number,
  isToGoOn: (subtree: Leaves) => boolean,
): { subtree: Leaves; siblings: Sibling[] } => {
  const siblings: Sibling[] = [];
  let subtree: Leaves = { from: 0, to: size };
  while (isToGoOn(subtree)) {
    const { from, to } = subtree;
    const middle = from + splitOf(to - from);
    const isLeft = index < middle;
    siblings.push(isLeft ? { from: middle, to, side: 'right' } : { from, to: middle, side: 'left' });
    subtree = isLeft ? { from, to: middle } : { from: middle, to };
  }
  return { subtree, siblings: siblings.reverse() };
};

const pathOfLeaf = (index: number, size: number): Sibling[] =>
  descend(index, size, ({ from, to }) => to - from > 1).siblings;

/**
 * RFC 9162 §2.1.4.1: the path of the subtree, in the second tree, with which the first one ends. It is the whole first
 * tree if it begins at 0.
 */
const pathOfTree = (first: number, second: number): { subtree: Leaves; siblings: Sibling[] } =>
  descend(first - 1, second, ({ to }) => to !== first);

/** A proof of RFC 9162: that an entry is in a tree, or that a tree was only appended to. From the bottom upwards. */
export type Proof = readonly Hash[];

/** The proof that the leaf at an index is in the tree of a size (RFC 9162 §2.1.3.1). Throws RangeError. */
export const planInclusion = (index: number, size: number): Plan<Proof> => {
  const { tiles, make } = planInclusions([index], size);
  return { tiles, make: (read) => make(read)[0]! };
};

/**
 * The proofs of many leaves at once, in their order. What they share is read and hashed once: a proof alone costs 255
 * hashes for each tile on its path, and so do all the proofs of one tile together. Throws RangeError.
 */
export const planInclusions = (indexes: readonly number[], size: number): Plan<Proof[]> => {
  const paths = indexes.map((index) => {
    if (!isCount(index) || !isCount(size) || index >= size)
      throw new RangeError(`There is no leaf ${index} in a tree of ${size} leaves.`);
    return pathOfLeaf(index, size);
  });
  const { tiles, make } = planRoots(paths.flat(), size);
  return {
    tiles,
    make: (read) => {
      const hashes = make(read);
      let end = 0;
      return paths.map(({ length }) => hashes.slice(end, (end += length)));
    },
  };
};

/**
 * The proof that the tree of the second size begins with that of the first one (RFC 9162 §2.1.4.1). It is empty for the
 * empty tree, and for equal sizes. Throws RangeError.
 */
export const planConsistency = (first: number, second: number): Plan<Proof> => {
  if (!isCount(first) || !isCount(second) || first > second)
    throw new RangeError(`A tree of ${second} leaves does not begin with one of ${first}.`);
  if (first === 0 || first === second) return { tiles: [], make: () => [] };
  const { subtree, siblings } = pathOfTree(first, second);
  return planRoots(subtree.from === 0 ? siblings : [subtree, ...siblings], second);
};

/** The root of the tree at any size up to that of the log. Throws RangeError. */
export const planRoot = (size: number): Plan<Hash> => {
  if (!isCount(size)) throw new RangeError(`There is no tree of ${size} leaves.`);
  if (size === 0) return { tiles: [], make: () => EMPTY_ROOT };
  const plan = planRoots([{ from: 0, to: size }], size);
  return { tiles: plan.tiles, make: (read) => plan.make(read)[0]! };
};

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** The roots of subtrees, of the tiles that a log has at a size. */
const planRoots = (subtrees: readonly Leaves[], size: number): Plan<Hash[]> => {
  const tiles = new Map<string, { readonly tile: Tile; readonly at: number }>();
  const pieces = subtrees.map((leaves) =>
    completeSubtrees(leaves).map(({ from, height }) => {
      const level = Math.floor(height / TILE_HEIGHT);
      const first = from / TILE_WIDTH ** level;
      const index = Math.floor(first / TILE_WIDTH);
      const tile: Tile = { level, index, width: tileWidth(size, level, index) };
      const path = tilePath(tile);
      if (!tiles.has(path)) tiles.set(path, { tile, at: tiles.size });
      const { at } = tiles.get(path)!;
      return { at, place: first % TILE_WIDTH, count: 2 ** (height % TILE_HEIGHT) };
    }),
  );
  const named = [...tiles.values()].map(({ tile }) => tile);
  return {
    tiles: named,
    make: (read) => {
      const roots = named.map((tile, at) => subtreesOf(checkTile(tile, read[at])));
      return pieces.map((parts) => rootOfPeaks(parts.map(({ at, place, count }) => roots[at]!(place, count))));
    },
  };
};

/** The roots of the complete subtrees above `count` hashes of a tile, each of which is computed once. */
const subtreesOf = (row: Uint8Array): ((place: number, count: number) => Hash) => {
  // A binary heap: 1 is the root of the tile, and the children of n are 2n and 2n + 1.
  const known: Hash[] = [];
  const rootOf = (place: number, count: number): Hash => {
    if (count === 1) return Buffer.from(hashAt(row, place));
    const half = count / 2;
    return (known[(TILE_WIDTH + place) / count] ??=
      half === 1 ? hashPair(row, place) : hashChildren(rootOf(place, half), rootOf(place + half, half)));
  };
  return rootOf;
};

/** RFC 9162 splits so that each piece begins at a multiple of its length. */
const completeSubtrees = ({ from, to }: Leaves): { from: number; height: number }[] => {
  const found: { from: number; height: number }[] = [];
  for (let at = from; at < to;) {
    let [height, leaves] = [0, 1];
    while (leaves * 2 <= to - at) {
      leaves *= 2;
      height++;
    }
    found.push({ from: at, height });
    at += leaves;
  }
  return found;
};

/** The leaf and the tree that an inclusion proof is about. */
export interface Included {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
}

/** RFC 9162 §2.1.3.2. Gives what differs; null = the leaf is in the tree with this root. */
export const verifyInclusion = ({ leafHash, index, size, root }: Included, proof: Proof): Mismatch | null => {
  if (!isCount(index) || !isCount(size) || index >= size)
    return new Mismatch('index of the leaf', `a number below the size, ${size}`, String(index));
  const path = pathOfLeaf(index, size);
  const fault =
    lengthFault('inclusion proof', path.length, proof) ?? hashFault('leaf hash', leafHash) ?? hashFault('root', root);
  if (fault) return fault;
  const computed = path.reduce(
    (hash, { side }, at) => (side === 'left' ? hashChildren(proof[at]!, hash) : hashChildren(hash, proof[at]!)),
    leafHash,
  );
  return rootFault(`root of the tree of ${size} leaves`, root, computed);
};

/** A tree, as a checkpoint tells it. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** RFC 9162 §2.1.4.2. Gives what differs; null = the second tree begins with the first one. */
export const verifyConsistency = (first: TreeHead, second: TreeHead, proof: Proof): Mismatch | null => {
  if (!isCount(first.size) || !isCount(second.size) || first.size > second.size)
    return new Mismatch('size of the later tree', `${first.size} or more`, String(second.size));
  const heads = hashFault('root', first.root) ?? hashFault('root', second.root);
  if (heads) return heads;
  if (first.size === 0 || first.size === second.size)
    return (
      lengthFault('consistency proof', 0, proof) ??
      (first.size === 0 ? rootFault('root of the empty tree', EMPTY_ROOT, first.root) : null) ??
      (first.size === second.size
        ? rootFault(`root of the tree of ${second.size} leaves`, first.root, second.root)
        : null)
    );
  const { subtree, siblings: path } = pathOfTree(first.size, second.size);
  const isWholeTree = subtree.from === 0;
  const fault = lengthFault('consistency proof', path.length + (isWholeTree ? 0 : 1), proof);
  if (fault) return fault;
  const hashes = isWholeTree ? [first.root, ...proof] : proof;
  let [ofFirst, ofSecond] = [hashes[0]!, hashes[0]!];
  for (const [at, { side }] of path.entries()) {
    const sibling = hashes[at + 1]!;
    // The first tree ends before a sibling on the right.
    if (side === 'left') ofFirst = hashChildren(sibling, ofFirst);
    ofSecond = side === 'left' ? hashChildren(sibling, ofSecond) : hashChildren(ofSecond, sibling);
  }
  return (
    rootFault(`root of the tree of ${first.size} leaves`, first.root, ofFirst) ??
    rootFault(`root of the tree of ${second.size} leaves`, second.root, ofSecond)
  );
};

/** A hash as texts have it. */
export const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

const rootFault = (what: string, expected: Uint8Array, computed: Uint8Array): Mismatch | null =>
  Buffer.compare(expected, computed) === 0 ? null : new Mismatch(what, base64(expected), base64(computed));

const lengthFault = (what: string, expected: number, proof: Proof): Mismatch | null =>
  proof.length === expected
    ? (proof.map((hash) => hashFault(`hash of the ${what}`, hash)).find((fault) => fault !== null) ?? null)
    : new Mismatch(`length of the ${what}`, `${expected} hashes`, `${proof.length} hashes`);

const hashFault = (what: string, hash: Uint8Array): Mismatch | null =>
  hash.length === HASH_BYTES
    ? null
    : new Mismatch(`length of the ${what}`, `${HASH_BYTES} bytes`, `${hash.length} bytes`);
