import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Malformed } from './fault.js';
import { MAX_ENTRY_BYTES } from './hashes.js';
import {
  parseTilePath,
  partialTiles,
  readEntryBundle,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  writeEntryBundle,
  type Tile,
} from './tiles.js';

const tiles: fc.Arbitrary<Tile> = fc.record({
  level: fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const)),
  index: fc.oneof(fc.nat(2_000_000), fc.maxSafeNat()),
  width: fc.integer({ min: 1, max: TILE_WIDTH }),
});

describe('a tile has one path (C2SP tlog-tiles)', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 3, index: 1_234_067, width: 256 }, 'tile/3/x001/x234/067'],
    [{ level: 63, index: 1_000, width: 5 }, 'tile/63/x001/000.p/5'],
    [{ level: 'entries', index: 273, width: 112 }, 'tile/entries/273.p/112'],
    [{ level: 0, index: Number.MAX_SAFE_INTEGER, width: 1 }, 'tile/0/x009/x007/x199/x254/x740/991.p/1'],
  ] as const)('%j', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it('which leads back to it', () => {
    fc.assert(
      fc.property(tiles, (tile) => {
        expect(parseTilePath(tilePath(tile))).toEqual(tile);
      }),
    );
  });

  it.each([
    '',
    'tile/0/',
    '/tile/0/000',
    'tile/0/000/',
    'tile/0/0',
    'tile/0/0000',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/x001/x002',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/+1/000',
    'tile/data/000',
    'tile/ENTRIES/000',
    'tile/0/000.p/0',
    'tile/0/000.p/05',
    'tile/0/000.p/256',
    'tile/0/000.p/999',
    'tile/0/000.p/',
    'tile/0/000.p',
    'tile/0/000.P/5',
    'tile/0/000.p/5\n',
    'tile/0/٠٠٠',
    'tile/0/..%2f',
    'tile/0/../../checkpoint',
    'tile/0/x009/x007/x199/x254/x740/992',
    'tile/0/x001/x000/x000/x000/x000/x000/000',
    `tile/0/${'x001/'.repeat(1_000_000)}000`,
  ])('and %j is the path of none', (path) => {
    expect(parseTilePath(path)).toBeNull();
  });

  it('whatever somebody asks for, it is a tile whose path that is, or none', () => {
    const near = fc.stringMatching(/^tile\/(entries|[0-9]{1,3})\/(x?[0-9]{3}\/?){1,4}(\.p\/[0-9]{0,4})?$/);
    fc.assert(
      fc.property(fc.oneof(near, fc.string(), fc.string({ unit: 'binary' })), (path) => {
        const tile = parseTilePath(path);
        if (tile) expect(tilePath(tile)).toBe(path);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a tree of a size has so many hashes in each tile', () => {
  it('of 70,000 leaves, as tlog-tiles counts them', () => {
    expect(partialTiles(70_000)).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ]);
    expect(tileWidth(70_000, 0, 272)).toBe(256);
    expect(tileWidth(70_000, 0, 273)).toBe(112);
    expect(tileWidth(70_000, 'entries', 273)).toBe(112);
    expect(tileWidth(70_000, 0, 274)).toBe(0);
    expect(tileWidth(70_000, 1, 0)).toBe(256);
    expect(tileWidth(70_000, 3, 0)).toBe(0);
    expect(tileWidth(70_000, 63, 0)).toBe(0);
  });

  it('of 256 leaves: a full tile, and a partial one above', () => {
    expect(partialTiles(256)).toEqual([{ level: 1, index: 0, width: 1 }]);
    expect(partialTiles(0)).toEqual([]);
  });
});

describe('a bundle has each entry after its length', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: TILE_WIDTH });

  it('as bytes', () => {
    const bundle = writeEntryBundle([Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c')]);
    expect(bundle.toString('hex')).toBe('000261620000000163');
    expect(writeEntryBundle([Buffer.alloc(MAX_ENTRY_BYTES)]).toString('hex', 0, 3)).toBe('ffff00');
  });

  it('and what was written is read', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(readEntryBundle(writeEntryBundle(list)).map((entry) => [...entry])).toEqual(list.map((one) => [...one]));
      }),
    );
  });

  it('whatever is read was written so, or is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        try {
          expect([...writeEntryBundle(readEntryBundle(bytes))]).toEqual([...bytes]);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
    );
  });

  it.each([
    ['cut off in an entry', () => readEntryBundle(Buffer.from('0002610000', 'hex').subarray(0, 3))],
    ['cut off in a length', () => readEntryBundle(Buffer.from('00016100', 'hex'))],
    ['with 257 entries', () => readEntryBundle(Buffer.alloc(2 * 257))],
    ['of 257 entries', () => writeEntryBundle(Array.from({ length: 257 }, () => Buffer.alloc(0)))],
    ['of an entry that is too long', () => writeEntryBundle([Buffer.alloc(MAX_ENTRY_BYTES + 1)])],
  ])('one %s is refused', (_what, act) => {
    expect(act).toThrow(Malformed);
  });
});
