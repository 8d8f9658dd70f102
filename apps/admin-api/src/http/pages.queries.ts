import { Inject, Injectable } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, MaxLength, Min } from 'class-validator';
import { Rejected, type CursorSeal } from '#scim';
import { CURSOR_SEAL } from '../injected.js';

const MAX_PAGE_ROWS = 1_000;
/** Longer than any that is given out. */
const MAX_CURSOR_CHARACTERS = 4_096;
/** Begins each cursor: one of another release is told from ours. */
const FORMAT = 1;

/** The query of a list; the query of one that takes more extends it. */
export class PageQuery {
  /** `next` of the page before; left out = the first page. */
  @IsOptional() @IsString() @MaxLength(MAX_CURSOR_CHARACTERS) cursor?: string;
  /** More than 1,000 is 1,000. */
  @Type(() => Number) @IsInt() @Min(1) limit = 100;
}

/** Every list is answered so. */
export interface Listed<Row> {
  readonly items: readonly Row[];
  /** The cursor of the next page; null = this is the last one. */
  readonly next: string | null;
}

/** The number of rows that a page has at most. */
export const rowsOf = ({ limit }: PageQuery): number => Math.min(limit, MAX_PAGE_ROWS);

/**
 * Lists are read page by page. A cursor is where the page before has ended, sealed: it is good for the same list only,
 * in any process and for as long as anybody keeps it.
 */
@Injectable()
export class Pages {
  constructor(@Inject(CURSOR_SEAL) private readonly seal: CursorSeal) {}

  /**
   * One page. `of` says which list it is, with all that chooses its rows; `read` returns rows behind a place, `null` =
   * from the first, and `placeOf` the place of a row. Throws Rejected(invalidCursor).
   */
  async list<Row, Place>(
    of: readonly unknown[],
    query: PageQuery,
    read: (after: Place | null, limit: number) => Promise<readonly Row[]>,
    placeOf: (row: Row) => Place,
  ): Promise<Listed<Row>> {
    const most = rowsOf(query);
    // One more than the page holds says whether there is another.
    const found = await read(this.placeIn<Place>(of, query), most + 1);
    const items = found.slice(0, most);
    return { items, next: found.length > most ? this.cursorOf(of, placeOf(items.at(-1)!)) : null };
  }

  /** The place behind which a page begins; null = with the first row. Throws Rejected(invalidCursor). */
  placeIn<Place>(of: readonly unknown[], { cursor }: PageQuery): Place | null {
    if (cursor === undefined || cursor === null || cursor === '') return null;
    const opened = this.seal.open(JSON.stringify(of), cursor);
    const [format, place] = opened === null ? [] : (JSON.parse(opened) as [number, Place]);
    if (format === FORMAT) return place!;
    throw new Rejected(
      'invalidCursor',
      'The cursor is none of this list: send next as it came, with the same path and parameters, or leave it out to begin anew.',
    );
  }

  cursorOf(of: readonly unknown[], place: unknown): string {
    return this.seal.seal(JSON.stringify(of), JSON.stringify([FORMAT, place]));
  }
}

/** The place in a list that is ordered by ids. */
export const byId = ({ id }: { readonly id: string }): string => id;
/** Comes before each id. */
export const LEAST_ID = '00000000-0000-0000-0000-000000000000';
