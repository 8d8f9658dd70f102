import type { Pool } from 'pg';
import type { GroupRow, UserRow } from '#contracts';
import { inSlices, isTimeOut, isUnreadable, NoSlot, type Slots } from '#runtime';
import { Rejected, type Filter, type Position, type Search, type Selection } from '#scim';
import type { Begin } from './cursors.js';
import {
  asksFor,
  compileBehind,
  compileFilter,
  compileOrder,
  compileSort,
  type CompiledFilter,
} from './filter-to-sql.js';
import { GroupsOfUsers, isMember } from './groups-of-users.queries.js';
import { LookUps } from './look-ups.queries.js';
import type { ResourceTable, Scope } from './resource-tables.js';
import { wantsGroups } from './to-response.js';

export interface Page<Shown> {
  /** Each resource as it is shown. */
  readonly shown: readonly Shown[];
  readonly totalResults: number;
  /** In a walk: whether there are more, and where this page ends. */
  readonly hasMore: boolean;
  readonly end: Position | null;
}

/** Limits that all reads of a gateway share. */
export interface ReadingLimits {
  /** Database connections for statements that read all resources of a tenant. */
  readonly searches: Slots;
  /** Database connections for statements that find several resources by an index. */
  readonly lookUps: Slots;
  readonly maxPageBytes: number;
  /** Throws Rejected(tooManyRequests) when the clients of a tenant do not read what they are sent. */
  readonly requireRoom: (tenant: string) => void;
}

const ALL: CompiledFilter = { sql: 'true', values: [], lookUp: null, indexed: null };
/** A value that more resources share than this, such as an e-mail, is searched for instead of looked up. */
const MAX_CANDIDATES = 100;
/**
 * SQL: how long a resource is. Nearly all are stored as they are; the length of one that Postgres has compressed is
 * known only from its text.
 */
const BYTES =
  'CASE WHEN pg_column_compression(u.resource) IS NULL THEN pg_column_size(u.resource) ELSE octet_length(u.resource::text) END';

type Json<Row> = Omit<Row, 'created' | 'lastModified'> & { readonly created: string; readonly lastModified: string };

interface PageRow {
  readonly total: string | null;
  /** The number of resources of the page, also of those that are too long to be shown in it. */
  readonly fetched: number;
  readonly tooMany: boolean;
  /**
   * A row as JSON, but read as a text: the driver would parse those of all rows at once, while others wait. Null = the
   * page is empty, and this row holds the numbers alone.
   */
  readonly found: string | null;
  readonly key: string | null;
}

interface PageSql {
  /** The tables of a WITH. The one called `page` has the ids of the page, and with `isSorted` their keys. */
  readonly tables: string;
  /** SQL that counts all hits. */
  readonly total: string;
  readonly isSorted: boolean;
  readonly parameters: Parameters;
  /** The name under which the statement is prepared; undefined = it is not prepared. */
  readonly name: string | undefined;
  /** A table of the WITH that may have at most MAX_CANDIDATES rows; null = there is no limit. */
  readonly few: string | null;
}

/** The parameters of a statement, `$1` the tenant, `$2` the directory. */
class Parameters {
  readonly values: unknown[];

  constructor({ tenant, directory }: Scope, values: readonly string[] = []) {
    this.values = [tenant, directory, ...values];
  }

  /** Returns its SQL. */
  add(value: string | number): string {
    return `$${this.values.push(value)}`;
  }
}

/** Tells whether a walk knows how many there are. */
const isCounted = (begin: Begin | undefined): boolean => begin !== undefined && begin.totalResults !== null;

/** In a walk, one row more than the page holds shows whether there is another page. */
const limitOf = ({ startIndex, count }: Search, begin: Begin | undefined, parameters: Parameters): string =>
  `LIMIT ${parameters.add(begin ? count + 1 : count)} OFFSET ${parameters.add(begin ? 0 : startIndex - 1)}`;

/**
 * Reads of a published view of resources. Statements that clients need again and again are prepared once for a
 * connection.
 */
export class ResourceQueries<Row extends UserRow | GroupRow> {
  private readonly lookUps: LookUps<Row>;
  private readonly groups: GroupsOfUsers;

