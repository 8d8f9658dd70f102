import { readCursor, writeCursor, type CursorSeal, type Place, type Position, type Search } from '#scim';
import type { Scope } from './resource-tables.js';

/** The place where one page of a walk begins. */
export interface Begin {
  /** The resource type that it is in. */
  readonly type: string;
  /** null = the first page. */
  readonly position: Position | null;
  /** null = not counted yet. */
  readonly totalResults: number | null;
}

/** Paging by cursor (RFC 9865). All that is known of a walk is in the cursor, which the client holds. */
export class Cursors {
  constructor(
    private readonly seal: CursorSeal,
    private readonly timeoutMs: number,
    private readonly nowMs: () => number,
  ) {}

  /**
   * Returns the search with the count of its walk, and where the page begins; `begin` is undefined when it is paged by
   * startIndex. `path` is the path of the request, `type` the resource type with which a walk begins. A cursor is good
   * for one directory and for what that may see: a setting that shows more, or less, ends the walk (RFC 9865 §5.2).
   * Throws Rejected: invalidCursor, expiredCursor or invalidCount.
   */
  resume(
    scope: Scope,
    path: string,
    type: string,
    search: Search,
  ): { readonly search: Search; readonly begin: Begin | undefined } {
    if (!search.cursor) return { search, begin: undefined };
    const asked = JSON.stringify([
      scope.tenant,
      scope.directory,
      scope.seesUnmanaged,
      scope.seesLocalGroups,
      path,
      search.cursor.asked,
    ]);
    const cursor = { ...search.cursor, asked };
    if (cursor.text === '')
      return { search: { ...search, cursor }, begin: { type, position: null, totalResults: null } };
    const { count, ...begin } = readCursor(this.seal, cursor, this.nowMs(), this.timeoutMs);
    return { search: { ...search, cursor, count }, begin };
  }

  /**
   * Says in the answer where a page is; `next` is where the next one begins. A client that asks for an empty page wants
   * the number alone, so no next page follows.
   */
  place({ cursor, count, startIndex }: Search, totalResults: number, next: Omit<Begin, 'totalResults'> | null): Place {
    if (!cursor) return { startIndex };
    return next && count > 0
      ? { nextCursor: writeCursor(this.seal, cursor.asked, { ...next, totalResults, count }, this.nowMs()) }
      : {};
  }
}
