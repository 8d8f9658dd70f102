import type { Pool, PoolClient } from 'pg';
import { auditEntryColumns, payloadHash, schemaOf, type AuditEntryRow, type Owner } from '#contracts';
import { grow, type Grown, type TenantLog } from './tenant-log.js';

/** How much one transaction may add to the log of each tenant. */
export interface Quota {
  readonly rows: number;
  /** Of what events say, as the database stores it; one event is added whatever its length. */
  readonly bytes: number;
}

/** An owner's store has an event and not the one before it. */
export interface Gap {
  readonly tenant: string;
  readonly owner: Owner;
  /** The first one that is there again. */
  readonly sequence: number;
}

export interface Integrated {
  readonly grown: readonly Grown[];
  readonly rows: number;
  /** Tenants with events that are not entries yet. */
  readonly unfinished: readonly string[];
  readonly gaps: readonly Gap[];
}

const EVENT_COLUMNS =
  'sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data, personal, hidden_hash';
const ENTRY_COLUMNS =
  'tenant, number, owner, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, payload_hash';
const OF_ENTRY = 12;

/**
 * The next events of each tenant become its entries, merged by their time, and never out of the order of their owner.
 * Their contents are copied where they are. Parameters: tenants, the sizes of their logs, rows and bytes for each, then for
 * each owner the sequences that were reached. A row without a number is a gap, or, without an owner, a tenant of whom
 * there are more.
 */
export const addSql = (owners: readonly Owner[]): string => `
  WITH found AS (
    ${owners
      .map(
        (owner, index) => `
    SELECT d.tenant, d.size, d.reached, '${owner}' AS owner, e.*
    FROM unnest($1::uuid[], $2::bigint[], $${index + 5}::bigint[]) AS d(tenant, size, reached)
    CROSS JOIN LATERAL (
      SELECT ${EVENT_COLUMNS}, pg_column_size(data) + coalesce(pg_column_size(personal), 0) AS bytes
      FROM ${schemaOf(owner)}.audited_v1 a WHERE a.tenant = d.tenant AND a.sequence > d.reached ORDER BY a.sequence LIMIT $3
    ) e`,
      )
      .join('\n    UNION ALL')}
  ), in_order AS (
    SELECT f.*, f.sequence - row_number() OVER w = f.reached AS is_dense, max(f.recorded_at) OVER w AS at
    FROM found f WINDOW w AS (PARTITION BY f.tenant, f.owner ORDER BY f.sequence)
  ), placed AS (
    SELECT o.*, row_number() OVER w - 1 AS place, sum(o.bytes) OVER w - o.bytes AS bytes_before
    FROM in_order o WHERE o.is_dense WINDOW w AS (PARTITION BY o.tenant ORDER BY o.at, o.owner, o.sequence ROWS UNBOUNDED PRECEDING)
  ), taken AS (
    SELECT p.*, p.size + p.place AS number FROM placed p WHERE p.place = 0 OR p.place < $3 AND p.bytes_before < $4
  ), added AS (
    INSERT INTO audit.entries AS e (${ENTRY_COLUMNS})
    SELECT tenant, number, owner, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory,
      ${payloadHash('t')}
    FROM taken t ORDER BY tenant, number
    RETURNING ${auditEntryColumns('e')}, e.number
  ), copied AS (
    INSERT INTO audit.payloads (tenant, number, data, personal, hidden_hash)
    SELECT tenant, number, data, personal, hidden_hash FROM taken ORDER BY tenant, number
  )
  SELECT * FROM added
  UNION ALL
  SELECT tenant, owner, min(sequence), ${'NULL, '.repeat(9)} NULL FROM in_order WHERE NOT is_dense GROUP BY tenant, owner
  UNION ALL
  SELECT p.tenant, NULL, count(*), ${'NULL, '.repeat(9)} NULL FROM placed p
  WHERE p.place = $3 - 1 OR p.place > 0 AND p.bytes_before >= $4 GROUP BY p.tenant
  ORDER BY 1, 13`;

type AddedRow = readonly [...AuditEntryRow, number: string | null];

