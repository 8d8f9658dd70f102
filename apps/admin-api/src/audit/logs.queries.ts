import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  AUDIT_CHECKPOINTS_VIEW,
  AUDIT_ENTRIES_VIEW,
  AUDIT_LOGS_VIEW,
  AUDIT_TILES_VIEW,
  auditEntryColumns,
  auditEntryOf,
  leafOf,
  type AuditEntryRow,
} from '#contracts';
import { Rejected } from '#scim';
import { HASH_BYTES, hashLeaf, TILE_WIDTH, tilePath, type Tile } from '#tlog';
import { POOL } from '../injected.js';

/** The log of a tenant, at its newest checkpoint. */
export interface LogHead {
  readonly verifierKey: string;
  readonly size: number;
  /** The checkpoint, a signed note. */
  readonly checkpoint: string;
}

/** A tile of hashes that an answer needs is not stored as it should be. */
class Incomplete extends Error {}

/** Reads the transparency log of a tenant: what was signed, and the tiles that it was made of. */
@Injectable()
export class Logs {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Throws Rejected(notFound): nothing has been signed yet. */
  async head(tenant: string): Promise<LogHead> {
    const { rows } = await this.pool.query<{ verifier_key: string; size: string; note: string }>(
      `SELECT l.verifier_key, c.size, c.note FROM ${AUDIT_LOGS_VIEW} l
       JOIN ${AUDIT_CHECKPOINTS_VIEW} c ON c.tenant = l.tenant WHERE l.tenant = $1 ORDER BY c.size DESC LIMIT 1`,
      [tenant],
    );
    const [row] = rows;
    if (!row) throw new Rejected('notFound', `The audit log of the tenant ${tenant} has no entry yet.`);
    return { verifierKey: row.verifier_key, size: Number(row.size), checkpoint: row.note };
  }

  /** The hashes of tiles that a log of this size has. */
  async tiles(tenant: string, tiles: readonly Tile[]): Promise<readonly Uint8Array[]> {
    const read: Uint8Array[] = [];
    for (const tile of tiles) {
      const hashes = await this.tile(tenant, tile);
      if (hashes === null) throw new Incomplete(`the audit log of ${tenant} lacks a part of ${tilePath(tile)}`);
      read.push(hashes);
    }
    return read;
  }

  /** The hashes of one tile; null = the log does not have so many. One that is complete is stored, others are made. */
  async tile(tenant: string, { level, index, width }: Tile): Promise<Uint8Array | null> {
    const { rows } = await this.pool.query<{ hashes: Buffer }>({
      name: 'tile-of-log',
      text: `SELECT hashes FROM ${AUDIT_TILES_VIEW} WHERE tenant = $1 AND level = $2 AND index = $3`,
      values: [tenant, level, index],
    });
    const bytes = width * HASH_BYTES;
    const hashes =
      rows[0]?.hashes ??
      (width === TILE_WIDTH
        ? Buffer.alloc(0)
        : level === 0
          ? Buffer.concat((await this.leaves(tenant, index * TILE_WIDTH, width)).map(hashLeaf))
          : await this.rootsBelow(tenant, Number(level), index, width));
    return hashes.length < bytes ? null : hashes.subarray(0, bytes);
  }

  /** The entries of a bundle, as they were hashed; null = the log does not have so many. */
  async bundle(tenant: string, { index, width }: Tile): Promise<readonly Uint8Array[] | null> {
    const leaves = await this.leaves(tenant, index * TILE_WIDTH, width);
    return leaves.length < width ? null : leaves;
  }

  /** One of the entries that the log has, as it was hashed. */
  async entry(tenant: string, number: number): Promise<Uint8Array> {
    const [leaf] = await this.leaves(tenant, number, 1);
    if (!leaf) throw new Incomplete(`the audit log of ${tenant} lacks entry ${number}`);
    return leaf;
  }

  private async leaves(tenant: string, from: number, width: number): Promise<readonly Uint8Array[]> {
    const { rows } = await this.pool.query<AuditEntryRow[]>({
      name: 'leaves-of-log',
      text: `SELECT ${auditEntryColumns('e')} FROM ${AUDIT_ENTRIES_VIEW} e
             WHERE e.tenant = $1 AND e.number >= $2 AND e.number < $3 ORDER BY e.number`,
      values: [tenant, from, from + width],
      rowMode: 'array',
    });
    return (rows as unknown as readonly AuditEntryRow[]).map((row) => leafOf(auditEntryOf(row)));
  }

  private async rootsBelow(tenant: string, level: number, index: number, width: number): Promise<Buffer> {
    const from = index * TILE_WIDTH;
    const { rows } = await this.pool.query<{ root: Buffer }>({
      name: 'roots-of-tiles',
      text: `SELECT root FROM ${AUDIT_TILES_VIEW}
             WHERE tenant = $1 AND level = $2 AND index >= $3 AND index < $4 ORDER BY index`,
      values: [tenant, level - 1, from, from + width],
    });
    return Buffer.concat(rows.map(({ root }) => root));
  }
}