  constructor(
    private readonly pool: Pool,
    private readonly table: ResourceTable,
    private readonly limits: ReadingLimits,
  ) {
    this.lookUps = new LookUps(pool);
    this.groups = new GroupsOfUsers(pool);
  }

  async byId(scope: Scope, id: string): Promise<Row | null> {
    return (await this.withGroupsInSlot(scope, await this.only(scope, 'id', id)))[0] ?? null;
  }

  /**
   * Reads a resource after a write whose outcome had to be looked up, and therefore tells no more than its id. It is
   * read as it is now, which may be later than that write. Throws Rejected(notFound) when it has been deleted since.
   */
  async afterWrite(scope: Scope, id: string): Promise<Row> {
    const [row] = await this.only(scope, 'id', id);
    if (!row)
      throw new Rejected(
        'notFound',
        `The ${this.table.name} with the id ${id} was written as the request says, and has been deleted since.`,
      );
    return row;
  }

  /**
   * A user as a write has left it, with its groups. The write is done, so a user who is in more groups than can be read
   * is shown without any.
   */
  async written<User extends { readonly id: string }>(
    scope: Scope,
    user: User,
    selection: Selection | undefined,
  ): Promise<User> {
    try {
      return (await this.withGroupsInSlot(scope, [user], selection))[0]!;
    } catch (error) {
      if (error instanceof Rejected) return user;
      throw error;
    }
  }

  /**
   * Reads a page, in the order of creation unless another is asked for, and calls `show` for each resource, in slices
   * of time. Throws Rejected: tooMany when a search takes too long, tooManyRequests when too many are under way. A
   * look-up by a unique value never waits for searches, and one by another index only for its like. A page keeps its
   * slot until it is made, so that there are never more pages in memory than slots.
   */
  async page<Shown>(scope: Scope, search: Search, show: (row: Row) => Shown, begin?: Begin): Promise<Page<Shown>> {
    const { unique, name, advice } = this.table;
    const compiled = search.filter ? this.compiled(scope, search.filter) : ALL;
    const { lookUp, values } = compiled;
    if (lookUp && unique[lookUp])
      return this.pageOfOne(scope, await this.only(scope, lookUp, values[0]!), search, show, begin);
    const { searches, lookUps } = this.limits;
    const few =
      compiled.indexed === null
        ? null
        : await this.inSlot(lookUps, scope, () => this.several(scope, compiled, search, show, begin, true));
    if (few) return few;
    try {
      return (await this.inSlot(searches, scope, () =>
        compiled === ALL && !search.sort
          ? this.everybody(scope, search, show, begin)
          : this.several(scope, compiled, search, show, begin, false),
      ))!;
    } catch (error) {
      // A client that lists everything cannot make its search smaller.
      const isSearch = search.sort !== null || search.filter !== null;
      if (!isSearch || !(isTimeOut(error) || isUnreadable(error))) throw error;
      throw new Rejected(
        'tooMany',
        `The search was given up, because it looks at too many ${name}s for the time that a query may take. Add a condition by which ` +
          `${name}s are looked up (${advice}), leave sortBy out, or raise QUERY_TIMEOUT_MS.`,
      );
    }
  }

  private async inSlot<T>(slots: Slots, { tenant, requireClient }: Scope, read: () => Promise<T>): Promise<T> {
    try {
      return await slots.run(tenant, async () => {
        // While this waited, the client may have left, or may not have read earlier answers.
        requireClient?.();
        this.limits.requireRoom(tenant);
        return read();
      });
    } catch (error) {
      if (!(error instanceof NoSlot)) throw error;
      const { name, advice } = this.table;
      throw new Rejected(
        'tooManyRequests',
        `This search is one too many at once, and it was not begun: ${error.message}. Send it again later, or add a condition by which ${name}s are ` +
          `looked up (${advice}), which does not wait for searches; MAX_SEARCHES_AT_ONCE allows more.`,
      );
    }
  }

  private async only(scope: Scope, lookUp: keyof ResourceTable['unique'], value: string): Promise<readonly Row[]> {
    const { name, view, select, unique } = this.table;
    const found = await this.lookUps.load({
      name: this.nameOf(scope, `${name}-by-${lookUp}`),
      tenant: scope.tenant,
      directory: scope.directory,
      value,
      text: (asked) => `SELECT ${select} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND ${unique[lookUp]!(asked)}`,
    });
    return found ? [found] : [];
  }

