import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import {
  OUTCOME_TYPE, deadOf, eventsOf, outcomesOf,
  type CommandData, type EventData, type Message, type Outcome, type OutcomeData, type Owner,
} from '#contracts';

/** One command of a batch, as a decision sees it. */
export interface Command<C> {
  readonly id: string;
  readonly tenant: string;
  readonly directory: string | null;
  readonly command: C;
}

/** Facts that a decision made, about one stream. */
export interface NewEvent<E> {
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly event: E;
  /** What the store keeps readable, and what it keeps sealed with the person's key (`personal` is ciphertext already). */
  readonly stored: { readonly data: unknown; readonly personal: string | null };
}

export interface Decision<E> {
  readonly events: readonly NewEvent<E>[];
  readonly outcome: Outcome;
}

/** Rows for one table: `sql` is an INSERT, UPDATE or DELETE that ends in RETURNING and reads its rows from the parameter. */
export interface WritePart {
  readonly name: string;
  sql(parameter: string): string;
}

/**
 * What an owner brings to the transaction. `begin` gets what was loaded and returns the working set of one batch: decisions are
 * applied to it at once, so that the next command of the batch sees them, and its rows are written at the end.
 */
export interface Behaviour<C> {
  readonly owner: Owner;
  /** Wire type → command, for the versions that this owner knows. */
  readonly commandTypes: ReadonlySet<string>;
  /** A SELECT that returns one row with one json column named `loaded`; its only parameter is what `touches` returns, as json. */
  readonly loadSql: string;
  touches(commands: readonly Command<C>[]): unknown;
  readonly parts: readonly WritePart[];
  begin(loaded: unknown, now: Date): WorkingSet<C>;
}

export interface WorkingSet<C> {
  /** Throws Rejected for what a client did wrong; anything else that it throws is poison. */
  decide(command: Command<C>): Decision<unknown>;
  /** The rows of each part, by its name. */
  rows(): Readonly<Record<string, readonly unknown[]>>;
}

/** The part of the log that the transaction needs; handed in, because event store and log do not know each other. */
export interface BatchToHandle {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: string;
  readonly received: readonly { readonly offset: number; readonly message: Message | null; readonly raw?: string }[];
  readonly nextOffset: number;
  readonly checkHeld: boolean;
}

/** A row of the Postgres log that this transaction appended. */
export interface AppendedRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly message: Message;
}

/** Somebody else has moved on, or the log lost what it handed over: drop everything in memory and load again. */
export class Conflict extends Error {}

/** SQLSTATE classes that blame the data and not the way: 22 data exception, 23 integrity, 54 limits; 42846 and the like do not occur. */
const isDataError = (error: unknown): boolean => /^(22|23|54)/.test((error as { code?: string }).code ?? '');
/** A key that exists already: somebody else wrote it (a missed fence), or our memory is wrong. */
const UNIQUE_VIOLATION = '23505';
const FENCE_MISSED = 'MU001';

/** What one partition's only writer remembers between batches; thrown away after any fault. */
interface LaneMemory {
  position: { epoch: string; nextOffset: number };
  readonly ends: Map<string, number>;
  readonly sequences: Map<string, number>;
}

interface Loaded {
  readonly answered: { readonly command_id: string; readonly outcome: Outcome }[] | null;
  readonly sequences: Record<string, number> | null;
  readonly held: boolean | null;
  readonly loaded: unknown;
}

/**
 * THE transaction: a batch of commands of one partition is loaded with one query, decided in memory and written with one
 * statement, guarded by the position row. It commits as a whole or not at all.
 */
export class BatchHandler<C> {
  private readonly memories = new Map<number, LaneMemory>();
  private readonly loadText: string;
  private readonly parts: readonly WritePart[];
  private readonly writeStatements = new Map<string, { readonly name: string; readonly text: string }>();
  private readonly consumerGroup: string;

  constructor(
    private readonly pool: Pool,
    private readonly behaviour: Behaviour<C>,
    private readonly now: () => Date,
    private readonly onDead: (error: unknown, message: Message | null) => void,
  ) {
    const { owner } = behaviour;
    this.consumerGroup = `muster.${owner}`;
    this.loadText = `
      SELECT
        (SELECT json_agg(json_build_object('command_id', o.command_id, 'outcome', o.outcome))
         FROM ${owner}.outcomes o WHERE o.command_id = ANY ($1::uuid[])) AS answered,
        (SELECT json_object_agg(t.tenant, coalesce((SELECT max(e.sequence) FROM ${owner}.events e WHERE e.tenant = t.tenant), 0))
         FROM unnest($2::uuid[]) AS t(tenant)) AS sequences,
        CASE WHEN $3::uuid IS NULL THEN true ELSE log.holds($4, $5, $6, $3) END AS held,
        (${behaviour.loadSql.replaceAll('$json', '$7::json')}) AS loaded`;
    this.parts = [...storeParts(owner), ...behaviour.parts];
  }

