import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';

/** Any numbers that nothing else in the database locks. */
const LOCKS = { 'names of tenants': 7_216_004, 'verified domains': 7_216_005 } as const;
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_POLL_MS = 50;

/**
 * Lets one change at a time through, also of several processes: each tenant has a lane of its own, so that no decision
 * about one sees the others, and what is unique in the whole installation is compared before.
 */
@Injectable()
export class OneAtATime {
  /** The end of the last change that this process has let through, by lock. */
  private readonly last = new Map<string, Promise<void>>();

  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Throws what `change` throws, and Rejected(unavailable) when others take too long. */
  during<Result>(lock: keyof typeof LOCKS, change: () => Promise<Result>): Promise<Result> {
    const done = (this.last.get(lock) ?? Promise.resolve()).then(() => this.locked(lock, change));
    this.last.set(
      lock,
      done.then(
        () => undefined,
        () => undefined,
      ),
    );
    return done;
  }

  private async locked<Result>(lock: keyof typeof LOCKS, change: () => Promise<Result>): Promise<Result> {
    const connection = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await waitForTurn(connection, LOCKS[lock]);
      return await change();
    } finally {
      await connection.query('SELECT pg_advisory_unlock_all()').catch((error: Error) => (broken = error));
      connection.release(broken);
    }
  }
}

/** A statement that waits would be ended by QUERY_TIMEOUT_MS, as if the database were away. */
const waitForTurn = async (connection: PoolClient, lock: number): Promise<void> => {
  for (const since = performance.now(); ; await delay(LOCK_POLL_MS)) {
    const { rows } = await connection.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [lock]);
    if (rows[0]!.mine) return;
    if (performance.now() - since > LOCK_TIMEOUT_MS) {
      throw new Rejected(
        'unavailable',
        'Another process of Muster is changing the same, and nothing was changed by this request. Send it again.',
      );
    }
  }
};
