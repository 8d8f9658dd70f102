import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_ENTRIES_VIEW,
  AUDIT_PAYLOADS_VIEW,
  AUDIT_PURGES_VIEW,
  keyContext,
  leafTextSql,
  type Owner,
} from '#contracts';
import { MASTER_SEAL, POOL } from '../injected.js';
import type { ExportRow, PersonKey } from './export-lines.js';
import type { Timespan } from './moments.js';
import type { Opener } from './person-values.queries.js';

/** Rows of one statement: it begins with few, has more for as long as they are short, and less where they are long. */
const FIRST_PAGE_ROWS = 16;
const MOST_PAGE_ROWS = 2_000;
const PAGE_CHARACTERS = 1_048_576;

/** The owner in whose streams everything stands that happened to persons. */
const OF_PERSONS: Owner = 'identity';

/** Entries in a row. */
export interface NumberRange {
  readonly from: number;
  /** The first one behind it. */
  readonly to: number;
}

/** Which entries are exported. */
export interface Exported extends NumberRange {
  readonly tenant: string;
  /** Only those of this person; null = all. */
  readonly person: string | null;
  /** Of all others of the range the leaves, and not what they say. */
  readonly withOthers: boolean;
  /** With the readable values of what is sealed. */
  readonly withValues: boolean;
}

interface Page {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** Reads what an export has, in pages by key. */
@Injectable()
export class Exports {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(MASTER_SEAL) private readonly master: Opener,
  ) {}

  /**
   * The entries from the first one of a timespan up to the last one, among so many: entries are merged from several
   * owners, and so a few at the edges of it may lie beside the timespan.
   */
  async rangeOf(tenant: string, { since, until }: Timespan, size: number): Promise<NumberRange> {
    const { rows } = await this.pool.query<{ least: string | null; most: string | null; next: string | null }>(
      `SELECT min(number) AS least, max(number) AS most, (
         SELECT number FROM ${AUDIT_ENTRIES_VIEW}
         WHERE tenant = $1 AND recorded_at >= coalesce($3, 'infinity'::timestamptz) AND number < $4 ORDER BY recorded_at, number LIMIT 1
       ) AS next
       FROM (
         SELECT number FROM ${AUDIT_ENTRIES_VIEW}
         WHERE tenant = $1 AND recorded_at >= coalesce($2, '-infinity'::timestamptz) AND recorded_at < coalesce($3, 'infinity'::timestamptz) AND number < $4
         OFFSET 0) AS e`,
      [tenant, since ?? null, until ?? null, size],
    );
    const { least, most, next } = rows[0]!;
    // Nothing happened then: it is the place where it would stand.
    if (least === null) return { from: Number(next ?? size), to: Number(next ?? size) };
    return { from: since === undefined ? 0 : Number(least), to: until === undefined ? size : Number(most) + 1 };
  }

  /**
   * The range with the entries about persons just before and just behind it, whose times lie outside of the timespan: as
   * their sequence has no gap, nothing about a person was left out between. None = the log begins or ends there.
   */
  async enclosing(tenant: string, { from, to }: NumberRange, size: number): Promise<NumberRange> {
    const { rows } = await this.pool.query<{ before: string | null; behind: string | null }>(
      `SELECT
         (SELECT number FROM ${AUDIT_ENTRIES_VIEW} WHERE tenant = $1 AND owner = $4 AND number < $2 ORDER BY number DESC LIMIT 1) AS before,
         (SELECT number FROM ${AUDIT_ENTRIES_VIEW} WHERE tenant = $1 AND owner = $4 AND number >= $3 AND number < $5 ORDER BY number LIMIT 1) AS behind`,
      [tenant, from, to, OF_PERSONS, size],
    );
    const { before, behind } = rows[0]!;
    return { from: Number(before ?? 0), to: behind === null ? size : Number(behind) + 1 };
  }

  /** The number of the last entry that announces what is purged, among so many; null = there is none. */
  async lastPurge(tenant: string, size: number): Promise<number | null> {
    const { rows } = await this.pool.query<{ number: string }>(
      `SELECT number FROM ${AUDIT_PURGES_VIEW} WHERE tenant = $1 AND number < $2 ORDER BY number DESC LIMIT 1`,
      [tenant, size],
    );
    return rows[0] ? Number(rows[0].number) : null;
  }

