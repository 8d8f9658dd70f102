import { Inject, Injectable } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import type { Pool } from 'pg';
import { GROUP_EVENTS_VIEW, IDENTITY_EVENTS_VIEW, type EventRow } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { ADMIN_POOL } from './directories.queries.js';

const MAX_PAGE_EVENTS = 1_000;
/** What Postgres' int holds: versions are one. */
const MAX_VERSION = 2_147_483_647;

export class EventsPage {
  /** The version after which the page begins. */
  @Type(() => Number) @IsInt() @Min(0) @Max(MAX_VERSION) after = 0;
  /** More than the most is the most. */
  @Type(() => Number) @IsInt() @Min(1) limit = 100;
}

const VIEWS = { user: IDENTITY_EVENTS_VIEW, group: GROUP_EVENTS_VIEW };

/** Reads of the published views of events. */
@Injectable()
export class StreamEvents {
  constructor(@Inject(ADMIN_POOL) private readonly pool: Pool) {}

  /** What happened to one user or group, also to one that is deleted. `next` is the `after` of the next page; null on the last one. Throws Rejected(notFound). */
  async list(kind: keyof typeof VIEWS, id: string, { after, limit: wanted }: EventsPage): Promise<{ events: EventRow[]; next: number | null }> {
    const limit = Math.min(wanted, MAX_PAGE_EVENTS);
    // One more than the page holds says whether there is another.
    const events = isUuid(id) ? await this.page(kind, id, after, limit + 1) : [];
    // A page behind the last event is empty; what has no first one never was.
    const exists = events.length > 0 || (after > 0 && isUuid(id) && (await this.page(kind, id, 0, 1)).length > 0);
    if (!exists) throw new Rejected('notFound', `There never was a ${kind} with the id ${id}.`);
    const page = events.slice(0, limit);
    return { events: page, next: events.length > limit ? page[page.length - 1]!.version : null };
  }

  /** Events in the order of their versions, from the one after `after`: `limit` of them at most. */
  async page(kind: keyof typeof VIEWS, id: string, after: number, limit: number): Promise<EventRow[]> {
    const { rows } = await this.pool.query<EventRow>({
      name: `events-of-${kind}`,
      text: `
        SELECT tenant, sequence::float8 AS sequence, stream, version, type, recorded_at AS "recordedAt", command_id AS "commandId",
          correlation_id AS "correlationId", actor, directory, data
        FROM ${VIEWS[kind]} WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3`,
      values: [id, after, limit],
    });
    return rows;
  }
}
