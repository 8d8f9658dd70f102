import type { ClientBase } from 'pg';
import { auditEntryColumns, auditEntryOf, type AuditEntryRow, type Owner } from '#contracts';
import { inPages, type Finding } from '#event-store';
import { append, EMPTY_TREE, HASH_BYTES, hashAt, rootOf, TILE_WIDTH, type FullTile, type Hash, type Tree } from '#tlog';
import { leafHashOf } from './tenant-log.js';

/** A tree that somebody has signed, and where that is written. */
export interface Head {
  readonly what: string;
  readonly size: number;
  readonly root: Hash;
}

export interface WalkOptions {
  readonly tenant: string;
  /** The number of its entries; what has been added since is left for the next time. */
  readonly size: number;
  /** In the order of their sizes, none above it. */
  readonly heads: readonly Head[];
  readonly report: (finding: Finding) => void;
  /** So many entries more have been looked at. */
  readonly progress: (entries: number) => void;
}

type NumberedRow = readonly [...AuditEntryRow, number: string];
const NUMBER = 12;
/** Tiles of leaves that are read at once, 8 kB each. */
const TILES_AHEAD = 16;

/**
 * Makes the tree of a tenant again of its entries. Each leaf has to be the one of the stored tile, each tile the one
 * above its leaves, and the roots those that were signed; the sequences of each owner have no gap. Returns the last
 * sequence of each owner.
 */
export const verifyTree = async (
  client: ClientBase,
  { tenant, size, heads, report, progress }: WalkOptions,
): Promise<ReadonlyMap<Owner, number>> => {
  const reached = new Map<Owner, number>();
  const ofTenant = (rule: Finding['rule'], detail: string): void =>
    report({ rule, detail: `audit log of tenant ${tenant}: ${detail}` });
  const waiting = [...heads];
  let tree: Tree = EMPTY_TREE;
  /** Leaves that are not in the tree yet: less than a tile of them. */
  let leaves: Hash[] = [];
  let rows: NumberedRow[] = [];
  let isWhole = true;

  const add = (hashes: readonly Hash[], complete: FullTile[]): void => {
    for (let from = 0; from < hashes.length;) {
      const next = waiting[0] && waiting[0].size - tree.size;
      const to = next === undefined ? hashes.length : Math.min(hashes.length, from + next);
      const grown = append(tree, hashes.slice(from, to));
      tree = grown.tree;
      complete.push(...grown.fullTiles);
      from = to;
      while (waiting[0]?.size === tree.size) compareHead(waiting.shift()!, tree, ofTenant);
    }
  };
  /** Several at once: one round trip for each would take as long as hashing. */
  let tilesAhead = new Map<number, StoredTile>();
  const leafTile = async (index: number): Promise<StoredTile | null> => {
    if (index % TILES_AHEAD === 0 || tilesAhead.size === 0)
      tilesAhead = await readStoredTiles(client, tenant, 0, index, TILES_AHEAD);
    return tilesAhead.get(index) ?? null;
  };
  /** Entries that fill a tile, or the last ones. */
  const endTile = async (): Promise<void> => {
    const index = tree.size / TILE_WIDTH;
    const isComplete = leaves.length === TILE_WIDTH;
    const stored = isComplete ? await leafTile(index) : null;
    if (stored && stored.hashes.length === TILE_WIDTH * HASH_BYTES) {
      const others = rows.filter((_, place) => !leaves[place]!.equals(hashAt(stored.hashes, place)));
      if (others.length > 0)
        ofTenant(
          'entry',
          `entry ${entryName(others[0]!)} is not the one whose hash is in the tree${others.length === 1 ? '' : `, nor are ${others.length - 1} more of its tile`}`,
        );
      // The tile is what was signed: the entries that differ from it are told, and the rest is compared all the same.
      leaves = leaves.map((_, place) => hashAt(stored.hashes, place));
    }
    const complete: FullTile[] = [];
    add(leaves, complete);
    for (const tile of complete)
      compareTile(
        tile,
        tile.level === 0
          ? stored
          : ((await readStoredTiles(client, tenant, tile.level, tile.index, 1)).get(tile.index) ?? null),
        ofTenant,
      );
    leaves = [];
    rows = [];
  };

  for await (const page of ahead(entryPages(client, tenant, size))) {
    for (const row of page) {
      const expected = tree.size + leaves.length;
      const [, owner, sequenceText] = row;
      const sequence = Number(sequenceText);
      if (Number(row[NUMBER]) !== expected) {
        ofTenant('entry', `entry ${expected} is missing: the next one is ${row[NUMBER]}`);
        isWhole = false;
        break;
      }
      const due = (reached.get(owner) ?? 0) + 1;
      if (sequence !== due)
        ofTenant('entry', `entry ${entryName(row)} has a sequence of ${owner} where ${due} was due`);
      reached.set(owner, sequence);
      leaves.push(leafHashOf(row as unknown as AuditEntryRow));
      rows.push(row);
      if (leaves.length === TILE_WIDTH) await endTile();
    }
    progress(page.length);
    if (!isWhole) break;
  }
  if (isWhole) await endTile();
  // Behind an entry that is missing no root can be computed.
  for (const { what, size: signed } of isWhole ? waiting : [])
    ofTenant('tree', `${what} is of ${signed} entries, and it has ${tree.size}`);
  return reached;
};

