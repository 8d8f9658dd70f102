import { isTimeOut } from './blame.js';

/** Rows that one statement reads: on a live database none of them may take long. */
const PAGE_ROWS = 2_000;

/**
 * Walks a table by its key: `read` gets the last row of the page before (null = from the beginning, unless `after` says
 * where) and how many rows it may take, and returns an empty page at the end. A page that runs into the time limit of a
 * statement is read again in smaller pieces.
 */
export async function* inPages<Row>(
  read: (last: Row | null, maxRows: number) => Promise<readonly Row[]>,
  after: Row | null = null,
): AsyncGenerator<readonly Row[]> {
  let last = after;
  for (let maxRows = PAGE_ROWS; ;) {
    let rows: readonly Row[];
    try {
      rows = await read(last, maxRows);
    } catch (error) {
      if (!isTimeOut(error) || maxRows === 1) throw error;
      maxRows = Math.ceil(maxRows / 8);
      continue;
    }
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1)!;
    maxRows = Math.min(PAGE_ROWS, 2 * maxRows);
  }
}
