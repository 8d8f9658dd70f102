import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { eventsOf, eventsViewOf, schemaOf, type EventData, type Message, type Owner } from '#contracts';
import { Conflict } from './blame.js';
import type { LaneWatch } from './lane-watch.js';
import type { BatchToHandle } from './turn.js';

/** An event of another owner, as far as a consumer needs it. */
export interface ConsumedEvent {
  readonly tenant: string;
  /** Dense for each tenant. */
  readonly sequence: number;
  readonly type: string;
  /** The aggregate that it is about. */
  readonly stream: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly correlationId: string;
}

export interface EventConsumerOptions {
  /** The owner that consumes: its schema holds the position. */
  readonly owner: Owner;
  /** The owner whose events these are. */
  readonly source: Owner;
  /**
   * The messages that these events cause, as commands to the consumer itself; their ids come from `causedId`, so that
   * once more is no more.
   */
  readonly react: (events: readonly ConsumedEvent[]) => readonly Message[];
  readonly publish: (messages: readonly Message[]) => Promise<void>;
  /** A message that is no event. It is skipped: the sequence of the next one tells what is missing. */
  readonly onUnreadable: (message: Message | null) => void;
  readonly watch?: LaneWatch;
}

const GAP_PAGE_EVENTS = 1_000;
/**
 * Reading some again after a crash costs little, a write for each batch of events would cost every command of the
 * source.
 */
const SAVE_EVERY_MS = 1_000;

/** The memory of the only reader of a partition; thrown away after any fault. */
interface Memory {
  position: { epoch: string; nextOffset: number };
  /** As it is in the database. */
  saved: { epoch: string; nextOffset: number };
  savedAtMs: number;
  /** Tenant → the last sequence. */
  readonly reached: Map<string, number>;
  readonly unsaved: Set<string>;
}

/**
 * Reads the events of another owner, each in its order, none left out: what the log repeats is dropped by (tenant,
 * sequence), what it has lost is read from the owner's store. The messages that they cause are published before the
 * position moves, and therefore at least once.
 */
export class EventConsumer {
  private readonly consumerGroup: string;
  private readonly memories = new Map<number, Memory>();

  constructor(
    private readonly pool: Pool,
    private readonly options: EventConsumerOptions,
  ) {
    this.consumerGroup = `muster.${options.owner}`;
  }

