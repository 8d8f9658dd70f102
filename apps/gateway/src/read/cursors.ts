import { readCursor, writeCursor, type CursorSeal, type Place, type Position, type Search } from '#scim';
import type { Scope } from './resource-tables.js';

/** The place where one page of a walk begins. */
export interface Begin {
  /** The resource type that it is in. */
  readonly type: string;
  /** null = from the first. */
  readonly position: Position | null;
  /** null = not counted yet. */
  readonly totalResults: number | null;
}

/** Paging by cursor (RFC 9865): all that is known of a walk is in the cursor that the client holds, none of it here. */
export class Cursors {
  constructor(
    private readonly seal: CursorSeal,
    private readonly timeoutMs: number,
    private readonly nowMs: () => number,
  ) {}

  /**
   * The search with the count of its walk; `begin` is undefined when it is paged by startIndex. `path` is what was
   * asked, `type` what a walk begins with. A cursor is for one directory and for what it may see: a setting that shows
   * more, or less, ends the walk (RFC 9865 §5.2). Throws Rejected: invalidCursor, expiredCursor or invalidCount.
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
   * Where a page of a resumed search is; `next` = where the next one begins. A page of nothing is asked for the number
   * only: no next one follows.
   */
  place({ cursor, count, startIndex }: Search, totalResults: number, next: Omit<Begin, 'totalResults'> | null): Place {
    if (!cursor) return { startIndex };
    return next && count > 0
      ? { nextCursor: writeCursor(this.seal, cursor.asked, { ...next, totalResults, count }, this.nowMs()) }
      : {};
  }
}
