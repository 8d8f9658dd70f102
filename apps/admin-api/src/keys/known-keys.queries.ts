import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { API_KEYS_VIEW, type KeyScope } from '#contracts';
import { Credentials } from '#runtime';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';

/** A key that is revoked is refused within this time. */
const CACHE_MS = 500;

export interface KnownKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly tenant: string | null;
  readonly status: 'active' | 'revoked';
  readonly expiresAt: Date | null;
}

/** Keys by the hash of what a request shows. */
@Injectable()
export class KnownKeys extends Credentials<KnownKey> {
  constructor(@Inject(POOL) pool: Pool) {
    super({
      cacheMs: CACHE_MS,
      isActive: ({ status }) => status === 'active',
      tooMany: (most) =>
        new Rejected(
          'tooManyRequests',
          `More than ${most} keys that are not known are tried at once. Send the request again later.`,
        ),
      read: async (hashes) => {
        const { rows } = await pool.query<KnownKey & { readonly hash: string }>({
          name: 'keys-by-hash',
          text: `SELECT hash, id, name, scopes, of_tenant AS tenant, status, expires_at AS "expiresAt"
            FROM ${API_KEYS_VIEW} WHERE hash = ANY ($1)`,
          values: [hashes],
        });
        return new Map(rows.map(({ hash, ...row }) => [hash, row]));
      },
    });
  }
}
