export interface PageByBytes {
  readonly table: string;
  /**
   * The columns that order the rows and tell them apart; a page is read with the values of the last row of the one
   * before as $1, $2.
   */
  readonly key: readonly [string, string];
  /** Others that are read. */
  readonly columns: readonly string[];
  /** SQL of how many bytes a row counts. */
  readonly bytes: string;
  /** SQL of which rows are meant. */
  readonly condition?: string;
  /** A number, or a parameter. */
  readonly maxRows: number | `$${number}::int`;
  readonly maxBytes: number;
}

/**
 * SQL: the next rows in the order of their key, until they are enough or long enough together; one at least, unless
 * there is none. LIMIT alone does not bound a page, because one row may be 1,000 times as long as the next one; and row
 * by row nothing is read of those behind its end.
 */
export const pageByBytes = ({
  table,
  key,
  columns,
  bytes,
  condition = 'true',
  maxRows,
  maxBytes,
}: PageByBytes): string => {
  const [first, second] = key;
  const next = (after: string): string => `
      SELECT ${[...key, ...columns].join(', ')}, (${bytes})::bigint AS page_bytes FROM ${table}
      WHERE ${condition} AND (${first}, ${second}) > (${after}) ORDER BY ${first}, ${second} LIMIT 1`;
  return `
    WITH RECURSIVE page AS (
      SELECT f.*, 1 AS page_row FROM (${next('$1, $2')}) f
      UNION ALL
      SELECT ${[...key, ...columns].map((name) => `f.${name}`).join(', ')}, p.page_bytes + f.page_bytes, p.page_row + 1
      FROM page p CROSS JOIN LATERAL (${next(`p.${first}, p.${second}`)}) f
      WHERE p.page_row < ${maxRows} AND p.page_bytes < ${maxBytes}
    )
    SELECT ${[...key, ...columns].join(', ')} FROM page ORDER BY page_row`;
};
