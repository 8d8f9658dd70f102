import type pg from 'pg';
import { expect, vi } from 'vitest';
import { OWNERS } from '../../apps/muster/src/owners.js';

/** Waits until all events that are stored now have their entries. */
export const entriesOfAll = async (owner: pg.Client): Promise<void> => {
  const missing = OWNERS.map(
    ({ name }) =>
      `SELECT a.tenant FROM "${name}".audited_v1 a WHERE NOT EXISTS (
         SELECT FROM audit.entries e WHERE e.tenant = a.tenant AND e.owner = '${name}' AND e.sequence = a.sequence)`,
  ).join(' UNION ALL ');
  await vi.waitFor(async () => expect((await owner.query(missing)).rows).toEqual([]), {
    timeout: 30_000,
    interval: 100,
  });
};
