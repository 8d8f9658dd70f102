import { auditEntryOf, leafTextOf, type AuditEntryRow, type Owner } from '#contracts';
import {
  append,
  hashLeafText,
  LOG_KEY,
  openCheckpoint,
  readSigner,
  readVerifier,
  rootOf,
  signCheckpoint,
  verifierKeyOf,
  writeSecretKey,
  type Checkpoint,
  type FullTile,
  type Hash,
  type Signer,
  type Tree,
  type Verifier,
} from '#tlog';

/** The seed of the key that signs checkpoints is derived of the master key by this text. */
export const SIGNING_KEY_TEXT = 'audit log signing key v1';

/** The name of one log, and the key that signs it: the seed is the same for all, the name of the key is the log's. */
export interface LogKeys {
  readonly origin: string;
  readonly verifierKey: string;
  readonly signer: Signer;
  readonly verifier: Verifier;
}

export const logKeysOf = (origin: string, seed: Buffer): LogKeys => {
  const secretKey = writeSecretKey(origin, LOG_KEY, seed);
  const verifierKey = verifierKeyOf(secretKey);
  return { origin, verifierKey, signer: readSigner(secretKey), verifier: readVerifier(verifierKey) };
};

/** Reads a checkpoint of the log with these keys. Throws Mismatch or Malformed. */
export const opened = (note: string, { origin, verifier }: LogKeys): Checkpoint =>
  openCheckpoint(note, { origin, logKeys: [verifier] }).checkpoint;

/**
 * The name that the log of a tenant gets with its first entry. C2SP tlog-checkpoint wants a URL without a schema, which
 * no other log has; an installation without a public URL is told from others by a digest of its key.
 */
export const newOrigin = (tenant: string, publicUrl: string | null, seed: Buffer): string => {
  const host = publicUrl === null ? `muster-${logKeysOf('muster', seed).signer.keyId}` : new URL(publicUrl).host;
  return `${host}/audit/${tenant}`;
};

/** All that has to be known of the log of a tenant to add to it. */
export interface TenantLog {
  readonly tenant: string;
  /** It has no entry yet. */
  readonly isNew: boolean;
  readonly keys: LogKeys;
  readonly tree: Tree;
  /** The last sequence of each owner that is an entry; none = 0. */
  readonly reached: ReadonlyMap<Owner, number>;
}

export const leafHashOf = (row: AuditEntryRow): Hash => hashLeafText(leafTextOf(auditEntryOf(row)));

/** A log with some entries more, and what has to be stored with them. */
export interface Grown {
  readonly log: TenantLog;
  readonly fullTiles: readonly FullTile[];
  /** The checkpoint, signed. */
  readonly note: string;
}

/** Adds entries, in the order of their numbers. */
export const grow = (log: TenantLog, rows: readonly AuditEntryRow[]): Grown => {
  const { keys } = log;
  const { tree, fullTiles } = append(log.tree, rows.map(leafHashOf));
  const reached = new Map(log.reached);
  for (const [, owner, sequence] of rows) reached.set(owner, Number(sequence));
  const note = signCheckpoint({ origin: keys.origin, size: tree.size, root: rootOf(tree), extensions: [] }, [
    keys.signer,
  ]);
  return { log: { ...log, isNew: false, tree, reached }, fullTiles, note };
};
