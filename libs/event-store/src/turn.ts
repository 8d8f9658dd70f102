import { randomUUID } from 'node:crypto';
import {
  OUTCOME_TYPE,
  deadOf,
  effectOf,
  eventsOf,
  type CommandData,
  type Effect,
  type EventData,
  type Message,
  type Outcome,
  type OutcomeData,
  type Owner,
} from '#contracts';
import type { Decision } from './behaviour.js';

/** The part of the log that the transaction needs; handed in, because event store and log do not know each other. */
export interface BatchToHandle {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: string;
  readonly received: readonly { readonly offset: number; readonly message: Message | null; readonly raw?: string }[];
  readonly nextOffset: number;
}

/** The messages from one place to another, as a batch of their own. */
export const slice = (batch: BatchToHandle, from: number, to: number): BatchToHandle => {
  const received = batch.received.slice(from, to);
  return {
    ...batch,
    received,
    nextOffset: to === batch.received.length ? batch.nextOffset : received.at(-1)!.offset + 1,
  };
};

/** A row of the Postgres log that this transaction appended. */
export interface AppendedRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly message: Message;
}

/** The memory of one partition's only writer between batches; thrown away after any fault. */
export interface LaneMemory {
  position: { epoch: string; nextOffset: number };
  /** Raised in the database when somebody else has written the owner's rows: what was loaded before is then old. */
  readonly generation: number;
  readonly ends: Map<string, number>;
  readonly sequences: Map<string, number>;
  /** The memory of the owner, and since when, in ms of a clock that only goes forward. */
  owned: { readonly memory: unknown; readonly sinceMs: number };
}

/** A message that is longer is set aside without its end, which would have no place in the log. */
const MAX_DEAD_CHARACTERS = 8 * 1_048_576;

/** One round of a lane: numbers what is decided, in memory. */
export class Turn {
  readonly outcomes: { command_id: string; tenant: string; outcome: Outcome; recorded_at: Date }[] = [];
  readonly events: Record<string, unknown>[] = [];
  readonly appended: AppendedRow[] = [];
  /** Outcomes are no rows of the log, because a sender that misses one finds it in the table of outcomes. */
  private readonly told: Message<{ -readonly [name in keyof OutcomeData]: OutcomeData[name] }>[] = [];
  readonly sequences = new Map<string, number>();
  parts: Readonly<Record<string, readonly unknown[]>> = {};
  /** The rows on which the decisions were made. */
  loaded: { readonly bytes: number; readonly rows: unknown } = { bytes: 0, rows: null };
  /** The number of commands that have been decided, from the first that was due. */
  decided = 0;
  /** The time of all decisions together. */
  decidingMs = 0;
  /** Lets the owner remember what is committed; `bytesOf` = what was written for each row of a part. */
  remember: (bytesOf: (part: string) => readonly number[]) => void = () => undefined;
  /** The time of the slow decisions, by tenant. */
  readonly slowMs = new Map<string, number>();
  /** The dead letters of this round and their reasons: they are reported once they are committed. */
  readonly dead: { readonly reason: unknown; readonly message: Message | null }[] = [];
  /** The rows that the decisions missed. */
  wanted: readonly unknown[] = [];
  private readonly answered = new Map<string, Outcome>();
  private readonly ends: Map<string, number>;
  private readonly time: string;

  constructor(
    private readonly owner: Owner,
    private readonly batch: BatchToHandle,
    private readonly now: Date,
    private readonly memory: LaneMemory,
    private readonly secrets: readonly string[] = [],
  ) {
    this.ends = new Map(memory.ends);
    this.time = now.toISOString();
  }

  outcomeOf(commandId: string): Outcome | undefined {
    return this.answered.get(commandId);
  }

  /** A command that was delivered twice answers the same; the outcome is stored once and told again. */
  repeat(command: Message, outcome: Outcome, effect?: Effect): void {
    const data: OutcomeData = { commandId: command.id, outcome, ...(effect && { effect }) };
    this.told.push({ ...this.envelope(command, OUTCOME_TYPE, command.subject), data });
  }

