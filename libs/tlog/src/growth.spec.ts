import { expect, it } from 'vitest';
import {
  append,
  carryOut,
  EMPTY_ROOT,
  EMPTY_TREE,
  Growth,
  hashLeaf,
  Malformed,
  planConsistency,
  planTree,
  rootOf,
  TILE_WIDTH,
  verifyRange,
  type Tile,
} from './index.js';

const LEAVES = Array.from({ length: 700 }, (_, at) => hashLeaf(Buffer.from(`entry ${at}`)));
const rootAt = (size: number): Buffer => rootOf(append(EMPTY_TREE, LEAVES.slice(0, size)).tree);
const { fullTiles, tree } = append(EMPTY_TREE, LEAVES);
const readTiles = (tiles: readonly Tile[]): Promise<Uint8Array[]> =>
  Promise.resolve(
    tiles.map(({ level, index, width }) =>
      level === 0
        ? Buffer.concat(LEAVES.slice(index * TILE_WIDTH, index * TILE_WIDTH + width))
        : (fullTiles.find((tile) => tile.level === level && tile.index === index)?.hashes ??
          tree.edge[Number(level)]!.subarray(0, width * 32)),
    ),
  );

it('has the root of RFC 9162 at each size', () => {
  const growth = new Growth();
  let { tree: one } = append(EMPTY_TREE, []);
  expect(growth.root()).toEqual(EMPTY_ROOT);
  for (const leaf of LEAVES) {
    growth.add(leaf);
    one = append(one, [leaf]).tree;
    expect(growth.root().equals(rootOf(one)), String(growth.size)).toBe(true);
  }
});

it.each([
  [0, 700],
  [0, 3],
  [1, 2],
  [255, 257],
  [256, 512],
  [300, 300],
  [511, 700],
])('entries from %i to %i are proved by what is before and behind them', async (from, to) => {
  const { peaks } = await carryOut(planTree(from), readTiles);
  const proof = { before: peaks, after: await carryOut(planConsistency(to, 700), readTiles) };
  const head = { size: 700, root: rootAt(700) };
  const grownBy = (leaves: readonly Buffer[], before = proof.before): Growth => {
    const growth = new Growth(from, before);
    for (const leaf of leaves) growth.add(leaf);
    return growth;
  };
  const leaves = LEAVES.slice(from, to);
  expect(verifyRange(grownBy(leaves), head, proof)).toBe(null);
  for (const at of new Set([0, Math.floor(leaves.length / 2), leaves.length - 1].filter((one) => leaves[one]))) {
    const changed = leaves.with(at, hashLeaf(Buffer.from('another')));
    const fault = verifyRange(grownBy(changed), head, proof)!;
    // The signed root is the expected one, and that of the leaves the computed one: at their end or, with the proof, at
    // that of the log.
    const size = Number(/^root of the tree of (\d+) leaves$/.exec(fault.what)![1]);
    expect([to, 700]).toContain(size);
    expect(fault.expected).toBe(rootAt(size).toString('base64'));
  }
  if (from > 0 && from < to)
    expect(verifyRange(grownBy(leaves, [hashLeaf(Buffer.from('x')), ...peaks.slice(1)]), head, proof)).not.toBe(null);
});

it('does not begin with peaks that cannot be', () => {
  expect(() => new Growth(3, [LEAVES[0]!])).toThrow(Malformed);
});
