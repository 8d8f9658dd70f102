import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { USERS_VIEW, type UserRow } from '#contracts';
import { USER, type Filter } from '#scim';
import { compileFilter } from './filter-to-sql.js';

export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');

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

/** Reads of the published view. Each statement is prepared once for a connection. */
@Injectable()
export class UserQueries {
  constructor(@Inject(GATEWAY_POOL) private readonly pool: Pool) {}

  async byId(scope: Scope, id: string): Promise<UserRow | null> {
    const { rows } = await this.pool.query<UserRow>({
      name: nameOf(scope, 'user-by-id'),
      text: `SELECT ${COLUMNS} FROM ${USERS_VIEW} WHERE ${isSeen(scope)} AND id = $3`,
      values: [scope.tenant, scope.directory, id],
    });
    return rows[0] ?? null;
  }

  /** A page in the order of creation. `startIndex` counts from 1 (RFC 7644 §3.4.2.4). */
  async page(scope: Scope, filter: Filter | null, startIndex: number, count: number): Promise<Page> {
    const compiled = filter ? compileFilter(USER, filter, 3) : { sql: 'true', values: [], name: 'all', unique: false };
    const where = `${isSeen(scope)} AND ${compiled.sql}`;
    const values = [scope.tenant, scope.directory, ...compiled.values];
    if (compiled.unique) {
      // At most one hit: no count, no sort.
      const { rows } = await this.pool.query<UserRow>({
        name: nameOf(scope, `users-${compiled.name}`), text: `SELECT ${COLUMNS} FROM ${USERS_VIEW} WHERE ${where} LIMIT 1`, values,
      });
      return { rows: startIndex === 1 && count > 0 ? rows : [], totalResults: rows.length };
    }
    const page = values.length;
    const { rows } = await this.pool.query<{ total: string; users: (Omit<UserRow, 'created' | 'lastModified'> & { created: string; lastModified: string })[] | null }>({
      text: `
        SELECT (SELECT count(*) FROM ${USERS_VIEW} WHERE ${where}) AS total,
          (SELECT json_agg(u) FROM (SELECT ${COLUMNS} FROM ${USERS_VIEW} WHERE ${where}
            ORDER BY id LIMIT $${page + 1} OFFSET $${page + 2}) u) AS users`,
      values: [...values, count, startIndex - 1],
    });
    const users = rows[0]!.users ?? [];
    return {
      rows: users.map((row) => ({ ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) })),
      totalResults: Number(rows[0]!.total),
    };
  }
}