  answer(command: Message, decided: Outcome, kept: Outcome = decided, effect?: Effect): void {
    const { request } = (command.data ?? {}) as Partial<CommandData<unknown>>;
    const [outcome, stored] = request
      ? ([decided, kept].map((one) => ({ ...one, request })) as [Outcome, Outcome])
      : [decided, kept];
    this.answered.set(command.id, outcome);
    this.outcomes.push({ command_id: command.id, tenant: command.tenant, outcome: stored, recorded_at: this.now });
    this.repeat(command, outcome, effect);
  }

  record(command: Message, { events, outcome, stored: kept }: Decision<unknown>): void {
    const { actor, reason, replayOf } = command.data as CommandData<unknown>;
    const told = { ...(reason === undefined ? {} : { reason }), ...(replayOf === undefined ? {} : { replayOf }) };
    const isPlain = reason === undefined && replayOf === undefined;
    for (const { stream, version, type, event, stored } of events) {
      const sequence = (this.sequences.get(command.tenant) ?? this.memory.sequences.get(command.tenant) ?? 0) + 1;
      this.sequences.set(command.tenant, sequence);
      this.events.push({
        tenant: command.tenant,
        sequence,
        stream,
        version,
        type,
        recorded_at: this.now,
        command_id: command.id,
        correlation_id: command.correlationId,
        actor,
        directory: command.directory,
        ...stored,
        ...(isPlain ? {} : { data: { ...stored.data, ...told } }),
      });
      const data: EventData<unknown> = { sequence, version, actor, ...told, event };
      this.append(eventsOf(this.owner), { ...this.envelope(command, type, stream), data });
    }
    this.answer(command, outcome, kept, effectOf(events.map(({ event }) => event)));
  }

  /** A message that cannot be handled goes to the dead letters with its reason, and its sender is told 500. */
  bury(message: Message | null, raw: string | undefined, reason: unknown): void {
    this.dead.push({ reason, message });
    const cause = message ?? {
      id: randomUUID(),
      type: 'unreadable',
      source: 'unknown',
      subject: '',
      time: this.time,
      tenant: 'system',
      directory: null,
      correlationId: '',
      causationId: null,
      data: null,
    };
    this.append(deadOf(this.batch.topic), {
      ...this.envelope(cause, 'muster.dead.v1', cause.subject),
      // The message as text, twice encoded: data that the database refused must not be refused again, and neither may
      // it be refused for its length.
      data: {
        reason: String(reason).slice(0, MAX_DEAD_CHARACTERS),
        message: Buffer.from(this.legible(raw ?? JSON.stringify(message)).slice(0, MAX_DEAD_CHARACTERS)).toString(
          'base64',
        ),
      },
    });
    if (message) {
      this.answer(message, {
        status: 'rejected',
        code: 'internal',
        detail: 'The request could not be carried out; it was set aside for examination.',
      });
    }
  }

  /**
   * The text without the secrets of this owner's commands; where there are any, a text that cannot be searched for them
   * is left out.
   */
  private legible(text: string): string {
    if (this.secrets.length === 0) return text;
    try {
      return JSON.stringify(
        JSON.parse(text, (name, value: unknown) => (this.secrets.includes(name) ? undefined : value)),
      );
    } catch {
      return `(${text.length} characters that are no JSON)`;
    }
  }

  /**
   * The outcomes, each with the cost of its command, which is known only when all is written: an outcome that is read
   * again does not say it.
   */
  tell(costs: ReadonlyMap<string, number>): readonly Message<OutcomeData>[] {
    for (const { tenant, data } of this.told) data.cost = costs.get(tenant)!;
    return this.told;
  }

  private envelope(cause: Message, type: string, subject: string): Omit<Message, 'data'> {
    const { tenant, directory, correlationId } = cause;
    return {
      id: randomUUID(),
      type,
      source: `muster/${this.owner}`,
      subject,
      time: this.time,
      tenant,
      directory,
      correlationId,
      causationId: cause.id,
    };
  }

  private append(topic: string, message: Message): void {
    const offset = this.ends.get(topic) ?? 0;
    this.ends.set(topic, offset + 1);
    this.appended.push({ topic, partition: this.batch.partition, offset, id: message.id, message });
  }
}
