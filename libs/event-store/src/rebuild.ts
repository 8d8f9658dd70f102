import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { commandsOf, partitionOf, schemaOf, type Owner } from '#contracts';
import { isTimeOut } from './blame.js';
import {
  catchUp,
  claimsTable,
  differences,
  dueRows,
  foldedStreams,
  isStray,
  lookedThrough,
  unclaimed,
  type Difference,
  type Finding,
  type Fold,
  type Folded,
  type FoldTable,
  type Row,
} from './fold.js';
import { UnfitDatabase } from './unfit-database.js';
import { MAX_FINDINGS } from './verify.js';

/** The work that a rebuild has done so far. */
export interface Rebuilt {
  /** The events that were replayed, and about how many there are. */
  readonly events: number;
  readonly totalEvents: number;
  readonly streams: number;
  /** Rows that may follow from no event, and were looked at in the second half of a rebuild. */
  readonly walked: number;
  /** Rows that were written, changed or deleted. */
  readonly mended: number;
}

export interface RebuildOptions {
  /** The version of the program: where another one stopped, its rows were folded otherwise. */
  readonly version: string;
  /** Begins anew even if an earlier rebuild stopped in the middle. */
  readonly isFromStart?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (so: Rebuilt) => void;
}

export interface RebuildResult extends Rebuilt {
  /** The time at which the rebuild began that this one continued; null = it continued none. ISO 8601, UTC. */
  readonly resumedFrom: string | null;
  /** True if it was stopped: the next rebuild continues there. */
  readonly isStopped: boolean;
  /** Streams that cannot be folded, with a line for each of the first ones: their rows are as they were. */
  readonly unfolded: number;
  readonly findings: readonly Finding[];
}

/** Any number that nothing else in the database locks. */
const ADVISORY_LOCK = 7_216_002;
const PREDECESSOR_TIMEOUT_MS = 4_000;
/** SQLSTATE of a table or a column that does not exist. */
const UNDEFINED = /^(42P01|42703)$/;
/** SQLSTATE insufficient_privilege. */
const DENIED = '42501';
const NOT_MIGRATED = 'The database has not been migrated to this version yet: start Muster, or run npm run migrate.';
/** Rows that one transaction writes, and their bytes: a lane stands still for as long, which is 0.1 s at the most. */
const MAX_ROWS = 500;
const MAX_BYTES = 2 * 1_048_576;
/** A lane that is being written to for longer is asked again. */
const LOCK_TIMEOUT_MS = 1_000;
const LOCK_ATTEMPTS = 30;
const LOCK_AGAIN_MS = 100;
/**
 * A lane that has waited loads again, which takes it 10 ms: it would come too late each time if the next transaction
 * began at once.
 */
const PAUSE_MS = 25;
/** SQL: whether somebody waits for the end of this transaction. */
const IS_AWAITED = `EXISTS (
  SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted AND transactionid = pg_current_xact_id()::xid)`;
const SAVE_EVERY_MS = 1_000;
const UNIQUE_VIOLATION = '23505';
/** lock_timeout, and a deadlock with who deletes the same rows without the lock of the lane. */
const TRY_AGAIN = /^(55P03|40P01)$/;

/** The position of a rebuild: after a stream, and then after a row of a table. */
interface Place {
  readonly version: string;
  readonly startedAt: string;
  readonly stream: string | null;
  readonly table: string | null;
  readonly row: Row | null;
  readonly events: number;
  readonly streams: number;
  readonly walked: number;
  readonly unfolded: number;
}

/**
 * Replays the events of an owner, and writes each row of its projection that is not what they say, while the lanes go
 * on: first what follows from streams, then what follows from none. It may be stopped, or killed, at any moment: all
 * that it does is a small transaction of its own. `events` and `rows` are connections as the owner of the database.
 */
export const rebuild = async (
  events: ClientBase,
  rows: ClientBase,
  fold: Fold,
  options: RebuildOptions,
): Promise<RebuildResult> => {
  const lock = [ADVISORY_LOCK, fold.owner];
  try {
    // The connection of one that was killed goes on for the statement that it was at.
    await rows.query(`SET lock_timeout = ${PREDECESSOR_TIMEOUT_MS}`);
    await rows.query('SELECT pg_advisory_lock($1, hashtext($2))', lock);
    await rows.query('RESET lock_timeout');
  } catch (error) {
    if (!isTimeOut(error)) throw error;
    throw new UnfitDatabase(`Another rebuild of ${fold.owner} is under way: let it come to its end, or stop it.`);
  }
  try {
    return await new Rebuild(events, rows, fold, options).run();
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    if (UNDEFINED.test(code)) throw new UnfitDatabase(NOT_MIGRATED);
    if (code === DENIED)
      throw new UnfitDatabase(`The user of DATABASE_URL may not rebuild (${message}): name the owner of the database.`);
    throw error;
  } finally {
    await rows.query('SELECT pg_advisory_unlock($1, hashtext($2))', lock).catch(() => undefined);
  }
};

