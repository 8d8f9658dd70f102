import type { Pool } from 'pg';
import { schemasAsJson, TOKENS_VIEW, type TokenRow } from '#contracts';
import { NoSlot, Slots } from '#runtime';
import { definitionsOf, Rejected, type Definitions } from '#scim';

/** How many tokens are remembered, and as many of those that have been active. */
const MAX_TOKENS = 10_000;
/** Tokens that nobody has seen to be active are looked up one after the other for each address. */
const STRANGERS = { maxRunning: 2, maxWaiting: 1_000, maxWaitingPerKey: 100, waitTimeoutMs: 2_000 };

export type KnownToken = TokenRow & { readonly definitions: Definitions };

/**
 * SCIM tokens. They are compared by hash, and looked up anew after the cache time. One that was active when it was looked up last is looked up at once;
 * any other waits for a turn of its own, so that somebody who tries tokens takes two connections of the database at the most, and delays nobody whose token works.
 */
export class ScimTokens {
  private readonly cache = new Map<string, { readonly row: Promise<KnownToken | null>; readonly sinceMs: number }>();
  private readonly active = new Set<string>();
  private readonly strangers = new Slots(STRANGERS);

  constructor(private readonly pool: Pool, private readonly cacheMs: number) {}

  /** Throws Rejected: unauthorized with what to do, or tooManyRequests. */
  async require(tokenHash: string, address: string): Promise<KnownToken> {
    const row = await this.lookUp(tokenHash, address);
    if (!row) throw new Rejected('unauthorized', 'The token is not known. Copy the token of the directory anew.');
    if (row.status !== 'active') throw new Rejected('unauthorized', 'The token has been revoked. Use another token of the directory.');
    if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) throw new Rejected('unauthorized', `The token expired on ${row.expiresAt.toISOString()}. Make a new one.`);
    return row;
  }

  private lookUp(tokenHash: string, address: string): Promise<KnownToken | null> {
    const nowMs = performance.now();
    const cached = this.cache.get(tokenHash);
    if (cached && nowMs - cached.sinceMs < this.cacheMs) return cached.row;
    const row = this.active.has(tokenHash) ? this.read(tokenHash) : this.readStranger(tokenHash, address);
    // A failed look-up is no answer: the next request tries again.
    row.catch(() => this.cache.delete(tokenHash));
    remember(this.cache, tokenHash);
    this.cache.set(tokenHash, { row, sinceMs: nowMs });
    return row;
  }

  private async readStranger(tokenHash: string, address: string): Promise<KnownToken | null> {
    try {
      return await this.strangers.run(address, () => this.read(tokenHash));
    } catch (error) {
      if (!(error instanceof NoSlot)) throw error;
      throw new Rejected('tooManyRequests', `Too many tokens that are not known are tried at once: ${error.message}. Send the request again later.`);
    }
  }

  private async read(tokenHash: string): Promise<KnownToken | null> {
    const { rows: [found] } = await this.pool.query<TokenRow>({
      name: 'token-by-hash',
      text: `SELECT id, tenant, directory, kind, status, expires_at AS "expiresAt", offer_existing_users AS "offerExistingUsers",
        offer_local_groups AS "offerLocalGroups",
        ${schemasAsJson('= t.tenant')} AS schemas
        FROM ${TOKENS_VIEW} t WHERE hash = $1 LIMIT 1`,
      values: [tokenHash],
    });
    remember(this.active, tokenHash);
    if (found?.status === 'active') this.active.add(tokenHash);
    return found ? { ...found, definitions: definitionsOf(found.schemas) } : null;
  }
}

/** Makes room for one more, which then is the newest. */
const remember = (known: Set<string> | Map<string, unknown>, key: string): void => {
  known.delete(key);
  if (known.size >= MAX_TOKENS) known.delete(known.keys().next().value!);
};
