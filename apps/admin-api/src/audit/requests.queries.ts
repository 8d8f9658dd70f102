import { inflateRawSync } from 'node:zlib';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_BODIES_VIEW,
  AUDIT_REQUESTS_VIEW,
  bodiesContext,
  bodyKeyText,
  MAX_TOLD_BODIES_BYTES,
  asMoment,
} from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { MASTER_SEAL, POOL } from '../injected.js';
import { LEAST_ID } from '../http/pages.queries.js';
import type { KeptRequest, RequestRow } from './asked-request.js';
import { leastIdOf, type Timespan } from './moments.js';
import type { Opener } from './person-values.queries.js';
import { timeIsUp, walk, type Walked } from './walk.queries.js';

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

/** The same, and what a report chooses by. */
export interface ReportedRequests extends RequestFilter {
  /** True: none of administrators. */
  readonly isProvisioning?: boolean;
  /** True: only those that were done. */
  readonly isDone?: boolean;
  /** True: only those that changed nothing. */
  readonly isIdle?: boolean;
  /** About one of these, or called so by their bodies; the names are in lower case. */
  readonly person?: { readonly ids: readonly string[]; readonly names: readonly string[] };
  readonly methods?: readonly string[];
}

const COLUMNS = `
  r.tenant, r.id, ${asMoment('r.at')} AS at, r.duration_ms AS "durationMs", r.face, r.directory, r.actor, r.method, r.path,
  r.resource_type AS "resourceType", r.object, r.name, r.status, r.effect, r.scim_type AS "scimType", r.detail, r.address, r.user_agent AS "userAgent",
  r.correlation_id AS "correlationId", r.body_bytes AS "bodyBytes", r.if_match AS "ifMatch", r.if_none_match AS "ifNoneMatch",
  r.replay_of AS "replayOf"`;

/** Reads the requests that faces were asked, the newest first. */
@Injectable()
export class AskedRequests {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(MASTER_SEAL) private readonly master: Opener,
  ) {}

  async page(filter: ReportedRequests, after: string | null, limit: number): Promise<Walked<RequestRow, string>> {
    const { text, values } = statementOf(filter);
    return walk(after ?? (filter.until === undefined ? GREATEST_ID : leastIdOf(filter.until)), limit, {
      isTimeUp: timeIsUp(),
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

  /** Without their bodies, by their ids; one that is not there is left out. */
  async byIds(tenant: string, ids: readonly string[]): Promise<ReadonlyMap<string, RequestRow>> {
    if (ids.length === 0) return new Map();
    const { rows } = await this.pool.query<RequestRow>(
      `SELECT ${COLUMNS} FROM unnest($2::uuid[]) AS i(id)
       CROSS JOIN LATERAL (SELECT * FROM ${AUDIT_REQUESTS_VIEW} WHERE tenant = $1 AND id = i.id OFFSET 0) AS r`,
      [tenant, ids],
    );
    return new Map(rows.map((row) => [row.id, row]));
  }

  /** With its body, as the face kept it. Throws Rejected(notFound). */
  async show(tenant: string | null, id: string): Promise<KeptRequest> {
    const { rows } = isUuid(id)
      ? await this.pool.query<Omit<KeptRequest, 'body'> & StoredBody>(
          `SELECT ${COLUMNS}, r.told_by AS "toldBy", r.body, b.sealed FROM ${AUDIT_REQUESTS_VIEW} r
           LEFT JOIN ${AUDIT_BODIES_VIEW} b ON r.body IS NOT NULL AND b.tenant = r.tenant AND b.told_by = r.told_by
           WHERE r.id = $1 AND ($2::uuid IS NULL OR r.tenant = $2) ORDER BY r.tenant LIMIT 1`,
          [id, tenant],
        )
      : { rows: [] };
    const [found] = rows;
    if (!found)
      throw new Rejected(
        'notFound',
        `There is no request with the id ${id.slice(0, 40)}: reads that were answered are not kept one by one, and others for REQUEST_KEEP_DAYS.`,
      );
    const { toldBy, body: place, sealed, ...request } = found;
    const packed =
      sealed && this.master.derived(bodyKeyText(request.tenant)).open(bodiesContext(request.tenant, toldBy), sealed);
    return { ...request, body: packed && (unpacked(packed)[place!] ?? null) };
  }
}

/** A body is stored among those of other requests. */
interface StoredBody {
  readonly toldBy: string;
  readonly body: number | null;
  readonly sealed: string | null;
}

const unpacked = (packed: string): readonly string[] =>
  JSON.parse(
    inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_TOLD_BODIES_BYTES }).toString(),
  ) as readonly string[];

