import type pg from 'pg';

/** Says what a statement reads, and by which columns, as it is planned without its parameters. */
export const scansIn = async (pool: pg.Pool, text: string, values: readonly unknown[]): Promise<string[]> =>
  scansOf(await planOf(pool, 'EXPLAIN (FORMAT JSON)', text, values)).sort();

/** The plan that a prepared statement keeps: it is made without parameters. */
const planOf = async (pool: pg.Pool, explain: string, text: string, values: readonly unknown[]): Promise<Node> => {
  const client = await pool.connect();
  try {
    await client.query('SET plan_cache_mode = force_generic_plan');
    await client.query(`DEALLOCATE ALL`);
    const parameters = values
      .map((value) => (value === null ? 'NULL' : Array.isArray(value) ? `'{${value.join()}}'` : `'${String(value)}'`))
      .join(', ');
    await client.query(`PREPARE asked AS ${text}`);
    const { rows } = await client.query<Explained>(`${explain} EXECUTE asked(${parameters})`);
    return rows[0]!['QUERY PLAN'][0]!.Plan;
  } finally {
    client.release(true);
  }
};

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: Node }];
}

/** The rows and tables that a statement has read once it was carried out. */
export interface Reading {
  /** Rows of tables, and of indexes alone, that were looked at. */
  readonly rows: number;
  /** The most that one step has sorted. */
  readonly sorted: number;
  /** Pairs of rows that a join compared in vain: of two lists that each are short there may be millions. */
  readonly compared: number;
  /** Tables that were read without an index. */
  readonly withoutIndex: readonly string[];
}

const CARRIED_OUT = 'EXPLAIN (ANALYZE, FORMAT JSON)';

/** Planned with its parameters, as those that are not prepared are. */
export const readingOf = async (pool: pg.Pool, text: string, values: readonly unknown[]): Promise<Reading> => {
  const { rows } = await pool.query<Explained>(`${CARRIED_OUT} ${text}`, [...values]);
  return readingIn(rows[0]!['QUERY PLAN'][0]!.Plan);
};

/** Planned with its parameters, and without them. */
export const readingsOf = async (
  pool: pg.Pool,
  text: string,
  values: readonly unknown[],
): Promise<readonly Reading[]> => [
  await readingOf(pool, text, values),
  readingIn(await planOf(pool, CARRIED_OUT, text, values)),
];

const readingIn = (plan: Node): Reading => {
  const nodes = nodesOf(plan);
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
    compared: nodes.reduce(
      (sum, node) => sum + (node['Rows Removed by Join Filter'] ?? 0) * (node['Actual Loops'] ?? 0),
      0,
    ),
    withoutIndex: scans.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name']!),
  };
};

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

interface Node {
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
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