  /** Rows in the order of their numbers. */
  async *pages(exported: Exported): AsyncGenerator<readonly ExportRow[]> {
    let limit = FIRST_PAGE_ROWS;
    let from: number | null = exported.from;
    let next: Promise<readonly ExportRow[]> | null = null;
    while (from !== null) {
      const rows: readonly ExportRow[] = await (next ?? this.page(exported, from, limit));
      from = rows.length < limit ? null : Number(rows.at(-1)![1]) + 1;
      const characters = rows.reduce((sum, [line]) => sum + line.length, 1);
      const fitting = Math.floor((rows.length * PAGE_CHARACTERS) / characters);
      limit = Math.min(MOST_PAGE_ROWS, 2 * limit, Math.max(1, fitting));
      // The database makes the next page while this one is sent.
      next = from === null ? null : this.page(exported, from, limit);
      // Somebody waits for it only after the page has been taken; until then nobody hears of a failure.
      next?.catch(() => undefined);
      if (rows.length > 0) yield rows;
    }
  }

  /**
   * Opens the keys of persons. Only the last one is kept: of 50,000 persons in turn an entry took 13 µs so, and 32 or 40
   * where the last 10,000 or 30,000 keys were kept, because objects outside of the heap of JavaScript are dear to collect.
   */
  async keysOf(tenant: string): Promise<(row: ExportRow) => PersonKey | null> {
    const { rows } = await this.pool.query<{ wrapped: string }>('SELECT wrapped FROM keys.tenants WHERE tenant = $1', [
      tenant,
    ]);
    const ofTenant = rows[0] ? this.master.unwrap(keyContext(tenant), rows[0].wrapped) : null;
    let last: { readonly wrapped: string; readonly key: PersonKey | null } | null = null;
    return ([, , person, , , wrapped]) => {
      if (wrapped === null || ofTenant === null) return null;
      if (last?.wrapped !== wrapped) last = { wrapped, key: ofTenant.unwrap(keyContext(tenant, person!), wrapped) };
      return last.key;
    };
  }

  private async page(exported: Exported, from: number, limit: number): Promise<readonly ExportRow[]> {
    const { sql, values } = pageOf(exported, from, limit);
    const { rows } = await this.pool.query<ExportRow[]>({ text: sql, values: [...values], rowMode: 'array' });
    return rows as unknown as readonly ExportRow[];
  }
}

/**
 * Lines as Postgres makes them: to read what they are made of, and to write it again, would take longer than everything
 * else.
 */
const pageOf = ({ tenant, person, to, withOthers, withValues }: Exported, from: number, limit: number): Page => {
  const isOfPerson = person !== null && !withOthers;
  const told = withOthers && person !== null ? 'e.stream = $5' : 'true';
  const payload = `coalesce('{"data":' || to_json(q.data::text) || ',"personal":' || coalesce('"' || q.personal || '"', 'null')
            || ',"hiddenHash":' || coalesce('"' || encode(q.hidden_hash, 'base64') || '"', 'null') || '}', 'null')`;
  const isShown = withValues ? 'q.personal IS NOT NULL' : 'false';
  const shown = (column: string): string => `CASE WHEN ${isShown} THEN ${column} END`;
  return {
    values: [tenant, from, to, limit, ...(person === null ? [] : [person])],
    sql: `
      SELECT '{"number":' || e.number || ',"leaf":' || ${leafTextSql('e')}
          || CASE WHEN ${told} THEN ',"payload":' || ${payload} ELSE '' END,
        e.number, ${shown('e.stream')}, ${shown('e.version')}, ${shown('q.personal')}, k.wrapped
      FROM (
        SELECT * FROM ${AUDIT_ENTRIES_VIEW} WHERE tenant = $1 AND number >= $2 AND number < $3 ${isOfPerson ? 'AND stream = $5' : ''}
        ORDER BY ${isOfPerson ? 'stream, version' : 'tenant, number'} LIMIT $4
      ) e
      LEFT JOIN LATERAL (
        SELECT p.data, p.personal, p.hidden_hash
        FROM ${AUDIT_PAYLOADS_VIEW} p WHERE ${told} AND p.tenant = e.tenant AND p.number = e.number OFFSET 0
      ) q ON true
      LEFT JOIN LATERAL (
        SELECT wrapped FROM keys.persons k WHERE ${isShown} AND k.tenant = e.tenant AND k.person = e.stream OFFSET 0
      ) k ON true
      ORDER BY e.number`,
  };
};