  /** Returns the rows of the log that were committed, in order. Throws when the way is at fault (never for content). */
  async handle(batch: BatchToHandle): Promise<readonly AppendedRow[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt(batch);
      } catch (error) {
        this.memories.delete(batch.partition);
        if (attempt < 3 && isStale(error)) continue;
        if (!isDataError(error)) throw error;
        if (batch.received.length === 1) return await this.attempt(batch, error);
        return await this.bisect(batch);
      }
    }
  }

  /** Forgets what it knows about a partition: after a rebalance somebody else may have written. */
  forget(partition: number): void {
    this.memories.delete(partition);
  }

  /** Where the consumer of this owner goes on. */
  async position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    return (await this.memory(this.pool, partition, true)).position;
  }

  /** Finds the culprit: the halves are transactions of their own, the healthy ones succeed. */
  private async bisect(batch: BatchToHandle): Promise<readonly AppendedRow[]> {
    const middle = batch.received.length >> 1;
    const first = batch.received.slice(0, middle);
    const rows = await this.handle({ ...batch, received: first, nextOffset: first[first.length - 1]!.offset + 1 });
    return [...rows, ...(await this.handle({ ...batch, received: batch.received.slice(middle) }))];
  }

  private async attempt(batch: BatchToHandle, poison?: unknown): Promise<readonly AppendedRow[]> {
    // Load and write on one connection: a crash of the database in between breaks it, and nothing is written on old knowledge.
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // A connection that breaks while it is lent out tells its query; without a listener the event would end the process.
    client.on('error', ignore);
    try {
      const memory = await this.memory(client, batch.partition);
      const due = this.due(batch, memory);
      if (due.length === 0) return [];
      const loaded = await this.load(client, batch, due, memory, poison);
      const turn = this.decideAll(batch, due, loaded, memory, poison);
      await this.write(client, batch, memory, turn);
      memory.position = { epoch: batch.epoch, nextOffset: batch.nextOffset };
      for (const row of turn.appended) memory.ends.set(row.topic, row.offset + 1);
      for (const [tenant, sequence] of turn.sequences) memory.sequences.set(tenant, sequence);
      return turn.appended;
    } catch (error) {
      broken = isDataError(error) || isStale(error) ? undefined : (error as Error);
      throw error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
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
    const position = await client.query<{ epoch: string; next_offset: string }>(
      `SELECT epoch, next_offset FROM ${owner}.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
      [this.consumerGroup, topic, partition],
    );
    const row = position.rows[0];
    if (!row) throw new Error(`No position row for ${topic}/${partition}: the database is not migrated.`);
    const ends = await client.query<{ topic: string; next_offset: string }>(
      'SELECT topic, next_offset FROM log.ends($1) WHERE partition = $2',
      [[outcomesOf(owner), eventsOf(owner), deadOf(topic)], partition],
    );
    const memory: LaneMemory = {
      position: { epoch: row.epoch, nextOffset: Number(row.next_offset) },
      ends: new Map(ends.rows.map((end) => [end.topic, Number(end.next_offset)])),
      sequences: new Map(),
    };
    this.memories.set(partition, memory);
    return memory;
  }

  private async load(
    client: PoolClient, batch: BatchToHandle, due: BatchToHandle['received'], memory: LaneMemory, poison: unknown,
  ): Promise<Loaded> {
    const messages = due.flatMap(({ message }) => (message && isAddressed(message) ? [message] : []));
    const tenants = [...new Set(messages.map(({ tenant }) => tenant))].filter((tenant) => !memory.sequences.has(tenant));
    // A culprit that has been found is not asked what it touches: that may be what the database refused.
    const commands = poison === undefined ? messages.flatMap((message) => this.understood(message) ?? []) : [];
    const last = due[due.length - 1]!;
    const { rows } = await client.query<Loaded>({
      name: `${this.behaviour.owner}-load`,
      text: this.loadText,
      values: [
        messages.map(({ id }) => id), tenants,
        batch.checkHeld && last.message && isAddressed(last.message) ? last.message.id : null, batch.topic, batch.partition, last.offset,
        JSON.stringify(this.behaviour.touches(commands)),
      ],
    });
    const loaded = rows[0]!;
    if (!loaded.held) throw new Conflict(`${batch.topic}/${batch.partition} no longer holds offset ${last.offset}`);
    for (const [tenant, sequence] of Object.entries(loaded.sequences ?? {})) memory.sequences.set(tenant, sequence);
    return loaded;
  }

  /** The command in a message, or nothing when its type or shape is none that this owner knows. */
  private understood(message: Message): Command<C> | undefined {
    if (!this.behaviour.commandTypes.has(message.type)) return undefined;
    const data = message.data as CommandData<C> | null | undefined;
    if (typeof data?.command !== 'object' || data.command === null) return undefined;
    return { id: message.id, tenant: message.tenant, directory: message.directory, command: data.command };
  }

  private decideAll(
    batch: BatchToHandle, due: BatchToHandle['received'], loaded: Loaded, memory: LaneMemory, poison: unknown,
  ): Turn {
    const now = this.now();
    const turn = new Turn(this.behaviour.owner, batch, now, memory);
    const answered = new Map((loaded.answered ?? []).map(({ command_id, outcome }) => [command_id, outcome]));
    const work = this.behaviour.begin(loaded.loaded, now);
    for (const { message: found, raw } of due) {
      const message = found && isAddressed(found) ? found : null;
      const command = message ? this.understood(message) : undefined;
      const before = message ? (answered.get(message.id) ?? turn.outcomeOf(message.id)) : undefined;
      if (message && before) {
        turn.repeat(message, before);
      } else if (!message || !command || poison !== undefined) {
        turn.bury(message, raw ?? JSON.stringify(found), poison ?? new Error(`unknown message type or shape: ${message?.type ?? 'not a message'}`));
        this.onDead(poison, message);
      } else if (now.toISOString() > (message.data as CommandData<C>).expiresAt) {
        turn.answer(message, { status: 'rejected', code: 'unavailable', detail: 'The command came too late and was not carried out.' });
      } else {
        try {
          const decision = work.decide(command);
          turn.record(message, decision);
        } catch (error) {
          const rejected = error as { code?: unknown; detail?: unknown; name?: string };
          if (rejected.name === 'Rejected') {
            turn.answer(message, { status: 'rejected', code: rejected.code, detail: rejected.detail } as Outcome);
          } else {
            turn.bury(message, raw, error);
            this.onDead(error, message);
          }
        }
      }
    }
    turn.parts = work.rows();
    return turn;
  }

  private async write(client: PoolClient, batch: BatchToHandle, memory: LaneMemory, turn: Turn): Promise<void> {
    const rows: Readonly<Record<string, readonly unknown[]>> = { ...turn.parts, stored_outcomes: turn.outcomes, stored_events: turn.events };
    const parts = this.parts.filter(({ name }) => (rows[name]?.length ?? 0) > 0);
    const { appended } = turn;
    await client.query({
      ...this.writeStatement(parts),
      values: [
        batch.epoch, batch.nextOffset, this.consumerGroup, batch.topic, batch.partition, memory.position.epoch, memory.position.nextOffset,
        appended.map(({ topic }) => topic), appended.map(({ partition }) => partition), appended.map(({ offset }) => offset),
        appended.map(({ id }) => id), appended.map(({ message }) => JSON.stringify(message)),
        ...parts.map(({ name }) => JSON.stringify(rows[name])),
      ],
    });
  }

  /** Prepared once for each combination of parts that occurs: starting a part that writes nothing would cost a lone command most. */
  private writeStatement(parts: readonly WritePart[]): { readonly name: string; readonly text: string } {
    const key = parts.map(({ name }) => this.parts.findIndex((part) => part.name === name)).join('-');
    const known = this.writeStatements.get(key);
    if (known) return known;
    const { owner } = this.behaviour;
    const statement = { name: `${owner}-write-${key}`, text: writeStatement(owner, parts) };
    this.writeStatements.set(key, statement);
    return statement;
  }
}

const ignore = (): void => undefined;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Without an id and a tenant a message can neither be answered nor recorded. */
const isAddressed = ({ id, tenant }: Message): boolean => UUID.test(id) && UUID.test(tenant);

const isStale = (error: unknown): boolean => {
  const { code } = error as { code?: string };
  return code === FENCE_MISSED || code === UNIQUE_VIOLATION;
};

/** One round of a lane: numbers what is decided, in memory. */
class Turn {
  readonly outcomes: { command_id: string; tenant: string; outcome: Outcome; recorded_at: Date }[] = [];
  readonly events: Record<string, unknown>[] = [];
  readonly appended: AppendedRow[] = [];
  readonly sequences = new Map<string, number>();
  parts: Readonly<Record<string, readonly unknown[]>> = {};
  private readonly answered = new Map<string, Outcome>();
  private readonly ends: Map<string, number>;

  constructor(
    private readonly owner: Owner, private readonly batch: BatchToHandle, private readonly now: Date,
    private readonly memory: LaneMemory,
  ) {
    this.ends = new Map(memory.ends);
  }

  outcomeOf(commandId: string): Outcome | undefined {
    return this.answered.get(commandId);
  }

  /** A command that was delivered twice answers the same; the outcome is stored once and published again. */
  repeat(command: Message, outcome: Outcome): void {
    this.publishOutcome(command, outcome);
  }

  answer(command: Message, outcome: Outcome): void {
    this.answered.set(command.id, outcome);
    this.outcomes.push({ command_id: command.id, tenant: command.tenant, outcome, recorded_at: this.now });
    this.publishOutcome(command, outcome);
  }

  record(command: Message, { events, outcome }: Decision<unknown>): void {
    for (const { stream, version, type, event, stored } of events) {
      const sequence = (this.sequences.get(command.tenant) ?? this.memory.sequences.get(command.tenant) ?? 0) + 1;
      this.sequences.set(command.tenant, sequence);
      const { actor } = command.data as CommandData<unknown>;
      this.events.push({
        tenant: command.tenant, sequence, stream, version, type, recorded_at: this.now, command_id: command.id,
        correlation_id: command.correlationId, actor, directory: command.directory, ...stored,
      });
      const data: EventData<unknown> = { sequence, version, actor, event };
      this.append(eventsOf(this.owner), { ...this.envelope(command, type, stream), data });
    }
    this.answer(command, outcome);
  }

  /** What cannot be handled goes to the dead letters with its reason, and its sender is told 500. */
  bury(message: Message | null, raw: string | undefined, reason: unknown): void {
    const cause = message ?? {
      id: randomUUID(), type: 'unreadable', source: 'unknown', subject: '', time: this.now.toISOString(), tenant: 'system',
      directory: null, correlationId: '', causationId: null, data: null,
    };
    this.append(deadOf(this.batch.topic), {
      ...this.envelope(cause, 'muster.dead.v1', cause.subject),
      // As text, twice encoded: what the database refused as data must not be refused again.
      data: { reason: String(reason), message: Buffer.from(raw ?? JSON.stringify(message)).toString('base64') },
    });
    if (message) {
      this.answer(message, {
        status: 'rejected', code: 'internal', detail: 'The request could not be carried out; it was set aside for examination.',
      });
    }
  }

  private publishOutcome(command: Message, outcome: Outcome): void {
    const data: OutcomeData = { commandId: command.id, outcome };
    this.append(outcomesOf(this.owner), { ...this.envelope(command, OUTCOME_TYPE, command.subject), data });
  }

  private envelope(cause: Message, type: string, subject: string): Omit<Message, 'data'> {
    const { tenant, directory, correlationId } = cause;
    return {
      id: randomUUID(), type, source: `muster/${this.owner}`, subject, time: this.now.toISOString(), tenant, directory,
      correlationId, causationId: cause.id,
    };
  }

  private append(topic: string, message: Message): void {
    const offset = this.ends.get(topic) ?? 0;
    this.ends.set(topic, offset + 1);
    this.appended.push({ topic, partition: this.batch.partition, offset, id: message.id, message });
  }
}

/** The parts that every owner has. */
const storeParts = (owner: Owner): readonly WritePart[] => [
  {
    name: 'stored_outcomes',
    sql: (rows) => `INSERT INTO ${owner}.outcomes SELECT r.* FROM json_to_recordset(${rows})
      AS r(command_id uuid, tenant uuid, outcome json, recorded_at timestamptz) RETURNING 1`,
  },
  {
    name: 'stored_events',
    sql: (rows) => `INSERT INTO ${owner}.events SELECT r.* FROM json_to_recordset(${rows})
      AS r(tenant uuid, sequence bigint, stream uuid, version int, type text, recorded_at timestamptz, command_id uuid,
        correlation_id text, actor text, directory uuid, data json, personal text) RETURNING 1`,
  },
];

/** Parameters before those of the parts: the position, then the messages as arrays. */
const FIRST_PART_PARAMETER = 13;

/**
 * One statement for everything. Its parts are CTEs, which do not see each other's effects and run in no promised order: each row
 * is written by one of them only, and log.expect undoes the whole unless each wrote what it should have.
 */
const writeStatement = (owner: Owner, parts: readonly WritePart[]): string => {
  const all = parts.map((part, index) => ({ ...part, rows: `$${index + FIRST_PART_PARAMETER}::json` }));
  const written = all.map(({ name, sql, rows }) => `${name} AS (${sql(rows)})`);
  const expected = all.map(({ name, rows }) => `log.expect('${name}', (SELECT count(*) FROM ${name}), json_array_length(${rows}))`);
  return `
    WITH ${[
      `moved AS (
      UPDATE ${owner}.positions SET epoch = $1, next_offset = $2
      WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 RETURNING 1
    )`, ...written].join(',\n')}
    SELECT ${[
      "log.expect('position', (SELECT count(*) FROM moved), 1)",
      "log.expect('messages', log.append($8, $9, $10, $11, $12::json[]), cardinality($12::json[]))", ...expected].join(',\n')}`;
};
