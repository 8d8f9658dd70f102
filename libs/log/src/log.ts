import type { Message } from '#contracts';

/** A message as a consumer finds it. `message` is null when the bytes are no message at all; `raw` then shows them. */
export interface Received {
  readonly offset: number;
  readonly message: Message | null;
  readonly raw?: string;
}

/** Messages of one partition, in order. */
export interface Batch {
  readonly topic: string;
  readonly partition: number;
  /** The life of the topic that the offsets belong to: a wiped broker starts another. */
  readonly epoch: string;
  readonly received: readonly Received[];
  /** The offset after the last message. */
  readonly nextOffset: number;
}

/** The time for which messages are kept, on both logs. */
export const LOG_KEEP_DAYS = 7;

/** The offset at which a consumer goes on, and the epoch in which it was written. */
export interface Position {
  readonly epoch: string;
  readonly nextOffset: number;
}

/**
 * Sees when work that is tried again and again does not succeed. The process is then not ready until it does: the event
 * store's LaneWatch.
 */
export interface Watch {
  /** `what` names the work to operators, and everybody may read it. */
  during<T>(what: string, work: () => Promise<T>): Promise<T>;
}

/** A row of the Postgres log, as the write statement of a lane appends it: the lane numbers its own outputs. */
export interface LogRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly message: Message;
}

export interface Subscription {
  readonly topic: string;
  /**
   * A message only says that its tenant has news. On Kafka nothing else of it is read, and it may come half a second
   * later; none is ever set aside, so that there is no topic for dead letters.
   */
  readonly onlyNotices?: true;
  /** The consumer's position row: the fence and the resume point. */
  position(partition: number): Promise<Position>;
  /** Must not throw for content. An error of it is a fault of the infrastructure: the batch is handed over again. */
  handleBatch(batch: Batch): Promise<void>;
}

/**
 * The message log. Two adapters, one contract (log.contract.ts): the Postgres log inside one process, Kafka between
 * several.
 */
export interface Log {
  /**
   * Sends commands. Kafka: resolves when the broker has them, and their consumer gets them at least once. Inside one
   * process they are handed over in memory and stored nowhere: it resolves when the lane has committed its part, and a
   * crash before that loses them, which their senders notice. Throws LogUnavailable, and it is then unknown what became
   * of them; or MessageTooLong, and that one did not arrive.
   */
  publish(topic: string, messages: readonly Message[]): Promise<void>;
  /** One batch of a partition at a time, in order, each message at least once. Before start(). */
  subscribe(subscription: Subscription): void;
  /**
   * Every message of a topic that is broadcast from now on, in any process. Best effort: a listener that misses one
   * looks it up. Before start().
   */
  listen(topic: string, handle: (message: Message) => void): void;
  /** Tells outcomes to all listeners, in any process. They are stored nowhere, and nobody waits: best effort. */
  broadcast(topic: string, messages: readonly Message[]): void;
  /** A lane has committed these rows of the Postgres log: the subscribers are handed them, in order. */
  committed(rows: readonly LogRow[]): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * The reason why the log neither takes nor hands over messages now; null = it does. The text names topics and
   * partitions alone, because everybody may read it.
   */
  unready(): string | null;
}

/** The log cannot take or give messages now. The client gets a 503 and tries again. */
export class LogUnavailable extends Error {}

/** The log takes no message of this length, now or later. The client gets a 413. */
export class MessageTooLong extends Error {}

/** A log among what a service needs to run. `owner` = who uses it, where there are several. */
export const logPart = (
  log: Log,
  owner?: string,
): { readonly name: string; start(): Promise<void>; stop(): Promise<void>; unready(): string | null } => ({
  name: owner === undefined ? 'message log' : `message log of ${owner}`,
  start: () => log.start(),
  stop: () => log.stop(),
  unready: () => log.unready(),
});

/** The words of a log that is not connected, or not all of it. */
export const AWAY = 'it neither takes nor hands over messages now';

/**
 * The log refuses this process with its settings; the message is one line, for the person who starts Muster. A new
 * start with the same settings ends the same way.
 */
export class LogRefused extends Error {
  override readonly name = 'UsageError';
  /** The same exit code as that of a UsageError of libs/runtime, which this lib does not know. */
  readonly exitCode = 64;
}
