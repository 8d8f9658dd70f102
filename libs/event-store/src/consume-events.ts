import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { deadEventsOf, eventsOf, schemaOf, type Message, type Owner } from '#contracts';
import type { WritePart } from './behaviour.js';
import { blameOf, Conflict, TooMuch, UNREADABLE } from './blame.js';
import { consumedFrom, eventsBetween, type ConsumedEvent } from './consumed-event.js';
import type { LaneWatch } from './lane-watch.js';
import { consumerGroupOf, readPosition } from './positions.js';
import { consumeStatement, type Dead } from './consume-statement.js';
import type { AppendedRow, BatchToHandle } from './turn.js';

/** Events cause commands, which are published before the position moves: at least once, under the same ids. */
export interface Reaction {
  /**
   * The commands that an event causes, mostly none; their ids come from `causedId`. An event for which it throws is
   * poison.
   */
  readonly react: (event: ConsumedEvent) => readonly Message[];
  readonly publish: (messages: readonly Message[]) => Promise<void>;
}

/** Events become rows, which are written with the position in one transaction: exactly once. */
export interface Recording {
  /** The tables that are written. */
  readonly parts: readonly WritePart[];
  /**
   * Loads the state that the rows depend on. Nobody else writes it: a partition has one reader. Its errors are those of
   * the database.
   */
  readonly load?: (pool: Pool, events: readonly ConsumedEvent[]) => Promise<unknown>;
  /** The rows of each part, by its name. An event for which it throws is poison. */
  readonly rows: (events: readonly ConsumedEvent[], loaded: unknown) => Rows;
}
type Rows = Readonly<Record<string, readonly unknown[]>>;

export interface EventConsumerOptions {
  /** The owner that consumes: its schema holds the position. */
  readonly owner: Owner;
  /** The owner of these events. */
  readonly source: Owner;
  readonly takes: Reaction | Recording;
  /** A message that is no event. It is skipped: the sequence of the next one tells what is missing. */
  readonly onUnreadable: (message: Message | null) => void;
  /** An event that cannot be taken. It is set aside: its dead letter is written with the position. */
  readonly onDead: (error: unknown, event: ConsumedEvent) => void;
  /** Dead letters that have been written: the log hands them on. */
  readonly onCommitted: (rows: readonly AppendedRow[]) => void;
  readonly watch?: LaneWatch;
}

/**
 * Reading some again after a crash costs little, a write for each batch of events would cost every command of the
 * source.
 */
const SAVE_EVERY_MS = 1_000;
/** The rows of one statement. */
const MAX_ROWS_CHARACTERS = 8 * 1_048_576;
const MAX_DEAD_CHARACTERS = 1_048_576;

/** The memory of the only reader of a partition; thrown away after any fault. */
interface Memory {
  position: { epoch: string; nextOffset: number };
  /** The position as it is in the database. */
  saved: { epoch: string; nextOffset: number };
  savedAtMs: number;
  /** Tenant → the last sequence. */
  readonly reached: Map<string, number>;
  readonly unsaved: Set<string>;
}

/** The rows of a part, as they are sent. */
interface Written {
  readonly part: WritePart;
  readonly text: string;
  readonly count: number;
}

/** The rows that are written with a position. */
interface Effects {
  readonly written?: readonly Written[];
  readonly dead?: readonly Dead[];
  /** The messages that have been taken with it. */
  readonly events?: readonly ConsumedEvent[];
}

/**
 * Reads the events of another owner, each in its order, none left out and none twice: an event that the log repeats is
 * dropped by (tenant, sequence), an event that it has lost is read from the owner's store.
 */
export class EventConsumer {
  private readonly consumerGroup: string;
  private readonly memories = new Map<number, Memory>();

  constructor(
    private readonly pool: Pool,
    private readonly options: EventConsumerOptions,
  ) {
    this.consumerGroup = consumerGroupOf(options.owner);
  }

