export interface QuotaOptions {
  readonly maxBytesPerKey: number;
  readonly maxBytes: number;
}

/**
 * The bytes that are held for each key, such as a tenant, and together. A key that holds nothing is always let in,
 * whatever the others hold: a single request has a limit of its own. When all hold too much together, those above an
 * equal share are full.
 */
export class Quota {
  private readonly held = new Map<string, number>();
  private total = 0;

  constructor(private readonly options: QuotaOptions) {}

  /** Tells whether there is no room for `bytes` more of a key. */
  isFull(key: string, bytes = 0): boolean {
    const own = this.held.get(key);
    if (own === undefined) return false;
    const { maxBytesPerKey, maxBytes } = this.options;
    return own + bytes > maxBytesPerKey || (this.total + bytes > maxBytes && own + bytes > maxBytes / this.held.size);
  }

  hold(key: string, bytes: number): void {
    if (bytes === 0) return;
    this.total += bytes;
    this.held.set(key, (this.held.get(key) ?? 0) + bytes);
  }

  release(key: string, bytes: number): void {
    if (bytes === 0) return;
    this.total -= bytes;
    const left = this.held.get(key)! - bytes;
    if (left === 0) this.held.delete(key);
    else this.held.set(key, left);
  }
}
