import { hash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { deadOf, eventsOf, schemaOf, type CommandData, type Message, type Outcome, type OutcomeData } from '#contracts';
import type { Behaviour, Command, WritePart } from './behaviour.js';
import { blameOf, isCostly, isStale, TooMuch, Unsettled, UNREADABLE } from './blame.js';
import { costsOf, SLOW_MS, Texts } from './costs.js';
import { sizedLoad } from './sized-load.js';
import { slice, Turn, type AppendedRow, type BatchToHandle, type LaneMemory } from './turn.js';
import { consumerGroupOf, readPosition } from './positions.js';
import { storeParts, writeStatement } from './write-statement.js';

const MAX_LOADS = 5;
/**
 * Decisions hold up everybody in the process while they are made. A batch whose decisions have taken so long goes on
 * after a commit, so that what has been decided is answered, and the process does other things meanwhile. A decision
 * takes less than 0.1 ms as a rule.
 */
const MAX_DECIDING_MS = 25;
/** A longer text takes milliseconds to be read: others have their turn before decisions begin. */
const LONG_BYTES = 262_144;
/**
 * After decisions that took longer others have their turn before what was decided is written, which takes as long
 * again.
 */
const LONG_MS = 4;
/**
 * Several commands may load so much together: the driver reads what was loaded in one piece, in which the process
 * serves nobody. 2 MiB take 6 ms, 8 MiB up to 80; the largest batches of the benchmarks load 0.1 MiB.
 */
const MAX_LOAD_BYTES = 2 * 1_048_576;
/**
 * A lone command may load so much. Reading JSON takes about 10 ms for each MiB, and a text of more than 512 MiB cannot
 * be had at all.
 */
const MAX_LONE_LOAD_BYTES = 128 * 1_048_576;
/** The longest that an owner trusts its memory: when a rebuild mends the rows of another owner, no event says so. */
const MAX_MEMORY_MS = 60_000;
/** Postgres refuses a message of 1 GiB by ending the connection, which would look as if the database were away. */
const MAX_STATEMENT_BYTES = 256 * 1_048_576;

interface Loaded {
  readonly answered: { readonly command_id: string; readonly outcome: Outcome }[] | null;
  readonly sequences: Record<string, number> | null;
  /** The loaded rows; null also when they are more than was asked for. */
  readonly loaded: unknown;
  readonly bytes: number;
}
/** A statement that is prepared. */
interface Statement {
  readonly name: string;
  readonly text: string;
}
/** The loaded rows, with what the commands touched. */
type LoadedFor = Loaded & { readonly touched: unknown };

/** One attempt to carry out some commands. */
export interface Attempt {
  /** The reason why the only command of the batch is not carried out, but set aside. */
  readonly poison?: unknown;
  /** The time limit of each statement, where it is less than the usual one. */
  readonly timeoutMs?: number | undefined;
}

export interface TransactionOptions {
  /** One transaction loads and writes so much together; a command that needs more has a transaction of its own. */
  readonly maxBytes: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly elapsedMs?: () => number;
}

/** The results of one transaction that others are told. */
export interface Committed {
  /** Rows of the Postgres log, in order: events and dead letters. */
  readonly rows: readonly AppendedRow[];
  readonly outcomes: readonly Message<OutcomeData>[];
}

/** The result of one transaction, and the number of its commands: the others of its batch are decided after it. */
export interface Attempted {
  readonly committed: Committed;
  readonly done: number;
  /** The cost of each of its commands, by tenant. */
  readonly costs: ReadonlyMap<string, number>;
}

const NOTHING: ReadonlyMap<string, number> = new Map();

/**
 * THE transaction: commands of one partition are loaded with one query, decided in memory and written with one
 * statement, guarded by the position row. It commits as a whole or not at all. A decision that turns out to depend on
 * more than its command says (whose e-mail an unlink brings back) is made again after a second load.
 */
export class LaneTransaction<C> {
  private readonly memories = new Map<number, LaneMemory>();
  private readonly parts: readonly WritePart[];
  private readonly statements = new Map<string, Statement>();
  private readonly consumerGroup: string;
  private readonly elapsedMs: () => number;

  constructor(
    private readonly pool: Pool,
    private readonly behaviour: Behaviour<C>,
    private readonly now: () => Date,
    private readonly onDead: (error: unknown, message: Message | null) => void,
    private readonly options: TransactionOptions,
  ) {
    const { owner } = behaviour;
    this.consumerGroup = consumerGroupOf(owner);
    this.elapsedMs = options.elapsedMs ?? monotonicMs;
    this.parts = [...storeParts(owner), ...behaviour.parts];
  }

  /** Forgets what it knows about a partition: somebody else may have written. */
  forget(partition: number): void {
    this.memories.delete(partition);
  }

  /** The position from which the consumer of this owner goes on. */
  async position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    return (await this.memory(this.pool, partition, true)).position;
  }

  /**
   * Carries out the first ones of a batch, as many as are decided in good time. blameOf says whose fault an error is.
   */
  async attempt(whole: BatchToHandle, { poison, timeoutMs }: Attempt): Promise<Attempted> {
    return this.connected(timeoutMs, async (client) => {
      const memory = await this.memory(client, whole.partition);
      const allDue = this.due(whole, memory);
      if (allDue.length === 0)
        return { committed: { rows: [], outcomes: [] }, done: whole.received.length, costs: NOTHING };
      const begunAt = this.now();
      let turn = await this.settled(client, whole, allDue, memory, poison, begunAt);
      if (turn.decidingMs > LONG_MS) await othersTurn();
      // A command that expired meanwhile was answered 503: its sender was told that it is not carried out.
      const writtenAt = this.now();
      const decided = allDue.slice(0, turn.decided);
      if (lateIn(decided, writtenAt) > lateIn(decided, begunAt))
        turn = await this.settled(client, whole, decided, memory, poison, writtenAt);
      const due = decided.slice(0, turn.decided);
      const done = whole.received.length - allDue.length + due.length;
      const batch = slice(whole, 0, done);
      const written = await this.write(client, batch, due, memory, turn);
      const tenants = due.flatMap(({ message }) => message?.tenant ?? []);
      // The next command of a tenant that ran into a limit is alone from the beginning.
      const costs = isCostly(poison)
        ? new Map(tenants.map((tenant) => [tenant, this.options.maxBytes]))
        : costsOf(tenants, turn.loaded, written.byTenant, turn.slowMs);
      turn.remember((part) => written.bytesOf(turn.parts[part] ?? []));
      const outcomes = turn.tell(costs);
      for (const { reason, message } of turn.dead) this.onDead(reason, message);
      memory.position = { epoch: batch.epoch, nextOffset: batch.nextOffset };
      for (const row of turn.appended) memory.ends.set(row.topic, row.offset + 1);
      for (const [tenant, sequence] of turn.sequences) memory.sequences.set(tenant, sequence);
      return { committed: { rows: turn.appended, outcomes }, done, costs };
    });
  }

  /**
   * Loads for no command and writes no row, with the statements of all: throws while that cannot be done in time, for
   * whatever reason.
   */
  async prove(batch: BatchToHandle): Promise<void> {
    await this.connected(undefined, async (client) => {
      const memory = await this.memory(client, batch.partition);
      const { epoch, nextOffset } = memory.position;
      const still = { ...batch, received: [], epoch, nextOffset };
      const turn = await this.settled(client, still, [], memory, undefined, this.now());
      await this.write(client, still, [], memory, turn, this.parts);
    });
  }

  /**
   * Load and write are on one connection: a crash of the database in between breaks it, and nothing is written on old
   * knowledge.
   */
  private async connected<T>(timeoutMs: number | undefined, work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      if (timeoutMs !== undefined) await client.query(`SET statement_timeout = ${Math.round(timeoutMs)}`);
      return await work(client);
    } catch (error) {
      const { code } = error as { code?: string };
      // After an orderly answer of the database the connection is as good as new.
      const isOrderly = blameOf(error) !== 'infrastructure' && code !== 'ERR_STRING_TOO_LONG';
      broken = isOrderly || isStale(error) ? undefined : (error as Error);
      throw error;
    } finally {
      if (timeoutMs !== undefined && !broken)
        await client.query('RESET statement_timeout').catch((error: Error) => (broken = error));
      client.release(broken);
    }
  }

  private async settled(
    client: PoolClient,
    batch: BatchToHandle,
    allDue: BatchToHandle['received'],
    memory: LaneMemory,
    poison: unknown,
    now: Date,
  ): Promise<Turn> {
    const wanted: unknown[] = [];
    let due = allDue;
    const nowMs = this.elapsedMs();
    if (nowMs - memory.owned.sinceMs > MAX_MEMORY_MS) memory.owned = this.nothingKnown(nowMs);
    for (let loads = 1; loads <= MAX_LOADS; loads++) {
      const loaded = await this.load(client, due, memory, poison, wanted, now);
      // The driver has just read a long text.
      if (loaded.bytes > LONG_BYTES) await othersTurn();
      const turn = readable(() => this.decideAll(batch, due, loaded, memory, poison, now));
      if (turn.wanted.length === 0) return turn;
      wanted.push(...turn.wanted);
      due = due.slice(0, turn.decided);
    }
    throw new Unsettled(`not all that decisions depend on was found in ${MAX_LOADS} loads`);
  }

  /** Messages at or after the position; a log that starts again may hand over earlier ones. */
  private due(batch: BatchToHandle, memory: LaneMemory): BatchToHandle['received'] {
    if (memory.position.epoch !== batch.epoch) return batch.received;
    return batch.received.filter(({ offset }) => offset >= memory.position.nextOffset);
  }

  private async memory(client: Pool | PoolClient, partition: number, fresh = false): Promise<LaneMemory> {
    const known = fresh ? undefined : this.memories.get(partition);
    if (known) return known;
    const { owner } = this.behaviour;
    const topic = `${owner}.commands`;
    const { epoch, nextOffset, generation } = await readPosition(client, owner, topic, partition);
    const ends = await client.query<{ topic: string; next_offset: string }>(
      'SELECT topic, next_offset FROM log.ends($1) WHERE partition = $2',
      [[eventsOf(owner), deadOf(topic)], partition],
    );
    const memory: LaneMemory = {
      position: { epoch, nextOffset },
      generation,
      ends: new Map(ends.rows.map((end) => [end.topic, Number(end.next_offset)])),
      sequences: new Map(),
      owned: this.nothingKnown(this.elapsedMs()),
    };
    this.memories.set(partition, memory);
    return memory;
  }

  private nothingKnown(sinceMs: number): LaneMemory['owned'] {
    return { memory: this.behaviour.memory?.(), sinceMs };
  }

  private async load(
    client: PoolClient,
    due: BatchToHandle['received'],
    memory: LaneMemory,
    poison: unknown,
    wanted: readonly unknown[],
    now: Date,
  ): Promise<LoadedFor> {
    const nowText = now.toISOString();
    const messages = due.flatMap(({ message }) => (message && isAddressed(message) ? [message] : []));
    const tenants = [...new Set(messages.map(({ tenant }) => tenant))].filter(
      (tenant) => !memory.sequences.has(tenant),
    );
    // A culprit that has been found is not asked what it touches: the database may have refused just that. And for a
    // command that comes too late nothing is loaded, because it is not carried out: where a batch is handed over again,
    // its commands expire one after the other.
    const commands =
      poison !== undefined
        ? []
        : messages.flatMap((message) => {
            const command = this.understood(message);
            return command && !isLate(message, nowText) ? [command] : [];
          });
    const touched = readable(() => this.behaviour.touches(commands, wanted, memory.owned.memory));
    // A command that was answered before is not looked for either: its outcome is there, and cannot be written again.
    // Without commands it is the proof that all can be loaded.
    const areAllKnown = tenants.length === 0 && commands.length === due.length && due.length > 0;
    if (areAllKnown && this.behaviour.asksNothing?.(touched))
      return { answered: null, sequences: null, loaded: null, bytes: 0, touched };
    const maxBytes = due.length > 1 ? Math.min(this.options.maxBytes, MAX_LOAD_BYTES) : MAX_LONE_LOAD_BYTES;
    const { rows } = await client.query<Loaded>({
      ...this.loadStatement(this.behaviour.loadSql(touched)),
      values: [messages.map(({ id }) => id), tenants, JSON.stringify(touched), maxBytes],
    });
    const loaded = rows[0]!;
    if (loaded.bytes > maxBytes)
      throw new TooMuch(
        `${loaded.bytes} bytes are to be loaded, which is more than ${maxBytes}`,
        loaded.bytes,
        maxBytes,
      );
    for (const [tenant, sequence] of Object.entries(loaded.sequences ?? {})) memory.sequences.set(tenant, sequence);
    return { ...loaded, touched };
  }

  private loadStatement(sql: string): Statement {
    const schema = schemaOf(this.behaviour.owner);
    return this.prepared(sql, () =>
      sizedLoad(
        {
          answered: `SELECT json_agg(json_build_object('command_id', o.command_id, 'outcome', o.outcome))
            FROM ${schema}.outcomes o WHERE o.command_id = ANY ($1::uuid[])`,
          sequences: `SELECT json_object_agg(t.tenant, coalesce((SELECT max(e.sequence) FROM ${schema}.events e WHERE e.tenant = t.tenant), 0))
            FROM unnest($2::uuid[]) AS t(tenant)`,
          loaded: sql.replaceAll('$json', '$3::json'),
        },
        '$4',
      ),
    );
  }

  /** The command in a message, or nothing when its type or shape is none that this owner knows. */
  private understood(message: Message): Command<C> | undefined {
    if (!this.behaviour.commandTypes.has(message.type)) return undefined;
    const data = message.data as CommandData<C> | null | undefined;
    if (typeof data?.command !== 'object' || data.command === null) return undefined;
    return {
      id: message.id,
      tenant: message.tenant,
      directory: message.directory,
      correlationId: message.correlationId,
      command: data.command,
    };
  }

  private decideAll(
    batch: BatchToHandle,
    due: BatchToHandle['received'],
    loaded: LoadedFor,
    memory: LaneMemory,
    poison: unknown,
    now: Date,
  ): Turn {
    const turn = new Turn(this.behaviour.owner, batch, now, memory, this.behaviour.secrets);
    const answered = new Map((loaded.answered ?? []).map(({ command_id, outcome }) => [command_id, outcome]));
    const work = this.behaviour.begin(loaded.loaded, now, loaded.touched, memory.owned.memory);
    turn.remember = (bytesOf) => work.remember?.(bytesOf);
    const nowText = now.toISOString();
    const { elapsedMs } = this;
    const begunMs = elapsedMs();
    let sinceMs = begunMs;
    for (const { message: found, raw } of due) {
      if (sinceMs - begunMs > MAX_DECIDING_MS) break;
      turn.decided++;
      const message = found && isAddressed(found) ? found : null;
      const command = message ? this.understood(message) : undefined;
      const before = message ? (answered.get(message.id) ?? turn.outcomeOf(message.id)) : undefined;
      if (message && before) {
        turn.repeat(message, before);
      } else if (!message || !command || poison !== undefined) {
        const reason = poison ?? new Error(`unknown message type or shape: ${message?.type ?? 'not a message'}`);
        turn.bury(message, raw ?? JSON.stringify(found), reason);
        if (command) work.buried?.(command);
      } else if (isLate(message, nowText)) {
        turn.answer(message, {
          status: 'rejected',
          code: 'unavailable',
          detail: 'The command came too late and was not carried out.',
        });
      } else {
        try {
          const decided = work.decide(command);
          if ('events' in decided) turn.record(message, decided);
          else turn.answer(message, decided);
        } catch (error) {
          turn.bury(message, raw, error);
          work.buried?.(command);
        }
        const nowMs = elapsedMs();
        if (nowMs - sinceMs > SLOW_MS)
          turn.slowMs.set(message.tenant, (turn.slowMs.get(message.tenant) ?? 0) + nowMs - sinceMs);
        sinceMs = nowMs;
      }
    }
    turn.loaded = { bytes: loaded.bytes, rows: loaded.loaded };
    turn.wanted = work.wanted ?? [];
    turn.parts = turn.wanted.length === 0 ? work.rows() : {};
    turn.decidingMs = elapsedMs() - begunMs;
    return turn;
  }

  private async write(
    client: PoolClient,
    batch: BatchToHandle,
    due: BatchToHandle['received'],
    memory: LaneMemory,
    turn: Turn,
    partsToUse?: readonly WritePart[],
  ): Promise<Texts> {
    const rows: Readonly<Record<string, readonly unknown[]>> = {
      ...turn.parts,
      stored_outcomes: turn.outcomes,
      stored_events: turn.events,
    };
    const parts = partsToUse ?? this.parts.filter(({ name }) => (rows[name]?.length ?? 0) > 0);
    const { appended } = turn;
    const texts =
      due.length > 1 ? new Texts(turn.loaded.bytes, this.options.maxBytes) : new Texts(0, MAX_STATEMENT_BYTES);
    const messages = texts.ofAll(appended.map(({ message }) => message));
    const written = parts.map(({ name }) => texts.ofAll(rows[name] ?? []));
    await client.query({
      ...this.writeStatement(parts),
      values: [
        batch.epoch,
        batch.nextOffset,
        this.consumerGroup,
        batch.topic,
        batch.partition,
        memory.position.epoch,
        memory.position.nextOffset,
        appended.map(({ topic }) => topic),
        appended.map(({ partition }) => partition),
        appended.map(({ offset }) => offset),
        appended.map(({ id }) => id),
        messages,
        memory.generation,
        [
          1,
          appended.length,
          ...parts.map((part) => part.written?.(rows[part.name] ?? []) ?? rows[part.name]?.length ?? 0),
        ],
        ...written,
      ],
    });
    return texts;
  }

  /**
   * One statement for each combination of parts that occurs: starting a part that writes nothing would cost a lone
   * command most.
   */
  private writeStatement(parts: readonly WritePart[]): Statement {
    return this.prepared(parts.map(({ name }) => name).join(), () => writeStatement(this.behaviour.owner, parts));
  }

  /** A statement is named after its text: another handler may use the same connections. */
  private prepared(key: string, textOf: () => string): Statement {
    const known = this.statements.get(key);
    if (known) return known;
    const text = textOf();
    const statement = { name: `${this.behaviour.owner}-${hash('sha256', text, 'base64url')}`, text };
    this.statements.set(key, statement);
    return statement;
  }
}

const monotonicMs = (): number => performance.now();

/** A whole turn of the event loop: the first setImmediate alone comes before whatever else has arrived. */
const othersTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Without an id and a tenant a message can neither be answered nor recorded. */
const isAddressed = ({ id, tenant }: Message): boolean => UUID.test(id) && UUID.test(tenant);

/** `now` as ISO 8601, UTC: made once for a batch. */
const isLate = ({ data }: Message, now: string): boolean => now > (data as CommandData<unknown>).expiresAt;
const lateIn = (due: BatchToHandle['received'], at: Date): number => {
  const now = at.toISOString();
  return due.reduce((count, { message }) => (message?.data && isLate(message, now) ? count + 1 : count), 0);
};

/** An error of pure code is the fault of its argument, as much as an error of the database. */
const readable = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw Object.assign(new Error(`a command cannot be read: ${String(error)}`, { cause: error }), {
      code: UNREADABLE,
    });
  }
};
