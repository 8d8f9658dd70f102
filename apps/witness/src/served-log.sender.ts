import { HASH_BYTES, MAX_NOTE_BYTES, TILE_WIDTH, tilePath, type Tile } from '#tlog';

const TIMEOUT_MS = 15_000;
const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** A log cannot be read now. Nothing is said of what is in it. */
export class Away extends Error {}

/** A log that is served as C2SP tlog-tiles. */
export class ServedLog {
  /** `url`: `/checkpoint` and `/tile/…` follow. `token`: a bearer token; null = it needs none. */
  constructor(
    readonly url: string,
    private readonly token: string | null,
  ) {}

  /** Throws Away. */
  async checkpoint(): Promise<string> {
    const bytes = await this.read('checkpoint', MAX_NOTE_BYTES);
    if (!bytes) throw new Away(`${this.url}/checkpoint is not there (404)`);
    return bytes.toString();
  }

  /** The hashes of tiles. Of one that has become complete, a log need not keep the shorter ones. Throws Away. */
  tiles(tiles: readonly Tile[]): Promise<Buffer[]> {
    return Promise.all(
      tiles.map(async (tile) => {
        const [path, complete] = [tilePath(tile), tilePath({ ...tile, width: TILE_WIDTH })];
        const bytes =
          (await this.read(path, TILE_BYTES)) ?? (path === complete ? null : await this.read(complete, TILE_BYTES));
        if (!bytes) throw new Away(`${this.url}/${path} is not there (404)`);
        return bytes;
      }),
    );
  }

  private async read(path: string, maxBytes: number): Promise<Buffer | null> {
    const url = `${this.url}/${path}`;
    try {
      const response = await fetch(url, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
        // The token is for this address alone.
        redirect: 'error',
        headers: this.token === null ? {} : { authorization: `Bearer ${this.token}` },
      });
      if (response.status === 404) return null;
      if (!response.ok) throw new Away(`${url} answers ${response.status}`);
      return await bytesOf(response, maxBytes);
    } catch (error) {
      if (error instanceof Away) throw error;
      const { message, cause } = error as Error;
      throw new Away(`${url} cannot be read: ${cause instanceof Error ? cause.message : message}`, { cause: error });
    }
  }
}

const bytesOf = async ({ body, url }: Response, maxBytes: number): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Away(`${url} has more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
};
