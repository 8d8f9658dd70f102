import { importJWK, type CryptoKey } from 'jose';
import type { Pool } from 'pg';
import { ACCESS_TOKEN_ALGORITHM, PUBLIC_KEYS_VIEW, type PublicKey } from '#contracts';

/** An unknown kid makes one look at the published keys in this time, however many tokens bear it. */
const PAUSE_MS = 1_000;
/** Keys are read anew when they are that old, so that a retired one goes. */
const FRESH_MS = 60_000;

/** The public keys of this installation, which verify the access tokens that it gives. */
export class PublicKeys {
  private keys: ReadonlyMap<string, CryptoKey> = new Map();
  private readAtMs = -Infinity;
  private reading: Promise<void> | null = null;

  constructor(private readonly pool: Pool) {}

  /** Null = there is no such key. Throws what the database throws. */
  async find(kid: string): Promise<CryptoKey | null> {
    const ageMs = performance.now() - this.readAtMs;
    if (ageMs > FRESH_MS || (!this.keys.has(kid) && ageMs > PAUSE_MS)) {
      this.reading ??= this.read().finally(() => (this.reading = null));
      await this.reading;
    }
    return this.keys.get(kid) ?? null;
  }

  private async read(): Promise<void> {
    const { rows } = await this.pool.query<{ id: string; public_key: PublicKey }>(
      `SELECT id, public_key FROM ${PUBLIC_KEYS_VIEW}`,
    );
    this.keys = new Map(
      await Promise.all(
        rows.map(
          async ({ id, public_key }) =>
            [id, (await importJWK({ ...public_key }, ACCESS_TOKEN_ALGORITHM)) as CryptoKey] as const,
        ),
      ),
    );
    this.readAtMs = performance.now();
  }
}
