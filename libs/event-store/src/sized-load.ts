/**
 * SQL: one row with the values of `columns` (name → SQL) and their size together as `bytes`; where that is above the
 * limit, all of them are null. The sizes are those of values that the database has in hand. OFFSET 0: without it each
 * value is made once more for its size.
 */
export const sizedLoad = (columns: Readonly<Record<string, string>>, maxBytes: string): string => {
  const names = Object.keys(columns);
  return `
      SELECT bytes, ${names.map((name) => `CASE WHEN bytes <= ${maxBytes} THEN ${name} END AS ${name}`).join(', ')}
      FROM (SELECT *, ${names.map((name) => `coalesce(pg_column_size(${name}), 0)`).join(' + ')} AS bytes FROM (
        SELECT ${Object.entries(columns)
          .map(([name, sql]) => `(${sql}) AS ${name}`)
          .join(',\n          ')}
        OFFSET 0) AS made OFFSET 0) AS sized`;
};