const compareHead = (
  { what, size, root }: Head,
  tree: Tree,
  report: (rule: Finding['rule'], detail: string) => void,
): void => {
  const actual = rootOf(tree);
  if (!root.equals(actual))
    report(
      'tree',
      `the root of its first ${size} entries is ${actual.toString('base64')}, and ${what} says ${root.toString('base64')}`,
    );
};

interface StoredTile {
  readonly hashes: Buffer;
  readonly root: Buffer;
}

const compareTile = (
  { level, index, hashes, root }: FullTile,
  stored: StoredTile | null,
  report: (rule: Finding['rule'], detail: string) => void,
): void => {
  const name = `the tile ${index} of level ${level}`;
  if (!stored) report('tree', `${name} is missing`);
  else if (!stored.hashes.equals(hashes)) report('tree', `${name} has not the hashes of what is below it`);
  else if (!stored.root.equals(root)) report('tree', `${name} has another root than its hashes have`);
};

const entryName = (row: NumberedRow): string => {
  const { owner, sequence } = auditEntryOf(row as unknown as AuditEntryRow);
  return `${row[NUMBER]} (${owner}, sequence ${sequence})`;
};

/** Complete tiles of a level from one index on, by their index. */
const readStoredTiles = async (
  client: ClientBase,
  tenant: string,
  level: number,
  from: number,
  count: number,
): Promise<Map<number, StoredTile>> => {
  const { rows } = await client.query<StoredTile & { index: string }>({
    name: 'audit-verify-tiles',
    text: 'SELECT index, hashes, root FROM audit.tiles WHERE tenant = $1 AND level = $2 AND index >= $3 AND index < $4',
    values: [tenant, level, from, from + count],
  });
  return new Map(rows.map((row) => [Number(row.index), row]));
};

/** The next page is read while this one is looked at. */
async function* ahead<Page>(pages: AsyncGenerator<Page>): AsyncGenerator<Page> {
  for (let next = pages.next(); ;) {
    const { done, value } = await next;
    if (done) return;
    next = pages.next();
    // A reader that has stopped does not hear of it.
    next.catch(() => undefined);
    yield value;
  }
}

const entryPages = (client: ClientBase, tenant: string, size: number): AsyncGenerator<readonly NumberedRow[]> =>
  inPages<NumberedRow>(
    async (last, maxRows) =>
      (
        await client.query<NumberedRow[]>({
          name: 'audit-verify-entries',
          text: `SELECT ${auditEntryColumns('e')}, e.number FROM audit.entries e
            WHERE e.tenant = $1 AND e.number > $2 AND e.number < $3 ORDER BY e.tenant, e.number LIMIT $4`,
          values: [tenant, last ? last[NUMBER] : -1, size, maxRows],
          rowMode: 'array',
        })
      ).rows as unknown as readonly NumberedRow[],
  );
