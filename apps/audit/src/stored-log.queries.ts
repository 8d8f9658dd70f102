import type { ClientBase, Pool } from 'pg';
import { auditEntryColumns, schemaOf, type AuditEntryRow, type Owner } from '#contracts';
import { TILE_WIDTH, tilePath, type Tile } from '#tlog';
import { leafHashOf } from './tenant-log.js';

export type Queryable = Pick<Pool, 'query'> | Pick<ClientBase, 'query'>;

/** The log of a tenant as the database has it, read in one moment. */
export interface StoredLog {
  readonly tenant: string;
  /** Null = it has none. */
  readonly origin: string | null;
  readonly verifierKey: string | null;
  /** The number of its entries, which are dense. */
  readonly size: number;
  readonly reached: ReadonlyMap<Owner, number>;
  /** The last one; null = there is none. */
  readonly checkpoint: { readonly size: number; readonly note: string } | null;
}

interface StoredRow {
  readonly tenant: string;
  readonly origin: string | null;
  readonly verifier_key: string | null;
  readonly size: string;
  readonly reached: readonly { readonly owner: Owner; readonly sequence: number }[];
  readonly checkpoint_size: string | null;
  readonly note: string | null;
}

/** Each is a look-up by key, whatever the length of the logs. */
export const readStoredLogs = async (
  database: Queryable,
  tenants: readonly string[],
  owners: readonly Owner[],
): Promise<readonly StoredLog[]> => {
  const { rows } = await database.query<StoredRow>({
    name: 'audit-stored-logs',
    text: `
      SELECT t.tenant, l.origin, l.verifier_key, c.size AS checkpoint_size, c.note,
        coalesce((SELECT number + 1 FROM audit.entries e WHERE e.tenant = t.tenant ORDER BY number DESC LIMIT 1), 0) AS size,
        (SELECT json_agg(json_build_object('owner', o.owner, 'sequence', coalesce((
            SELECT e.sequence FROM audit.entries e WHERE e.tenant = t.tenant AND e.owner = o.owner ORDER BY e.sequence DESC LIMIT 1
          ), 0))) FROM unnest($2::text[]) AS o(owner)) AS reached
      FROM unnest($1::uuid[]) AS t(tenant)
      LEFT JOIN audit.logs l ON l.tenant = t.tenant
      LEFT JOIN LATERAL (SELECT size, note FROM audit.checkpoints c WHERE c.tenant = t.tenant ORDER BY size DESC LIMIT 1) c ON true`,
    values: [tenants, owners],
  });
  return rows.map(({ tenant, origin, verifier_key: verifierKey, size, reached, checkpoint_size, note }) => ({
    tenant,
    origin,
    verifierKey,
    size: Number(size),
    reached: new Map(reached.map(({ owner, sequence }) => [owner, sequence])),
    checkpoint: note === null ? null : { size: Number(checkpoint_size), note },
  }));
};

/** Entries of a log from one number on, up to, but without, another. */
export const readEntryRows = async (
  database: Queryable,
  tenant: string,
  from: number,
  to: number,
): Promise<readonly AuditEntryRow[]> =>
  (
    await database.query<AuditEntryRow[]>({
      name: 'audit-entries',
      text: `SELECT ${auditEntryColumns('e')} FROM audit.entries e WHERE e.tenant = $1 AND e.number >= $2 AND e.number < $3 ORDER BY e.number`,
      values: [tenant, from, to],
      rowMode: 'array',
    })
  ).rows as unknown as readonly AuditEntryRow[];

/** Something of a stored log is not there. */
export class Missing extends Error {}

/**
 * The hashes of tiles. A complete one is stored; one that grows is made of the entries, or of the roots of the tiles
 * below it. Throws Missing.
 */
export const readTiles = async (
  database: Queryable,
  tenant: string,
  tiles: readonly Tile[],
): Promise<readonly Uint8Array[]> => {
  const read: Uint8Array[] = [];
  for (const tile of tiles) {
    const hashes = await readTile(database, tenant, tile);
    if (hashes.length < tile.width * HASH_BYTES)
      throw new Missing(`${tilePath(tile)} has ${hashes.length} of ${tile.width * HASH_BYTES} bytes`);
    read.push(hashes);
  }
  return read;
};
const HASH_BYTES = 32;

const readTile = async (database: Queryable, tenant: string, { level, index, width }: Tile): Promise<Uint8Array> => {
  const from = index * TILE_WIDTH;
  if (width === TILE_WIDTH) {
    const { rows } = await database.query<{ hashes: Buffer }>(
      'SELECT hashes FROM audit.tiles WHERE tenant = $1 AND level = $2 AND index = $3',
      [tenant, level, index],
    );
    return rows[0]?.hashes ?? new Uint8Array();
  }
  if (level === 0) return Buffer.concat((await readEntryRows(database, tenant, from, from + width)).map(leafHashOf));
  const { rows } = await database.query<{ root: Buffer }>(
    'SELECT root FROM audit.tiles WHERE tenant = $1 AND level = $2 AND index >= $3 AND index < $4 ORDER BY index',
    [tenant, Number(level) - 1, from, from + width],
  );
  return Buffer.concat(rows.map(({ root }) => root));
};

/** SQL: `t`, the tenants of a table whose key begins with them, each once, behind one of them and at most so many. */
export const tenantsBehind = (table: string, after: string, maxTenants: string): string => `
  t AS (
    SELECT 0 AS place, ${after}::uuid AS tenant
    UNION ALL
    SELECT t.place + 1, (SELECT e.tenant FROM ${table} e WHERE e.tenant > t.tenant ORDER BY e.tenant LIMIT 1)
    FROM t WHERE t.tenant IS NOT NULL AND t.place < ${maxTenants}
  )`;

/**
 * Tenants of whom an owner has stored more than the log has as entries, behind one of them; a page of tenants is looked
 * through. `last` = the last one that was looked at; null = there are no more.
 */
export const readTenantsWithNews = async (
  database: Queryable,
  owner: Owner,
  after: string,
  maxTenants: number,
): Promise<{ readonly tenants: readonly string[]; readonly last: string | null }> => {
  const events = `${schemaOf(owner)}.audited_v1`;
  const { rows } = await database.query<{ tenant: string; is_behind: boolean }>(
    `WITH RECURSIVE ${tenantsBehind(events, '$1', '$3')}
     SELECT t.tenant, (SELECT e.sequence FROM ${events} e WHERE e.tenant = t.tenant ORDER BY e.sequence DESC LIMIT 1) > coalesce((
         SELECT a.sequence FROM audit.entries a WHERE a.tenant = t.tenant AND a.owner = $2 ORDER BY a.sequence DESC LIMIT 1
       ), 0) AS is_behind
     FROM t WHERE t.place > 0 AND t.tenant IS NOT NULL`,
    [after, owner, maxTenants],
  );
  return {
    tenants: rows.filter(({ is_behind: isBehind }) => isBehind).map(({ tenant }) => tenant),
    last: rows.length < maxTenants ? null : rows.at(-1)!.tenant,
  };
};
