import type pg from 'pg';

/** Says what a statement reads, and by which columns, as it is planned without its parameters. */
export const scansIn = async (pool: pg.Pool, text: string, values: readonly unknown[]): Promise<string[]> => {
  const client = await pool.connect();
  try {
    await client.query('SET plan_cache_mode = force_generic_plan');
    await client.query(`DEALLOCATE ALL`);
    const parameters = values
      .map((value) => (value === null ? 'NULL' : Array.isArray(value) ? `'{${value.join()}}'` : `'${String(value)}'`))
      .join(', ');
    await client.query(`PREPARE asked AS ${text}`);
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Node }[] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE asked(${parameters})`,
    );
    return scansOf(rows[0]!['QUERY PLAN'][0]!.Plan).sort();
  } finally {
    client.release(true);
  }
};

/** The rows and tables that a statement has read once it was carried out, planned with its parameters as those that are not prepared are. */
export interface Reading {
  /** Rows of tables, and of indexes alone, that were looked at. */
  readonly rows: number;
  /** The most that one step has sorted. */
  readonly sorted: number;
  /** Tables that were read without an index. */
  readonly withoutIndex: readonly string[];
}

export const readingOf = async (pool: pg.Pool, text: string, values: readonly unknown[]): Promise<Reading> => {
  const { rows } = await pool.query<{ 'QUERY PLAN': { Plan: Node }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, [
    ...values,
  ]);
  const nodes = nodesOf(rows[0]!['QUERY PLAN'][0]!.Plan);
  const looked = (node: Node): number =>
    ((node['Actual Rows'] ?? 0) +
      (node['Rows Removed by Filter'] ?? 0) +
      (node['Rows Removed by Index Recheck'] ?? 0)) *
    (node['Actual Loops'] ?? 0);
  const scans = nodes.filter((node) => node['Relation Name'] ?? node['Index Name']);
  const sorts = nodes.filter((node) => node['Node Type'].includes('Sort'));
  return {
    rows: scans.reduce((sum, node) => sum + looked(node), 0),
    sorted: Math.max(0, ...sorts.flatMap(({ Plans = [] }) => Plans.map(looked))),
    withoutIndex: scans.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name']!),
  };
};

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

interface Node {
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Node Type': string;
  readonly Plans?: readonly Node[];
}

/**
 * `index (columns by which it is searched)`; what is read without an index is named as it is. A bitmap of an index is
 * an index.
 */
const scansOf = (node: Node): string[] => [
  ...(node['Index Name']
    ? [`${node['Index Name']} (${columnsIn(node['Index Cond'])})`]
    : node['Relation Name'] && node['Node Type'] !== 'Bitmap Heap Scan'
      ? [`${node['Node Type']} of ${node['Relation Name']}`]
      : []),
  ...(node.Plans ?? []).flatMap(scansOf),
];
const columnsIn = (condition = ''): string =>
  [...condition.matchAll(/\((?:\w+\.)?(\w+)(?:\([^)]*\))? (?:=|>|<|>=|@>)/g)].map(([, column]) => column).join(', ');
