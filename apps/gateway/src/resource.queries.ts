import type { Pool } from 'pg';
import type { GroupRow, UserRow } from '#contracts';
import { Rejected, type Search } from '#scim';
import { compileFilter, compileSort, type CompiledFilter } from './filter-to-sql.js';
import type { ResourceTable, Scope } from './resource-tables.js';

export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly totalResults: number;
}

const ALL: CompiledFilter = { sql: 'true', values: [], lookUp: null };
/** SQLSTATE query_canceled: QUERY_TIMEOUT_MS has passed. */
const TIMED_OUT = '57014';

type Json<Row> = Omit<Row, 'created' | 'lastModified'> & { readonly created: string; readonly lastModified: string };

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
  async page(scope: Scope, search: Search): Promise<Page<Row>> {
    const { columns, unique, name, advice } = this.table;
    const compiled = search.filter ? compileFilter(columns, search.filter, 3) : ALL;
    if (unique.has(compiled.lookUp)) return this.only(scope, compiled, search);
    try {
      return await this.several(scope, compiled, search);
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
  private async only(scope: Scope, { sql, values, lookUp }: CompiledFilter, { startIndex, count }: Search): Promise<Page<Row>> {
    const { name, view, select } = this.table;
    const { rows } = await this.pool.query<Row>({
      name: this.nameOf(scope, `${name}-by-${lookUp}-eq`),
      text: `SELECT ${select} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND ${sql} LIMIT 1`,
      values: [scope.tenant, scope.directory, ...values],
    });
    return { rows: startIndex === 1 && count > 0 ? rows : [], totalResults: rows.length };
  }

  /** Resources are looked at once, for their number and for the page: what was not looked up would be looked at twice. */
  private async several(
    scope: Scope, { sql, values, lookUp }: CompiledFilter, { sort, startIndex, count }: Search,
  ): Promise<Page<Row>> {
    const { name, view, select, columns } = this.table;
    const where = `${this.isSeen(scope)} AND ${sql}`;
    const [limit, offset] = [`$${values.length + 3}`, `$${values.length + 4}`];
    const key = sort ? `, ${compileSort(columns, sort)} AS key` : '';
    // In Postgres, too, NULL comes last in ascending order and first in descending.
    const order = sort ? `key ${sort.descending ? 'DESC' : 'ASC'}, page.id` : 'page.id';
    const { rows } = await this.pool.query<{ total: string; found: readonly Json<Row>[] | null }>({
      ...(lookUp && !sort ? { name: this.nameOf(scope, `${name}s-by-${lookUp}-eq`) } : {}),
      text: `
        WITH hits AS MATERIALIZED (SELECT id${key} FROM ${view} AS u WHERE ${where}),
          page AS (SELECT * FROM hits AS page ORDER BY ${order} LIMIT ${limit} OFFSET ${offset})
        SELECT (SELECT count(*) FROM hits) AS total, (SELECT json_agg(u) FROM (
          SELECT u.* FROM page CROSS JOIN LATERAL (SELECT ${select} FROM ${view} AS u WHERE tenant = $1 AND id = page.id OFFSET 0) u
          ORDER BY ${order}) u) AS found`,
      values: [scope.tenant, scope.directory, ...values, count, startIndex - 1],
    });
    const found = rows[0]!.found ?? [];
    return {
      rows: found.map((row) => ({ ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) }) as unknown as Row),
      totalResults: Number(rows[0]!.total),
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
