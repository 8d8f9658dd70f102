import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  ADMINISTERED_USERS_VIEW,
  AUDIT_REQUEST_COUNTS_VIEW,
  AUDIT_REQUESTS_VIEW,
  GROUPS_VIEW,
  leastIdAt,
  asMoment,
} from '#contracts';
import { fold } from '#scim';
import { POOL } from '../injected.js';

const MINUTE_MS = 60_000;
const BACK_MS = 14 * 86_400_000;
/** The newest refused requests of the tenant that are looked at: 0.2 s, where nearly all fails. */
const MAX_REFUSED = 60_000;
/** Of so many objects one statement looks up whether a later request was done. */
export const LOOKED_UP = 1_000;

/** An object about which the last request was refused. */
export interface StillFailing {
  readonly count: number;
  /** ISO 8601. */
  readonly first: string;
  /** The id of its last request. */
  readonly last: string;
  /** Its id; null = it never came to be. */
  readonly object: string | null;
}

/** The last refused request of an object. */
export interface LastRefused {
  /** The id of the request. */
  readonly last: string;
  readonly object: string | null;
  readonly name: string | null;
  readonly resourceType: string | null;
}
type Candidate = StillFailing & LastRefused;

/** SQL: refused requests of the same type that have the same key are about the same object, of rows under this alias. */
export const objectKey = (r: string): string =>
  `coalesce(${r}.object::text, lower(${r}.name), ${r}.method || ' ' || split_part(${r}.path, '?', 1))`;

/** Finds what still fails: the objects whose last write was refused. */
@Injectable()
export class FailingObjects {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** The one that failed last comes first. Each is looked up: after an outage thousands were refused and done since. */
  async of(
    directory: { readonly id: string; readonly tenant: string },
    nowMs: number,
  ): Promise<readonly StillFailing[]> {
    const candidates = await this.refused(directory, nowMs);
    const failing: StillFailing[] = [];
    for (let from = 0; from < candidates.length; from += LOOKED_UP) {
      const looked = candidates.slice(from, from + LOOKED_UP);
      const done = await this.doneLater(directory.tenant, looked);
      failing.push(...looked.filter(({ last }) => !done.has(last)));
    }
    return failing;
  }

  private async refused(
    { id, tenant }: { readonly id: string; readonly tenant: string },
    nowMs: number,
  ): Promise<readonly Candidate[]> {
    // Refused requests are found by their tenant: those behind the last one of this directory need not be looked at.
    const { rows: ends } = await this.pool.query<{ atMs: number }>(
      `SELECT (extract(epoch FROM minute) * 1000)::float8 AS "atMs" FROM ${AUDIT_REQUEST_COUNTS_VIEW}
       WHERE tenant = $1 AND directory = $2 AND minute >= $3::timestamptz AND face = 'scim' AND status >= 400 ORDER BY minute DESC LIMIT 1`,
      [tenant, id, new Date(nowMs - BACK_MS).toISOString()],
    );
    if (!ends[0]) return [];
    const { rows } = await this.pool.query<Candidate>(
      `WITH refused AS MATERIALIZED (
         SELECT r.id, r.at, r.object, r.name, r.method, r.path, r.resource_type, r.directory, r.face FROM ${AUDIT_REQUESTS_VIEW} r
         WHERE r.tenant = $1 AND r.status >= 400 AND r.id >= $3::uuid AND r.id < $4::uuid ORDER BY r.id DESC LIMIT ${MAX_REFUSED}
       ), keyed AS (
         SELECT *, ${objectKey('refused')} AS key FROM refused
         WHERE directory = $2 AND face = 'scim' AND method NOT IN ('GET', 'HEAD', 'OPTIONS', '')
       )
       -- Those of one key have the same object, or names that differ by their case alone: joined with the last one of each, it took seconds.
       SELECT max(object::text) AS object, max(name) AS name, resource_type AS "resourceType", count(*)::float8 AS count, ${asMoment('min(at)')} AS first,
         max(id::text) AS last FROM keyed GROUP BY resource_type, key ORDER BY max(id::text) DESC`,
      [tenant, id, leastIdAt(nowMs - BACK_MS), leastIdAt(ends[0].atMs + MINUTE_MS)],
    );
    return rows;
  }

  /** The last requests of those objects of which a later write was done, or which came to be later. */
  async doneLater(tenant: string, candidates: readonly LastRefused[]): Promise<ReadonlySet<string>> {
    if (candidates.length === 0) return new Set();
    const { rows } = await this.pool.query<{ last: string }>(
      `SELECT c.last FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS c(last, object, type, name)
       CROSS JOIN LATERAL (
         SELECT c.object AS id WHERE c.object IS NOT NULL
         UNION ALL (SELECT id FROM ${ADMINISTERED_USERS_VIEW} WHERE c.object IS NULL AND c.type = 'User' AND user_name_folded = c.name AND tenant = $1 OFFSET 0)
         UNION ALL (SELECT id FROM ${GROUPS_VIEW} WHERE c.object IS NULL AND c.type = 'Group' AND display_name_folded = c.name AND tenant = $1 OFFSET 0)
       ) AS o
       WHERE EXISTS (SELECT FROM (SELECT tenant, method, status FROM ${AUDIT_REQUESTS_VIEW} WHERE object = o.id AND id > c.last OFFSET 0) AS r
         WHERE r.tenant = $1 AND r.status < 400 AND (c.object IS NOT NULL OR r.method = 'POST'))`,
      [
        tenant,
        candidates.map(({ last }) => last),
        candidates.map(({ object }) => object),
        candidates.map(({ resourceType }) => resourceType),
        candidates.map(({ name }) => (name === null ? null : fold(name))),
      ],
    );
    return new Set(rows.map(({ last }) => last));
  }
}
