import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_READ_COUNTS_VIEW,
  AUDIT_REQUEST_COUNTS_VIEW,
  AUDIT_REQUESTS_VIEW,
  DROPPED,
  leastIdAt,
  NO_DIRECTORY,
  asMoment,
} from '#contracts';
import { LEAST_ID } from '../http/pages.queries.js';
import { POOL } from '../injected.js';
import { leastIdOf } from './moments.js';
import { actionOf, minutesWithin, resultOf, type Group } from './report.js';
import { requestsOf, type ReportFilter } from './report.queries.js';
import { aboutPerson, conditionsOf } from './requests.queries.js';

/** The newest requests about one person, or one group, that totals count. */
const MAX_COUNTED = 200_000;
/** Of more requests it is not said how many users and groups they were about: each one would have to be read. */
const MAX_DISTINCT = 20_000;

export interface Counted {
  readonly groups: readonly Group[];
  /** Users and groups that requests were about; null = there are too many requests. */
  readonly objects: number | null;
  /** Requests that a face could not tell. */
  readonly unrecorded: number;
  /** Not null: requests before this moment are not in the totals, because there are too many. */
  readonly countedSince: string | null;
}

/** SQL: a bar by the time in seconds. */
const bar = (seconds: string, time: string): string =>
  `(floor(extract(epoch FROM ${time}) / ${seconds}::float8) * ${seconds}::float8)::float8`;

/** SQL: the sums of the requests `r` of a statement; `time` is that of their bar. */
const groupsOf = (rows: string, seconds: string): string => `
  SELECT r.method, r.resource_type AS "resourceType", r.status, r.effect, ${bar(seconds, 'r.at')} AS second, count(*)::float8 AS count
  FROM ${rows} GROUP BY 1, 2, 3, 4, 5`;

/** SQL: the directories of which there are counters, each found by one step in the index; `$1` is the tenant. */
const DIRECTORIES_COUNTED = `
  WITH RECURSIVE d AS (
    SELECT '${LEAST_ID}'::uuid AS directory, 0 AS place
    UNION ALL
    SELECT (SELECT c.directory FROM ${AUDIT_REQUEST_COUNTS_VIEW} c WHERE c.tenant = $1 AND c.directory > d.directory ORDER BY c.directory LIMIT 1), d.place + 1
    FROM d WHERE d.directory IS NOT NULL
  ) SELECT directory FROM d WHERE directory IS NOT NULL`;

/** The sums of a report: of whole minutes the counters, of the rest the requests themselves. */
@Injectable()
export class Totals {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** The sums of the requests of the timespan, in bars of so many seconds. */
  async count(filter: ReportFilter, seconds: number): Promise<Counted> {
    const { groups, objects, countedSince } = await (filter.person
      ? this.ofPerson(filter, seconds)
      : this.ofAll(filter, seconds));
    const { action, result } = filter;
    return {
      groups: groups.filter(
        (group) =>
          (action === undefined || actionOf(group) === action) && (result === undefined || resultOf(group) === result),
      ),
      objects,
      unrecorded: await this.unrecorded(filter),
      countedSince,
    };
  }

  private async ofAll(filter: ReportFilter, seconds: number): Promise<Omit<Counted, 'unrecorded'>> {
    const { tenant, directory, status, since, until } = filter;
    const [sinceMs, untilMs] = [Date.parse(since), Date.parse(until)];
    const whole = minutesWithin(sinceMs, untilMs);
    const edges = whole
      ? [sinceMs, whole.sinceMs, whole.untilMs, untilMs].map(leastIdAt)
      : [sinceMs, untilMs, untilMs, untilMs].map(leastIdAt);
    const values: unknown[] = [
      tenant,
      new Date(whole?.sinceMs ?? 0).toISOString(),
      new Date(whole?.untilMs ?? 0).toISOString(),
      seconds,
      ...edges,
      status ?? null,
      directory ?? null,
    ];
    const { rows } = await this.pool.query<Group>(
      `SELECT c.method, nullif(c.resource_type, '') AS "resourceType", c.status, nullif(c.effect, '') AS effect,
         ${bar('$4', 'c.minute')} AS second, sum(c.count)::float8 AS count
       FROM (${directory === undefined ? DIRECTORIES_COUNTED : 'SELECT $10::uuid AS directory'}) AS d
       CROSS JOIN LATERAL (SELECT * FROM ${AUDIT_REQUEST_COUNTS_VIEW}
         WHERE tenant = $1 AND directory = d.directory AND minute >= $2::timestamptz AND minute < $3::timestamptz OFFSET 0) AS c
       WHERE $9::smallint IS NULL OR c.status = $9 GROUP BY 1, 2, 3, 4, 5
       UNION ALL
       (${groupsOf(
         `(SELECT * FROM (${[5, 7]
           .map(
             (first) =>
               `(SELECT * FROM ${AUDIT_REQUESTS_VIEW} WHERE tenant = $1 AND id >= $${first}::uuid AND id < $${first + 1}::uuid OFFSET 0)`,
           )
           .join(' UNION ALL ')}) AS r
          WHERE r.face <> 'admin' AND ($9::smallint IS NULL OR r.status = $9) AND ($10::uuid IS NULL OR r.directory = $10)) AS r`,
         '$4',
       )})`,
      values,
    );
    const total = rows.reduce((sum, { count }) => sum + count, 0);
    return { groups: rows, objects: total > MAX_DISTINCT ? null : await this.objects(filter), countedSince: null };
  }

