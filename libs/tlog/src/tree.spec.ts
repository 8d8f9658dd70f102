import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Malformed } from './fault.js';
import { EMPTY_ROOT, hashAt, hashChildren, hashLeaf, MAX_ENTRY_BYTES, type Hash } from './hashes.js';
import { partialTiles, TILE_WIDTH } from './tiles.js';
import { append, EMPTY_TREE, planTree, rootOf, type FullTile, type Tree } from './tree.js';

/** The eight leaves that the tests of Certificate Transparency have in every language, and the roots of each size. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** RFC 9162 §2.1.1 to the letter; it costs a hash for each node. */
const merkleTreeHash = (leaves: readonly Hash[]): Hash => {
  if (leaves.length <= 1) return leaves[0] ?? EMPTY_ROOT;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return hashChildren(merkleTreeHash(leaves.slice(0, split)), merkleTreeHash(leaves.slice(split)));
};

const leavesOf = (count: number): Hash[] => Array.from({ length: count }, (_, at) => hashLeaf(Buffer.from(`${at}`)));
const MANY = leavesOf(70_000);
const grown = (tree: Tree, leaves: readonly Hash[], tiles: FullTile[] = []): Tree => {
  const { tree: next, fullTiles } = append(tree, leaves);
  tiles.push(...fullTiles);
  return next;
};

describe('a tree has the root that RFC 9162 defines', () => {
  it.each(ROOTS.map((root, size) => [size, root] as const))('of the %i known leaves', (size, root) => {
    const leaves = LEAVES.slice(0, size).map((hex) => hashLeaf(Buffer.from(hex, 'hex')));
    expect(rootOf(append(EMPTY_TREE, leaves).tree).toString('hex')).toBe(root);
  });

  it('at every size up to 2,000, leaf by leaf', () => {
    let tree = EMPTY_TREE;
    for (let size = 1; size <= 2_000; size++) {
      tree = grown(tree, [MANY[size - 1]!]);
      // The definition itself, at each size, would cost two million hashes.
      if (size < 300 || size % 37 === 0 || size % 256 < 2)
        expect(rootOf(tree), `${size}`).toEqual(merkleTreeHash(MANY.slice(0, size)));
    }
  });

  it('however the leaves come in batches, and whenever it is opened again from its incomplete tiles', () => {
    const batches = fc.array(fc.tuple(fc.nat({ max: 700 }), fc.boolean()), { maxLength: 6 });
    fc.assert(
      fc.property(batches, (steps) => {
        let tree = EMPTY_TREE;
        for (const [count, isOpenedAgain] of steps) {
          tree = grown(tree, MANY.slice(tree.size, tree.size + count));
          if (!isOpenedAgain) continue;
          const { tiles, make } = planTree(tree.size);
          expect(tiles).toEqual(partialTiles(tree.size));
          const again = make(tiles.map(({ level }) => tree.edge[level as number]!));
          expect(again.peaks).toEqual(tree.peaks);
          tree = again;
        }
        expect(rootOf(tree)).toEqual(merkleTreeHash(MANY.slice(0, tree.size)));
      }),
    );
  });
});

describe('a tree tells which tiles have become full', () => {
  it('with their hashes and their roots, which are the hashes of the next level', () => {
    const tiles: FullTile[] = [];
    const tree = grown(grown(EMPTY_TREE, MANY.slice(0, 40_000), tiles), MANY.slice(40_000), tiles);
    // tlog-tiles counts the tiles of a tree of 70,000 leaves.
    expect(tiles.filter(({ level }) => level === 0)).toHaveLength(273);
    expect(tiles.filter(({ level }) => level === 1)).toHaveLength(1);
    expect(tree.edge.map(({ length }) => length / 32)).toEqual([112, 17, 1]);
    const seen = [0, 0];
    for (const { level, index, hashes, root } of tiles) {
      expect(index).toBe(seen[level]!++);
      const row = Array.from({ length: TILE_WIDTH }, (_, at) => hashAt(hashes, at));
      expect(root).toEqual(merkleTreeHash(row));
      const below = level === 0 ? MANY : tiles.filter((tile) => tile.level === 0).map((tile) => tile.root);
      expect(Buffer.concat(below.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)).equals(hashes)).toBe(true);
    }
  });

  it('and a batch that is rolled back has changed nothing', () => {
    const tree = grown(EMPTY_TREE, MANY.slice(0, 300));
    const before = rootOf(tree);
    const lost = append(tree, MANY.slice(1_000, 2_000));
    expect(rootOf(lost.tree)).not.toEqual(before);
    expect(rootOf(tree)).toEqual(before);
    expect(rootOf(grown(tree, MANY.slice(300, 900)))).toEqual(merkleTreeHash(MANY.slice(0, 900)));
  });
});

it('sizes above 2 to the power of 32 are like all others', () => {
  const size = 2 ** 40 + 255;
  const { tiles, make } = planTree(size);
  expect(tiles).toEqual([
    { level: 0, index: 2 ** 32, width: 255 },
    { level: 5, index: 0, width: 1 },
  ]);
  const tree = make([Buffer.concat(MANY.slice(0, 255)), MANY[0]!]);
  const { tree: next, fullTiles } = append(tree, MANY.slice(255, 257));
  expect(fullTiles.map(({ level, index, root }) => ({ level, index, root }))).toEqual([
    { level: 0, index: 2 ** 32, root: merkleTreeHash(MANY.slice(0, 256)) },
  ]);
  expect(next.edge.map(({ length }) => length / 32)).toEqual([1, 1, 0, 0, 0, 1]);
  expect(rootOf(next)).toEqual(hashChildren(MANY[0]!, hashChildren(merkleTreeHash(MANY.slice(0, 256)), MANY[256]!)));
});

describe('what is no part of a tree is refused', () => {
  it.each([
    ['an entry above the limit', () => hashLeaf(Buffer.alloc(MAX_ENTRY_BYTES + 1))],
    ['a leaf hash of another length', () => append(EMPTY_TREE, [Buffer.alloc(31)])],
    ['a tile that was cut off', () => planTree(300).make([Buffer.alloc(43 * 32), Buffer.alloc(32)])],
    ['a tile that is missing', () => planTree(300).make([Buffer.alloc(44 * 32)])],
    ['more leaves than a number can count', () => append({ ...EMPTY_TREE, size: Number.MAX_SAFE_INTEGER }, MANY)],
  ])('%s', (_what, act) => {
    expect(act).toThrow(Malformed);
  });

  it('and the largest entry is none of that', () => {
    expect(hashLeaf(Buffer.alloc(MAX_ENTRY_BYTES))).toHaveLength(32);
  });
});
