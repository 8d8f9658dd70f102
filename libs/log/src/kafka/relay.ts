import { setTimeout as delay } from 'node:timers/promises';
import type { Message as KafkaMessage, Producer } from 'kafkajs';
import type { Pool } from 'pg';
import { schemaOf, type Message, type Owner } from '#contracts';
import type { LogRow, Watch } from '../log.js';
import { countOfRequest, isTooLong, MAX_MESSAGE_BYTES, sizeOf, toKafka } from './kafka-message.js';

export interface RelayOptions {
  readonly producer: Producer;
  readonly pool: Pool;
  readonly owner: Owner;
  readonly topics: readonly string[];
  readonly partition: number;
  readonly epoch: string;
  /** The topic as Kafka knows it. */
  readonly named: (topic: string) => string;
  readonly watch: Watch;
  readonly onError: (error: Error) => void;
}

interface Waiting {
  readonly topic: string;
  readonly offset: number;
  readonly message: KafkaMessage;
  readonly bytes: number;
}

const READ_ROWS = 100;
const READ_BYTES = 1_048_576;
const MAX_WAITING_BYTES = 4 * 1_048_576;
const RETRY_AFTER_MS = 200;
const SAVE_EVERY_MS = 500;
/**
 * Nobody waits for events: one request for the many of some batches costs the process and the broker less than one
 * each.
 */
const SEND_AFTER_MS = 20;
const AT_ONCE_BYTES = 256 * 1024;

/**
 * Copies the rows that a lane appended to the Postgres log of its partition to Kafka: in order, one request at a time.
 * A row may be sent twice, none is skipped: a row that a lane hands over is taken only if it is the very next one,
 * everything else is read from the table. Only a message that is too long for Kafka is left out. A reader that misses
 * it finds it by itself: an event is a gap in its sequence and read from the owner's store, a dead letter stays in the
 * Postgres log.
 */
export class Relay {
  private readonly topics: readonly string[];
  /** The first row of each topic that Kafka does not have. */
  private readonly next = new Map<string, number>();
  private readonly saved = new Map<string, number>();
  /** Rows that follow on `next` without a gap, and where they end. */
  private waiting: Waiting[] = [];
  private readonly ends = new Map<string, number>();
  private waitingBytes = 0;
  /**
   * The size of a request: smaller after one that the broker refused for the length of one of its messages, until that
   * message is found.
   */
  private atOnce = Infinity;
  /**
   * A request has failed, perhaps for one topic alone: until all is sent each request is of one topic, in turns, so
   * that no other is sent again with each attempt.
   */
  private apart = false;
  private lastTopic = '';
  /** The table holds rows that are not in `waiting`. */
  private behind = false;
  /** Another process may have sent some of this partition: the database knows where to go on. */
  private unsure = true;
  private running = false;
  private finished: Promise<void> = Promise.resolve();
  private stopping = false;
  private timer: NodeJS.Timeout | null = null;
  private sendTimer: NodeJS.Timeout | null = null;

  constructor(private readonly options: RelayOptions) {
    this.topics = options.topics;
  }

  /** The partition was assigned: rows that a predecessor committed and did not send are sent first. */
  assign(): void {
    this.unsure = true;
    this.wake();
  }

  add(rows: readonly LogRow[]): void {
    if (rows.length === 0) return;
    for (const row of rows) if (!this.behind) this.append(row);
    if (this.waitingBytes >= AT_ONCE_BYTES) this.wake();
    else this.sendTimer ??= setTimeout(() => this.wake(), SEND_AFTER_MS);
  }

  /** Sends the waiting rows, unless Kafka is away: then the next process does. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.finished;
    if (this.timer) clearTimeout(this.timer);
    await this.save().catch(this.options.onError);
  }

  private append({ topic, offset, message }: LogRow): void {
    const end = this.ends.get(topic);
    if (end !== undefined && offset < end) return;
    if (offset !== end || this.waitingBytes > MAX_WAITING_BYTES) {
      this.behind = true;
      return;
    }
    const made = toKafka(message, this.options.partition);
    const bytes = sizeOf(made);
    this.waiting.push({ topic, offset, message: made, bytes });
    this.waitingBytes += bytes;
    this.ends.set(topic, offset + 1);
  }

  private wake(): void {
    if (this.sendTimer) clearTimeout(this.sendTimer);
    this.sendTimer = null;
    if (this.running) return;
    this.running = true;
    this.finished = this.run();
  }

  private async run(): Promise<void> {
    for (;;) {
      try {
        if (this.unsure && !this.stopping) await this.watched('reading', () => this.findPosition());
        else if (this.waiting.length > 0) await this.send();
        else if (this.behind && !this.stopping) await this.watched('reading', () => this.readOn());
        else break;
      } catch (error) {
        this.options.onError(error as Error);
        if (this.stopping) break;
        await delay(RETRY_AFTER_MS);
      }
    }
    this.running = false;
  }

  /** Reading that succeeds, as after each rebalance, says nothing of sending that does not. */
  private watched(what: string, work: () => Promise<void>): Promise<void> {
    const { watch, owner, partition } = this.options;
    return watch.during(`relay to Kafka of ${owner}/${partition}, ${what}`, work);
  }

