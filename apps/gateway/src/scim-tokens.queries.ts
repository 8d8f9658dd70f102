import type { Pool } from 'pg';
import { schemasAsJson, TOKENS_VIEW, type TokenRow } from '#contracts';
import { networkOf, NoSlot, Slots } from '#runtime';
import { definitionsOf, Rejected, type Definitions } from '#scim';

/** How many tokens are remembered, and as many of those that have been active. */
const MAX_TOKENS = 10_000;
/** Tokens that nobody has seen to be active are looked up one after the other for each address. */
const STRANGERS = { maxRunning: 2, maxWaiting: 1_000, maxWaitingPerKey: 100, waitTimeoutMs: 2_000 };

export type KnownToken = TokenRow & { readonly definitions: Definitions };

type Found = KnownToken | null;

/**
 * SCIM tokens. They are compared by hash, and looked up anew after the cache time. One that was active when it was looked up last is looked up at once;
 * any other waits for a turn of its own, so that somebody who tries tokens takes two connections of the database at the most, and delays nobody whose token works.
 */
export class ScimTokens {
  private readonly cache = new Map<string, { found: Found | Promise<Found>; readonly sinceMs: number }>();
  private readonly active = new Set<string>();
  private readonly strangers = new Slots(STRANGERS);

  constructor(private readonly pool: Pool, private readonly cacheMs: number) {}

  /** At once if it is remembered. Throws Rejected: unauthorized with what to do, or tooManyRequests. */
  require(tokenHash: string, address: string | undefined): KnownToken | Promise<KnownToken> {
    const found = this.lookUp(tokenHash, address);
    return found instanceof Promise ? found.then(accepted) : accepted(found);
  }

  private lookUp(tokenHash: string, address: string | undefined): Found | Promise<Found> {
    const nowMs = performance.now();
    const cached = this.cache.get(tokenHash);
    if (cached && nowMs - cached.sinceMs < this.cacheMs) return cached.found;
    const found = this.active.has(tokenHash) ? this.read(tokenHash) : this.readStranger(tokenHash, networkOf(address));
    const entry: { found: Found | Promise<Found>; readonly sinceMs: number } = { found, sinceMs: nowMs };
    remember(this.cache, tokenHash);
    this.cache.set(tokenHash, entry);
    // A failed look-up is no answer: the next request tries again.
    found.then((row) => (entry.found = row), () => this.cache.delete(tokenHash));
    return found;
  }

  private async readStranger(tokenHash: string, network: string): Promise<Found> {
    try {
      return await this.strangers.run(network, () => this.read(tokenHash));
    } catch (error) {
      if (!(error instanceof NoSlot)) throw error;
      throw new Rejected('tooManyRequests', `Too many tokens that are not known are tried at once: ${error.message}. Send the request again later.`);
    }
  }

  private async read(tokenHash: string): Promise<Found> {
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

const accepted = (row: Found): KnownToken => {
  if (!row) throw new Rejected('unauthorized', 'The token is not known. Copy the token of the directory anew.');
  if (row.status !== 'active') throw new Rejected('unauthorized', 'The token has been revoked. Use another token of the directory.');
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) throw new Rejected('unauthorized', `The token expired on ${row.expiresAt.toISOString()}. Make a new one.`);
  return row;
};

/** Makes room for one more, which then is the newest. */
const remember = (known: Set<string> | Map<string, unknown>, key: string): void => {
  known.delete(key);
  if (known.size >= MAX_TOKENS) known.delete(known.keys().next().value!);
};
