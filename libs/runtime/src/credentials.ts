/** The number of credentials that are remembered, and of those that have been good. */
const MAX_REMEMBERED = 10_000;
/** So many credentials that were never seen to be good are looked up together, and as many wait. */
const MAX_STRANGERS = 1_000;

export interface CredentialOptions<Row> {
  /** Finds rows by the hashes of credentials. */
  read(hashes: readonly string[]): Promise<ReadonlyMap<string, Row>>;
  isActive(row: Row): boolean;
  /** A look-up is good for so long. */
  readonly cacheMs: number;
  /** The error for those who come while too many credentials that are not known are tried. */
  tooMany(maxStrangers: number): Error;
}

/**
 * Bearer tokens and keys that clients show. They are compared by hash, and looked up anew after the cache time. One that
 * was active when it was looked up last is looked up at once. All others are looked up together with those that have
 * come meanwhile, so that somebody who tries credentials takes at most one connection of the database, and delays nobody
 * whose credential works: behind a proxy both have the same address.
 */
export class Credentials<Row> {
  private readonly cache = new Map<string, { found: Row | null | Promise<Row | null>; readonly sinceMs: number }>();
  private readonly active = new Set<string>();
  /** Credentials that wait for the next look-up, by hash. */
  private strangers = new Map<string, PromiseWithResolvers<Row | null>>();
  private isReading = false;

  constructor(private readonly options: CredentialOptions<Row>) {}

  /** Its row, at once if it is remembered; null = nobody knows it. */
  find(hash: string): Row | null | Promise<Row | null> {
    const nowMs = performance.now();
    const cached = this.cache.get(hash);
    if (cached && nowMs - cached.sinceMs < this.options.cacheMs) return cached.found;
    const found = this.active.has(hash) ? this.readOne(hash) : this.readStranger(hash);
    const entry: { found: Row | null | Promise<Row | null>; readonly sinceMs: number } = { found, sinceMs: nowMs };
    remember(this.cache, hash);
    this.cache.set(hash, entry);
    // A failed look-up is no answer: the next request tries again.
    found.then(
      (row) => (entry.found = row),
      () => this.cache.delete(hash),
    );
    return found;
  }

  private readStranger(hash: string): Promise<Row | null> {
    const same = this.strangers.get(hash);
    if (same) return same.promise;
    if (this.strangers.size >= MAX_STRANGERS) return Promise.reject(this.options.tooMany(MAX_STRANGERS));
    const answer = Promise.withResolvers<Row | null>();
    this.strangers.set(hash, answer);
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
        for (const [hash, { resolve }] of asked) resolve(found.get(hash) ?? null);
      } catch (error) {
        for (const { reject } of asked.values()) reject(error);
      }
    }
    this.isReading = false;
  }

  private async readOne(hash: string): Promise<Row | null> {
    return (await this.read([hash])).get(hash) ?? null;
  }

  private async read(hashes: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const found = await this.options.read(hashes);
    for (const hash of hashes) {
      remember(this.active, hash);
      const row = found.get(hash);
      if (row !== undefined && this.options.isActive(row)) this.active.add(hash);
    }
    return found;
  }
}

/** Makes room for one more key, which then is the newest. */
export const remember = (known: Set<string> | Map<string, unknown>, key: string): void => {
  known.delete(key);
  if (known.size >= MAX_REMEMBERED) known.delete(known.keys().next().value!);
};