  private async objects(filter: ReportFilter): Promise<number> {
    const values: unknown[] = [filter.tenant, leastIdOf(filter.since), leastIdOf(filter.until)];
    const { conditions, filters } = conditionsOf(requestsOf(filter), (given, type) => {
      values.push(given);
      return `$${values.length}::${type}`;
    });
    const { rows } = await this.pool.query<{ objects: number }>(
      `SELECT count(*)::float8 AS objects FROM (SELECT r.object FROM ${AUDIT_REQUESTS_VIEW} r
       WHERE ${['r.tenant = $1 AND r.id >= $2::uuid AND r.id < $3::uuid AND r.object IS NOT NULL', ...conditions, ...filters].join(' AND ')}
       GROUP BY r.object) AS o`,
      values,
    );
    return rows[0]!.objects;
  }

  /** Of a person there are few: they are counted one by one. */
  private async ofPerson(filter: ReportFilter, seconds: number): Promise<Omit<Counted, 'unrecorded'>> {
    const values: unknown[] = [filter.tenant, leastIdOf(filter.since), leastIdOf(filter.until), seconds];
    const value = (given: unknown, type: string): string => {
      values.push(given);
      return `$${values.length}::${type}`;
    };
    const { conditions, filters } = conditionsOf(requestsOf(filter), value);
    const inTime = 'r.id >= $2::uuid AND r.id < $3::uuid';
    const found = aboutPerson(filter.person!, value)
      .map(
        (condition) =>
          `SELECT * FROM (SELECT * FROM ${AUDIT_REQUESTS_VIEW} r WHERE ${inTime} AND ${condition} OFFSET 0) AS r`,
      )
      .join(' UNION ALL ');
    const { rows } = await this.pool.query<{
      groups: readonly Group[] | null;
      objects: number;
      counted: number;
      oldest: string | null;
    }>(
      `WITH asked AS MATERIALIZED (
         SELECT r.id, r.at, r.method, r.resource_type, r.status, r.effect, r.object FROM (${found}) AS r
         WHERE ${[inTime, ...conditions, ...filters].join(' AND ')} ORDER BY r.id DESC LIMIT ${MAX_COUNTED}
       ), groups AS (${groupsOf('asked AS r', '$4')})
       SELECT (SELECT json_agg(g) FROM groups g) AS groups, (SELECT count(DISTINCT object)::float8 FROM asked) AS objects,
         (SELECT count(*)::float8 FROM asked) AS counted, (SELECT ${asMoment('min(at)')} FROM asked) AS oldest`,
      values,
    );
    const { groups, objects, counted, oldest } = rows[0]!;
    return { groups: groups ?? [], objects, countedSince: counted < MAX_COUNTED ? null : oldest };
  }

  private async unrecorded({ tenant, since, until }: ReportFilter): Promise<number> {
    const { rows } = await this.pool.query<{ unrecorded: number }>(
      `SELECT coalesce(sum(count), 0)::float8 AS unrecorded FROM ${AUDIT_READ_COUNTS_VIEW}
       WHERE tenant = $1 AND directory = '${NO_DIRECTORY}' AND minute >= $2::timestamptz AND minute < $3::timestamptz AND kind = $4`,
      [tenant, since, until, DROPPED],
    );
    return rows[0]!.unrecorded;
  }
}
