import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { USERS_VIEW, type UserRow } from '#contracts';
import { isTimeOut, NoSlot, type Slots } from '#runtime';
import { Rejected, USER, type Search } from '#scim';
import { compileFilter, compileSort, type CompiledFilter } from './filter-to-sql.js';
import { UserColumns } from './user-columns.js';

export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');
export const USERS_URL = Symbol('URL of all users');
export const SEARCH_SLOTS = Symbol('Slots of searches');
export const MAX_PAGE_BYTES = Symbol('MAX_PAGE_BYTES');

/** Whose users a request may see: I12. */
export interface Scope {
  readonly tenant: string;
  readonly directory: string;
  readonly seesUnmanaged: boolean;
}

export interface Page {
  readonly rows: readonly UserRow[];
  readonly totalResults: number;
}

/** SQL: the users that a directory sees. Two texts, so that each is prepared for what it asks. */
const isSeen = ({ seesUnmanaged }: Scope): string => `tenant = $1 AND ${seesUnmanaged ? '(directory = $2 OR directory IS NULL)' : 'directory = $2'}`;
const nameOf = ({ seesUnmanaged }: Scope, name: string): string => (seesUnmanaged ? `${name}-or-unmanaged` : name);

const COLUMNS = 'id, version, created, last_modified AS "lastModified", resource';
/** How long a resource is. Next to all lie there as they are; of the others, made small by Postgres, only the text tells. */
const BYTES = 'CASE WHEN pg_column_compression(resource) IS NULL THEN pg_column_size(resource) ELSE octet_length(resource::text) END';
const ALL: CompiledFilter = { sql: 'true', values: [], lookUp: null, isIndexed: false };
type UserJson = Omit<UserRow, 'created' | 'lastModified'> & { readonly created: string; readonly lastModified: string };

/** Reads of the published view. What clients ask again and again is prepared once for a connection. */
@Injectable()
export class UserQueries {
  private readonly columns: UserColumns;

  constructor(
    @Inject(GATEWAY_POOL) private readonly pool: Pool, @Inject(USERS_URL) usersUrl: string, @Inject(SEARCH_SLOTS) private readonly slots: Slots,
    @Inject(MAX_PAGE_BYTES) private readonly maxPageBytes: number,
  ) {
    this.columns = new UserColumns(USER, usersUrl);
  }

  async byId(scope: Scope, id: string): Promise<UserRow | null> {
    const { rows } = await this.pool.query<UserRow>({
      name: nameOf(scope, 'user-by-id'),
      text: `SELECT ${COLUMNS} FROM ${USERS_VIEW} WHERE ${isSeen(scope)} AND id = $3 LIMIT 1`,
      values: [scope.tenant, scope.directory, id],
    });
    return rows[0] ?? null;
  }

  /**
   * A page, in the order of creation where no other is asked for. Throws Rejected: tooMany when a search takes too long,
   * tooManyRequests when too many are under way. Whoever is looked up by an index never waits for them.
   */
  async page(scope: Scope, search: Search): Promise<Page> {
    const compiled = search.filter ? compileFilter(this.columns, search.filter, 3) : ALL;
    if (compiled.lookUp === 'id' || compiled.lookUp === 'userName') return this.only(scope, compiled, search);
    if (compiled.isIndexed) return this.several(scope, compiled, search);
    try {
      return await this.slots.run(() => (compiled === ALL && !search.sort ? this.everybody(scope, search) : this.several(scope, compiled, search)));
    } catch (error) {
      if (error instanceof NoSlot) {
        throw new Rejected(
          'tooManyRequests',
          `This search is one too many at once, and it was not begun: ${error.message}. Send it again later, or add a condition by which users are ` +
            'looked up (userName eq, externalId eq, emails[type eq "work"].value eq), which never waits; MAX_SEARCHES_AT_ONCE allows more.',
        );
      }
      // A list of everything is never the client's fault.
      const isSearch = search.sort !== null || search.filter !== null;
      if (!isSearch || !isTimeOut(error)) throw error;
      throw new Rejected(
        'tooMany',
        'The search was given up, because it looks at too many users for the time that a query may take. Add a condition by which ' +
          'users are looked up (userName eq, externalId eq, emails[type eq "work"].value eq), leave sortBy out, or raise QUERY_TIMEOUT_MS.',
      );
    }
  }

