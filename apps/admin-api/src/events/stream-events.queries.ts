import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { eventsViewOf, pageByBytes, type EventRow } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { Pages, rowsOf, type Listed, type PageQuery } from '../http/pages.queries.js';
import { POOL } from '../injected.js';

/**
 * A page ends with the event that reaches it: an event of a group may hold 1,000 members, or all that a long group has.
 */
const MAX_PAGE_BYTES = 4 * 1_048_576;
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
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly pages: Pages,
  ) {}

  /** The events of one user or group, also of one that is deleted, the oldest first. Throws Rejected(notFound). */
  async list(kind: keyof typeof VIEWS, id: string, query: PageQuery): Promise<Listed<EventRow>> {
    const of = ['events', kind, id.toLowerCase()];
    const after = this.pages.placeIn<number>(of, query);
    const items = isUuid(id) ? await this.page(kind, id, after ?? 0, rowsOf(query)) : [];
    if (items.length === 0 && after === null)
      throw new Rejected('notFound', `There never was a ${kind} with the id ${id}.`);
    const last = items.at(-1)?.version;
    return {
      items,
      next: last !== undefined && (await this.hasMore(kind, id, last)) ? this.pages.cursorOf(of, last) : null,
    };
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