  private async findPosition(): Promise<void> {
    const { pool, owner, partition, epoch } = this.options;
    this.unsure = false;
    try {
      const { rows } = await pool.query<{ topic: string; epoch: string; next_offset: string }>(
        `SELECT topic, epoch, next_offset FROM ${schemaOf(owner)}.relays WHERE partition = $1`,
        [partition],
      );
      for (const topic of this.topics) {
        const row = rows.find((found) => found.topic === topic);
        const next = Math.max(row?.epoch === epoch ? Number(row.next_offset) : 0, this.next.get(topic) ?? 0);
        this.next.set(topic, next);
        this.ends.set(topic, next);
      }
    } catch (error) {
      this.unsure = true;
      throw error;
    }
    this.waiting = [];
    this.waitingBytes = 0;
    this.behind = true;
  }

  private async readOn(): Promise<void> {
    const { pool, partition } = this.options;
    // Each row that is handed over from here on is among the rows that are read, or follows on them, or shows that
    // there are more.
    this.behind = false;
    try {
      for (const topic of this.topics) {
        const { rows } = await pool.query<{ offset: string; message: Message }>(
          'SELECT "offset", message FROM log.read_some($1, $2, $3, $4, $5)',
          [topic, partition, this.ends.get(topic)!, READ_ROWS, READ_BYTES],
        );
        // The first ones may be gone, with their age.
        if (rows.length > 0) this.ends.set(topic, Math.max(this.ends.get(topic)!, Number(rows[0]!.offset)));
        for (const row of rows)
          this.append({ topic, partition, offset: Number(row.offset), id: row.message.id, message: row.message });
        // A page ends where it is long enough: only an empty one says that there is no more.
        if (rows.length > 0) this.behind = true;
      }
    } catch (error) {
      this.behind = true;
      throw error;
    }
  }

  private async send(): Promise<void> {
    const turn = this.apart ? this.ofNextTopic() : this.waiting;
    const rows = turn.slice(0, Math.min(this.atOnce, countOfRequest(turn)));
    try {
      await this.watched(this.apart ? `sending to ${this.lastTopic}` : 'sending', () => this.sendAll(rows));
      this.atOnce = Infinity;
    } catch (error) {
      if (!isTooLong(error)) {
        this.apart = true;
        throw error;
      }
      this.atOnce = Math.max(1, rows.length >> 1);
      if (rows.length > 1) return;
      const [{ topic, offset, bytes }] = rows as [Waiting];
      this.options.onError(
        new Error(
          `${topic}/${this.options.partition} offset ${offset} is too long for Kafka (${bytes} bytes): it is left out there`,
        ),
      );
      this.atOnce = Infinity;
    }
    // The rows stay in line until Kafka has them.
    if (turn === this.waiting) {
      this.waiting.splice(0, rows.length);
    } else {
      const sent = new Set(rows);
      this.waiting = this.waiting.filter((row) => !sent.has(row));
    }
    if (this.waiting.length === 0) this.apart = false;
    for (const { topic, offset, bytes } of rows) {
      this.waitingBytes -= bytes;
      this.next.set(topic, offset + 1);
    }
    this.planSave();
  }

  private ofNextTopic(): Waiting[] {
    const from = this.topics.indexOf(this.lastTopic) + 1;
    const inTurn = [...this.topics.slice(from), ...this.topics.slice(0, from)];
    this.lastTopic = inTurn.find((topic) => this.waiting.some((row) => row.topic === topic))!;
    return this.waiting.filter(({ topic }) => topic === this.lastTopic);
  }

  private planSave(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.watched('saving', () => this.save()).catch((error: Error) => {
        this.options.onError(error);
        if (!this.stopping) this.planSave();
      });
    }, SAVE_EVERY_MS);
  }

  private async sendAll(rows: readonly Waiting[]): Promise<void> {
    // A broker would end the connection, and say nothing.
    if (rows[0]!.bytes > MAX_MESSAGE_BYTES) throw Object.assign(new Error('too long'), { type: 'MESSAGE_TOO_LARGE' });
    const topicMessages = [...Map.groupBy(rows, ({ topic }) => topic)].map(([topic, mine]) => ({
      topic: this.options.named(topic),
      messages: mine.map(({ message }) => message),
    }));
    await this.options.producer.sendBatch({ acks: -1, topicMessages });
  }

  /** Late on purpose: a row that is marked too late is only sent again. */
  private async save(): Promise<void> {
    const { pool, owner, partition, epoch } = this.options;
    const moved = [...this.next].filter(([topic, offset]) => this.saved.get(topic) !== offset);
    if (moved.length === 0) return;
    await pool.query(
      `INSERT INTO ${schemaOf(owner)}.relays (topic, partition, epoch, next_offset)
       SELECT t.topic, $1, $2, t.next_offset FROM unnest($3::text[], $4::bigint[]) AS t(topic, next_offset)
       ON CONFLICT (topic, partition) DO UPDATE SET epoch = excluded.epoch, next_offset = excluded.next_offset`,
      [partition, epoch, moved.map(([topic]) => topic), moved.map(([, offset]) => offset)],
    );
    for (const [topic, offset] of moved) this.saved.set(topic, offset);
  }
}
