import { BYTES_PER_MS } from '#contracts';
import { TooMuch } from './blame.js';
import type { BatchToHandle } from './turn.js';

/** Bytes loaded and written for one command of a tenant of which nothing else is known. */
const ORDINARY_BYTES = 8_192;
/** A tenant whose commands need no more is not remembered, and nearly all are like that. */
const LIGHT_BYTES = 16_384;
/** A heavy command may follow on many light ones, so a tenant is forgotten slowly: half after 23 transactions. */
const KEPT_SHARE = 0.97;
const MAX_TENANTS = 10_000;
/**
 * A decision that took no longer counts for nothing: it takes less than 0.1 ms as a rule, and the time that the machine
 * adds is no fault of its tenant.
 */
export const SLOW_MS = 2;

/**
 * The bytes that the commands of each tenant load and write, as a lane has learnt it: the body of a command says
 * nothing of the resource that it changes.
 */
export class Costs {
  private readonly heavy = new Map<string, number>();

  /** `costs` = bytes for one command, by tenant, in the transaction that has just ended. */
  learn(costs: ReadonlyMap<string, number>): void {
    for (const [tenant, bytes] of costs) {
      const known = this.heavy.get(tenant);
      if (known === undefined && bytes <= LIGHT_BYTES) continue;
      const next = Math.max(bytes, (known ?? 0) * KEPT_SHARE);
      // It goes to the end: the first one is forgotten first.
      this.heavy.delete(tenant);
      if (next > LIGHT_BYTES) this.heavy.set(tenant, next);
    }
    for (const tenant of this.heavy.keys()) {
      if (this.heavy.size <= MAX_TENANTS) break;
      this.heavy.delete(tenant);
    }
  }

  /**
   * The places to cut a batch so that no transaction is likely to load and write more; one command is always let in.
   */
  *pieces(
    received: BatchToHandle['received'],
    maxBytes: number,
  ): Generator<{ readonly from: number; readonly to: number }> {
    let [from, bytes] = [0, 0];
    for (const [index, { message }] of received.entries()) {
      const cost = (message && this.heavy.get(message.tenant)) ?? ORDINARY_BYTES;
      if (index > from && bytes + cost > maxBytes) {
        yield { from, to: index };
        [from, bytes] = [index, 0];
      }
      bytes += cost;
    }
    if (received.length > from) yield { from, to: received.length };
  }
}

/** The JSON that is written, counted by tenant. */
export class Texts {
  readonly byTenant = new Map<string, number>();
  private readonly lengths = new Map<readonly unknown[], readonly number[]>();

  constructor(
    private bytes: number,
    private readonly maxBytes: number,
  ) {}

  /** Throws TooMuch, and RangeError for a text that JavaScript cannot hold. */
  of(value: unknown): string {
    const text = JSON.stringify(value);
    this.bytes += text.length;
    if (this.bytes > this.maxBytes)
      throw new TooMuch(
        `${this.bytes} bytes or more are to be loaded and written, which is more than ${this.maxBytes}`,
        this.bytes,
        this.maxBytes,
      );
    add(this.byTenant, value, text.length);
    return text;
  }

  /** An array. */
  ofAll(values: readonly unknown[]): string {
    const texts = values.map((value) => this.of(value));
    this.lengths.set(
      values,
      texts.map(({ length }) => length),
    );
    return `[${texts.join()}]`;
  }

  /** The bytes of each element of an array that was written. */
  bytesOf(values: readonly unknown[]): readonly number[] {
    return this.lengths.get(values) ?? [];
  }
}

/**
 * Bytes loaded and written for one command of each tenant of a transaction, and the time of slow decisions as if it
 * were bytes: a short command on a short resource may take long to decide. The tenants of loaded rows are looked at
 * only where the rows are many bytes: looking at all would cost an ordinary batch more than it is worth.
 */
export const costsOf = (
  commands: readonly string[],
  loaded: { readonly bytes: number; readonly rows: unknown },
  written: ReadonlyMap<string, number>,
  slowMs: ReadonlyMap<string, number>,
): Map<string, number> => {
  const count = new Map<string, number>();
  for (const tenant of commands) count.set(tenant, (count.get(tenant) ?? 0) + 1);
  const load = new Map<string, number>();
  if (count.size > 1 && loaded.bytes > commands.length * LIGHT_BYTES) {
    for (const rows of Object.values(loaded.rows ?? {}))
      if (Array.isArray(rows)) for (const row of rows) add(load, row, JSON.stringify(row).length);
  } else {
    for (const [tenant, commandsOfIt] of count) load.set(tenant, (loaded.bytes * commandsOfIt) / commands.length);
  }
  return new Map(
    [...count].map(([tenant, commandsOfIt]) => {
      const bytes = (load.get(tenant) ?? 0) + (written.get(tenant) ?? 0) + (slowMs.get(tenant) ?? 0) * BYTES_PER_MS;
      return [tenant, Math.round(bytes / commandsOfIt)];
    }),
  );
};

/** Every row and every message names its tenant. */
const add = (bytesOf: Map<string, number>, value: unknown, bytes: number): void => {
  const { tenant } = value as { tenant?: string };
  if (tenant !== undefined) bytesOf.set(tenant, (bytesOf.get(tenant) ?? 0) + bytes);
};
