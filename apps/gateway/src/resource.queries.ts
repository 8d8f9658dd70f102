import type { Pool } from 'pg';
import { GROUPS_OF, type GroupOfUser, type GroupRow, type UserRow } from '#contracts';
import { isTimeOut, NoSlot, type Slots } from '#runtime';
import { Rejected, type Search } from '#scim';
import { compileFilter, compileSort, type CompiledFilter } from './filter-to-sql.js';
import type { ResourceTable, Scope } from './resource-tables.js';

export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly totalResults: number;
}

/** What all reads of a gateway share. */
export interface ReadingLimits {
  /** Searches take a share of the connections. */
  readonly slots: Slots;
  readonly maxPageBytes: number;
}

const ALL: CompiledFilter = { sql: 'true', values: [], lookUp: null, isIndexed: false };
/** How long a resource is. Next to all lie there as they are; of the others, made small by Postgres, only the text tells. */
const BYTES = 'CASE WHEN pg_column_compression(u.resource) IS NULL THEN pg_column_size(u.resource) ELSE octet_length(u.resource::text) END';

type Json<Row> = Omit<Row, 'created' | 'lastModified'> & { readonly created: string; readonly lastModified: string };

/** Reads of a published view of resources. What clients ask again and again is prepared once for a connection. */
export class ResourceQueries<Row extends UserRow | GroupRow> {
  constructor(private readonly pool: Pool, private readonly table: ResourceTable, private readonly limits: ReadingLimits) {}

  async byId(scope: Scope, id: string): Promise<Row | null> {
    const { name, view, select } = this.table;
    const { rows } = await this.pool.query<Row>({
      name: this.nameOf(scope, `${name}-by-id`),
      text: `SELECT ${select} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND id = $3 LIMIT 1`,
      values: [scope.tenant, scope.directory, id],
    });
    return (await this.withGroups(scope, rows))[0] ?? null;
  }

