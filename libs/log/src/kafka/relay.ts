import type { Producer } from 'kafkajs';
import type { Pool } from 'pg';
import { TOPICS, type Message, type Owner } from '#contracts';
import type { LogRow } from '../log.js';
import { toKafka } from './kafka-message.js';

const MAX_IN_FLIGHT_RELAY_ROWS = 1_000;
const SAVE_RELAY_EVERY_MS = 500;

/** Copies the Postgres log of one partition to Kafka. It may send a row twice, never skip one. */
export class Relay {
  private waiting: LogRow[] = [];
  private sending = false;
  private generation = 0;
  private readonly next = new Map<string, number>();
  private readonly saved = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly producer: Producer, private readonly pool: Pool, private readonly owner: Owner, private readonly partition: number,
    private readonly epoch: string, private readonly named: (topic: string) => string, private readonly onError: (error: Error) => void,
  ) {}

  /** Called when the partition is assigned: what a predecessor committed and did not send is sent first. */
  async assign(): Promise<void> {
    const generation = ++this.generation;
    this.waiting = [];
    const { rows: positions } = await this.pool.query<{ topic: string; epoch: string; next_offset: string }>(
      `SELECT topic, epoch, next_offset FROM ${this.owner}.relays WHERE partition = $1`, [this.partition],
    );
    const backlog: LogRow[] = [];
    for (const topic of TOPICS.filter((name) => name.startsWith(`${this.owner}.`) && name !== `${this.owner}.commands`)) {
      const position = positions.find((row) => row.topic === topic);
      let offset = position?.epoch === this.epoch ? Number(position.next_offset) : 0;
      for (;;) {
        const { rows } = await this.pool.query<{ offset: string; message: Message }>(
          'SELECT "offset", message FROM log.read($1, $2, $3, $4)', [topic, this.partition, offset, MAX_IN_FLIGHT_RELAY_ROWS],
        );
        backlog.push(...rows.map((row) => ({ topic, partition: this.partition, offset: Number(row.offset), id: row.message.id, message: row.message })));
        if (rows.length < MAX_IN_FLIGHT_RELAY_ROWS) break;
        offset = Number(rows[rows.length - 1]!.offset) + 1;
      }
      this.next.set(topic, Math.max(offset, 0));
    }
    if (generation !== this.generation) return;
    // What a batch committed meanwhile is in both lists; consumers drop it by its id.
    this.waiting = [...backlog, ...this.waiting];
    void this.send();
  }

  add(rows: readonly LogRow[]): void {
    this.waiting.push(...rows);
    void this.send();
  }

  async stop(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    await this.save().catch(this.onError);
  }

  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length > 0) {
      const rows = this.waiting.splice(0, MAX_IN_FLIGHT_RELAY_ROWS);
      const topicMessages = [...Map.groupBy(rows, ({ topic }) => topic)].map(([topic, mine]) => ({
        topic: this.named(topic), messages: mine.map(({ message }) => toKafka(message, this.partition)),
      }));
      try {
        await this.producer.sendBatch({ acks: -1, topicMessages });
        for (const { topic, offset } of rows) this.next.set(topic, offset + 1);
        this.timer ??= setTimeout(() => {
          this.timer = null;
          this.save().catch(this.onError);
        }, SAVE_RELAY_EVERY_MS);
      } catch (error) {
        // The broker is away: they stay first in line. The client's own retries have paused already.
        this.onError(error as Error);
        this.waiting = [...rows, ...this.waiting];
      }
    }
    this.sending = false;
  }

  /** Late on purpose: what it says too early is only sent again. */
  private async save(): Promise<void> {
    const moved = [...this.next].filter(([topic, offset]) => this.saved.get(topic) !== offset);
    if (moved.length === 0) return;
    await this.pool.query(
      `INSERT INTO ${this.owner}.relays (topic, partition, epoch, next_offset)
       SELECT t.topic, $1, $2, t.next_offset FROM unnest($3::text[], $4::bigint[]) AS t(topic, next_offset)
       ON CONFLICT (topic, partition) DO UPDATE SET epoch = excluded.epoch, next_offset = excluded.next_offset`,
      [this.partition, this.epoch, moved.map(([topic]) => topic), moved.map(([, offset]) => offset)],
    );
    for (const [topic, offset] of moved) this.saved.set(topic, offset);
  }
}
