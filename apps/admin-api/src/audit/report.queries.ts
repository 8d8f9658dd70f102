import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUDIT_ENTRIES_VIEW, AUDIT_PAYLOADS_VIEW, AUDIT_REQUESTS_VIEW, asMoment } from '#contracts';
import { FailingObjects, objectKey } from '../directories/failing.queries.js';
import { POOL } from '../injected.js';
import type { RequestRow } from './asked-request.js';
import { leastIdOf } from './moments.js';
import type { Failing } from './failing-object.js';
import {
  actionOf,
  methodsOf,
  outlineOf,
  rankSql,
  resultOf,
  type CausedEntry,
  type ReportAction,
  type ReportResult,
} from './report.js';
import { AskedRequests, conditionsOf, type ReportedRequests } from './requests.queries.js';
import { timeIsUp, walk, type Walked } from './walk.queries.js';

/** Requests that are joined with their entries at once. */
const STRETCH_ROWS = 500;
const MAX_COUNTED_FAILURES = 50_000;
const MAX_FAILING = 50;
/** Of so many it is looked up whether a later request was done, by the identity provider or by a replay. */
const MAX_LOOKED_UP = 500;
/** Of one request. A change of a group may name 1,000 members: a longer one is told without them. */
const MAX_ENTRIES = 8;
const MAX_ENTRY_BYTES = 8_192;
/** The clock of a face, and that of the database. */
export const CLOCKS_MS = 2_000;

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

/** Requests of identity providers and what they changed. */
@Injectable()
export class Reports {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly requests: AskedRequests,
    private readonly objects: FailingObjects,
  ) {}

  /** A page, the newest first, behind a request. */
  async page(filter: ReportFilter, after: string | null, limit: number): Promise<Walked<Joined, string>> {
    const isChoosing = filter.action !== undefined || filter.result !== undefined;
    return walk(after ?? leastIdOf(filter.until), limit, {
      isTimeUp: timeIsUp(),
      placeOf: ({ request }) => request.id,
      stretch: async (behind, wanted) => {
        const rows = isChoosing ? STRETCH_ROWS : Math.min(wanted, STRETCH_ROWS);
        const { items, reached } = await this.requests.page(requestsOf(filter), behind, rows);
        const joined = await this.joined(items);
        return { found: joined.filter((one) => isWanted(filter, one)), reached };
      },
    });
  }

  /** Objects whose last request was refused, those of which most were refused first. */
  async failing(filter: ReportFilter): Promise<readonly Failing[]> {
    if (filter.result !== undefined && filter.result !== 'failure') return [];
    const values: unknown[] = [filter.tenant, leastIdOf(filter.since), leastIdOf(filter.until)];
    const { conditions, filters } = conditionsOf({ ...requestsOf(filter), failed: true }, (given, type) => {
      values.push(given);
      return `$${values.length}::${type}`;
    });
    const { rows } = await this.pool.query<{ count: number; first: string; id: string }>(
      `WITH refused AS MATERIALIZED (
         SELECT r.id, r.at, r.resource_type, ${objectKey('r')} AS key
         FROM ${AUDIT_REQUESTS_VIEW} r
         WHERE ${['r.tenant = $1 AND r.id >= $2::uuid AND r.id < $3::uuid', ...conditions, ...filters].join(' AND ')}
         ORDER BY r.id DESC LIMIT ${MAX_COUNTED_FAILURES}
       )
       SELECT count(*)::float8 AS count, ${asMoment('min(at)')} AS first, max(id::text) AS id FROM refused
       GROUP BY resource_type, key ORDER BY count(*) DESC, max(id::text) DESC LIMIT ${MAX_LOOKED_UP}`,
      values,
    );
    const lasts = await this.requests.byIds(
      filter.tenant,
      rows.map(({ id }) => id),
    );
    const found = rows.flatMap(({ count, first, id }) => {
      const last = lasts.get(id);
      // A refused request may be deleted meanwhile, because it is old enough.
      if (!last) return [];
      const outline = outlineOf(last, []);
      return filter.action !== undefined && actionOf(outline) !== filter.action ? [] : [{ count, first, last }];
    });
    const done = await this.objects.doneLater(
      filter.tenant,
      found.map(({ last: { id, object, name, resourceType } }) => ({ last: id, object, name, resourceType })),
    );
    return found.filter(({ last }) => !done.has(last.id)).slice(0, MAX_FAILING);
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
/** A command waits for so long at most, after which it is not carried out. */
export const LATE_MS = 60_000;

export const requestsOf = ({
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
  ...(result === 'skipped' ? { isIdle: true } : {}),
  ...(action === undefined ? {} : { methods: methodsOf(action) }),
  ...(directory === undefined ? {} : { directory }),
  ...(person === undefined ? {} : { person }),
  ...(status === undefined ? {} : { status }),
});

const isWanted = ({ action, result }: ReportFilter, { request, entries }: Joined): boolean => {
  const outline = outlineOf(request, entries);
  return (
    (action === undefined || actionOf(outline) === action) && (result === undefined || resultOf(outline) === result)
  );
};
