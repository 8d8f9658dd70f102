import type { Pool } from 'pg';
import { schemasAsJson, settingsSql, TOKENS_VIEW, type TokenRow } from '#contracts';
import { definitionsOf, Rejected, type Definitions } from '#scim';

/** The number of tokens that are remembered, and of those that have been active. */
const MAX_TOKENS = 10_000;
/** So many tokens that were never seen to be active are looked up together, and as many wait. */
const MAX_STRANGERS = 1_000;

export type KnownToken = TokenRow & { readonly definitions: Definitions };

type Found = KnownToken | null;

/**
 * SCIM tokens. They are compared by hash, and looked up anew after the cache time. A token that was active when it was
 * looked up last is looked up at once. All others are looked up together with those that have come meanwhile, so that
 * somebody who tries tokens takes at most one connection of the database, and delays nobody whose token works: behind a
 * proxy both have the same address.
 */
export class ScimTokens {
  private readonly cache = new Map<string, { found: Found | Promise<Found>; readonly sinceMs: number }>();
  private readonly active = new Set<string>();
  /** Tokens that wait for the next look-up, by hash. */
  private strangers = new Map<string, PromiseWithResolvers<Found>>();
  private isReading = false;

  constructor(
    private readonly pool: Pool,
    private readonly cacheMs: number,
  ) {}

  /**
   * Returns the token at once if it is remembered. Throws Rejected: unauthorized with what to do, or tooManyRequests.
   */
  require(tokenHash: string): KnownToken | Promise<KnownToken> {
    const found = this.lookUp(tokenHash);
    return found instanceof Promise ? found.then(accepted) : accepted(found);
  }

  private lookUp(tokenHash: string): Found | Promise<Found> {
    const nowMs = performance.now();
    const cached = this.cache.get(tokenHash);
    if (cached && nowMs - cached.sinceMs < this.cacheMs) return cached.found;
    const found = this.active.has(tokenHash) ? this.readOne(tokenHash) : this.readStranger(tokenHash);
    const entry: { found: Found | Promise<Found>; readonly sinceMs: number } = { found, sinceMs: nowMs };
    remember(this.cache, tokenHash);
    this.cache.set(tokenHash, entry);
    // A failed look-up is no answer: the next request tries again.
    found.then(
      (row) => (entry.found = row),
      () => this.cache.delete(tokenHash),
    );
    return found;
  }

  private readStranger(tokenHash: string): Promise<Found> {
    const same = this.strangers.get(tokenHash);
    if (same) return same.promise;
    if (this.strangers.size >= MAX_STRANGERS) {
      return Promise.reject(
        new Rejected(
          'tooManyRequests',
          `More than ${MAX_STRANGERS} tokens that are not known are tried at once. Send the request again later.`,
        ),
      );
    }
    const answer = Promise.withResolvers<Found>();
    this.strangers.set(tokenHash, answer);
    if (!this.isReading) void this.readStrangers();
    return answer.promise;
  }

  private async readStrangers(): Promise<void> {
    this.isReading = true;
    while (this.strangers.size > 0) {
      const asked = this.strangers;
      this.strangers = new Map();
      try {
        const found = await this.read([...asked.keys()]);
        for (const [tokenHash, { resolve }] of asked) resolve(found.get(tokenHash) ?? null);
      } catch (error) {
        for (const { reject } of asked.values()) reject(error);
      }
    }
    this.isReading = false;
  }

  private async readOne(tokenHash: string): Promise<Found> {
    return (await this.read([tokenHash])).get(tokenHash) ?? null;
  }

  private async read(tokenHashes: readonly string[]): Promise<ReadonlyMap<string, KnownToken>> {
    const { rows } = await this.pool.query<TokenRow & { readonly hash: string }>({
      name: 'tokens-by-hash',
      text: `SELECT hash, id, tenant, directory, kind, status, expires_at AS "expiresAt",
        directory_name AS "directoryName", directory_status AS "directoryStatus", moved_version AS "movedVersion",
        json_build_object(${settingsSql('gateway', 't.settings')}) AS settings,
        ${schemasAsJson('= t.tenant')} AS schemas
        FROM ${TOKENS_VIEW} t WHERE hash = ANY ($1)`,
      values: [tokenHashes],
    });
    const found = new Map(rows.map(({ hash, ...row }) => [hash, { ...row, definitions: definitionsOf(row.schemas) }]));
    for (const tokenHash of tokenHashes) {
      remember(this.active, tokenHash);
      if (found.get(tokenHash)?.status === 'active') this.active.add(tokenHash);
    }
    return found;
  }
}

const accepted = (row: Found): KnownToken => {
  if (!row) throw new Rejected('unauthorized', 'The token is not known. Copy the token of the directory anew.');
  if (row.status !== 'active' && row.directoryStatus === 'disconnected')
    throw new Rejected(
      'unauthorized',
      `The directory "${row.directoryName}" is disconnected, and its tokens are revoked. Connect it again, and use its new token.`,
    );
  if (row.status === 'inactive')
    throw new Rejected(
      'unauthorized',
      'The token is inactive. Let an administrator activate it, or use another token of the directory.',
    );
  if (row.status !== 'active')
    throw new Rejected('unauthorized', 'The token has been revoked. Use another token of the directory.');
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now())
    throw new Rejected('unauthorized', `The token expired on ${row.expiresAt.toISOString()}. Make a new one.`);
  if (row.directoryStatus !== 'active')
    throw new Rejected(
      'forbidden',
      `The directory "${row.directoryName}" is ${row.directoryStatus}, and takes no requests until an administrator of Muster enables it again.`,
    );
  return row;
};

/** Makes room for one more key, which then is the newest. */
const remember = (known: Set<string> | Map<string, unknown>, key: string): void => {
  known.delete(key);
  if (known.size >= MAX_TOKENS) known.delete(known.keys().next().value!);
};
