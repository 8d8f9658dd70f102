import { carryOut, EMPTY_TREE, Malformed, Mismatch, planRoot, planTree, rootOf, type Checkpoint } from '#tlog';
import { Missing, readTiles, type Queryable, type StoredLog } from './stored-log.queries.js';
import { logKeysOf, newOrigin, opened, type LogKeys, type TenantLog } from './tenant-log.js';

export interface OpenOptions {
  /** Of the key that signs. */
  readonly seed: Buffer;
  /** Names new logs; null = there is none. */
  readonly publicUrl: string | null;
}

/** The log of a tenant, or why it is not the one that was signed: one sentence that names what differs. */
export type Opened = { readonly log: TenantLog; readonly note: string | null } | { readonly fault: string };

/**
 * Opens the log of a tenant: its tree is made again of entries and tiles, and has to be the one of its last checkpoint,
 * and to begin with that of the checkpoint that is kept outside of the database; null = there is none.
 */
export const openLog = async (
  database: Queryable,
  stored: StoredLog,
  kept: string | null,
  options: OpenOptions,
): Promise<Opened> => {
  const { tenant, size, checkpoint, reached } = stored;
  try {
    const keys = keysOf(stored, options);
    const tree =
      size === 0 ? EMPTY_TREE : await carryOut(planTree(size), (tiles) => readTiles(database, tenant, tiles));
    if (checkpoint) compareRoots('its last checkpoint', opened(checkpoint.note, keys), { size, root: rootOf(tree) });
    else if (size > 0) throw new Differs(`it has ${size} entries and no checkpoint`);
    // The same text has just been compared.
    if (kept !== null && kept !== checkpoint?.note) await compareKept(database, tenant, size, opened(kept, keys));
    return { log: { tenant, isNew: stored.origin === null, keys, tree, reached }, note: checkpoint?.note ?? null };
  } catch (error) {
    if (
      !(error instanceof Differs || error instanceof Mismatch || error instanceof Malformed || error instanceof Missing)
    )
      throw error;
    return { fault: error.message };
  }
};

/** The stored log contradicts itself, or what was signed. */
class Differs extends Error {}

const keysOf = ({ tenant, origin, verifierKey, size, checkpoint }: StoredLog, options: OpenOptions): LogKeys => {
  const keys = logKeysOf(origin ?? newOrigin(tenant, options.publicUrl, options.seed), options.seed);
  if (origin === null && (size > 0 || checkpoint)) throw new Differs('it has entries or checkpoints, and no name');
  if (origin !== null && verifierKey !== keys.verifierKey)
    throw new Differs(`its key is ${keys.verifierKey}, and audit.logs says ${verifierKey}`);
  return keys;
};

const compareRoots = (what: string, signed: Checkpoint, actual: Pick<Checkpoint, 'size' | 'root'>): void => {
  if (signed.size !== actual.size) throw new Differs(`${what} is of ${signed.size} entries, and it has ${actual.size}`);
  if (!signed.root.equals(actual.root))
    throw new Differs(
      `${what} says that the root of its ${signed.size} entries is ${signed.root.toString('base64')}, and it is ${actual.root.toString('base64')}`,
    );
};

/** The tree has to have been the kept one when it was as small. */
const compareKept = async (database: Queryable, tenant: string, size: number, kept: Checkpoint): Promise<void> => {
  if (kept.size > size)
    throw new Differs(
      `it was rolled back: the checkpoint that is kept outside of the database is of ${kept.size} entries, and it has ${size}`,
    );
  const root = await carryOut(planRoot(kept.size), (tiles) => readTiles(database, tenant, tiles));
  compareRoots('it was forked: the checkpoint that is kept outside of the database', kept, { size: kept.size, root });
};
