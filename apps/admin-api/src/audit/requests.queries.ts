import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUDIT_REQUESTS_VIEW, bodyContext, bodyKeyText, type AskedFace } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { MASTER_SEAL, POOL } from '../injected.js';
import { LEAST_ID } from '../http/pages.queries.js';
import { leastIdOf, type Timespan } from './moments.js';
import type { Opener } from './person-values.queries.js';
import { asMoment } from './streams.queries.js';
import { walk, type Walked } from './walk.queries.js';

/** A page of what is rare ends after so long, and says how far it has come. */
const WALK_MS = 1_000;
/** Rows that one statement looks at. */
const STRETCH_ROWS = 5_000;
/** Comes after each id. */
const GREATEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The conditions that choose requests; left out = any. */
export interface RequestFilter extends Timespan {
  readonly tenant: string;
  /** True: only those that were refused. */
  readonly failed: boolean;
  readonly directory?: string;
  /** The id of a user, group or another thing. */
  readonly object?: string;
  /** The userName or displayName that the body has. */
  readonly name?: string;
  readonly status?: number;
  readonly correlation?: string;
}

/** A request as it is stored, without its body. */
export interface RequestRow {
  readonly tenant: string;
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly face: AskedFace;
  readonly directory: string | null;
  readonly actor: string | null;
  readonly method: string;
  readonly path: string;
  readonly resourceType: string | null;
  readonly object: string | null;
  readonly name: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly address: string;
  readonly userAgent: string | null;
  readonly correlationId: string;
  readonly bodyBytes: number;
  readonly replayOf: string | null;
}

const COLUMNS = `
  r.tenant, r.id, ${asMoment('r.at')} AS at, r.duration_ms AS "durationMs", r.face, r.directory, r.actor, r.method, r.path,
  r.resource_type AS "resourceType", r.object, r.name, r.status, r.scim_type AS "scimType", r.detail, r.address, r.user_agent AS "userAgent",
  r.correlation_id AS "correlationId", r.body_bytes AS "bodyBytes", r.replay_of AS "replayOf"`;

/** Reads the requests that faces were asked, the newest first. */
@Injectable()
export class AskedRequests {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(MASTER_SEAL) private readonly master: Opener,
  ) {}

  async page(filter: RequestFilter, after: string | null, limit: number): Promise<Walked<RequestRow, string>> {
    const { text, values } = statementOf(filter);
    const end = performance.now() + WALK_MS;
    return walk(after ?? (filter.until === undefined ? GREATEST_ID : leastIdOf(filter.until)), limit, {
      isTimeUp: () => performance.now() > end,
      placeOf: ({ id }) => id,
      stretch: async (behind, wanted) => {
        const { rows } = await this.pool.query<{ found: readonly RequestRow[] | null; reached: string | null }>(text, [
          filter.tenant,
          behind,
          filter.since === undefined ? LEAST_ID : leastIdOf(filter.since),
          ...values,
          wanted,
        ]);
        const { found, reached } = rows[0]!;
        return { found: found ?? [], reached };
      },
    });
  }

  /** With its body, as the face kept it. Throws Rejected(notFound). */
  async show(tenant: string | null, id: string): Promise<RequestRow & { readonly body: string | null }> {
    const { rows } = isUuid(id)
      ? await this.pool.query<RequestRow & { readonly body: string | null }>(
          `SELECT ${COLUMNS}, r.body FROM ${AUDIT_REQUESTS_VIEW} r WHERE r.id = $1 AND ($2::uuid IS NULL OR r.tenant = $2) ORDER BY r.tenant LIMIT 1`,
          [id, tenant],
        )
      : { rows: [] };
    const [found] = rows;
    if (!found)
      throw new Rejected(
        'notFound',
        `There is no request with the id ${id.slice(0, 40)}: reads that were answered are not kept one by one, and others for REQUEST_KEEP_DAYS.`,
      );
    const seal = this.master.derived(bodyKeyText(found.tenant));
    return { ...found, body: found.body && seal.open(bodyContext(found.tenant, found.id), found.body) };
  }
}

const statementOf = (filter: RequestFilter): { text: string; values: unknown[] } => {
  const values: unknown[] = [];
  const value = (given: unknown, type: string): string => {
    values.push(given);
    return `$${values.length + 3}::${type}`;
  };
  const { failed, directory, object, name, status, correlation } = filter;
  const conditions = [
    ...(failed ? ['r.status >= 400'] : []),
    ...(object === undefined ? [] : [`r.object = ${value(object, 'uuid')}`]),
    ...(correlation === undefined ? [] : [`r.correlation_id = ${value(correlation, 'text')}`]),
  ];
  // These are looked at in rows that an index has given.
  const filters = [
    ...(directory === undefined ? [] : [`r.directory = ${value(directory, 'uuid')}`]),
    ...(name === undefined ? [] : [`lower(r.name) = lower(${value(name, 'text')})`]),
    ...(status === undefined ? [] : [`r.status = ${value(status, 'smallint')}`]),
  ];
  const limit = `$${values.length + 4}::int`;
  const stretch = filters.length === 0 ? limit : String(STRETCH_ROWS);
  return {
    values,
    text: `
      WITH scanned AS MATERIALIZED (
        SELECT ${COLUMNS} FROM ${AUDIT_REQUESTS_VIEW} r
        WHERE r.tenant = $1 AND r.id < $2 AND r.id >= $3${conditions.map((one) => ` AND ${one}`).join('')}
        ORDER BY r.id DESC LIMIT ${stretch}
      ), chosen AS (
        SELECT * FROM scanned r WHERE ${filters.join(' AND ') || 'true'} ORDER BY r.id DESC LIMIT ${limit}
      )
      SELECT (SELECT json_agg(c ORDER BY c.id DESC) FROM chosen c) AS found,
        CASE WHEN (SELECT count(*) FROM scanned) < ${stretch} THEN NULL ELSE (SELECT id FROM scanned ORDER BY id LIMIT 1) END AS reached`,
  };
};
