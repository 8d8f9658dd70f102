import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { IDENTITY_EVENTS_VIEW, type EventRow } from '#contracts';
import { ADMIN_POOL } from './directories.queries.js';

/** Reads of the published view of identity's events. */
@Injectable()
export class UserEvents {
  constructor(@Inject(ADMIN_POOL) private readonly pool: Pool) {}

  /** Events of one user in the order of their versions, from the one after `after`: `limit` of them at most. */
  async page(userId: string, after: number, limit: number): Promise<EventRow[]> {
    const { rows } = await this.pool.query<EventRow>({
      name: 'events-of-user',
      text: `
        SELECT tenant, sequence::float8 AS sequence, stream, version, type, recorded_at AS "recordedAt", command_id AS "commandId",
          correlation_id AS "correlationId", actor, directory, data
        FROM ${IDENTITY_EVENTS_VIEW} WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3`,
      values: [userId, after, limit],
    });
    return rows;
  }
}
