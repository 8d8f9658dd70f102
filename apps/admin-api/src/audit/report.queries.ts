import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_ENTRIES_VIEW,
  AUDIT_PAYLOADS_VIEW,
  AUDIT_READ_COUNTS_VIEW,
  AUDIT_REQUESTS_VIEW,
  DROPPED,
} from '#contracts';
import { POOL } from '../injected.js';
import type { RequestRow } from './asked-request.js';
import { leastIdOf } from './moments.js';
import {
  actionOf,
  methodsOf,
  outlineOf,
  rankSql,
  resultOf,
  SETTLED_MS,
  type CausedEntry,
  type Group,
  type ReportAction,
  type ReportResult,
} from './report.js';
import { aboutPerson, AskedRequests, conditionsOf, type ReportedRequests } from './requests.queries.js';
import { asMoment } from './streams.queries.js';
import { walk, type Walked } from './walk.queries.js';

/** A page of what is rare ends after so long, and says how far it has come. */
const WALK_MS = 1_000;
/** Requests that are joined with their entries at once. */
const STRETCH_ROWS = 500;
/** The newest requests of a timespan that totals count. */
export const MAX_COUNTED = 200_000;
const MAX_COUNTED_FAILURES = 50_000;
const MAX_FAILING = 50;
/** Of one request. A change of a group may name 1,000 members: a longer one is told without them. */
const MAX_ENTRIES = 8;
const MAX_ENTRY_BYTES = 8_192;
/** The clock of a face, and that of the database. */
const CLOCKS_MS = 2_000;

const DATA = `SELECT data FROM ${AUDIT_PAYLOADS_VIEW} WHERE tenant = e.tenant AND number = e.number OFFSET 0`;
const RANK = rankSql('e.type', DATA);

/** The subject of a report; left out = anything. */
export interface ReportFilter {
  readonly tenant: string;
  /** Not before, and before, ISO 8601. */
  readonly since: string;
  readonly until: string;
  readonly directory?: string;
  readonly person?: { readonly ids: readonly string[]; readonly names: readonly string[] };
  readonly action?: ReportAction;
  readonly result?: ReportResult;
  readonly status?: number;
}

/** A request with the entries of what it changed. */
export interface Joined {
  readonly request: RequestRow;
  readonly entries: readonly CausedEntry[];
}

/** An object of which requests were refused. */
export interface Failing {
  readonly count: number;
  readonly first: string;
  readonly last: RequestRow;
}

export interface Counted {
  readonly groups: readonly Group[];
  /** Users and groups that requests were about. */
  readonly objects: number;
  /** Requests that a face could not tell. */
  readonly unrecorded: number;
  /** Not null: requests before this moment are not in the totals, because there are too many. */
  readonly countedSince: string | null;
}