class Rebuild {
  private place!: Place;
  private resumedFrom: string | null = null;
  private savedAtMs = performance.now();
  private totalEvents = 0;
  private mended = 0;
  private readonly findings: Finding[] = [];
  private lastDue:
    | {
        readonly table: FoldTable;
        readonly of: Folded;
        readonly version: number;
        readonly rows: ReturnType<typeof dueRows>;
      }
    | undefined;
  private readonly schema: string;

  constructor(
    private readonly events: ClientBase,
    private readonly rows: ClientBase,
    private readonly fold: Fold,
    private readonly options: RebuildOptions,
  ) {
    this.schema = schemaOf(fold.owner);
  }

  async run(): Promise<RebuildResult> {
    this.place = await this.begin();
    this.totalEvents = await countEvents(this.rows, this.fold.owner);
    const before = this.place;
    if (this.place.table === null) await this.replay();
    const claims = claimsTable(this.fold);
    const tables = [...this.fold.tables, ...(claims ? [claims] : [])];
    const walked = tables.findIndex(({ name }) => name === this.place.table);
    for (const table of tables.slice(Math.max(0, walked))) await this.walk(table);
    const { isStopped } = this;
    if (isStopped) {
      await this.save();
    } else {
      await this.fold.settle?.(this.rows);
      await this.rows.query(`DELETE FROM ${this.schema}.unfinished_rebuild`);
    }
    const { resumedFrom, findings } = this;
    const { events, streams, unfolded } = this.place;
    return {
      ...this.soFar(),
      events: events - before.events,
      streams: streams - before.streams,
      walked: this.place.walked - before.walked,
      resumedFrom,
      isStopped,
      unfolded,
      findings,
    };
  }

  private get isStopped(): boolean {
    return this.options.signal?.aborted === true;
  }

  private soFar(): Rebuilt {
    const { events, streams, walked } = this.place;
    return { events, streams, walked, totalEvents: this.totalEvents, mended: this.mended };
  }

  private async begin(): Promise<Place> {
    const { version, isFromStart = false } = this.options;
    const { rows } = await this.rows.query<{ progress: Place }>(
      `SELECT progress FROM ${this.schema}.unfinished_rebuild`,
    );
    const found = rows[0]?.progress;
    if (found && found.version === version && !isFromStart) {
      this.resumedFrom = found.startedAt;
      return found;
    }
    return {
      version,
      startedAt: new Date().toISOString(),
      stream: null,
      table: null,
      row: null,
      events: 0,
      streams: 0,
      walked: 0,
      unfolded: 0,
    };
  }

  /** Mends the rows that follow from streams: while those of some are compared, the next ones are folded. */
  private async replay(): Promise<void> {
    const { fold } = this;
    let mending = Promise.resolve();
    try {
      for await (const folded of foldedStreams(this.events, fold, this.place.stream ?? undefined)) {
        await mending;
        if (this.isStopped) return;
        mending = this.mendStreams(folded.streams, folded.events);
        // It is awaited with the next ones.
        mending.catch(() => undefined);
      }
    } finally {
      await mending;
    }
  }

  private async mendStreams(streams: readonly Folded[], events: number): Promise<void> {
    const { fold, place } = this;
    const faults = streams.flatMap(({ fault }) => fault ?? []);
    this.findings.push(...faults.slice(0, MAX_FINDINGS - this.findings.length));
    await this.mend(await differences(this.rows, fold, streams));
    await this.mend(await unclaimed(this.rows, fold, streams));
    await this.reach({
      stream: streams.at(-1)?.stream ?? place.stream,
      events: place.events + events,
      streams: place.streams + streams.length,
      unfolded: place.unfolded + faults.length,
    });
  }

