import { Malformed } from './fault.js';
import { HASH_BYTES, MAX_ENTRY_BYTES } from './hashes.js';

/** C2SP tlog-tiles: hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

const MAX_LEVEL = 63;
/** Enough for the largest level, index and width. */
const MAX_PATH_CHARACTERS = 60;

/** The name of a tile of hashes, or of a bundle of entries. */
export interface Tile {
  /** From the leaves at 0; `entries` = a bundle of entries. */
  readonly level: number | 'entries';
  readonly index: number;
  /** How many hashes or entries it has: 1 to TILE_WIDTH. */
  readonly width: number;
}

/** C2SP tlog-tiles: `tile/<L>/<N>[.p/<W>]`, without a slash before it. */
export const tilePath = ({ level, index, width }: Tile): string => {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g)!;
  const last = groups.pop()!;
  const partial = width === TILE_WIDTH ? '' : `.p/${width}`;
  return `tile/${level}/${groups.map((group) => `x${group}/`).join('')}${last}${partial}`;
};

const PATH = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5})(\d{3})(?:\.p\/(\d{1,3}))?$/;

/** Reads the path of a tile in the one form that tilePath writes; null: it is none. */
export const parseTilePath = (path: string): Tile | null => {
  const match = path.length > MAX_PATH_CHARACTERS ? null : PATH.exec(path);
  if (!match) return null;
  const [, level, groups, last, width] = match;
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(groups!.replace(/[x/]/g, '') + last!),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isWithin =
    (tile.level === 'entries' || tile.level <= MAX_LEVEL) &&
    Number.isSafeInteger(tile.index) &&
    tile.width >= 1 &&
    (width === undefined || tile.width < TILE_WIDTH);
  return isWithin && tilePath(tile) === path ? tile : null;
};

/** How many hashes a tile has in a tree of this size: 0 to TILE_WIDTH. */
export const tileWidth = (size: number, level: number | 'entries', index: number): number => {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
};

/** The incomplete tile of each level of a tree of this size, the leaves first. Levels whose last tile is full have none. */
export const partialTiles = (size: number): (Tile & { readonly level: number })[] => {
  const tiles: (Tile & { readonly level: number })[] = [];
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
    const width = hashes % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: Math.floor(hashes / TILE_WIDTH), width });
  }
  return tiles;
};

/** C2SP tlog-tiles: each entry after its length. Throws Malformed above MAX_ENTRY_BYTES, or TILE_WIDTH entries. */
export const writeEntryBundle = (entries: readonly Uint8Array[]): Buffer => {
  if (entries.length > TILE_WIDTH)
    throw new Malformed(`A bundle has at most ${TILE_WIDTH} entries; these are ${entries.length}.`);
  const bundle = Buffer.allocUnsafe(entries.reduce((bytes, { length }) => bytes + 2 + length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES)
      throw new Malformed(`An entry has at most ${MAX_ENTRY_BYTES} bytes; this one has ${entry.length}.`);
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
};

/** The entries of a bundle. They share its memory. Throws Malformed where it was cut off, or has more than TILE_WIDTH. */
export const readEntryBundle = (bytes: Uint8Array): Buffer[] => {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Buffer[] = [];
  let at = 0;
  while (at < bundle.length) {
    if (entries.length === TILE_WIDTH) throw new Malformed(`A bundle has at most ${TILE_WIDTH} entries.`);
    const end = at + 2 > bundle.length ? Number.POSITIVE_INFINITY : at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length)
      throw new Malformed(`The bundle ends within entry ${entries.length}, which begins at byte ${at}.`);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
};

/** Throws Malformed unless these are the hashes of this tile, or of a wider one at the same place. */
export const checkTile = (tile: Tile, bytes: Uint8Array | undefined): Uint8Array => {
  if (!bytes) throw new Malformed(`The tile ${tilePath(tile)} was not read.`);
  if (bytes.length < tile.width * HASH_BYTES || bytes.length > TILE_BYTES || bytes.length % HASH_BYTES !== 0)
    throw new Malformed(`The tile ${tilePath(tile)} has ${tile.width * HASH_BYTES} bytes; ${bytes.length} were read.`);
  return bytes;
};
