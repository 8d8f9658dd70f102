import { Inject, Injectable } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import type { Pool } from 'pg';
import { eventsViewOf, pageByBytes, type EventRow } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';

const MAX_PAGE_EVENTS = 1_000;
/**
 * A page ends with the event that reaches it: an event of a group may hold 1,000 members, or all that a long group has.
 */
const MAX_PAGE_BYTES = 4 * 1_048_576;
/** The largest number that fits into an int of Postgres, which versions are. */
const MAX_VERSION = 2_147_483_647;

export class EventsPage {
  /** The version after which the page begins. */
  @Type(() => Number) @IsInt() @Min(0) @Max(MAX_VERSION) after = 0;
  /** More than the most is the most. */
  @Type(() => Number) @IsInt() @Min(1) limit = 100;
}

const VIEWS = { user: eventsViewOf('identity'), group: eventsViewOf('group') };
const nextEvents = (view: string): string =>
  pageByBytes({
    table: view,
    key: ['stream', 'version'],
    columns: [
      'tenant',
      'sequence',
      'type',
      'recorded_at',
      'command_id',
      'correlation_id',
      'actor',
      'directory',
      'data',
    ],
    condition: 'stream = $1',
    bytes: 'octet_length(data::text)',
    maxRows: '$3::int',
    maxBytes: MAX_PAGE_BYTES,
  });
const NEXT_EVENTS = { user: nextEvents(VIEWS.user), group: nextEvents(VIEWS.group) };

/** Reads of the published views of events. */
@Injectable()
export class StreamEvents {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /**
   * The events of one user or group, also of one that is deleted. `next` is the `after` of the next page; null on the
   * last one. Throws Rejected(notFound).
   */
  async list(
    kind: keyof typeof VIEWS,
    id: string,
    { after, limit: wanted }: EventsPage,
  ): Promise<{ events: EventRow[]; next: number | null }> {
    const events = isUuid(id) ? await this.page(kind, id, after, Math.min(wanted, MAX_PAGE_EVENTS)) : [];
    // A page behind the last event is empty; what has no first one never was.
    const exists = events.length > 0 || (after > 0 && isUuid(id) && (await this.page(kind, id, 0, 1)).length > 0);
    if (!exists) throw new Rejected('notFound', `There never was a ${kind} with the id ${id}.`);
    const last = events.at(-1)?.version;
    return { events, next: last !== undefined && (await this.hasMore(kind, id, last)) ? last : null };
  }

  private async hasMore(kind: keyof typeof VIEWS, id: string, after: number): Promise<boolean> {
    const { rows } = await this.pool.query<{ found: boolean }>(
      `SELECT EXISTS (SELECT FROM ${VIEWS[kind]} WHERE stream = $1 AND version > $2) AS found`,
      [id, after],
    );
    return rows[0]!.found;
  }

  /**
   * Events in the order of their versions, from the one after `after`: `limit` of them at most, and fewer where they
   * are long.
   */
  async page(kind: keyof typeof VIEWS, id: string, after: number, limit: number): Promise<EventRow[]> {
    const { rows } = await this.pool.query<EventRow>({
      name: `events-of-${kind}`,
      text: `
        SELECT tenant, sequence::float8 AS sequence, stream, version, type, recorded_at AS "recordedAt", command_id AS "commandId",
          correlation_id AS "correlationId", actor, directory, data
        FROM (${NEXT_EVENTS[kind]}) AS page ORDER BY version`,
      values: [id, after, limit],
    });
    return rows;
  }
}
