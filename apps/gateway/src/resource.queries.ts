import type { Pool } from 'pg';
import type { GroupRow, UserRow } from '#contracts';
import { Rejected, type Position, type Search } from '#scim';
import type { Begin } from './cursors.js';
import { compileBehind, compileFilter, compileOrder, compileSort, type CompiledFilter } from './filter-to-sql.js';
import type { ResourceTable, Scope } from './resource-tables.js';

export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly totalResults: number;
  /** In a walk: whether there are more, and where this page ends. */
  readonly hasMore: boolean;
  readonly end: Position | null;
}

const ALL: CompiledFilter = { sql: 'true', values: [], lookUp: null };
/** SQLSTATE query_canceled: QUERY_TIMEOUT_MS has passed. */
const TIMED_OUT = '57014';

type Json<Row> = Omit<Row, 'created' | 'lastModified'> & { readonly created: string; readonly lastModified: string; readonly sortKey?: string | null };

/** Reads of a published view of resources. What clients ask again and again is prepared once for a connection. */
export class ResourceQueries<Row extends UserRow | GroupRow> {
  constructor(private readonly pool: Pool, private readonly table: ResourceTable) {}

  async byId(scope: Scope, id: string): Promise<Row | null> {
    const { name, view, select } = this.table;
    const { rows } = await this.pool.query<Row>({
      name: this.nameOf(scope, `${name}-by-id`),
      text: `SELECT ${select} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND id = $3`,
      values: [scope.tenant, scope.directory, id],
    });
    return rows[0] ?? null;
  }

  /** A page, in the order of creation where no other is asked for. Throws Rejected(tooMany) when the search takes too long. */
  async page(scope: Scope, search: Search, begin?: Begin): Promise<Page<Row>> {
    const { columns, unique, name, advice } = this.table;
    const compiled = search.filter ? compileFilter(columns, search.filter, 3) : ALL;
    if (unique.has(compiled.lookUp)) return this.only(scope, compiled, search, begin);
    try {
      return await this.several(scope, compiled, search, begin);
    } catch (error) {
      // A list of everything, and a look-up, are never the client's fault.
      const isSearch = search.sort !== null || (search.filter !== null && compiled.lookUp === null);
      if (!isSearch || (error as { code?: string }).code !== TIMED_OUT) throw error;
      throw new Rejected(
        'tooMany',
        `The search was given up, because it looks at too many ${name}s for the time that a query may take. Add a condition by which ` +
          `${name}s are looked up (${advice}), leave sortBy out, or raise QUERY_TIMEOUT_MS.`,
      );
    }
  }

  /** At most one can match: no count, no sort. */
  private async only(scope: Scope, { sql, values, lookUp }: CompiledFilter, { startIndex, count }: Search, begin?: Begin): Promise<Page<Row>> {
    const { name, view, select } = this.table;
    const { rows } = await this.pool.query<Row>({
      name: this.nameOf(scope, `${name}-by-${lookUp}-eq`),
      text: `SELECT ${select} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND ${sql} LIMIT 1`,
      values: [scope.tenant, scope.directory, ...values],
    });
    const isFirst = startIndex === 1 && !begin?.position;
    return { rows: isFirst && count > 0 ? rows : [], totalResults: rows.length, hasMore: isFirst && count === 0 && rows.length > 0, end: null };
  }

  /**
   * Resources are looked at once, for their number and for the page: what was not looked up would be looked at twice. The further pages of
   * a walk count nothing: in the order of creation each is a piece of the primary key, wherever it begins.
   */
  private async several(
    scope: Scope, { sql, values, lookUp }: CompiledFilter, { sort, startIndex, count }: Search, begin?: Begin,
  ): Promise<Page<Row>> {
    const { name, view, select, columns } = this.table;
    const where = `${this.isSeen(scope)} AND ${sql}`;
    const parameters: (string | number)[] = [scope.tenant, scope.directory, ...values];
    const parameter = (value: string | number): string => `$${parameters.push(value)}`;
    const key = sort && compileSort(columns, sort);
    const counts = !begin || begin.totalResults === null;
    const behind = begin?.position ? `WHERE ${compileBehind(sort, key?.type ?? 'text', begin.position, parameter)}` : '';
    const order = compileOrder(sort);
    // One more than the page shows whether there is another.
    const limit = `LIMIT ${parameter(begin ? count + 1 : count)} OFFSET ${parameter(begin ? 0 : startIndex - 1)}`;
    const isPrepared = !sort && (lookUp !== null || (behind !== '' && sql === ALL.sql));
    const preparedName = [`${name}s`, ...(lookUp ? [`by-${lookUp}-eq`] : []), ...(counts ? [] : ['uncounted']), ...(behind ? ['behind'] : [])].join('-');
    const { rows } = await this.pool.query<{ total: string | null; found: readonly Json<Row>[] | null }>({
      ...(isPrepared ? { name: this.nameOf(scope, preparedName) } : {}),
      text: `
        WITH hits AS ${counts || sort || lookUp ? '' : 'NOT '}MATERIALIZED (SELECT id${key ? `, ${key.sql} AS key` : ''} FROM ${view} AS u WHERE ${where}),
          page AS (SELECT * FROM hits AS page ${behind} ORDER BY ${order} ${limit})
        SELECT ${counts ? '(SELECT count(*) FROM hits)' : 'NULL'} AS total, (SELECT json_agg(u) FROM (
          SELECT u.*${begin && key ? ', page.key::text AS "sortKey"' : ''}
          FROM page CROSS JOIN LATERAL (SELECT ${select} FROM ${view} AS u WHERE tenant = $1 AND id = page.id OFFSET 0) u
          ORDER BY ${order}) u) AS found`,
      values: parameters,
    });
    const found = (rows[0]!.found ?? []).slice(0, count);
    const last = found.at(-1);
    return {
      rows: found.map(({ sortKey: _key, ...row }) => ({ ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) }) as unknown as Row),
      totalResults: begin?.totalResults ?? Number(rows[0]!.total),
      hasMore: (rows[0]!.found?.length ?? 0) > found.length,
      end: last ? { id: last.id, key: last.sortKey ?? null } : (begin?.position ?? null),
    };
  }

  /** SQL: what a directory sees. Two texts, so that each is prepared for what it asks. */
  private isSeen(scope: Scope): string {
    return `tenant = $1 AND ${this.table.seesUnowned(scope) ? '(directory = $2 OR directory IS NULL)' : 'directory = $2'}`;
  }

  private nameOf(scope: Scope, name: string): string {
    return this.table.seesUnowned(scope) ? `${name}-or-unowned` : name;
  }
}