  /** At most one user can match: no count, no sort. */
  private async only(scope: Scope, { sql, values, lookUp }: CompiledFilter, { startIndex, count }: Search): Promise<Page> {
    const { rows } = await this.pool.query<UserRow>({
      name: nameOf(scope, `user-by-${lookUp}-eq`),
      text: `SELECT ${COLUMNS} FROM ${USERS_VIEW} WHERE ${isSeen(scope)} AND ${sql} LIMIT 1`,
      values: [scope.tenant, scope.directory, ...values],
    });
    return { rows: startIndex === 1 && count > 0 ? rows : [], totalResults: rows.length };
  }

  /** Number and page come from the index of the primary key alone, which says who sees a user. */
  private everybody(scope: Scope, { startIndex, count }: Search): Promise<Page> {
    return this.pageOf(
      `page AS MATERIALIZED (SELECT id FROM ${USERS_VIEW} WHERE ${isSeen(scope)} ORDER BY tenant, id LIMIT $3 OFFSET $4)`,
      `SELECT count(*) FROM ${USERS_VIEW} WHERE ${isSeen(scope)}`, 'page.id', [scope.tenant, scope.directory, count, startIndex - 1],
    );
  }

  /** The users are looked at once, for their number and for the page: what was not looked up would be looked at twice. */
  private async several(
    scope: Scope, { sql, values, lookUp }: CompiledFilter, { sort, startIndex, count }: Search,
  ): Promise<Page> {
    const where = `${isSeen(scope)} AND ${sql}`;
    const [limit, offset] = [`$${values.length + 3}`, `$${values.length + 4}`];
    const key = sort ? `, ${compileSort(this.columns, sort)} AS key` : '';
    // In Postgres, too, NULL comes last in ascending order and first in descending.
    const order = sort ? `key ${sort.descending ? 'DESC' : 'ASC'}, page.id` : 'page.id';
    return this.pageOf(
      `hits AS MATERIALIZED (SELECT id${key} FROM ${USERS_VIEW} WHERE ${where}), page AS (SELECT * FROM hits AS page ORDER BY ${order} LIMIT ${limit} OFFSET ${offset})`,
      'SELECT count(*) FROM hits', order, [scope.tenant, scope.directory, ...values, count, startIndex - 1],
      lookUp && !sort ? nameOf(scope, `users-by-${lookUp}-eq`) : undefined,
    );
  }

  /**
   * `tables` are those of a WITH, of which `page` has the ids of a page; with a name it is prepared. A page ends before its users become
   * too long together (RFC 7644 §3.4.2.4 lets it have fewer than `count`): 1,000 of a megabyte are more than this process can hold.
   */
  private async pageOf(tables: string, total: string, order: string, values: readonly unknown[], name?: string): Promise<Page> {
    const { rows } = await this.pool.query<{ total: string; users: readonly UserJson[] | null }>({
      ...(name ? { name } : {}),
      text: `
        WITH ${tables}
        SELECT (${total}) AS total, (SELECT json_agg(u) FROM (
          SELECT id, version, created, "lastModified", resource FROM (
            SELECT u.*, row_number() OVER w AS number, sum(u.bytes) OVER w AS sum
            FROM page CROSS JOIN LATERAL (SELECT ${COLUMNS}, ${BYTES} AS bytes FROM ${USERS_VIEW} WHERE tenant = $1 AND id = page.id OFFSET 0) u
            WINDOW w AS (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)) u
          WHERE number = 1 OR sum <= ${this.maxPageBytes} ORDER BY number) u) AS users`,
      values: [...values],
    });
    const users = rows[0]!.users ?? [];
    return {
      rows: users.map((row) => ({ ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) })),
      totalResults: Number(rows[0]!.total),
    };
  }
}
