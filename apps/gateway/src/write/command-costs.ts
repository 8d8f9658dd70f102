import { BYTES_PER_MS } from '#contracts';

/**
 * The share that a command has in the moving mean, when it is heavier than the mean and when it is lighter. Many light
 * commands do not make room for as many heavy ones.
 */
const WEIGHT_ABOVE = 1 / 8;
const WEIGHT_BELOW = 1 / 64;
/**
 * Nobody is limited for commands that cost no more than this: 250 of them may be under way for a tenant at a time.
 */
const ORDINARY_BYTES = 16_384;
/**
 * The bytes that may be sent for a tenant and not answered yet while others wait: 32 ordinary commands, or one that is
 * as heavy as these together.
 */
export const MAX_SENT_BYTES = 32 * ORDINARY_BYTES;
/** A long body may ask for much work: each part of it may have to be compared with everything that is there. */
const BYTES_PER_BODY_BYTE = 8;
const MAX_TENANTS = 10_000;

/** A moving mean of the bytes that the commands of each tenant load and write; owners tell them with their outcomes. */
export class CommandCosts {
  /** Only tenants above the ordinary are here. */
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
    // It moves to the end, so that the tenant that was quiet for longest is forgotten first.
    this.means.delete(tenant);
    if (next > ORDINARY_BYTES) this.means.set(tenant, next);
    if (this.means.size > MAX_TENANTS) this.means.delete(this.means.keys().next().value!);
  }
}

/** The time for which a command has held up its owner beyond an ordinary one. */
export const slowMsOf = (bytes: number): number => Math.max(0, bytes - ORDINARY_BYTES) / BYTES_PER_MS;
