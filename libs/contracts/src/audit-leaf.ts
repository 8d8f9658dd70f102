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

/**
 * A leaf as a text: compact JSON, with these members in this order. The number of the entry is not among them, because it
 * is the place of the leaf in the tree.
 */
export const leafTextOf = (entry: AuditEntry): string => {
  const { tenant, owner, sequence, stream, version, type, recordedAt, commandId, correlationId } = entry;
  const { actor, directory, payload } = entry;
  return JSON.stringify({
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
  });
};

const UTF8 = new TextEncoder();

/** The bytes of a leaf, which are hashed. */
export const leafOf = (entry: AuditEntry): Uint8Array => UTF8.encode(leafTextOf(entry));

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
    `${asMoment(`${alias}.recorded_at`)} AS "recordedAt"`,
    'command_id AS "commandId"',
    'correlation_id AS "correlationId"',
    'actor',
    'directory',
    `encode(${alias}.payload_hash, 'base64') AS payload`,
  ]
    .map((column) => (column.includes('(') ? column : `${alias}.${column}`))
    .join(', ');

/**
 * SQL: the leaf as a text, of a row with those columns under this alias, byte by byte as `leafTextOf` writes it: to_json escapes
 * as JSON.stringify does. It takes half as long as row_to_json, which asks for the type of each column of each row.
 */
export const leafTextSql = (alias: string): string => {
  const text = (column: string): string => `'"' || ${alias}.${column} || '"'`;
  const escaped = (column: string): string => `to_json(${alias}.${column})`;
  const members: Readonly<Record<keyof AuditEntry, string>> = {
    tenant: text('tenant'),
    owner: escaped('owner'),
    sequence: `${alias}.sequence`,
    stream: text('stream'),
    version: `${alias}.version`,
    type: escaped('type'),
    recordedAt: `'"' || ${asMoment(`${alias}.recorded_at`)} || '"'`,
    commandId: text('command_id'),
    correlationId: escaped('correlation_id'),
    actor: escaped('actor'),
    directory: `coalesce(${text('directory')}, 'null')`,
    payload: `'"' || encode(${alias}.payload_hash, 'base64') || '"'`,
  };
  const parts = Object.entries(members).map(([name, sql], at) => `'${at === 0 ? '{' : ','}"${name}":' || ${sql}`);
  return `(${parts.join(' || ')} || '}')`;
};

/** SQL: a moment, ISO 8601 in UTC to a microsecond. */
export const asMoment = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** A row of `auditEntryColumns`, whose columns come in the order in which they were asked for (`rowMode: 'array'`). */
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