/** SQL: what must be true of the rows `r` that an index gives, and what is looked at in each of them. */
export const conditionsOf = (
  {
    failed,
    directory,
    object,
    name,
    status,
    correlation,
    isProvisioning,
    isDone,
    isIdle,
    person,
    methods,
  }: ReportedRequests,
  value: (given: unknown, type: string) => string,
): { readonly conditions: readonly string[]; readonly filters: readonly string[] } => ({
  conditions: [
    ...(failed ? ['r.status >= 400'] : []),
    ...(object === undefined ? [] : [`r.object = ${value(object, 'uuid')}`]),
    ...(correlation === undefined ? [] : [`r.correlation_id = ${value(correlation, 'text')}`]),
  ],
  // These are looked at in rows that an index has given.
  filters: [
    ...(directory === undefined ? [] : [`r.directory = ${value(directory, 'uuid')}`]),
    ...(name === undefined ? [] : [`lower(r.name) = lower(${value(name, 'text')})`]),
    ...(status === undefined ? [] : [`r.status = ${value(status, 'smallint')}`]),
    ...(isProvisioning ? [`r.face <> 'admin'`] : []),
    ...(isDone ? ['r.status < 400'] : []),
    ...(isIdle ? [`r.effect = 'nothing'`] : []),
    ...(methods ? [`r.method = ANY (${value(methods, 'text[]')})`] : []),
    ...(person
      ? [`(r.object = ANY (${value(person.ids, 'uuid[]')}) OR lower(r.name) = ANY (${value(person.names, 'text[]')}))`]
      : []),
  ],
});

const statementOf = (filter: ReportedRequests): { text: string; values: unknown[] } => {
  const values: unknown[] = [];
  const value = (given: unknown, type: string): string => {
    values.push(given);
    return `$${values.length + 3}::${type}`;
  };
  const { conditions, filters } = conditionsOf(filter, value);
  if (filter.person) return ofPerson(filter.person, { conditions, filters, values, value });
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

/** SQL: the tenant, told so that it is not what rows are found by: the index of objects finds fewer than that of the tenant. */
const OF_OBJECT_INDEX = '(r.tenant = $1) IS TRUE';

/** SQL: requests `r` about a person, and those that were refused and named it, each by its index. */
export const aboutPerson = (
  { ids, names }: NonNullable<ReportedRequests['person']>,
  value: (given: unknown, type: string) => string,
): readonly [about: string, refused: string] => {
  const these = value(ids, 'uuid[]');
  return [
    `${OF_OBJECT_INDEX} AND r.object = ANY (${these})`,
    `r.tenant = $1 AND r.status >= 400 AND lower(r.name) = ANY (${value(names, 'text[]')}) AND (r.object = ANY (${these})) IS NOT TRUE`,
  ];
};

/** Of a person there are few: they need not be looked for among those of everybody. */
const ofPerson = (
  person: NonNullable<ReportedRequests['person']>,
  {
    conditions,
    filters,
    values,
    value,
  }: ReturnType<typeof conditionsOf> & {
    readonly values: unknown[];
    readonly value: (given: unknown, type: string) => string;
  },
): { text: string; values: unknown[] } => {
  const [about, refused] = aboutPerson(person, value);
  const limit = `$${values.length + 4}::int`;
  const rows = (condition: string): string => `
        SELECT * FROM (SELECT ${COLUMNS} FROM ${AUDIT_REQUESTS_VIEW} r
          WHERE ${['r.id < $2 AND r.id >= $3', ...conditions, condition].join(' AND ')} OFFSET 0) AS r
        ORDER BY r.id DESC LIMIT ${STRETCH_ROWS}`;
  const lastOf = (name: string): string =>
    `(SELECT id FROM ${name} WHERE (SELECT count(*) FROM ${name}) = ${STRETCH_ROWS} ORDER BY id LIMIT 1)`;
  return {
    values,
    text: `
      WITH about AS MATERIALIZED (${rows(about)}
      ), refused AS MATERIALIZED (${rows('r.tenant = $1 AND r.status >= 400')}
      ), edge AS MATERIALIZED (SELECT greatest(${lastOf('about')}, ${lastOf('refused')}) AS id
      ), chosen AS (
        SELECT r.* FROM (SELECT * FROM about UNION ALL SELECT * FROM refused r WHERE ${refused}) AS r
        WHERE ${['r.id >= coalesce((SELECT id FROM edge), $3)', ...filters].join(' AND ')} ORDER BY r.id DESC LIMIT ${limit}
      )
      SELECT (SELECT json_agg(c ORDER BY c.id DESC) FROM chosen c) AS found, (SELECT id FROM edge) AS reached`,
  };
};
