import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { keyContext, sealContext } from '#contracts';
import { MASTER_SEAL, POOL } from '../injected.js';
import type { EntryRow } from './entry.js';

/** Opens what was sealed with a key. */
export interface Opener {
  open(context: string, sealed: string): string | null;
  unwrap(context: string, wrapped: string): Opener | null;
  derived(text: string): Opener;
}

/** Opens the personal parts of one person's events. */
export interface PersonValues {
  /** Null: the key of the person is gone, or does not open it. An event without a personal part has an empty one. */
  of(row: Pick<EntryRow, 'tenant' | 'stream' | 'version' | 'personal'>): object | null;
}

/** Keys of persons, which the key of their tenant wraps, and that one the master key. */
@Injectable()
export class PersonKeys {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(MASTER_SEAL) private readonly master: Opener,
  ) {}

  async valuesOf(tenant: string, person: string): Promise<PersonValues> {
    const { rows } = await this.pool.query<{ tenants: string | null; persons: string | null }>({
      name: 'key-of-person',
      text: `SELECT (SELECT wrapped FROM keys.tenants WHERE tenant = $1) AS tenants,
               (SELECT wrapped FROM keys.persons WHERE tenant = $1 AND person = $2) AS persons`,
      values: [tenant, person],
    });
    const { tenants, persons } = rows[0]!;
    const key =
      tenants === null || persons === null
        ? null
        : (this.master.unwrap(keyContext(tenant), tenants)?.unwrap(keyContext(tenant, person), persons) ?? null);
    return {
      of: ({ stream, version, personal }) => {
        if (personal === null) return {};
        const text = key?.open(sealContext(tenant, stream, version), personal) ?? null;
        return text === null ? null : (JSON.parse(text) as object);
      },
    };
  }
}