  /** Mends the rest: rows of streams that do not exist, and names that nobody bears. */
  private async walk(table: FoldTable): Promise<void> {
    if (this.isStopped) return;
    const last = this.place.table === table.name ? this.place.row : null;
    for await (const page of lookedThrough(this.rows, this.fold, table, last)) {
      const strays = page.filter(({ is_stray }) => is_stray);
      for (const [partition, rows] of byPartition(strays, (row) => String(row[table.tenant]))) {
        for (const chunk of chunks(rows))
          this.mended += await this.inLane(partition, () => this.removeStrays(table, chunk));
      }
      await this.reach({ table: table.name, row: page.at(-1)!, walked: this.place.walked + page.length });
      if (this.isStopped) return;
    }
  }

  /** Remembers how far it is, and now and then in the database, too: whoever kills it loses a second of it. */
  private async reach(change: Partial<Place>): Promise<void> {
    this.place = { ...this.place, ...change };
    this.options.progress?.(this.soFar());
    if (performance.now() - this.savedAtMs > SAVE_EVERY_MS) await this.save();
  }

  private async save(): Promise<void> {
    await this.rows.query(
      `INSERT INTO ${this.schema}.unfinished_rebuild (progress) VALUES ($1) ON CONFLICT (one) DO UPDATE SET progress = excluded.progress`,
      [JSON.stringify(this.place)],
    );
    this.savedAtMs = performance.now();
  }

  private async mend(found: readonly Difference[]): Promise<void> {
    for (const [partition, ofLane] of byPartition(found, ({ of }) => of.tenant)) {
      for (const chunk of chunks(ofLane)) {
        try {
          this.mended += await this.inLane(partition, () => this.write(chunk, false));
        } catch (error) {
          if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
          // A wrong row has what is unique in a right one. It makes room, and is mended when its stream comes.
          for (const one of chunk) this.mended += await this.inLane(partition, () => this.write([one], true));
        }
      }
    }
  }

  /**
   * One transaction, in which the lane of a partition writes nothing. When it has written something, the lane loads
   * again whatever it had loaded before; when the lane has waited for it, it goes on before the next transaction.
   * Returns how many rows were written.
   */
  private async inLane(partition: number, write: () => Promise<number>): Promise<number> {
    const { owner } = this.fold;
    const position = `${this.schema}.positions`;
    const ofLane = 'consumer_group = $1 AND topic = $2 AND partition = $3';
    const lane = [`muster.${owner}`, commandsOf(owner), partition];
    for (let attempt = 1; ; attempt++) {
      try {
        await this.rows.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        await this.rows.query(`SELECT FROM ${position} WHERE ${ofLane} FOR UPDATE`, lane);
        const written = await write();
        const { rows } =
          written === 0
            ? { rows: [] }
            : await this.rows.query<{ is_awaited: boolean }>(
                `UPDATE ${position} SET generation = generation + 1 WHERE ${ofLane} RETURNING ${IS_AWAITED} AS is_awaited`,
                lane,
              );
        await this.rows.query('COMMIT');
        if (rows[0]?.is_awaited) await delay(PAUSE_MS);
        return written;
      } catch (error) {
        await this.rows.query('ROLLBACK');
        if (!TRY_AGAIN.test((error as { code?: string }).code ?? '') || attempt === LOCK_ATTEMPTS) throw error;
        await delay(LOCK_AGAIN_MS);
      }
    }
  }

  /** Writes what is due by now: the lane may have written events since the rows were compared. */
  private async write(found: readonly Difference[], isMakingRoom: boolean): Promise<number> {
    await catchUp(this.rows, this.fold, [...new Set(found.map(({ of }) => of))]);
    let written = 0;
    for (const [table, ofTable] of groupsOf(found, (one) => one.table)) {
      const [due, gone]: [Row[], Row[]] = [[], []];
      for (const { of, version, key, due: before, actual } of ofTable) {
        if (of.fault) continue;
        const row = of.version === version ? before : this.dueNow(table, of, key);
        if (row) due.push(row);
        else if (actual) gone.push(actual);
      }
      if (gone.length > 0) written += await this.remove(table, gone, 'true');
      if (due.length > 0 && isMakingRoom) written += await this.makeRoom(table, due);
      if (due.length > 0) written += await this.upsert(table, due);
    }
    return written;
  }

  /** It is asked for each row of a stream with many rows, some in each transaction. */
  private dueNow(table: FoldTable, of: Folded, key: string): Row | null {
    if (this.lastDue?.table !== table || this.lastDue.of !== of || this.lastDue.version !== of.version)
      this.lastDue = { table, of, version: of.version, rows: dueRows(this.fold, table, [of]) };
    return this.lastDue.rows.get(key)?.row ?? null;
  }