  /** Where it goes on: asked when a partition is opened, which is when somebody else may have moved. */
  async position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    const { owner, source } = this.options;
    const { rows } = await this.pool.query<{ epoch: string; next_offset: string }>(
      `SELECT epoch, next_offset FROM ${schemaOf(owner)}.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
      [this.consumerGroup, eventsOf(source), partition],
    );
    const [row] = rows;
    if (!row)
      throw new Error(
        `No position row of ${owner} for ${eventsOf(source)}/${partition}: the database is not migrated.`,
      );
    const position = { epoch: row.epoch, nextOffset: Number(row.next_offset) };
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
    if (!this.memories.has(batch.partition)) await this.position(batch.partition);
    const memory = this.memories.get(batch.partition)!;
    const { position, reached } = memory;
    const due =
      position.epoch === batch.epoch
        ? batch.received.filter(({ offset }) => offset >= position.nextOffset)
        : batch.received;
    const received = due.flatMap(({ message }): ConsumedEvent[] => {
      const event = consumed(message);
      if (!event) this.options.onUnreadable(message);
      return event ? [event] : [];
    });
    await this.remember(reached, received);
    let causes = false;
    const hear = async (events: readonly ConsumedEvent[]): Promise<void> => {
      const messages = this.options.react(events);
      if (messages.length === 0) return;
      await this.options.publish(messages);
      causes = true;
    };
    const events: ConsumedEvent[] = [];
    for (const event of received) {
      const last = reached.get(event.tenant)!;
      if (event.sequence <= last) continue;
      if (event.sequence > last + 1) {
        await hear(events.splice(0));
        for await (const page of this.missing(event.tenant, last, event.sequence)) {
          await hear(page);
          progress();
          if (page.length < GAP_PAGE_EVENTS) break;
          // All that was heard until here is written: the position stays, and what comes again is dropped by its
          // sequence.
          reached.set(event.tenant, page.at(-1)!.sequence);
          memory.unsaved.add(event.tenant);
          await this.save(batch.partition, memory);
        }
      }
      events.push(event);
      reached.set(event.tenant, event.sequence);
      memory.unsaved.add(event.tenant);
    }
    await hear(events);
    memory.position = { epoch: batch.epoch, nextOffset: batch.nextOffset };
    if (causes || performance.now() - memory.savedAtMs >= SAVE_EVERY_MS) await this.save(batch.partition, memory);
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

  /**
   * The events between two sequences, without these, in pages: of a tenant from before there was this consumer, that is
   * all it ever had.
   */
  private async *missing(tenant: string, after: number, before: number): AsyncGenerator<ConsumedEvent[]> {
    for (let last = after, full = true; full;) {
      const { rows } = await this.pool.query<{
        sequence: string;
        type: string;
        stream: string;
        recorded_at: Date;
        correlation_id: string;
      }>(
        `SELECT sequence, type, stream, recorded_at, correlation_id FROM ${eventsViewOf(this.options.source)}
         WHERE tenant = $1 AND sequence > $2 AND sequence < $3 ORDER BY sequence LIMIT ${GAP_PAGE_EVENTS}`,
        [tenant, last, before],
      );
      const page = rows.map(({ sequence, type, stream, recorded_at, correlation_id }): ConsumedEvent => ({
        tenant,
        sequence: Number(sequence),
        type,
        stream,
        time: recorded_at.toISOString(),
        correlationId: correlation_id,
      }));
      yield page;
      full = rows.length === GAP_PAGE_EVENTS;
      last = page.at(-1)?.sequence ?? last;
    }
  }

  private async save(partition: number, memory: Memory): Promise<void> {
    const { owner, source } = this.options;
    const { position, saved, reached } = memory;
    const tenants = [...memory.unsaved];
    const { rows } = await this.pool.query<{ fenced: boolean }>({
      name: `${owner}-consumed-${source}`,
      text: `
        WITH moved AS (
          UPDATE ${schemaOf(owner)}.positions SET epoch = $1, next_offset = $2
          WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 RETURNING 1
        ), reached AS (
          INSERT INTO ${schemaOf(owner)}.consumed SELECT t.tenant, $8, t.sequence FROM unnest($9::uuid[], $10::bigint[]) AS t(tenant, sequence), moved
          ON CONFLICT (tenant, owner) DO UPDATE SET sequence = excluded.sequence
        )
        SELECT NOT EXISTS (SELECT FROM moved) AS fenced`,
      values: [
        position.epoch,
        position.nextOffset,
        this.consumerGroup,
        eventsOf(source),
        partition,
        saved.epoch,
        saved.nextOffset,
        source,
        tenants,
        tenants.map((tenant) => reached.get(tenant)),
      ],
    });
    if (rows[0]!.fenced) throw new Conflict(`somebody else has moved the position of ${eventsOf(source)}/${partition}`);
    memory.saved = position;
    memory.savedAtMs = performance.now();
    memory.unsaved.clear();
  }
}

const consumed = (message: Message | null): ConsumedEvent | null => {
  const sequence = (message?.data as Partial<EventData<unknown>> | null | undefined)?.sequence;
  if (!message || typeof sequence !== 'number' || !UUID.test(message.tenant) || !UUID.test(message.subject))
    return null;
  const { tenant, type, subject, time, correlationId } = message;
  return { tenant, sequence, type, stream: subject, time, correlationId };
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id of the command that an event causes: the same each time, so that the command is carried out once. A UUIDv7
 * with the time of its cause (RFC 9562 §5.7), so that its outcome is deleted with those of its day.
 */
export const causedId = ({ tenant, sequence, time }: ConsumedEvent, source: Owner): string =>
  derivedId(Date.parse(time).toString(16).padStart(12, '0'), `${tenant}|${source}|${sequence}`);

/**
 * The id of the command that goes on where this one has ended: as with `causedId`, the same each time, and of the time
 * of its cause.
 */
export const followingId = (commandId: string): string =>
  derivedId(commandId.replace('-', '').slice(0, 12), `${commandId}|next`);

/** `at` is the time as the first 48 bits of the id, in hex. */
const derivedId = (at: string, cause: string): string => {
  const hash = createHash('sha256').update(cause).digest('hex');
  const variant = ((parseInt(hash[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${at.slice(0, 8)}-${at.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
};
