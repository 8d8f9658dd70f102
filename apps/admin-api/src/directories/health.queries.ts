import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  ADMINISTERED_USERS_VIEW,
  AUDIT_READ_COUNTS_VIEW,
  AUDIT_REQUEST_COUNTS_VIEW,
  AUDIT_REQUESTS_VIEW,
  DROPPED,
  GROUPS_VIEW,
  leastIdAt,
  NO_DIRECTORY,
  type ActiveMinute,
  asMoment,
} from '#contracts';
import { POOL } from '../injected.js';
import type { AnswerCount, LastRequest } from './health.js';

const MINUTE_MS = 60_000;
/** Counters are read so far back: the longest pause that is usual is among them. */
const BACK_MS = 14 * 86_400_000;
/** The newest counters that are read: those of some days of a directory that never pauses. */
const MAX_COUNTERS = 50_000;

/** A directory, as far as its requests are asked for. */
interface Of {
  readonly id: string;
  readonly tenant: string;
}

/** SQL: whether requests of the counters `c` are looked up and not found: that is no failure of a read. */
const NOT_FOUND_READ = `c.method IN ('GET', 'HEAD') AND c.status = 404 AND c.resource_type <> ''`;
const DONE = 'c.status < 400';
/** SQL: its effect; a face that had to look the outcome up does not know it, and the method says what is likely. */
const EFFECT = `CASE WHEN c.effect <> '' THEN c.effect WHEN c.method = 'POST' AND c.resource_type IN ('User', 'Group') THEN 'create' WHEN c.method = 'DELETE' THEN 'delete' ELSE 'update' END`;

/** Reads the counters of one directory, and the few requests that are told one by one. */
@Injectable()
export class DirectoryRequests {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** The minutes in which there were requests, the oldest first. */
  async minutes({ id, tenant }: Of, nowMs: number): Promise<readonly ActiveMinute[]> {
    const of = (condition: string): string => `coalesce(sum(c.count) FILTER (WHERE ${condition}), 0)::float8`;
    const newest = (view: string): string => `
      (SELECT * FROM ${view} WHERE tenant = $1 AND directory = $2 AND minute >= $3::timestamptz ORDER BY minute DESC LIMIT ${MAX_COUNTERS})`;
    const { rows } = await this.pool.query<ActiveMinute>(
      `WITH asked AS (
         SELECT c.minute, ${of(`${DONE} AND ${EFFECT} = 'create'`)} AS created, ${of(`${DONE} AND ${EFFECT} = 'delete'`)} AS deleted,
           ${of(`${DONE} AND ${EFFECT} = 'nothing'`)} AS unchanged, ${of(`${DONE} AND ${EFFECT} NOT IN ('create', 'delete', 'nothing')`)} AS changed,
           ${of(`NOT (${DONE}) AND NOT (${NOT_FOUND_READ})`)} AS refused, ${of(NOT_FOUND_READ)} AS missing
         FROM ${newest(AUDIT_REQUEST_COUNTS_VIEW)} AS c WHERE c.face = 'scim' GROUP BY c.minute
       ), read AS (
         SELECT c.minute, sum(c.count)::float8 AS reads FROM ${newest(AUDIT_READ_COUNTS_VIEW)} AS c WHERE c.face = 'scim' AND c.kind <> $4 GROUP BY c.minute
       )
       SELECT (extract(epoch FROM minute) * 1000)::float8 AS "atMs", coalesce(reads, 0) + coalesce(missing, 0) AS reads, coalesce(created, 0) AS created,
         coalesce(changed, 0) AS changed, coalesce(deleted, 0) AS deleted, coalesce(unchanged, 0) AS unchanged, coalesce(refused, 0) AS refused
       FROM asked FULL JOIN read USING (minute) ORDER BY minute`,
      [tenant, id, new Date(nowMs - BACK_MS).toISOString(), DROPPED],
    );
    return rows;
  }

