import type { Owner } from './topics.js';

/** An entry of the audit log, which is a stored event: its leaf in the tree is made of this. */
export interface AuditEntry {
  readonly tenant: string;
  readonly owner: Owner;
  readonly sequence: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  /** ISO 8601, UTC, with six digits of the second, as the database has them. */
  readonly recordedAt: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly actor: string;
  readonly directory: string | null;
  /** The hash of what the event says, in base64. */
  readonly payload: string;
}

const UTF8 = new TextEncoder();

/**
 * The bytes of a leaf: compact JSON in UTF-8, with these members in this order. The number of the entry is not among
 * them, because it is the place of the leaf in the tree.
 */
export const leafOf = (entry: AuditEntry): Uint8Array => {
  const { tenant, owner, sequence, stream, version, type, recordedAt, commandId, correlationId } = entry;
  const { actor, directory, payload } = entry;
  return UTF8.encode(
    JSON.stringify({
      tenant,
      owner,
      sequence,
      stream,
      version,
      type,
      recordedAt,
      commandId,
      correlationId,
      actor,
      directory,
      payload,
    }),
  );
};

/**
 * SQL: what follows SELECT to read an AuditEntry from `entries_v1`, or from another row with its columns, under this
 * alias. bigint comes as a text.
 */
export const auditEntryColumns = (alias: string): string =>
  [
    'tenant',
    'owner',
    'sequence',
    'stream',
    'version',
    'type',
    `to_char(${alias}.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "recordedAt"`,
    'command_id AS "commandId"',
    'correlation_id AS "correlationId"',
    'actor',
    'directory',
    `encode(${alias}.payload_hash, 'base64') AS payload`,
  ]
    .map((column) => (column.includes('(') ? column : `${alias}.${column}`))
    .join(', ');

/** A row of that SELECT, whose columns come in the order in which they were asked for (`rowMode: 'array'`). */
export type AuditEntryRow = readonly [
  tenant: string,
  owner: Owner,
  sequence: string,
  stream: string,
  version: number,
  type: string,
  recordedAt: string,
  commandId: string,
  correlationId: string,
  actor: string,
  directory: string | null,
  payload: string,
];

export const auditEntryOf = (row: AuditEntryRow): AuditEntry => {
  const [tenant, owner, sequence, stream, version, type, recordedAt, commandId, correlationId] = row;
  const [, , , , , , , , , actor, directory, payload] = row;
  return {
    tenant,
    owner,
    sequence: Number(sequence),
    stream,
    version,
    type,
    recordedAt,
    commandId,
    correlationId,
    actor,
    directory,
    payload,
  };
};

/**
 * SQL: the hash of what an event says, of a row with the columns `data`, `personal` and `hidden_hash` under this alias:
 * SHA-256(SHA-256(data) ‖ SHA-256(personal, or nothing) ‖ hidden_hash, if there is one).
 */
export const payloadHash = (alias: string): string =>
  `sha256(sha256(convert_to(${alias}.data::text, 'UTF8')) || sha256(convert_to(coalesce(${alias}.personal, ''), 'UTF8')) || coalesce(${alias}.hidden_hash, ''))`;
