import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUDIT_REQUESTS_VIEW } from '#contracts';
import { POOL } from '../injected.js';
import type { EntryRow } from './entry.js';
import { leastIdOf } from './moments.js';

/** The one who sent a request. */
export interface EntryClient {
  /** The id of the request. */
  readonly request: string;
  readonly address: string;
  readonly userAgent: string | null;
}

/** A client may send the same correlation id with each request: the last request before an entry is its own. */
const CLIENTS = `
  SELECT json_build_object('request', r.id, 'address', r.address, 'userAgent', r.user_agent) AS client
  FROM unnest($2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY AS e(correlation, until, actor, n)
  LEFT JOIN LATERAL (
    SELECT id, address, user_agent FROM ${AUDIT_REQUESTS_VIEW} r
    WHERE r.correlation_id = e.correlation AND r.tenant = $1 AND r.id < e.until AND r.actor = e.actor ORDER BY r.id DESC LIMIT 1
  ) r ON true ORDER BY n`;

/** Finds the requests that caused entries, as long as they are kept. */
@Injectable()
export class EntryClients {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** One for each row; null = no request is known. */
  async of(
    tenant: string,
    rows: readonly Pick<EntryRow, 'correlationId' | 'recordedAt' | 'actor'>[],
  ): Promise<readonly (EntryClient | null)[]> {
    if (rows.length === 0) return [];
    const found = await this.pool.query<{ client: { readonly [name in keyof EntryClient]: EntryClient[name] | null } }>(
      {
        name: 'clients-of-entries',
        text: CLIENTS,
        values: [
          tenant,
          rows.map(({ correlationId }) => correlationId),
          // An id has its time to a millisecond.
          rows.map(({ recordedAt }) => leastIdOf(new Date(Date.parse(recordedAt) + 1).toISOString())),
          rows.map(({ actor }) => actor),
        ],
      },
    );
    return found.rows.map(({ client }) => (client.request === null ? null : (client as EntryClient)));
  }
}