  /** The answers of the last 24 hours, and of the last cycle, which may have begun before. */
  async answers({ id, tenant }: Of, cycleMs: number | null, nowMs: number): Promise<readonly AnswerCount[]> {
    const [hourMs, dayMs] = [nowMs - 60 * MINUTE_MS, nowMs - 1_440 * MINUTE_MS];
    const since = (moment: string): string =>
      `coalesce(sum(c.count) FILTER (WHERE c.minute >= ${moment}::timestamptz), 0)::float8`;
    const columns = `${since('$4')} AS "inCycle", ${since('$5')} AS "inHour", ${since('$6')} AS "inDay"`;
    const { rows } = await this.pool.query<AnswerCount>(
      `SELECT c.method, nullif(c.resource_type, '') AS "resourceType", c.status, nullif(c.scim_type, '') AS "scimType", ${columns}
       FROM ${AUDIT_REQUEST_COUNTS_VIEW} c WHERE c.tenant = $1 AND c.directory = $2 AND c.minute >= $3::timestamptz AND c.face = 'scim' GROUP BY 1, 2, 3, 4
       UNION ALL
       SELECT 'GET', c.kind, 200, NULL, ${columns}
       FROM ${AUDIT_READ_COUNTS_VIEW} c WHERE c.tenant = $1 AND c.directory = $2 AND c.minute >= $3::timestamptz AND c.face = 'scim' AND c.kind <> $7 GROUP BY 2`,
      [
        tenant,
        id,
        ...[Math.min(cycleMs ?? dayMs, dayMs), cycleMs ?? nowMs, hourMs, dayMs].map((ms) => new Date(ms).toISOString()),
        DROPPED,
      ],
    );
    return rows;
  }

  /** The last write or refused request, or the last one that was done; null = there is none. */
  async last({ id, tenant }: Of, isDone: boolean): Promise<LastRequest | null> {
    const condition = isDone ? 'status < 400' : 'true';
    const { rows } = await this.pool.query<{ atMs: number }>(
      `SELECT (extract(epoch FROM minute) * 1000)::float8 AS "atMs" FROM ${AUDIT_REQUEST_COUNTS_VIEW}
       WHERE tenant = $1 AND directory = $2 AND face = 'scim' AND ${condition} ORDER BY minute DESC LIMIT 1`,
      [tenant, id],
    );
    if (!rows[0]) return null;
    const { atMs } = rows[0];
    const found = await this.pool.query<LastRequest>(
      `SELECT ${asMoment('at')} AS at, method, resource_type AS "resourceType", status, scim_type AS "scimType", effect FROM ${AUDIT_REQUESTS_VIEW}
       WHERE tenant = $1 AND id >= $3::uuid AND id < $4::uuid AND directory = $2 AND face = 'scim' AND replay_of IS NULL AND ${condition} ORDER BY id DESC LIMIT 1`,
      [tenant, id, leastIdAt(atMs), leastIdAt(atMs + MINUTE_MS)],
    );
    return found.rows[0] ?? null;
  }

  /** The minute of the last read, ms since 1970; null = there was none. */
  async lastRead({ id, tenant }: Of): Promise<number | null> {
    const { rows } = await this.pool.query<{ atMs: number }>(
      `SELECT (extract(epoch FROM minute) * 1000)::float8 AS "atMs" FROM ${AUDIT_READ_COUNTS_VIEW}
       WHERE tenant = $1 AND directory = $2 AND face = 'scim' AND kind <> $3 ORDER BY minute DESC LIMIT 1`,
      [tenant, id, DROPPED],
    );
    return rows[0]?.atMs ?? null;
  }

  /** Requests of the tenant that a face could not tell in the last 24 hours: of whose directory nobody knows. */
  async unrecorded(tenant: string, nowMs: number): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `SELECT coalesce(sum(count), 0)::float8 AS count FROM ${AUDIT_READ_COUNTS_VIEW}
       WHERE tenant = $1 AND directory = '${NO_DIRECTORY}' AND minute >= $2::timestamptz AND face = 'scim' AND kind = $3`,
      [tenant, new Date(nowMs - 1_440 * MINUTE_MS).toISOString(), DROPPED],
    );
    return rows[0]!.count;
  }

  /** Users and groups that the directory manages, and how many of `objects` are among them: it takes 0.1 s for 100,000. */
  async managed(
    { id, tenant }: Of,
    objects: readonly string[],
  ): Promise<{ readonly managed: number; readonly ofObjects: number }> {
    const { rows } = await this.pool.query<{ managed: number; ofObjects: number }>(
      `SELECT count(*)::float8 AS managed, count(o.id)::float8 AS "ofObjects" FROM (
         SELECT id FROM ${ADMINISTERED_USERS_VIEW} WHERE tenant = $1 AND directory = $2
         UNION ALL SELECT id FROM ${GROUPS_VIEW} WHERE tenant = $1 AND directory = $2
       ) AS m LEFT JOIN (SELECT DISTINCT unnest($3::uuid[]) AS id) AS o USING (id)`,
      [tenant, id, objects],
    );
    return rows[0]!;
  }
}
