import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_ROOT, hashChildren, hashLeaf, type Hash } from './hashes.js';
import { carryOut, type Plan } from './plan.js';
import {
  planConsistency,
  planInclusion,
  planInclusions,
  planRoot,
  verifyConsistency,
  verifyInclusion,
  type Included,
  type Proof,
} from './proof.js';
import { tilePath, tileWidth, type Tile } from './tiles.js';
import { append, EMPTY_TREE, rootOf } from './tree.js';

const hex = (text: string): Hash => Buffer.from(text, 'hex');
const SIZE = 2_000;
const LEAVES = Array.from({ length: 66_000 }, (_, at) => hashLeaf(Buffer.from(`entry ${at}`)));

/** Rows of hashes by level, as a log has stored them. */
const rowsOf = (leaves: readonly Hash[]): Buffer[] => {
  const { tree, fullTiles } = append(EMPTY_TREE, leaves);
  return tree.edge.map((edge, level) =>
    Buffer.concat([...fullTiles.filter((tile) => tile.level === level).map(({ hashes }) => hashes), edge]),
  );
};
const read = (rows: readonly Buffer[], { level, index, width }: Tile): Buffer =>
  rows[level as number]!.subarray(index * 8_192, index * 8_192 + width * 32);
const made = <Made>({ tiles, make }: Plan<Made>, rows: readonly Buffer[]): Made =>
  make(tiles.map((tile) => read(rows, tile)));
const ROWS = rowsOf(LEAVES);
const roots = new Map<number, Hash>();
const rootAt = (size: number): Hash => {
  if (!roots.has(size)) roots.set(size, rootOf(append(EMPTY_TREE, LEAVES.slice(0, size)).tree));
  return roots.get(size)!;
};

/** RFC 9162 §2.1.3.1 and §2.1.4.1 to the letter. */
const mth = (leaves: readonly Hash[]): Hash => rootOf(append(EMPTY_TREE, leaves).tree);
const split = (leaves: number): number => {
  let half = 1;
  while (half * 2 < leaves) half *= 2;
  return half;
};
const path = (m: number, d: readonly Hash[]): Hash[] => {
  const k = split(d.length);
  if (d.length === 1) return [];
  return m < k ? [...path(m, d.slice(0, k)), mth(d.slice(k))] : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
};
const subproof = (m: number, d: readonly Hash[], isWhole: boolean): Hash[] => {
  if (m === d.length) return isWhole ? [] : [mth(d)];
  const k = split(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), isWhole), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
};

const sizes = fc.integer({ min: 1, max: SIZE });