  /**
   * The position from which it goes on. It is asked when a partition is opened, because somebody else may have moved
   * it.
   */
  async position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    const { owner, source } = this.options;
    const { epoch, nextOffset } = await readPosition(this.pool, owner, eventsOf(source), partition);
    const position = { epoch, nextOffset };
    this.memories.set(partition, {
      position,
      saved: position,
      savedAtMs: performance.now(),
      reached: new Map(),
      unsaved: new Set(),
    });
    return position;
  }

  /** Throws on infrastructure faults, never for the content of a message. */
  async handle(batch: BatchToHandle): Promise<void> {
    try {
      const { watch } = this.options;
      await (watch
        ? watch.during(`${batch.topic}/${batch.partition} for ${this.options.owner}`, (progress) =>
            this.attempt(batch, progress),
          )
        : this.attempt(batch));
    } catch (error) {
      this.memories.delete(batch.partition);
      throw error;
    }
  }

  private async attempt(batch: BatchToHandle, progress = (): void => undefined): Promise<void> {
    const { partition, epoch, nextOffset } = batch;
    if (!this.memories.has(partition)) await this.position(partition);
    const memory = this.memories.get(partition)!;
    const { position, reached } = memory;
    const due =
      position.epoch === epoch ? batch.received.filter(({ offset }) => offset >= position.nextOffset) : batch.received;
    const received = due.flatMap(({ message }): ConsumedEvent[] => {
      const event = consumedFrom(message);
      if (!event) this.options.onUnreadable(message);
      return event ? [event] : [];
    });
    await this.remember(reached, received);
    const take = async (events: readonly ConsumedEvent[]): Promise<boolean> => {
      if (events.length === 0) return false;
      const wrote = await this.take(partition, memory, events);
      progress();
      return wrote;
    };
    let events: ConsumedEvent[] = [];
    for (const event of received) {
      const last = events.findLast(({ tenant }) => tenant === event.tenant)?.sequence ?? reached.get(event.tenant)!;
      if (event.sequence <= last) continue;
      if (event.sequence > last + 1) {
        await take(events);
        events = [];
        for await (const page of eventsBetween(this.pool, this.options.source, event.tenant, last, event.sequence)) {
          // The position stays until the batch is done; an event that comes again is dropped by its sequence.
          if (!(await take(page))) await this.save(partition, memory, {});
        }
      }
      events.push(event);
    }
    memory.position = { epoch, nextOffset };
    const wrote = await take(events);
    if (!wrote && performance.now() - memory.savedAtMs >= SAVE_EVERY_MS) await this.save(partition, memory, {});
  }

  private async remember(reached: Map<string, number>, received: readonly ConsumedEvent[]): Promise<void> {
    const tenants = [...new Set(received.map(({ tenant }) => tenant))].filter((tenant) => !reached.has(tenant));
    if (tenants.length === 0) return;
    const { owner, source } = this.options;
    const { rows } = await this.pool.query<{ tenant: string; sequence: string }>(
      `SELECT tenant, sequence FROM ${schemaOf(owner)}.consumed WHERE tenant = ANY ($1::uuid[]) AND owner = $2`,
      [tenants, source],
    );
    for (const tenant of tenants) reached.set(tenant, 0);
    for (const { tenant, sequence } of rows) reached.set(tenant, Number(sequence));
  }

  /** Carries out the effects of events, in their order. Returns whether the position has been written. */
  private async take(partition: number, memory: Memory, events: readonly ConsumedEvent[]): Promise<boolean> {
    const { takes } = this.options;
    if ('rows' in takes) {
      await this.record(partition, memory, events, takes);
      return true;
    }
    const dead: Dead[] = [];
    const messages = events.flatMap((event) => {
      try {
        return takes.react(event);
      } catch (error) {
        dead.push(this.deadLetter(error, event));
        return [];
      }
    });
    if (messages.length > 0) await takes.publish(messages);
    reach(memory, events);
    if (messages.length === 0 && dead.length === 0) return false;
    await this.save(partition, memory, { dead });
    return true;
  }

  /** One transaction as a rule. A batch with poison is divided until that is alone, and set aside. */
  private async record(
    partition: number,
    memory: Memory,
    events: readonly ConsumedEvent[],
    recording: Recording,
  ): Promise<void> {
    const { position } = memory;
    for (let wasUnsure = false; ;) {
      try {
        const loaded = await recording.load?.(this.pool, events);
        return await this.save(partition, memory, { written: writtenOf(recording, events, loaded), events });
      } catch (error) {
        const blame = blameOf(error);
        if (blame === 'infrastructure' || error instanceof Conflict) throw error;
        if (events.length > 1) {
          const middle = events.length >> 1;
          // Only the last piece moves the position.
          memory.position = memory.saved;
          await this.record(partition, memory, events.slice(0, middle), recording);
          memory.position = position;
          return await this.record(partition, memory, events.slice(middle), recording);
        }
        // A locked table looks the same: this throws unless each table can be read and written, and tries once more.
        if (blame === 'unsure' && !wasUnsure) {
          memory.position = memory.saved;
          await recording.load?.(this.pool, []);
          const written = recording.parts.map((part) => ({ part, text: '[]', count: 0 }));
          await this.save(partition, memory, { written });
          memory.position = position;
          wasUnsure = true;
          continue;
        }
        return await this.save(partition, memory, { dead: [this.deadLetter(error, events[0]!)], events });
      }
    }
  }

  private async save(
    partition: number,
    memory: Memory,
    { written = [], dead = [], events = [] }: Effects,
  ): Promise<void> {
    const { owner, source } = this.options;
    const { position, saved, reached } = memory;
    const now = new Map([...memory.unsaved].map((tenant) => [tenant, reached.get(tenant)!]));
    for (const { tenant, sequence } of events) now.set(tenant, sequence);
    const parts = written.map(({ part }) => part);
    const topic = deadEventsOf(owner, source);
    let firstDead: number;
    try {
      const { rows } = await this.pool.query<{ first_dead?: string | null }>({
        ...consumeStatement(owner, source, parts, dead.length > 0),
        values: [
          position.epoch,
          position.nextOffset,
          this.consumerGroup,
          eventsOf(source),
          partition,
          saved.epoch,
          saved.nextOffset,
          source,
          [...now.keys()],
          [...now.values()],
          [1, now.size, ...written.map(({ count }) => count)],
          ...(dead.length > 0 ? [topic, dead.map(({ id }) => id), dead.map((one) => JSON.stringify(one))] : []),
          ...written.map(({ text }) => text),
        ],
      });
      firstDead = Number(rows[0]!.first_dead ?? 0);
    } catch (error) {
      if (!(error as Error).message.startsWith('write statement: position ')) throw error;
      throw new Conflict(`somebody else has moved the position of ${eventsOf(source)}/${partition}`);
    }
    for (const [tenant, sequence] of now) reached.set(tenant, sequence);
    memory.saved = position;
    memory.savedAtMs = performance.now();
    memory.unsaved.clear();
    if (dead.length === 0) return;
    this.options.onCommitted(
      dead.map((message, index) => ({ topic, partition, offset: firstDead + index, id: message.id, message })),
    );
  }

  private deadLetter(error: unknown, event: ConsumedEvent): Dead {
    this.options.onDead(error, event);
    const { tenant, stream: subject, directory, correlationId, causationId } = event;
    return {
      id: randomUUID(),
      type: 'muster.dead.v1',
      source: `muster/${this.options.owner}`,
      subject,
      time: event.recordedAt,
      tenant,
      directory,
      correlationId,
      causationId,
      data: {
        reason: String(error).slice(0, MAX_DEAD_CHARACTERS),
        message: Buffer.from(JSON.stringify(event).slice(0, MAX_DEAD_CHARACTERS)).toString('base64'),
      },
    };
  }
}

/** These have been taken: the next write says so. */
const reach = ({ reached, unsaved }: Memory, events: readonly ConsumedEvent[]): void => {
  for (const { tenant, sequence } of events) {
    reached.set(tenant, sequence);
    unsaved.add(tenant);
  }
};

/** An error of pure code is the fault of its argument. */
const writtenOf = (
  { parts, rows }: Recording,
  events: readonly ConsumedEvent[],
  loaded: unknown,
): readonly Written[] => {
  let made: readonly Written[];
  try {
    const all = rows(events, loaded);
    made = parts.flatMap((part): Written[] => {
      const mine = all[part.name] ?? [];
      if (mine.length === 0) return [];
      return [{ part, text: JSON.stringify(mine), count: part.written?.(mine) ?? mine.length }];
    });
  } catch (error) {
    throw Object.assign(new Error(`an event cannot be recorded: ${String(error)}`, { cause: error }), {
      code: UNREADABLE,
    });
  }
  const characters = made.reduce((sum, { text }) => sum + text.length, 0);
  if (events.length > 1 && characters > MAX_ROWS_CHARACTERS)
    throw new TooMuch('more is to be written than one statement takes', characters, MAX_ROWS_CHARACTERS);
  return made;
};