  /** At most one resource can match, so that nothing is counted or sorted. */
  private async pageOfOne<Shown>(
    scope: Scope,
    rows: readonly Row[],
    { startIndex, count, selection }: Search,
    show: (row: Row) => Shown,
    begin?: Begin,
  ): Promise<Page<Shown>> {
    const isFirst = startIndex === 1 && !begin?.position;
    const found = isFirst && count > 0 ? rows : [];
    return {
      shown: (await this.withGroupsInSlot(scope, found, selection)).map(show),
      totalResults: rows.length,
      hasMore: isFirst && count === 0 && rows.length > 0,
      end: null,
    };
  }

  /** Number and page of users come from the index of the primary key alone, which says who sees a user. */
  private everybody<Shown>(
    scope: Scope,
    search: Search,
    show: (row: Row) => Shown,
    begin?: Begin,
  ): Promise<Page<Shown> | null> {
    const { name, view } = this.table;
    const parameters = new Parameters(scope);
    const behind = begin?.position
      ? `AND ${compileBehind(null, 'text', begin.position, (value) => parameters.add(value))}`
      : '';
    const from = `FROM ${view} AS page WHERE ${this.isSeen(scope)}`;
    return this.pageOf(scope, search, show, begin, {
      tables: `page AS MATERIALIZED (SELECT id ${from} ${behind} ORDER BY tenant, id ${limitOf(search, begin, parameters)})`,
      total: `SELECT count(*) ${from}`,
      isSorted: false,
      parameters,
      few: null,
      name: behind === '' ? undefined : this.nameOf(scope, `${name}s-behind${isCounted(begin) ? '' : '-counted'}`),
    });
  }

  /**
   * Each resource is looked at once, for the number of hits and for the page together. The further pages of a walk
   * count nothing. A look-up only looks at what an index finds, and returns null when that is more than MAX_CANDIDATES.
   */
  private several<Shown>(
    scope: Scope,
    { sql, values, lookUp, indexed }: CompiledFilter,
    search: Search,
    show: (row: Row) => Shown,
    begin: Begin | undefined,
    isLookUp: boolean,
  ): Promise<Page<Shown> | null> {
    const { name, view, columns, unique } = this.table;
    const { sort } = search;
    const parameters = new Parameters(scope, values);
    const key = sort && compileSort(columns(scope), sort);
    const behind = begin?.position
      ? `WHERE ${compileBehind(sort, key?.type ?? 'text', begin.position, (value) => parameters.add(value))}`
      : '';
    const isWhole = !isCounted(begin) || sort !== null || isLookUp;
    const sorted = key ? `, ${key.sql} AS key` : '';
    const among = (ids: string, condition: string): string =>
      `(SELECT ${ids} FROM ${view} AS u WHERE ${this.isSeen(scope)} AND ${condition}`;
    const few = !isLookUp || unique[indexed!.by] ? null : lookUp ? 'hits' : 'candidates';
    const hits =
      few !== 'candidates'
        ? `hits AS ${isWhole ? '' : 'NOT '}MATERIALIZED ${among(`id${sorted}`, sql)}${few ? ` LIMIT ${MAX_CANDIDATES + 1}` : ''})`
        : `candidates AS MATERIALIZED ${among('id AS candidate', indexed!.sql)} LIMIT ${MAX_CANDIDATES + 1}),
        hits AS MATERIALIZED (SELECT id${sorted} FROM candidates CROSS JOIN LATERAL (SELECT * FROM ${view} AS v WHERE v.tenant = $1 AND v.id = candidate OFFSET 0) AS u
          WHERE (SELECT count(*) FROM candidates) <= ${MAX_CANDIDATES} AND ${indexed!.rest})`;
    return this.pageOf(scope, search, show, begin, {
      tables: `${hits},
        page AS MATERIALIZED (SELECT * FROM hits AS page ${behind} ORDER BY ${compileOrder(sort)} ${limitOf(search, begin, parameters)})`,
      total: 'SELECT count(*) FROM hits',
      isSorted: key !== null,
      parameters,
      few,
      name:
        lookUp && isLookUp && !sort
          ? this.nameOf(
              scope,
              [
                `${name}s-by-${lookUp}-eq`,
                ...(isCounted(begin) ? ['uncounted'] : []),
                ...(behind ? ['behind'] : []),
              ].join('-'),
            )
          : undefined,
    });
  }