describe('the proofs that Certificate Transparency has published', () => {
  const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const leaves = ENTRIES.map((entry) => hashLeaf(hex(entry)));
  const rows = rowsOf(leaves);
  const root = (size: number): Hash => mth(leaves.slice(0, size));
  const left = '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d';
  const second = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7';
  const third = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e';
  const fifth = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b';
  const firstFour = 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7';
  const lastFour = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4';
  const lastTwo = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0';
  const fifthAndSixth = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a';
  const seventh = 'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f';

  it.each([
    [0, 1, []],
    [0, 8, [second, third, lastFour]],
    [5, 8, [fifth, lastTwo, firstFour]],
    [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
    [1, 5, [left, third, fifth]],
  ])('leaf %i in a tree of %i', (index, size, hashes) => {
    const proof = made(planInclusion(index, size), rows);
    expect(proof.map((hash) => hash.toString('hex'))).toEqual(hashes);
    expect(verifyInclusion({ leafHash: leaves[index]!, index, size, root: root(size) }, proof)).toBeNull();
  });

  it.each([
    [1, 1, []],
    [1, 8, [second, third, lastFour]],
    [6, 8, [fifthAndSixth, lastTwo, firstFour]],
    [2, 5, [third, fifth]],
    [6, 7, [fifthAndSixth, seventh, firstFour]],
  ])('a tree of %i within one of %i', (first, later, hashes) => {
    const proof = made(planConsistency(first, later), rows);
    expect(proof.map((hash) => hash.toString('hex'))).toEqual(hashes);
    const [from, to] = [first, later].map((size) => ({ size, root: root(size) }));
    expect(verifyConsistency(from!, to!, proof)).toBeNull();
  });
});

describe('proofs are made of the tiles of their size alone', () => {
  it('as RFC 9162 defines them, and they verify', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (size, seed) => {
        const index = seed % size;
        const inclusion = planInclusion(index, size);
        const proof = made(inclusion, ROWS);
        expect(proof).toEqual(path(index, LEAVES.slice(0, size)));
        expect(verifyInclusion({ leafHash: LEAVES[index]!, index, size, root: rootAt(size) }, proof)).toBeNull();
        const consistency = planConsistency(index + 1, size);
        const appended = made(consistency, ROWS);
        expect(appended).toEqual(subproof(index + 1, LEAVES.slice(0, size), true));
        const heads = [index + 1, size].map((count) => ({ size: count, root: rootAt(count) }));
        expect(verifyConsistency(heads[0]!, heads[1]!, appended)).toBeNull();
        for (const { level, index: at, width } of [...inclusion.tiles, ...consistency.tiles])
          expect(width).toBe(tileWidth(size, level, at));
      }),
    );
  });

  it('for every leaf and every earlier tree of some sizes', () => {
    for (const size of [1, 2, 3, 7, 8, 9, 255, 256, 257]) {
      for (let index = 0; index < size; index++) {
        const proof = made(planInclusion(index, size), ROWS);
        expect(verifyInclusion({ leafHash: LEAVES[index]!, index, size, root: rootAt(size) }, proof)).toBeNull();
        const first = { size: index, root: rootAt(index) };
        const appended = made(planConsistency(index, size), ROWS);
        expect(verifyConsistency(first, { size, root: rootAt(size) }, appended)).toBeNull();
      }
    }
  });

  it.each([256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000])(
    'around a tile that becomes full: %i leaves',
    (size) => {
      for (const index of [0, 255, 256, 1_000, 65_535, size - 1].filter((at) => at < size)) {
        const { tiles, make } = planInclusion(index, size);
        // A tile of each level on the way, and the last one of each level.
        expect(tiles.length).toBeLessThanOrEqual(6);
        const proof = make(tiles.map((tile) => read(ROWS, tile)));
        expect(verifyInclusion({ leafHash: LEAVES[index]!, index, size, root: rootAt(size) }, proof)).toBeNull();
        const heads = [index + 1, size].map((count) => ({ size: count, root: rootAt(count) }));
        expect(verifyConsistency(heads[0]!, heads[1]!, made(planConsistency(index + 1, size), ROWS))).toBeNull();
      }
      expect(made(planRoot(size), ROWS)).toEqual(rootAt(size));
    },
  );

  it('also for many leaves at once, which read each tile once', () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(), { maxLength: 6 }), (size, seeds) => {
        const indexes = seeds.map((seed) => seed % size);
        const plan = planInclusions(indexes, size);
        expect(made(plan, ROWS)).toEqual(indexes.map((index) => made(planInclusion(index, size), ROWS)));
        const named = plan.tiles.map(tilePath);
        expect(new Set(named).size).toBe(named.length);
      }),
    );
  });

  it('and tiles that have grown since give the same', () => {
    const { tiles, make } = planInclusion(700, 900);
    const full = tiles.map((tile) => read(ROWS, { ...tile, width: tileWidth(66_000, tile.level, tile.index) }));
    expect(make(full)).toEqual(made({ tiles, make }, ROWS));
  });

  it('which a reader is asked for in one go', async () => {
    const asked: (readonly Tile[])[] = [];
    const plan = planInclusion(700, 66_000);
    const proof = await carryOut(plan, (tiles) => {
      asked.push(tiles);
      return Promise.resolve(tiles.map((tile) => read(ROWS, tile)));
    });
    expect(asked).toEqual([plan.tiles]);
    expect(proof).toEqual(made(plan, ROWS));
    await expect(carryOut(plan, () => Promise.resolve([]))).rejects.toThrow('tiles were asked for');
    await expect(carryOut(plan, (tiles) => Promise.resolve(tiles.map(() => Buffer.alloc(31))))).rejects.toThrow(
      'bytes; 31 were read',
    );
  });
});