/** Requests of identity providers and what they changed. */
@Injectable()
export class Reports {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly requests: AskedRequests,
  ) {}

  /** A page, the newest first, behind a request. `nowMs` says which are so new that their entries may not be there. */
  async page(
    filter: ReportFilter,
    after: string | null,
    limit: number,
    nowMs: number,
  ): Promise<Walked<Joined, string>> {
    const end = performance.now() + WALK_MS;
    const isChoosing = filter.action !== undefined || filter.result !== undefined;
    return walk(after ?? leastIdOf(filter.until), limit, {
      isTimeUp: () => performance.now() > end,
      placeOf: ({ request }) => request.id,
      stretch: async (behind, wanted) => {
        const rows = isChoosing ? STRETCH_ROWS : Math.min(wanted, STRETCH_ROWS);
        const { items, reached } = await this.requests.page(requestsOf(filter), behind, rows);
        const joined = await this.joined(items);
        return { found: joined.filter((one) => isWanted(filter, one, nowMs)), reached };
      },
    });
  }

  /** The sums of the requests of the timespan, in bars of so many seconds. */
  async count(filter: ReportFilter, seconds: number, nowMs: number): Promise<Counted> {
    const values: unknown[] = [
      filter.tenant,
      leastIdOf(filter.since),
      leastIdOf(filter.until),
      filter.since,
      filter.until,
      new Date(nowMs - SETTLED_MS).toISOString(),
      seconds,
      DROPPED,
    ];
    const value = (given: unknown, type: string): string => {
      values.push(given);
      return `$${values.length}::${type}`;
    };
    const { conditions, filters } = conditionsOf(requestsOf(filter), value);
    const inTime = 'r.id >= $2::uuid AND r.id < $3::uuid';
    const source = filter.person
      ? `(${aboutPerson(filter.person, value)
          .map(
            (condition) =>
              `SELECT * FROM (SELECT * FROM ${AUDIT_REQUESTS_VIEW} r WHERE ${inTime} AND ${condition} OFFSET 0) AS r`,
          )
          .join(' UNION ALL ')})`
      : `(SELECT * FROM ${AUDIT_REQUESTS_VIEW} r WHERE r.tenant = $1)`;
    // Entries about somebody else are joined with none of these.
    const entries = filter.person
      ? `(SELECT * FROM ${AUDIT_ENTRIES_VIEW} WHERE stream = ANY (${value(filter.person.ids, 'uuid[]')}) OFFSET 0)`
      : AUDIT_ENTRIES_VIEW;
    const { rows } = await this.pool.query<{
      groups: readonly Group[] | null;
      objects: number;
      unrecorded: number;
      counted: number;
      oldest: string | null;
    }>(
      `WITH asked AS MATERIALIZED (
         SELECT r.id, r.at, r.method, r.resource_type, r.status, r.object, r.correlation_id FROM ${source} r
         WHERE ${[inTime, ...conditions, ...filters].join(' AND ')} ORDER BY r.id DESC LIMIT ${MAX_COUNTED}
       ), oldest AS MATERIALIZED (
         SELECT coalesce(min(at), $4::timestamptz) AS at, count(*) AS count FROM asked
       ), happened AS MATERIALIZED (
         SELECT e.correlation_id, e.stream, min(${RANK}) AS rank FROM ${entries} e
         WHERE e.tenant = $1 AND e.recorded_at >= greatest($4::timestamptz, (SELECT at FROM oldest)) - interval '${CLOCKS_MS} ms'
           AND e.recorded_at < $5::timestamptz + interval '1 minute' AND e.directory IS NOT NULL
         GROUP BY e.correlation_id, e.stream
       ), groups AS (
         -- A full join is made by hashes or by sorting: nothing is known of how many these are, and loops would take minutes.
         SELECT a.method, a.resource_type AS "resourceType", a.status,
           CASE WHEN a.status < 400 OR a.status >= 500 THEN h.rank END AS rank, a.at < $6::timestamptz AS "isSettled",
           (floor(extract(epoch FROM a.at) / $7::float8) * $7::float8)::float8 AS second, count(a.id)::float8 AS count
         FROM asked a FULL JOIN happened h ON h.correlation_id = a.correlation_id AND h.stream = a.object
         GROUP BY 1, 2, 3, 4, 5, 6 HAVING count(a.id) > 0
       )
       SELECT (SELECT json_agg(g) FROM groups g) AS groups,
         (SELECT count(*)::float8 FROM (SELECT object FROM asked WHERE object IS NOT NULL GROUP BY object) AS o) AS objects,
         (SELECT coalesce(sum(count), 0)::float8 FROM ${AUDIT_READ_COUNTS_VIEW}
          WHERE tenant = $1 AND minute >= $4::timestamptz AND minute < $5::timestamptz AND kind = $8) AS unrecorded,
         (SELECT count::float8 FROM oldest) AS counted, (SELECT ${asMoment('at')} FROM oldest) AS oldest`,
      values,
    );
    const { groups, objects, unrecorded, counted, oldest } = rows[0]!;
    const { action, result } = filter;
    return {
      groups: (groups ?? []).filter(
        (group) =>
          (action === undefined || actionOf(group) === action) && (result === undefined || resultOf(group) === result),
      ),
      objects,
      unrecorded,
      countedSince: counted < MAX_COUNTED ? null : oldest,
    };
  }

  /** Objects of which requests were refused, those of which most were refused first. */
  async failing(filter: ReportFilter): Promise<readonly Failing[]> {
    if (filter.result !== undefined && filter.result !== 'failure') return [];
    const values: unknown[] = [filter.tenant, leastIdOf(filter.since), leastIdOf(filter.until)];
    const { conditions, filters } = conditionsOf({ ...requestsOf(filter), failed: true }, (given, type) => {
      values.push(given);
      return `$${values.length}::${type}`;
    });
    const { rows } = await this.pool.query<{ count: number; first: string; id: string }>(
      `WITH refused AS MATERIALIZED (
         SELECT r.id, r.at, r.resource_type, coalesce(r.object::text, lower(r.name), r.method || ' ' || split_part(r.path, '?', 1)) AS key
         FROM ${AUDIT_REQUESTS_VIEW} r
         WHERE ${['r.tenant = $1 AND r.id >= $2::uuid AND r.id < $3::uuid', ...conditions, ...filters].join(' AND ')}
         ORDER BY r.id DESC LIMIT ${MAX_COUNTED_FAILURES}
       )
       SELECT count(*)::float8 AS count, ${asMoment('min(at)')} AS first, max(id::text) AS id FROM refused
       GROUP BY resource_type, key ORDER BY count(*) DESC, max(id::text) DESC LIMIT ${MAX_FAILING}`,
      values,
    );
    const lasts = await this.requests.byIds(
      filter.tenant,
      rows.map(({ id }) => id),
    );
    return rows.flatMap(({ count, first, id }) => {
      const last = lasts.get(id);
      // A refused request may be deleted meanwhile, because it is old enough.
      if (!last) return [];
      const outline = outlineOf(last, [], Infinity);
      return filter.action !== undefined && actionOf(outline) !== filter.action ? [] : [{ count, first, last }];
    });
  }

  /** With the entries that each request has caused about its object, the oldest first. */
  private async joined(requests: readonly RequestRow[]): Promise<Joined[]> {
    // A request that was refused has changed nothing, unless the answer was that nobody knows.
    const changing = requests.filter(({ status }) => status < 400 || status >= 500);
    if (changing.length === 0) return requests.map((request) => ({ request, entries: [] }));
    const { rows } = await this.pool.query<{ id: string; entries: readonly CausedEntry[] }>({
      name: 'entries-of-requests',
      text: `
        SELECT r.id, (SELECT json_agg(json_build_object('tenant', e.tenant, 'number', e.number, 'owner', e.owner, 'sequence', e.sequence,
            'stream', e.stream, 'version', e.version, 'type', e.type, 'recordedAt', ${asMoment('e.recorded_at')},
            'commandId', e.command_id, 'correlationId', e.correlation_id, 'actor', e.actor, 'directory', e.directory,
            'data', CASE WHEN octet_length(p.data::text) <= ${MAX_ENTRY_BYTES} THEN p.data END, 'personal', NULL,
            'rank', ${RANK}, 'isLong', coalesce(octet_length(p.data::text) > ${MAX_ENTRY_BYTES}, false)) ORDER BY e.recorded_at, e.number)
          FROM (SELECT * FROM ${AUDIT_ENTRIES_VIEW} WHERE correlation_id = r.correlation AND tenant = $1
            AND recorded_at >= r.at - interval '${CLOCKS_MS} ms' AND recorded_at <= r.at + (r.ms + ${CLOCKS_MS}) * interval '1 ms'
            AND (r.object IS NULL OR stream = r.object) ORDER BY recorded_at, number LIMIT ${MAX_ENTRIES}) AS e
            LEFT JOIN LATERAL (${DATA}) AS p ON true) AS entries
        FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::float8[], $6::uuid[]) AS r(id, correlation, at, ms, object)`,
      values: [
        requests[0]!.tenant,
        changing.map(({ id }) => id),
        changing.map(({ correlationId }) => correlationId),
        changing.map(({ at }) => at),
        // A change that was answered too late is made later.
        changing.map(({ durationMs, status }) => durationMs + (status < 400 ? 0 : LATE_MS)),
        changing.map(({ object }) => object),
      ],
    });
    const byId = new Map(rows.map(({ id, entries }) => [id, entries ?? []]));
    return requests.map((request) => ({ request, entries: byId.get(request.id) ?? [] }));
  }
}
const LATE_MS = 60_000;

const requestsOf = ({
  since,
  until,
  action,
  result,
  tenant,
  directory,
  person,
  status,
}: ReportFilter): ReportedRequests => ({
  tenant,
  since,
  until,
  isProvisioning: true,
  failed: result === 'failure',
  ...(result === 'success' || result === 'skipped' ? { isDone: true } : {}),
  ...(action === undefined ? {} : { methods: methodsOf(action) }),
  ...(directory === undefined ? {} : { directory }),
  ...(person === undefined ? {} : { person }),
  ...(status === undefined ? {} : { status }),
});

const isWanted = ({ action, result }: ReportFilter, { request, entries }: Joined, nowMs: number): boolean => {
  const outline = outlineOf(request, entries, nowMs);
  return (
    (action === undefined || actionOf(outline) === action) && (result === undefined || resultOf(outline) === result)
  );
};
