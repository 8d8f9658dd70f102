import type { Pool } from 'pg';
import { onceAMinute, type Logger } from '#runtime';
import type { Check } from './checks.js';

/** One authentication, as far as it may be kept: no secret and no token is in it. */
export interface Trace {
  readonly directory: string;
  readonly accepted: boolean;
  /** The way in which somebody proved who they are: `client_secret_basic`, `access token`, … */
  readonly method: string;
  /** The id of the client; null = none is known. */
  readonly client: string | null;
  readonly checks: readonly Check[];
}

/** Directories of which something is to be written; more than these are left out until the next second. */
const MAX_WAITING = 200;
const MAX_CHECKS = 12;
const INTERVAL_MS = 1_000;

/**
 * Writes down the last accepted and the last refused authentication of each directory, once a second and best effort:
 * somebody who tries secrets makes one row, and no request waits for it.
 */
export class Traces {
  private waiting = new Map<string, Trace & { readonly at: string }>();
  private timer: NodeJS.Timeout | null = null;
  private readonly warn: (error: Error) => void;

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    logger: Logger,
  ) {
    this.warn = onceAMinute((error) =>
      logger.warn({ error: error.message }, 'an authentication was not written down for directory trace-auth'),
    );
  }

  record(trace: Trace): void {
    const key = `${trace.directory} ${trace.accepted}`;
    if (!this.waiting.has(key) && this.waiting.size >= MAX_WAITING) return;
    this.waiting.set(key, { ...trace, at: new Date().toISOString() });
    this.timer ??= setTimeout(() => void this.write(), INTERVAL_MS).unref();
  }

  private async write(): Promise<void> {
    const traces = [...this.waiting.values()];
    this.waiting = new Map();
    const rows = traces.map(({ directory, accepted, at, method, client, checks }) => ({
      directory,
      accepted,
      at,
      trace: { method, client, checks: checks.slice(0, MAX_CHECKS) },
    }));
    try {
      await this.pool.query('SELECT directory.trace_authentications($1)', [JSON.stringify(rows)]);
    } catch (error) {
      this.warn(error as Error);
    } finally {
      this.timer = null;
      if (this.waiting.size > 0) this.timer = setTimeout(() => void this.write(), INTERVAL_MS).unref();
    }
  }
}