describe('a proof that does not fit says what differs', () => {
  const flip = (hash: Uint8Array, at: number): Hash => {
    const other = Buffer.from(hash);
    other[at % 32]! ^= 1 << (at % 8);
    return other;
  };
  const flipOne = (proof: Proof, at: number): Proof =>
    proof.map((hash, place) => (place === at % proof.length ? flip(hash, at) : hash));

  it('whatever was changed of an inclusion proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: SIZE }), fc.nat(), fc.nat(), (size, seed, at) => {
        const index = seed % size;
        const good: Included = { leafHash: LEAVES[index]!, index, size, root: rootAt(size) };
        const proof = made(planInclusion(index, size), ROWS);
        const bad: [Partial<Included>, Proof][] = [
          [{}, flipOne(proof, at)],
          [{}, proof.slice(1)],
          [{}, [...proof, LEAVES[0]!]],
          [{}, proof.map((hash) => hash.subarray(1))],
          [{ leafHash: flip(good.leafHash, at) }, proof],
          [{ root: flip(good.root, at) }, proof],
          [{ root: good.root.subarray(1) }, proof],
          [{ index: (index + 1 + (at % (size - 1))) % size }, proof],
          [{ index: size }, proof],
          [{ index: -1 }, proof],
          [{ index: Number.NaN }, proof],
          [{ size: index }, proof],
          [{ size: 2 ** 60 }, proof],
        ];
        for (const [change, hashes] of bad)
          expect(verifyInclusion({ ...good, ...change }, hashes)?.message).toMatch(/ differs: expected .*, computed /);
      }),
    );
  });

  it('whatever was changed of a consistency proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: SIZE }), fc.nat(), fc.nat(), (size, seed, at) => {
        const first = { size: 1 + (seed % (size - 1)), root: rootAt(1 + (seed % (size - 1))) };
        const second = { size, root: rootAt(size) };
        const proof = made(planConsistency(first.size, size), ROWS);
        expect(verifyConsistency(first, second, flipOne(proof, at))).not.toBeNull();
        expect(verifyConsistency(first, second, proof.slice(1))).not.toBeNull();
        expect(verifyConsistency(first, second, [...proof, LEAVES[0]!])).not.toBeNull();
        expect(verifyConsistency({ ...first, root: flip(first.root, at) }, second, proof)).not.toBeNull();
        expect(verifyConsistency(first, { ...second, root: flip(second.root, at) }, proof)).not.toBeNull();
        expect(verifyConsistency(first, { ...second, root: second.root.subarray(1) }, proof)).not.toBeNull();
        expect(verifyConsistency(second, first, proof)).not.toBeNull();
        expect(verifyConsistency({ ...first, size: first.size - 1 }, second, proof)).not.toBeNull();
        expect(verifyConsistency({ ...first, size: -1 }, second, proof)).not.toBeNull();
      }),
    );
  });

  it('with the two hashes', () => {
    const proof = made(planInclusion(2, 5), ROWS);
    const wrong = { leafHash: LEAVES[3]!, index: 2, size: 5, root: rootAt(5) };
    const computed = hashChildren(hashChildren(proof[1]!, hashChildren(LEAVES[3]!, proof[0]!)), proof[2]!).toString(
      'base64',
    );
    expect(verifyInclusion(wrong, proof)).toMatchObject({
      what: 'root of the tree of 5 leaves',
      expected: rootAt(5).toString('base64'),
      computed,
    });
    const forked = { size: 3, root: rootAt(4) };
    expect(verifyConsistency(forked, { size: 5, root: rootAt(5) }, made(planConsistency(3, 5), ROWS))).toMatchObject({
      what: 'root of the tree of 3 leaves',
      expected: rootAt(4).toString('base64'),
      computed: rootAt(3).toString('base64'),
    });
    expect(verifyConsistency({ size: 3, root: rootAt(3) }, { size: 3, root: rootAt(4) }, [])).toMatchObject({
      expected: rootAt(3).toString('base64'),
      computed: rootAt(4).toString('base64'),
    });
    expect(verifyInclusion(wrong, [])).toMatchObject({ expected: '3 hashes', computed: '0 hashes' });
  });

  it('and the empty tree begins every tree, but with its own root only', () => {
    const later = { size: 5, root: rootAt(5) };
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, later, [])).toBeNull();
    expect(verifyConsistency({ size: 0, root: rootAt(1) }, later, [])).not.toBeNull();
    const empty = { size: 0, root: EMPTY_ROOT };
    expect(verifyConsistency(empty, empty, [])).toBeNull();
    expect(verifyConsistency(empty, { size: 0, root: rootAt(1) }, [])).not.toBeNull();
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, later, [rootAt(1)])).not.toBeNull();
    expect(made(planRoot(0), ROWS)).toEqual(EMPTY_ROOT);
  });
});

it.each([
  ['a leaf behind the end', () => planInclusion(5, 5)],
  ['a leaf before the beginning', () => planInclusion(-1, 5)],
  ['half a leaf', () => planInclusion(0.5, 5)],
  ['one leaf of many behind the end', () => planInclusions([1, 5], 5)],
  ['a later tree that is smaller', () => planConsistency(6, 5)],
  ['a size above what a number can count', () => planRoot(2 ** 53)],
])('no proof is planned of %s', (_what, plan) => {
  expect(plan).toThrow(RangeError);
});
