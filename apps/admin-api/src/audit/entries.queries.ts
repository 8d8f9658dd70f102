import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUDIT_ENTRIES_VIEW, AUDIT_PAYLOADS_VIEW, asMoment } from '#contracts';
import { POOL } from '../injected.js';
import { typesOf } from './actions.js';
import type { EntryRow, Result } from './entry.js';
import { timeIsUp, walk, type Stretch, type Walked } from './walk.queries.js';

/** Rows that one statement looks at. */
const STRETCH_ROWS = 5_000;
/** A page ends with the entry that reaches it: one of a group may name 1,000 members. */
const MAX_PAGE_BYTES = 4 * 1_048_576;

/** The conditions that choose entries; left out = any. */
export interface EntryFilter {
  readonly tenant: string;
  readonly subject?: string;
  readonly actors?: readonly string[];
  readonly directory?: string;
  readonly action?: string;
  readonly result?: Result;
  readonly correlation?: string;
  /** Moments: not before, and before. */
  readonly since?: string;
  readonly until?: string;
}

/** An entry that the next page begins behind: its moment, and its number, or its version where one stream is read. */
export type EntryPlace = readonly [at: string, number: number];

const LATEST: EntryPlace = ['infinity', 0];
const BEYOND_VERSIONS = 2_147_483_647;
/** Their entries are found by their time: there are too many of each for an index. */
const MANY = /^(token|client):/;

const ROW = `e.tenant, e.number, e.owner, e.sequence, e.stream, e.version, e.type, e.recorded_at, e.command_id, e.correlation_id, e.actor, e.directory`;

const SHOWN = `json_build_object('tenant', m.tenant, 'number', m.number, 'owner', m.owner, 'sequence', m.sequence, 'stream', m.stream,
  'version', m.version, 'type', m.type, 'recordedAt', ${asMoment('m.recorded_at')}, 'commandId', m.command_id,
  'correlationId', m.correlation_id, 'actor', m.actor, 'directory', m.directory, 'data', m.data, 'personal', NULL)`;

const RESULTS: { readonly [result in Result]: string } = {
  held: `coalesce(p.data->'held'->>'letIn', '') = '' AND p.data->>'held' IS NOT NULL`,
  partly: `p.data->>'held' IS NULL AND p.data->>'leftOut' <> '[]'`,
  done: `p.data->>'held' IS NULL AND coalesce(p.data->>'leftOut', '[]') = '[]'`,
};
const PAYLOAD = (of: string): string => `LEFT JOIN LATERAL (
  SELECT data FROM ${AUDIT_PAYLOADS_VIEW} WHERE tenant = ${of}.tenant AND number = ${of}.number OFFSET 0) p ON true`;

/** The index by which entries are looked for, and what is asked of each of those that it gives. */
interface Way {
  readonly from: string;
  readonly order: string;
  readonly behind: string;
}
const BY_TIME = {
  order: 'e.recorded_at DESC, e.number DESC',
  behind: '(e.recorded_at, e.number) < ($2::timestamptz, $3::bigint)',
};

/** Reads entries, the newest first. */
@Injectable()
export class Entries {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  async page(filter: EntryFilter, after: EntryPlace | null, limit: number): Promise<Walked<EntryRow, EntryPlace>> {
    const statement = statementOf(filter);
    const isStream = filter.subject !== undefined;
    const start: EntryPlace = isStream ? ['infinity', BEYOND_VERSIONS] : [filter.until ?? LATEST[0], LATEST[1]];
    return walk(after ?? start, limit, {
      isTimeUp: timeIsUp(),
      placeOf: ({ recordedAt, number, version }) => [recordedAt, isStream ? version : number],
      stretch: async ([at, number], wanted): Promise<Stretch<EntryRow, EntryPlace>> => {
        const { rows } = await this.pool.query<{
          found: readonly EntryRow[] | null;
          /** The last one that was looked at; null = there are no more. */
          last: EntryPlace | null;
        }>(statement.text, [filter.tenant, at, number, ...statement.values, wanted]);
        const { found, last } = rows[0]!;
        return { found: found ?? [], reached: last };
      },
    });
  }

  /** An entry of a tenant; undefined = there is none of this number. */
  async show(tenant: string, number: number): Promise<Pick<EntryRow, 'stream' | 'version'> | undefined> {
    const { rows } = await this.pool.query<Pick<EntryRow, 'stream' | 'version'>>(
      `SELECT stream, version FROM ${AUDIT_ENTRIES_VIEW} WHERE tenant = $1 AND number = $2`,
      [tenant, number],
    );
    return rows[0];
  }
}

