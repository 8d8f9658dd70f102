import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_ENTRIES_VIEW,
  AUDIT_REQUESTS_VIEW,
  derivedId,
  DIRECTORIES_VIEW,
  eventsViewOf,
  idMs,
  idTime,
  outcomesViewOf,
  type DirectoryStatus,
  asMoment,
} from '#contracts';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';
import type { RequestRow, SendingDirectory } from './asked-request.js';
import { isWrite, type Circumstances } from './replayable.js';
import { CLOCKS_MS, LATE_MS } from './report.queries.js';

/** So many are looked at: nobody sends a request again a hundred times. */
const MAX_REPLAYS = 100;

/** A request that repeats another one. */
export interface Replay {
  readonly id: string;
  readonly at: string;
  readonly status: number;
  readonly replayOf: string | null;
}

/** A write that was done later. */
export interface LaterWrite {
  readonly id: string;
  readonly at: string;
}

/** Reads what became of requests that administrators have sent again. */
@Injectable()
export class Replays {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** All that says whether a request is sent again, besides its record. */
  async circumstances(request: RequestRow): Promise<Circumstances & { readonly family: readonly Replay[] }> {
    const { tenant, id, directory } = request;
    const [of, family, isCarriedOut] = await Promise.all([
      directory === null ? null : this.directory(tenant, directory),
      isWrite(request) ? this.family(tenant, id) : [],
      isWrite(request) && request.status >= 500 && this.isCarriedOut(request),
    ]);
    return { directory: of, family, isCarriedOut, done: family.find(({ status }) => status < 400) ?? null };
  }

  /**
   * The id of the command of a replay. It follows from the request that is repeated in the end, and from how often its
   * replays were refused, as outcomes say it: records of requests come later or not at all, and two replays at once
   * must be one command. Throws Rejected(conflict) after too many.
   */
  async commandId({ tenant, id, replayOf }: RequestRow, family: readonly Replay[]): Promise<string> {
    const parents = new Map<string, string | null>([
      [id, replayOf],
      ...family.map((one) => [one.id, one.replayOf] as const),
    ]);
    let first = id;
    for (let count = 0; count < MAX_REPLAYS; count++) first = parents.get(first) ?? first;
    const ids = Array.from({ length: MAX_REPLAYS }, (_, count) =>
      derivedId(idTime(idMs(first)), createHash('sha256').update(`replay|${tenant}|${first}|${count}`).digest('hex')),
    );
    const { rows } = await this.pool.query<{ id: string }>({
      name: 'refused-commands-of-replays',
      text: (['identity', 'group'] as const)
        .map(
          (owner) =>
            `SELECT command_id AS id FROM ${outcomesViewOf(owner)} WHERE command_id = ANY ($1::uuid[]) AND outcome->>'status' = 'rejected'`,
        )
        .join(' UNION ALL '),
      values: [ids],
    });
    const refused = new Set(rows.map((row) => row.id));
    const free = ids.find((one) => !refused.has(one));
    if (free === undefined)
      throw new Rejected('conflict', `This request was sent again ${MAX_REPLAYS} times, and refused each time.`);
    return free;
  }

  /** Tells whether a request that was answered as failed was carried out all the same, as its entries say. */
  private async isCarriedOut({ tenant, correlationId, at, durationMs, object, actor }: RequestRow): Promise<boolean> {
    const { rowCount } = await this.pool.query({
      name: 'entry-of-failed-request',
      text: `
        SELECT FROM ${AUDIT_ENTRIES_VIEW} WHERE correlation_id = $2 AND tenant = $1 AND actor = $6
          AND recorded_at >= $3::timestamptz - interval '${CLOCKS_MS} ms'
          AND recorded_at <= $3::timestamptz + ($4::float8 + ${CLOCKS_MS + LATE_MS}) * interval '1 ms'
          AND ($5::uuid IS NULL OR stream = $5) LIMIT 1`,
      values: [tenant, correlationId, at, durationMs, object, actor],
    });
    return rowCount === 1;
  }

  /** All that repeat the same request as this one, and that request, without this one; the oldest first. */
  private async family(tenant: string, id: string): Promise<readonly Replay[]> {
    const { rows } = await this.pool.query<Replay>({
      name: 'replays-of-request',
      text: `
        WITH RECURSIVE up AS (
          SELECT $2::uuid AS id, 0 AS depth
          UNION ALL SELECT r.replay_of, up.depth + 1 FROM up CROSS JOIN LATERAL (
            SELECT replay_of FROM ${AUDIT_REQUESTS_VIEW} WHERE tenant = $1 AND id = up.id AND replay_of IS NOT NULL OFFSET 0) AS r
            WHERE up.depth < ${MAX_REPLAYS}
        ), down AS (
          SELECT id, 0 AS depth FROM (SELECT id FROM up ORDER BY depth DESC LIMIT 1) AS first
          UNION ALL SELECT r.id, down.depth + 1 FROM down CROSS JOIN LATERAL (
            SELECT id FROM ${AUDIT_REQUESTS_VIEW} WHERE (tenant = $1) IS TRUE AND replay_of = down.id ORDER BY id LIMIT ${MAX_REPLAYS}) AS r
            WHERE down.depth < ${MAX_REPLAYS}
        )
        SELECT r.id, ${asMoment('r.at')} AS at, r.status, r.replay_of AS "replayOf"
        FROM (SELECT id FROM down WHERE id <> $2 ORDER BY id LIMIT ${MAX_REPLAYS}) AS d
        CROSS JOIN LATERAL (SELECT * FROM ${AUDIT_REQUESTS_VIEW} WHERE tenant = $1 AND id = d.id OFFSET 0) AS r ORDER BY r.id`,
      values: [tenant, id],
    });
    return rows;
  }

  /** The last write of the same user or group that was done after this request; null = there is none. */
  async laterWrite({ tenant, id, object }: Pick<RequestRow, 'tenant' | 'id' | 'object'>): Promise<LaterWrite | null> {
    if (object === null) return null;
    const { rows } = await this.pool.query<LaterWrite>({
      name: 'later-write-of-object',
      // Rows are found by the index of objects, which finds fewer than that of the tenant.
      text: `
        SELECT r.id, ${asMoment('r.at')} AS at FROM ${AUDIT_REQUESTS_VIEW} r
        WHERE (r.tenant = $1) IS TRUE AND r.object = $2 AND r.id > $3 AND r.status < 400 AND r.face = 'scim'
        ORDER BY r.id DESC LIMIT 1`,
      values: [tenant, object, id],
    });
    return rows[0] ?? null;
  }

  /** Null = it was deleted, or never was one of this tenant. */
  private async directory(tenant: string, id: string): Promise<SendingDirectory | null> {
    const { rows } = await this.pool.query<{ name: string; status: DirectoryStatus; movedAt: string | null }>(
      `SELECT d.name, d.status, (SELECT ${asMoment('e.recorded_at')} FROM ${eventsViewOf('directory')} e
         WHERE e.stream = d.id AND e.version = d.moved_version) AS "movedAt"
       FROM ${DIRECTORIES_VIEW} d WHERE d.id = $2 AND d.tenant = $1`,
      [tenant, id],
    );
    return rows[0] ?? null;
  }
}