  /**
   * A page ends before its resources become too long together (RFC 7644 §3.4.2.4 lets it have fewer than `count`):
   * 1,000 of a megabyte are more than this process can hold.
   */
  private async pageOf<Shown>(
    scope: Scope,
    { sort, count, selection }: Search,
    show: (row: Row) => Shown,
    begin: Begin | undefined,
    { tables, total, isSorted, parameters, name, few }: PageSql,
  ): Promise<Page<Shown> | null> {
    const { view, select } = this.table;
    const { rows } = await this.pool.query<PageRow>({
      ...(name ? { name } : {}),
      text: `
        WITH ${tables}
        SELECT counted.*, u.found, u.key FROM (SELECT ${isCounted(begin) ? 'NULL' : `(${total})`} AS total, (SELECT count(*)::int FROM page) AS fetched,
          ${few ? `(SELECT count(*) > ${MAX_CANDIDATES} FROM ${few})` : 'false'} AS "tooMany") AS counted
        LEFT JOIN (
          SELECT u.found::text, u.key, u.number FROM (
            SELECT u.found, ${isSorted ? 'page.key::text' : 'NULL'} AS key, row_number() OVER w AS number, sum(u.bytes) OVER w AS sum
            FROM page CROSS JOIN LATERAL (
              SELECT to_json(s) AS found, ${BYTES} AS bytes
              FROM ${view} AS u CROSS JOIN LATERAL (SELECT ${select}) s WHERE tenant = $1 AND u.id = page.id OFFSET 0) u
            WINDOW w AS (ORDER BY ${compileOrder(sort)} ROWS UNBOUNDED PRECEDING)) u
          WHERE u.number = 1 OR u.sum <= ${this.limits.maxPageBytes}) AS u ON true
        ORDER BY u.number`,
      values: parameters.values,
    });
    const { total: totalResults, fetched, tooMany } = rows[0]!;
    if (tooMany) return null;
    const found = await inSlices(rows[0]!.found === null ? [] : rows.slice(0, count), ({ found: text }): Row => {
      const row = JSON.parse(text!) as Json<Row>;
      return { ...row, created: new Date(row.created), lastModified: new Date(row.lastModified) } as unknown as Row;
    });
    const last = found.at(-1);
    return {
      shown: await inSlices(await this.groups.of(scope, found, selection), show),
      totalResults: begin?.totalResults ?? Number(totalResults),
      hasMore: fetched > found.length,
      end: last ? { id: last.id, key: rows[found.length - 1]!.key } : (begin?.position ?? null),
    };
  }

  /** Adds the groups to users that were read without a slot. */
  private async withGroupsInSlot<User extends { readonly id: string }>(
    scope: Scope,
    rows: readonly User[],
    selection?: Selection,
  ): Promise<readonly User[]> {
    if (!rows.some(isMember) || !wantsGroups(selection)) return rows;
    return this.inSlot(this.limits.lookUps, scope, () => this.groups.of(scope, rows, selection));
  }

  /** SQL: what a directory sees. There are two texts, so that each is planned for what it asks. */
  /** After a move an externalId that the old identity provider gave finds nobody: it may be that of somebody else now. */
  private compiled(scope: Scope, filter: Filter): CompiledFilter {
    const compiled = compileFilter(this.table.columns(scope), filter, 3);
    const { isSince } = this.table;
    if (!scope.movedVersion || !isSince || !asksFor(filter, 'externalId')) return compiled;
    const also = (sql: string): string => `(${sql} AND ${isSince(scope.movedVersion!)})`;
    const { indexed } = compiled;
    // It is no prepared look-up: their texts are the same in all directories.
    return {
      ...compiled,
      sql: also(compiled.sql),
      lookUp: null,
      indexed: indexed && { ...indexed, rest: also(indexed.rest) },
    };
  }

  private isSeen(scope: Scope): string {
    return `tenant = $1 AND ${this.table.seesUnowned(scope) ? '(directory = $2 OR directory IS NULL)' : 'directory = $2'}`;
  }

  private nameOf(scope: Scope, name: string): string {
    return this.table.seesUnowned(scope) ? `${name}-or-unowned` : name;
  }
}