  /**
   * A page, in the order of creation where no other is asked for. Throws Rejected: tooMany when a search takes too long,
   * tooManyRequests when too many are under way. Whoever is looked up by an index never waits for them.
   */
  async page(scope: Scope, search: Search): Promise<Page<Row>> {
    const { columns, unique, name, advice } = this.table;
    const compiled = search.filter ? compileFilter(columns, search.filter, 3) : ALL;
    if (unique.has(compiled.lookUp)) return this.only(scope, compiled, search);
    if (compiled.isIndexed) return this.several(scope, compiled, search);
    try {
      return await this.limits.slots.run(() => (compiled === ALL && !search.sort ? this.everybody(scope, search) : this.several(scope, compiled, search)));
    } catch (error) {
      if (error instanceof NoSlot) {
        throw new Rejected(
          'tooManyRequests',
          `This search is one too many at once, and it was not begun: ${error.message}. Send it again later, or add a condition by which ${name}s are ` +
            `looked up (${advice}), which never waits; MAX_SEARCHES_AT_ONCE allows more.`,
        );
      }
      // A list of everything is never the client's fault.
      const isSearch = search.sort !== null || search.filter !== null;
      if (!isSearch || !isTimeOut(error)) throw error;
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
    const shown = startIndex === 1 && count > 0 ? rows : [];
    return { rows: await this.withGroups(scope, shown), totalResults: rows.length };
  }

  /** Number and page of users come from the index of the primary key alone, which says who sees a user. */
  private everybody(scope: Scope, { startIndex, count }: Search): Promise<Page<Row>> {
    const from = `FROM ${this.table.view} AS u WHERE ${this.isSeen(scope)}`;
    return this.pageOf(
      scope, `page AS MATERIALIZED (SELECT id ${from} ORDER BY tenant, id LIMIT $3 OFFSET $4)`, `SELECT count(*) ${from}`, 'page.id',
      [scope.tenant, scope.directory, count, startIndex - 1],
    );
  }

  /** Resources are looked at once, for their number and for the page: what was not looked up would be looked at twice. */
  private several(scope: Scope, { sql, values, lookUp }: CompiledFilter, { sort, startIndex, count }: Search): Promise<Page<Row>> {
    const { name, view, columns } = this.table;
    const where = `${this.isSeen(scope)} AND ${sql}`;
    const [limit, offset] = [`$${values.length + 3}`, `$${values.length + 4}`];
    const key = sort ? `, ${compileSort(columns, sort)} AS key` : '';
    // In Postgres, too, NULL comes last in ascending order and first in descending.
    const order = sort ? `key ${sort.descending ? 'DESC' : 'ASC'}, page.id` : 'page.id';
    return this.pageOf(
      scope, `hits AS MATERIALIZED (SELECT id${key} FROM ${view} AS u WHERE ${where}), page AS (SELECT * FROM hits AS page ORDER BY ${order} LIMIT ${limit} OFFSET ${offset})`,
      'SELECT count(*) FROM hits', order, [scope.tenant, scope.directory, ...values, count, startIndex - 1],
      lookUp && !sort ? this.nameOf(scope, `${name}s-by-${lookUp}-eq`) : undefined,
    );
  }

  /**
   * `tables` are those of a WITH, of which `page` has the ids of a page; with a name it is prepared. A page ends before its resources
   * become too long together (RFC 7644 §3.4.2.4 lets it have fewer than `count`): 1,000 of a megabyte are more than this process can hold.
   */
  private async pageOf(scope: Scope, tables: string, total: string, order: string, values: readonly unknown[], name?: string): Promise<Page<Row>> {
    const { view, select } = this.table;
    const { rows } = await this.pool.query<{ total: string; found: readonly { row: Json<Row> }[] | null }>({
      ...(name ? { name } : {}),
      text: `
        WITH ${tables}
        SELECT (${total}) AS total, (SELECT json_agg(json_build_object('row', u.found) ORDER BY u.number) FROM (
          SELECT u.found, row_number() OVER w AS number, sum(u.bytes) OVER w AS sum
          FROM page CROSS JOIN LATERAL (
            SELECT to_json(s) AS found, ${BYTES} AS bytes
            FROM ${view} AS u CROSS JOIN LATERAL (SELECT ${select}) s WHERE tenant = $1 AND u.id = page.id OFFSET 0) u
          WINDOW w AS (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)) u
          WHERE u.number = 1 OR u.sum <= ${this.limits.maxPageBytes}) AS found`,
      values: [...values],
    });
    const found = rows[0]!.found ?? [];
    const page = found.map(({ row }) => ({ ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) }) as unknown as Row);
    return { rows: await this.withGroups(scope, page), totalResults: Number(rows[0]!.total) };
  }

  /** Users who are in groups, with these: a query of its own, because next to all the cost of it is its beginning, which nobody else shall bear. */
  private async withGroups({ tenant }: Scope, rows: readonly Row[]): Promise<readonly Row[]> {
    const members = rows.filter((row) => 'isMember' in row && row.isMember);
    if (members.length === 0) return rows;
    const found = await this.pool.query<{ member: string; groups: readonly GroupOfUser[] }>({
      name: 'groups-of-members',
      text: `SELECT member, json_agg(json_build_object('id', id, 'directory', directory, 'display', display, 'direct', direct)) AS groups
        FROM ${GROUPS_OF}($1, $2::uuid[]) GROUP BY member`,
      values: [tenant, members.map(({ id }) => id)],
    });
    const groups = new Map(found.rows.map((row) => [row.member, row.groups]));
    return rows.map((row) => (groups.has(row.id) ? { ...row, groups: groups.get(row.id)! } : row));
  }

  /** SQL: what a directory sees. Two texts, so that each is prepared for what it asks. */
  private isSeen(scope: Scope): string {
    return `tenant = $1 AND ${this.table.seesUnowned(scope) ? '(directory = $2 OR directory IS NULL)' : 'directory = $2'}`;
  }

  private nameOf(scope: Scope, name: string): string {
    return this.table.seesUnowned(scope) ? `${name}-or-unowned` : name;
  }
}