const statementOf = (filter: EntryFilter): { text: string; values: unknown[] } => {
  const values: unknown[] = [];
  const value = (given: unknown, type: string): string => {
    values.push(given);
    return `$${values.length + 3}::${type}`;
  };
  const { subject, actors, directory, action, result, correlation, since, until } = filter;
  const [actor] = actors ?? [];
  const isFew = actors?.length === 1 && !MANY.test(actor!);
  const way: Way =
    subject !== undefined
      ? {
          from: `e.stream = ${value(subject, 'uuid')} AND e.tenant = $1 AND $2::timestamptz IS NOT NULL`,
          order: 'e.version DESC',
          behind: 'e.version < $3::bigint',
        }
      : correlation !== undefined
        ? { from: `e.correlation_id = ${value(correlation, 'text')} AND e.tenant = $1`, ...BY_TIME }
        : isFew
          ? {
              from: `e.actor = ${value(actor, 'text')} AND e.tenant = $1 AND e.actor NOT LIKE 'token:%' AND e.actor NOT LIKE 'client:%'`,
              ...BY_TIME,
            }
          : { from: 'e.tenant = $1', ...BY_TIME };
  // All ways but that of a stream are by time: nothing is looked at that is older than this.
  const from =
    since === undefined || subject !== undefined
      ? way.from
      : `${way.from} AND e.recorded_at >= ${value(since, 'timestamptz')}`;
  const conditions = [
    ...(subject !== undefined && since !== undefined ? [`e.recorded_at >= ${value(since, 'timestamptz')}`] : []),
    ...(subject !== undefined && until !== undefined ? [`e.recorded_at < ${value(until, 'timestamptz')}`] : []),
    ...(subject !== undefined && correlation !== undefined ? [`e.correlation_id = ${value(correlation, 'text')}`] : []),
    ...(actors && !(isFew && subject === undefined && correlation === undefined)
      ? [`e.actor = ANY (${value(actors, 'text[]')})`]
      : []),
    ...(directory === undefined ? [] : [`e.directory = ${value(directory, 'uuid')}`]),
    ...(action === undefined ? [] : [`e.type = ANY (${value(typesOf(action), 'text[]')})`]),
    ...(result === undefined ? [] : [RESULTS[result]]),
  ];
  const limit = `$${values.length + 4}::int`;
  // Where nothing is left out, no more is read than the page takes.
  const stretch = conditions.length === 0 ? limit : String(STRETCH_ROWS);
  return {
    values,
    text: `
      WITH scanned AS MATERIALIZED (
        SELECT ${ROW} FROM ${AUDIT_ENTRIES_VIEW} e WHERE ${from} AND ${way.behind} ORDER BY ${way.order} LIMIT ${stretch}
      ), chosen AS (
        SELECT e.* FROM scanned e ${result === undefined ? '' : PAYLOAD('e')}
        WHERE ${conditions.join(' AND ') || 'true'} ORDER BY ${way.order} LIMIT ${limit}
      ), measured AS (
        SELECT e.*, p.data, sum(coalesce(octet_length(p.data::text), 0)) OVER (
          ORDER BY ${way.order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - coalesce(octet_length(p.data::text), 0) AS bytes_before
        FROM chosen e ${PAYLOAD('e')}
      ), told AS (SELECT * FROM measured WHERE bytes_before < ${MAX_PAGE_BYTES})
      SELECT (SELECT json_agg(${SHOWN} ORDER BY ${way.order.replaceAll('e.', 'm.')}) FROM told m) AS found,
        CASE
          WHEN (SELECT count(*) FROM told) < (SELECT count(*) FROM chosen) THEN (SELECT ${placed('told', subject)})
          WHEN (SELECT count(*) FROM scanned) < ${stretch} THEN NULL
          ELSE (SELECT ${placed('scanned', subject)}) END AS last`,
  };
};

/** SQL: the place of the last one. */
const placed = (rows: string, subject: string | undefined): string => {
  const [order, number] = subject === undefined ? ['e.recorded_at, e.number', 'e.number'] : ['e.version', 'e.version'];
  return `json_build_array(${asMoment('e.recorded_at')}, ${number}) FROM ${rows} e ORDER BY ${order} LIMIT 1`;
};