/**
 * One transaction: entries, the tiles that have become complete, and a checkpoint for each log that has grown, which is
 * signed before the commit. The keys of entries are the fence: where somebody else has added to a log meanwhile, this
 * fails (`isFenced`), and what is known of these logs is old. `sql` is that of `addSql`.
 */
export const integrate = async (
  pool: Pool,
  sql: string,
  owners: readonly Owner[],
  logs: readonly TenantLog[],
  quota: Quota,
): Promise<Integrated> => {
  const client = await pool.connect();
  try {
    // Each event is looked up by its key, whatever the planner knows of a table that has just been made.
    // One plan is good for any number of tenants, and to make it takes longer than to add fifty entries.
    await client.query(
      'BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL plan_cache_mode = force_generic_plan',
    );
    const integrated = await add(client, sql, owners, logs, quota);
    await client.query('COMMIT');
    client.release();
    return integrated;
  } catch (error) {
    // The connection may be at fault, and the transaction with it.
    client.release(true);
    throw error;
  }
};

const add = async (
  client: PoolClient,
  sql: string,
  owners: readonly Owner[],
  logs: readonly TenantLog[],
  quota: Quota,
): Promise<Integrated> => {
  const { rows } = await client.query<AddedRow[]>({
    name: 'audit-add',
    text: sql,
    values: [
      logs.map(({ tenant }) => tenant),
      logs.map(({ tree }) => tree.size),
      quota.rows,
      quota.bytes,
      ...owners.map((owner) => logs.map(({ reached }) => reached.get(owner) ?? 0)),
    ],
    rowMode: 'array',
  });
  const byTenant = new Map(logs.map((log) => [log.tenant, log]));
  const entries = new Map<string, AuditEntryRow[]>();
  const gaps: Gap[] = [];
  const unfinished: string[] = [];
  for (const row of rows as unknown as readonly AddedRow[]) {
    const [tenant, owner, sequence] = row;
    if (row[OF_ENTRY] !== null) {
      const mine = entries.get(tenant) ?? [];
      if (mine.push(row as unknown as AuditEntryRow) === 1) entries.set(tenant, mine);
    } else if ((owner as Owner | null) === null) unfinished.push(tenant);
    else gaps.push({ tenant, owner, sequence: Number(sequence) });
  }
  const grown = [...entries].map(([tenant, mine]) => grow(byTenant.get(tenant)!, mine));
  if (grown.length > 0)
    await writeGrown(client, grown, new Set(logs.filter(({ isNew }) => isNew).map((l) => l.tenant)));
  return { grown, rows: [...entries.values()].reduce((sum, { length }) => sum + length, 0), unfinished, gaps };
};

const writeGrown = async (client: PoolClient, grown: readonly Grown[], wasNew: ReadonlySet<string>): Promise<void> => {
  const tiles = grown.flatMap(({ log: { tenant }, fullTiles }) => fullTiles.map((tile) => ({ tenant, ...tile })));
  const begun = grown.filter(({ log }) => wasNew.has(log.tenant)).map(({ log }) => log);
  await client.query({
    name: 'audit-grown',
    text: `
      WITH begun AS (
        INSERT INTO audit.logs (tenant, origin, verifier_key) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
      ), complete AS (
        INSERT INTO audit.tiles (tenant, level, index, hashes, root)
        SELECT * FROM unnest($4::uuid[], $5::smallint[], $6::bigint[], $7::bytea[], $8::bytea[])
      )
      INSERT INTO audit.checkpoints (tenant, size, signed_at, note)
      SELECT t.tenant, t.size, clock_timestamp(), t.note FROM unnest($9::uuid[], $10::bigint[], $11::text[]) AS t(tenant, size, note)`,
    values: [
      begun.map(({ tenant }) => tenant),
      begun.map(({ keys }) => keys.origin),
      begun.map(({ keys }) => keys.verifierKey),
      tiles.map(({ tenant }) => tenant),
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => hashes),
      tiles.map(({ root }) => root),
      grown.map(({ log }) => log.tenant),
      grown.map(({ log }) => log.tree.size),
      grown.map(({ note }) => note),
    ],
  });
};

/** A key that is there already, or two that wait for each other: somebody else adds to these logs. */
export const isFenced = (error: unknown): boolean =>
  ['23505', '40P01'].includes((error as { code?: string }).code ?? '');
