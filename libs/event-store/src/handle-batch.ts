import { hash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { deadOf, eventsOf, outcomesOf, schemaOf, type CommandData, type Message, type Outcome } from '#contracts';
import type { Behaviour, Command, WritePart } from './behaviour.js';
import { Turn, type AppendedRow, type BatchToHandle, type LaneMemory } from './turn.js';
import { storeParts, writeStatement } from './write-statement.js';

/** Somebody else has moved on: drop everything in memory and load again. */
export class Conflict extends Error {}

/** A batch whose decisions ask for something more after each load. One command asks for all that it needs in three loads at most. */
class Unsettled extends Error {}
const MAX_LOADS = 5;

/** SQLSTATE classes that blame the data and not the way: 22 data exception, 23 integrity, 54 limits; 42846 and the like do not occur. */
const isDataError = (error: unknown): boolean => /^(22|23|54)/.test((error as { code?: string }).code ?? '');
/** SQLSTATE data_exception. */
const UNREADABLE = '22000';
/** A key that exists already: somebody else wrote it (a missed fence), or our memory is wrong. */
const UNIQUE_VIOLATION = '23505';
const FENCE_MISSED = 'MU001';

interface Loaded {
  readonly answered: { readonly command_id: string; readonly outcome: Outcome }[] | null;
  readonly sequences: Record<string, number> | null;
  readonly loaded: unknown;
}
/** A statement that is prepared. */
interface Statement {
  readonly name: string;
  readonly text: string;
}
/** With what it was loaded for. */
type LoadedFor = Loaded & { readonly touched: unknown };

/**
 * THE transaction: a batch of commands of one partition is loaded with one query, decided in memory and written with one
 * statement, guarded by the position row. It commits as a whole or not at all. A decision that turns out to depend on more than its
 * command says (whose e-mail an unlink brings back) is made again after a second load.
 */
export class BatchHandler<C> {
  private readonly memories = new Map<number, LaneMemory>();
  private readonly parts: readonly WritePart[];
  private readonly statements = new Map<string, Statement>();
  private readonly consumerGroup: string;

  constructor(
    private readonly pool: Pool,
    private readonly behaviour: Behaviour<C>,
    private readonly now: () => Date,
    private readonly onDead: (error: unknown, message: Message | null) => void,
  ) {
    const { owner } = behaviour;
    this.consumerGroup = `muster.${owner}`;
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
        if (!isDataError(error) && !(error instanceof Unsettled)) throw error;
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
      const decidedAt = this.now();
      let turn = await this.settled(client, batch, due, memory, poison);
      await batch.appended;
      // Who sent what has expired meanwhile was told that nothing is known of it, and that it is not carried out any more.
      if (lateIn(due, this.now()) > lateIn(due, decidedAt)) turn = await this.settled(client, batch, due, memory, poison);
      await this.write(client, batch, due, memory, turn);
      memory.position = { epoch: batch.epoch, nextOffset: batch.nextOffset };
      for (const row of turn.appended) memory.ends.set(row.topic, row.offset + 1);
      for (const [tenant, sequence] of turn.sequences) memory.sequences.set(tenant, sequence);
      return turn.appended;
    } catch (error) {
      broken = isDataError(error) || isStale(error) || error instanceof Unsettled ? undefined : (error as Error);
      throw error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  }

  private async settled(
    client: PoolClient, batch: BatchToHandle, due: BatchToHandle['received'], memory: LaneMemory, poison: unknown,
  ): Promise<Turn> {
    const wanted: unknown[] = [];
    for (let loads = 1; loads <= MAX_LOADS; loads++) {
      const turn = this.decideAll(batch, due, await this.load(client, due, memory, poison, wanted), memory, poison);
      if (turn.wanted.length === 0) return turn;
      wanted.push(...turn.wanted);
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
    const position = await client.query<{ epoch: string; next_offset: string }>(
      `SELECT epoch, next_offset FROM ${schemaOf(owner)}.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
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
    client: PoolClient, due: BatchToHandle['received'], memory: LaneMemory, poison: unknown, wanted: readonly unknown[],
  ): Promise<LoadedFor> {
    const messages = due.flatMap(({ message }) => (message && isAddressed(message) ? [message] : []));
    const tenants = [...new Set(messages.map(({ tenant }) => tenant))].filter((tenant) => !memory.sequences.has(tenant));
    // A culprit that has been found is not asked what it touches: that may be what the database refused.
    const commands = poison === undefined ? messages.flatMap((message) => this.understood(message) ?? []) : [];
    const touched = this.touched(commands, wanted);
    const { rows } = await client.query<Loaded>({
      ...this.loadStatement(this.behaviour.loadSql(touched)), values: [messages.map(({ id }) => id), tenants, JSON.stringify(touched)],
    });
    const loaded = rows[0]!;
    for (const [tenant, sequence] of Object.entries(loaded.sequences ?? {})) memory.sequences.set(tenant, sequence);
    return { ...loaded, touched };
  }

  private loadStatement(sql: string): Statement {
    const schema = schemaOf(this.behaviour.owner);
    return this.prepared(sql, () => `
      SELECT
        (SELECT json_agg(json_build_object('command_id', o.command_id, 'outcome', o.outcome))
         FROM ${schema}.outcomes o WHERE o.command_id = ANY ($1::uuid[])) AS answered,
        (SELECT json_object_agg(t.tenant, coalesce((SELECT max(e.sequence) FROM ${schema}.events e WHERE e.tenant = t.tenant), 0))
         FROM unnest($2::uuid[]) AS t(tenant)) AS sequences,
        (${sql.replaceAll('$json', '$3::json')}) AS loaded`);
  }

  /** What cannot be looked at is as much the fault of its content as what the database refuses. */
  private touched(commands: readonly Command<C>[], wanted: readonly unknown[]): unknown {
    try {
      return this.behaviour.touches(commands, wanted);
    } catch (error) {
      throw Object.assign(new Error(`a command cannot be read: ${String(error)}`, { cause: error }), { code: UNREADABLE });
    }
  }

  /** The command in a message, or nothing when its type or shape is none that this owner knows. */
  private understood(message: Message): Command<C> | undefined {
    if (!this.behaviour.commandTypes.has(message.type)) return undefined;
    const data = message.data as CommandData<C> | null | undefined;
    if (typeof data?.command !== 'object' || data.command === null) return undefined;
    return { id: message.id, tenant: message.tenant, directory: message.directory, command: data.command };
  }

  private decideAll(
    batch: BatchToHandle, due: BatchToHandle['received'], loaded: LoadedFor, memory: LaneMemory, poison: unknown,
  ): Turn {
    const now = this.now();
    const turn = new Turn(this.behaviour.owner, batch, now, memory);
    const answered = new Map((loaded.answered ?? []).map(({ command_id, outcome }) => [command_id, outcome]));
    const work = this.behaviour.begin(loaded.loaded, now, loaded.touched);
    for (const { message: found, raw } of due) {
      const message = found && isAddressed(found) ? found : null;
      const command = message ? this.understood(message) : undefined;
      const before = message ? (answered.get(message.id) ?? turn.outcomeOf(message.id)) : undefined;
      if (message && before) {
        turn.repeat(message, before);
      } else if (!message || !command || poison !== undefined) {
        turn.bury(message, raw ?? JSON.stringify(found), poison ?? new Error(`unknown message type or shape: ${message?.type ?? 'not a message'}`));
        this.onDead(poison, message);
      } else if (isLate(message, now)) {
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
    turn.wanted = work.wanted ?? [];
    turn.parts = turn.wanted.length === 0 ? work.rows() : {};
    return turn;
  }

  private async write(client: PoolClient, batch: BatchToHandle, due: BatchToHandle['received'], memory: LaneMemory, turn: Turn): Promise<void> {
    const rows: Readonly<Record<string, readonly unknown[]>> = { ...turn.parts, stored_outcomes: turn.outcomes, stored_events: turn.events };
    const parts = this.parts.filter(({ name }) => (rows[name]?.length ?? 0) > 0);
    const { appended } = turn;
    const last = due[due.length - 1]!;
    await client.query({
      ...this.writeStatement(parts),
      values: [
        batch.epoch, batch.nextOffset, this.consumerGroup, batch.topic, batch.partition, memory.position.epoch, memory.position.nextOffset,
        appended.map(({ topic }) => topic), appended.map(({ partition }) => partition), appended.map(({ offset }) => offset),
        appended.map(({ id }) => id), appended.map(({ message, stored }) => JSON.stringify(stored ?? message)),
        batch.appended && last.message && isAddressed(last.message) ? last.message.id : null, last.offset,
        ...parts.flatMap(({ name }) => [JSON.stringify(rows[name]), rows[name]!.length]),
      ],
    });
  }

  /** One for each combination of parts that occurs: starting a part that writes nothing would cost a lone command most. */
  private writeStatement(parts: readonly WritePart[]): Statement {
    return this.prepared(parts.map(({ name }) => name).join(), () => writeStatement(this.behaviour.owner, parts));
  }

  /** Named after its text: another handler may use the same connections. */
  private prepared(key: string, textOf: () => string): Statement {
    const known = this.statements.get(key);
    if (known) return known;
    const text = textOf();
    const statement = { name: `${this.behaviour.owner}-${hash('sha256', text, 'base64url')}`, text };
    this.statements.set(key, statement);
    return statement;
  }
}

const ignore = (): void => undefined;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Without an id and a tenant a message can neither be answered nor recorded. */
const isAddressed = ({ id, tenant }: Message): boolean => UUID.test(id) && UUID.test(tenant);

const isLate = ({ data }: Message, now: Date): boolean => now.toISOString() > (data as CommandData<unknown>).expiresAt;
const lateIn = (due: BatchToHandle['received'], now: Date): number => due.filter(({ message }) => message?.data && isLate(message, now)).length;

const isStale = (error: unknown): boolean => {
  const { code } = error as { code?: string };
  return code === FENCE_MISSED || code === UNIQUE_VIOLATION;
};
