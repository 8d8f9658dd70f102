import { Rejected } from '#scim';

/** The number of callers that are remembered, and of those that have been active. */
const MAX_CALLERS = 10_000;
/** So many callers that were never seen to be active are looked up together, and as many wait. */
const MAX_STRANGERS = 1_000;

/** Looks callers up by their keys, such as the hashes of tokens; those that nobody knows are left out. */
export type ReadCallers<Row> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Row>>;

/**
 * Callers that were looked up, by key. They are looked up anew after the cache time. One that was active when it was
 * looked up last is looked up at once. All others are looked up together with those that have come meanwhile, so that
 * somebody who tries tokens takes at most one connection of the database, and delays nobody whose token works: behind a
 * proxy both have the same address.
 */
export class KnownCallers<Row extends { readonly status: string }> {
  private readonly cache = new Map<string, { found: Row | null | Promise<Row | null>; readonly sinceMs: number }>();
  private readonly active = new Set<string>();
  /** Callers that wait for the next look-up, by key. */
  private strangers = new Map<string, PromiseWithResolvers<Row | null>>();
  private isReading = false;

  /** `what`: what the keys are, in the plural. */
  constructor(
    private readonly readAll: ReadCallers<Row>,
    private readonly cacheMs: number,
    private readonly what: string,
  ) {}

  /** Returns the caller at once if it is remembered; null = nobody knows it. Throws Rejected(tooManyRequests). */
  find(key: string): Row | null | Promise<Row | null> {
    const nowMs = performance.now();
    const cached = this.cache.get(key);
    if (cached && nowMs - cached.sinceMs < this.cacheMs) return cached.found;
    const found = this.active.has(key) ? this.readOne(key) : this.readStranger(key);
    const entry: { found: Row | null | Promise<Row | null>; readonly sinceMs: number } = { found, sinceMs: nowMs };
    remember(this.cache, key);
    this.cache.set(key, entry);
    // A failed look-up is no answer: the next request tries again.
    found.then(
      (row) => (entry.found = row),
      () => this.cache.delete(key),
    );
    return found;
  }

  private readStranger(key: string): Promise<Row | null> {
    const same = this.strangers.get(key);
    if (same) return same.promise;
    if (this.strangers.size >= MAX_STRANGERS) {
      return Promise.reject(
        new Rejected(
          'tooManyRequests',
          `More than ${MAX_STRANGERS} ${this.what} that are not known are tried at once. Send the request again later.`,
        ),
      );
    }
    const answer = Promise.withResolvers<Row | null>();
    this.strangers.set(key, answer);
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
        for (const [key, { resolve }] of asked) resolve(found.get(key) ?? null);
      } catch (error) {
        for (const { reject } of asked.values()) reject(error);
      }
    }
    this.isReading = false;
  }

  private async readOne(key: string): Promise<Row | null> {
    return (await this.read([key])).get(key) ?? null;
  }

  private async read(keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const found = await this.readAll(keys);
    for (const key of keys) {
      remember(this.active, key);
      if (found.get(key)?.status === 'active') this.active.add(key);
    }
    return found;
  }
}

/** Makes room for one more key, which then is the newest. */
export const remember = (known: Set<string> | Map<string, unknown>, key: string): void => {
  known.delete(key);
  if (known.size >= MAX_CALLERS) known.delete(known.keys().next().value!);
};
