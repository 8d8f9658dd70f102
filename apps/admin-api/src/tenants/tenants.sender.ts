import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import { Rejected, uniqueKey } from '#scim';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { POOL } from '../injected.js';
import { Tenants, type TenantView } from './tenants.queries.js';

/** Any number that nothing else in the database locks. */
const TENANTS_LOCK = 7_216_004;
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_POLL_MS = 50;

/**
 * Makes tenants, one after the other: each has a lane of its own, so that no decision about one sees the others that
 * are about to be made, and their names are compared here.
 */
@Injectable()
export class NewTenants {
  /** The tenant that is being made. */
  private making: Promise<void> = Promise.resolve();

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
  ) {}

  /** Throws Rejected(conflict) when there is one of this name. */
  create(asked: Asked, name: string): Promise<TenantView> {
    const made = this.making.then(() => this.make(asked, name));
    this.making = made.then(
      () => undefined,
      () => undefined,
    );
    return made;
  }

  private async make(asked: Asked, name: string): Promise<TenantView> {
    const connection = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await waitForTurn(connection);
      const id = asked.newId();
      const same = (await this.tenants.all()).find((tenant) => uniqueKey(tenant.name) === uniqueKey(name));
      if (same && same.id !== id)
        throw new Rejected(
          'conflict',
          `There is a tenant "${same.name}" already, with the id ${same.id}. Choose another name.`,
        );
      await this.commands.toDirectory(asked, id, { type: 'CreateTenant', tenantId: id, name });
      return { id, name, directories: 0 };
    } finally {
      await connection.query('SELECT pg_advisory_unlock_all()').catch((error: Error) => (broken = error));
      connection.release(broken);
    }
  }
}

/**
 * Other processes of the admin API make tenants as well, one after the other. A statement that waits would be ended by
 * QUERY_TIMEOUT_MS, as if the database were away. Throws Rejected(unavailable) when it takes too long.
 */
const waitForTurn = async (connection: PoolClient): Promise<void> => {
  for (const since = performance.now(); ; await delay(LOCK_POLL_MS)) {
    const { rows } = await connection.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
      TENANTS_LOCK,
    ]);
    if (rows[0]!.mine) return;
    if (performance.now() - since > LOCK_TIMEOUT_MS) {
      throw new Rejected(
        'unavailable',
        'Another process of Muster is making a tenant, and no tenant of this name was made. Send this again.',
      );
    }
  }
};