  private async upsert(table: FoldTable, rows: readonly Row[]): Promise<number> {
    const { name, columns, key } = table;
    const all = Object.keys(columns);
    const others = all.filter((column) => !key.includes(column));
    // The type json has no equality, so its texts are compared.
    const differs = others
      .map((column) => (columns[column] === 'json' ? `${column}::text` : column))
      .map((column) => `t.${column} IS DISTINCT FROM excluded.${column}`);
    const { rowCount } = await this.rows.query(
      `INSERT INTO ${name} AS t (${all.join(', ')}) SELECT * FROM json_to_recordset($1) AS r(${typed(table, all)})
       ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}
       WHERE ${differs.join(' OR ')}`,
      [JSON.stringify(rows)],
    );
    return rowCount ?? 0;
  }

  private async remove(table: FoldTable, rows: readonly Row[], condition: string): Promise<number> {
    const { rowCount } = await this.rows.query(
      `DELETE FROM ${table.name} t USING json_to_recordset($1) AS r(${typed(table, table.key)})
       WHERE ${same(table.key)} AND ${condition}`,
      [JSON.stringify(rows)],
    );
    return rowCount ?? 0;
  }

  private async makeRoom(table: FoldTable, rows: readonly Row[]): Promise<number> {
    let gone = 0;
    for (const columns of table.unique ?? []) {
      const { rowCount } = await this.rows.query(
        `DELETE FROM ${table.name} t USING json_to_recordset($1) AS r(${typed(table, Object.keys(table.columns))})
         WHERE ${same(columns)} AND NOT (${same(table.key)})`,
        [JSON.stringify(rows)],
      );
      gone += rowCount ?? 0;
    }
    return gone;
  }

  private async removeStrays(table: FoldTable, rows: readonly Row[]): Promise<number> {
    if (table.name !== this.fold.claims?.name) return this.remove(table, rows, isStray(this.fold, table, 't'));
    const { rowCount } = await this.rows.query(
      `UPDATE ${table.name} t SET holder = NULL FROM json_to_recordset($1) AS r(${typed(table, table.key)})
       WHERE ${same(table.key)} AND ${isStray(this.fold, table, 't')}`,
      [JSON.stringify(rows)],
    );
    return rowCount ?? 0;
  }
}

/** SQL: the columns of rows that are handed over as JSON. */
const typed = ({ columns }: FoldTable, names: readonly string[]): string =>
  names.map((name) => `${name} ${columns[name]}`).join(', ');

/** SQL: the rows `t` and `r` have the same values there. */
const same = (columns: readonly string[]): string => columns.map((name) => `t.${name} = r.${name}`).join(' AND ');

const groupsOf = <T, K>(all: readonly T[], groupOf: (one: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const group = groupOf(one);
    const known = groups.get(group);
    if (known) known.push(one);
    else groups.set(group, [one]);
  }
  return groups;
};

const byPartition = <T>(all: readonly T[], tenantOf: (one: T) => string): Map<number, T[]> =>
  groupsOf(all, (one) => partitionOf(tenantOf(one)));

/** As many as one transaction writes. */
function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const one of all) {
    chunk.push(one);
    bytes += bytesOf(one);
    if (chunk.length < MAX_ROWS && bytes < MAX_BYTES) continue;
    yield chunk;
    [chunk, bytes] = [[], 0];
  }
  if (chunk.length > 0) yield chunk;
}

/** The size of a row that is to be written; one that is to be deleted is a short key. */
const bytesOf = (one: unknown): number => {
  const { due } = one as Partial<Difference>;
  return due ? JSON.stringify(due).length : 0;
};

/** Sequences are dense, so that the last one of each tenant says how many events there are. */
const countEvents = async (client: ClientBase, owner: Owner): Promise<number> => {
  const last = (condition: string): string =>
    `(SELECT tenant, sequence FROM ${schemaOf(owner)}.events e WHERE ${condition} ORDER BY tenant DESC, sequence DESC LIMIT 1)`;
  const { rows } = await client.query<{ events: string }>(
    `WITH RECURSIVE tenants AS (
       ${last('true')} UNION ALL SELECT n.* FROM tenants t CROSS JOIN LATERAL ${last('e.tenant < t.tenant')} n
     ) SELECT coalesce(sum(sequence), 0) AS events FROM tenants`,
  );
  return Number(rows[0]!.events);
};
