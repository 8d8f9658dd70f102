import { BYTES_PER_MS } from '#contracts';

/**
 * A heavy command adds so much of itself to the mean, and a lighter one takes so much from it: many light ones do not
 * make room for as many heavy ones.
 */
const WEIGHT_ABOVE = 1 / 8;
const WEIGHT_BELOW = 1 / 64;
/**
 * So much is nothing that anybody has to be limited for: 250 such commands of a tenant are under way at the same time.
 */
const ORDINARY_BYTES = 16_384;
/**
 * So much is sent for a tenant and not answered yet while others wait: 32 ordinary commands, or one that is as heavy as
 * they are together.
 */
export const MAX_SENT_BYTES = 32 * ORDINARY_BYTES;
/** A long body may ask for much work, each part of it for a comparison with all that is there. */
const BYTES_PER_BODY_BYTE = 8;
const MAX_TENANTS = 10_000;

/** The bytes that a command of a tenant loads and writes, as the owners say it with their outcomes: a moving mean. */
export class CommandCosts {
  /** Of those above the ordinary alone. */
  private readonly means = new Map<string, number>();

  /** 0 = ordinary. */
  of(tenant: string): number {
    return Math.round(this.means.get(tenant) ?? 0);
  }

  /** The cost that a command is taken for before it has been carried out. */
  guess(tenant: string, bodyBytes: number): number {
    return Math.max(ORDINARY_BYTES, this.of(tenant), bodyBytes * BYTES_PER_BODY_BYTE);
  }

  learn(tenant: string, bytes: number): void {
    const known = this.means.get(tenant);
    if (known === undefined && bytes <= ORDINARY_BYTES) return;
    const mean = known ?? ORDINARY_BYTES;
    const next = mean + (bytes - mean) * (bytes > mean ? WEIGHT_ABOVE : WEIGHT_BELOW);
    // To the end: those of whom nothing was heard for longest are forgotten first.
    this.means.delete(tenant);
    if (next > ORDINARY_BYTES) this.means.set(tenant, next);
    if (this.means.size > MAX_TENANTS) this.means.delete(this.means.keys().next().value!);
  }
}

/** How long what is above the ordinary has held up its owner. */
export const slowMsOf = (bytes: number): number => Math.max(0, bytes - ORDINARY_BYTES) / BYTES_PER_MS;
