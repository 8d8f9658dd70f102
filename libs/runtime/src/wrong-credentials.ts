import { networkOf } from './http-limits.js';

const WINDOW_MS = 60_000;
/** So many addresses are counted; the one that began longest ago is forgotten for a further one. */
const MAX_ADDRESSES = 10_000;

interface Tries {
  count: number;
  readonly sinceMs: number;
}

/**
 * Counts credentials that nobody knows, by the address that sends them (of IPv6: by the network of 64 bits), for a
 * minute each. It is asked after the look-up, and only when that found nothing: a client with a good credential is let
 * in whatever others send from the same address, as everybody does who comes through one proxy.
 */
export class WrongCredentials {
  private readonly tries = new Map<string, Tries>();

  constructor(
    private readonly maxPerMinute: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /**
   * One more came from this address. Returns null while it has not sent too many, else in how many seconds it may
   * begin anew.
   */
  count(address: string | undefined): number | null {
    const network = networkOf(address);
    const nowMs = this.nowMs();
    const known = this.tries.get(network);
    if (known && nowMs - known.sinceMs < WINDOW_MS) {
      known.count++;
      return known.count > this.maxPerMinute ? Math.ceil((known.sinceMs + WINDOW_MS - nowMs) / 1_000) : null;
    }
    this.tries.delete(network);
    if (this.tries.size >= MAX_ADDRESSES) this.tries.delete(this.tries.keys().next().value!);
    this.tries.set(network, { count: 1, sinceMs: nowMs });
    return this.maxPerMinute >= 1 ? null : WINDOW_MS / 1_000;
  }
}
