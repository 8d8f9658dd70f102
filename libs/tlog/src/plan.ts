import { Malformed } from './fault.js';
import type { Tile } from './tiles.js';

/** Something that is made of tiles: first one reads those that it names, then it is made. Nothing else is read. */
export interface Plan<Made> {
  readonly tiles: readonly Tile[];
  /**
   * `read` = the hashes of the tiles in their order; a tile may have grown since. Throws Malformed where one has not
   * the bytes of a tile.
   */
  make(read: readonly Uint8Array[]): Made;
}

/** Reads tiles in one go, and gives them in the same order. */
export type TileReader = (tiles: readonly Tile[]) => Promise<readonly Uint8Array[]>;

/** Carries out a plan. It fails as the reader does, and with Malformed. */
export const carryOut = <Made>({ tiles, make }: Plan<Made>, read: TileReader): Promise<Made> =>
  read(tiles).then((hashes) => {
    if (hashes.length !== tiles.length)
      throw new Malformed(`${tiles.length} tiles were asked for, and ${hashes.length} were read.`);
    return make(hashes);
  });
