import pg from 'pg';
import { PARTITIONS, partitionOf, type Message } from '#contracts';
import { LogUnavailable, type Batch, type Log, type LogRow, type Subscription } from '../log.js';

export interface PostgresLogOptions {
  /** The database as role muster_log. */
  readonly url: string;
  readonly maxBatchMessages: number;
  readonly keepDays: number;
  readonly onError: (error: Error) => void;
}

/** Offsets of one partition that a consumer still has to handle. */
interface Lane {
  readonly subscription: Subscription;
  readonly partition: number;
  nextOffset: number;
  waiting: { offset: number; message: Message }[];
  running: boolean;
}

interface Pending {
  readonly topic: string;
  readonly messages: readonly Message[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const EPOCH = 'postgres';
/** Only one process may number the offsets: it holds this advisory lock as long as its connection lives. */
const ADVISORY_LOCK = 7_216_002;
const RECONNECT_AFTER_MS = 200;
const BACKLOG_PAGE_MESSAGES = 1_000;
const MAX_APPEND_MESSAGES = 1_000;
const ROLL_EVERY_MS = 3_600_000;

/**
 * The log inside one process: appended with one statement, handed over in memory, read from the table only after a start or a
 * fault. The append does not wait for the disk, because the commit of the outcome flushes it too; so after any fault of the
 * connection everything in memory is dropped and read again, and a lane checks that the log still holds what it was handed.
 */
export class PostgresLog implements Log {
  private client: pg.Client | null = null;
  private stopping = false;
  private lanes = new Map<string, Lane>();
  private ends = new Map<string, number>();
  private pending: Pending[] = [];
  private appending = false;
  private flushPlanned = false;
  private reconnecting: Promise<void> | null = null;
  private rollTimer: NodeJS.Timeout | null = null;
  private readonly subscriptions: Subscription[] = [];
  private readonly listeners = new Map<string, ((message: Message) => void)[]>();

  constructor(private readonly options: PostgresLogOptions) {}

  subscribe(subscription: Subscription): void {
    this.subscriptions.push(subscription);
  }

  broadcast(topic: string, handle: (message: Message) => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), handle]);
  }

  ready(): boolean {
    return this.client !== null;
  }

  /** Throws when the database is away or another process holds the log. */
  async start(): Promise<void> {
    await this.connect();
    this.rollTimer = setInterval(() => void this.roll(), ROLL_EVERY_MS);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.rollTimer) clearInterval(this.rollTimer);
    await this.reconnecting?.catch(() => undefined);
    const client = this.client;
    this.down(new LogUnavailable('The log is being stopped.'));
    await client?.end().catch(() => undefined);
  }

  publish(topic: string, messages: readonly Message[]): Promise<void> {
    if (!this.client) return Promise.reject(new LogUnavailable('The database is away.'));
    const done = new Promise<void>((resolve, reject) => this.pending.push({ topic, messages, resolve, reject }));
    this.planFlush();
    return done;
  }

  committed(rows: readonly LogRow[]): void {
    for (const row of rows) {
      for (const listener of this.listeners.get(row.topic) ?? []) listener(row.message);
    }
  }

  /** Messages of one turn of the event loop go out as one statement. */
  private planFlush(): void {
    if (this.flushPlanned || this.appending) return;
    this.flushPlanned = true;
    setImmediate(() => {
      this.flushPlanned = false;
      void this.flush();
    });
  }

  private async flush(): Promise<void> {
    const client = this.client;
    if (!client || this.appending || this.pending.length === 0) return;
    this.appending = true;
    const taken: Pending[] = [];
    let count = 0;
    while (this.pending.length > 0 && (count === 0 || count + this.pending[0]!.messages.length <= MAX_APPEND_MESSAGES)) {
      const next = this.pending.shift()!;
      taken.push(next);
      count += next.messages.length;
    }
    const rows = taken.flatMap(({ topic, messages }) => messages.map((message) => this.number(topic, message)));
    try {
      await client.query({
        name: 'log-append',
        text: 'SELECT log.append($1, $2, $3, $4, $5::json[])',
        values: [
          rows.map((row) => row.topic), rows.map(({ partition }) => partition), rows.map(({ offset }) => offset), rows.map(({ id }) => id),
          rows.map(({ message }) => JSON.stringify(message)),
        ],
      });
    } catch (error) {
      const away = new LogUnavailable(`The message log did not take the message: ${(error as Error).message}`);
      for (const { reject } of taken) reject(away);
      this.appending = false;
      this.fail(client, error as Error);
      return;
    }
    this.appending = false;
    // The connection broke while the answer was under way: whether the rows survive is for the next read to tell.
    if (this.client === client) for (const row of rows) this.handOver(row);
    for (const { resolve } of taken) resolve();
    if (this.pending.length > 0) this.planFlush();
  }

  private number(topic: string, message: Message): LogRow {
    const partition = partitionOf(message.tenant);
    const key = `${topic}/${partition}`;
    const offset = this.ends.get(key) ?? 0;
    this.ends.set(key, offset + 1);
    return { topic, partition, offset, id: message.id, message };
  }

  private handOver(row: LogRow): void {
    const lane = this.lanes.get(`${row.topic}/${row.partition}`);
    if (!lane) return;
    lane.waiting.push({ offset: row.offset, message: row.message });
    if (!lane.running) void this.run(lane);
  }

  private async run(lane: Lane): Promise<void> {
    lane.running = true;
    const client = this.client!;
    while (this.client === client && lane.waiting.length > 0) {
      const received = lane.waiting.splice(0, this.options.maxBatchMessages);
      const nextOffset = received[received.length - 1]!.offset + 1;
      const batch: Batch = {
        topic: lane.subscription.topic, partition: lane.partition, epoch: EPOCH, received, nextOffset, checkHeld: true,
      };
      try {
        await lane.subscription.handleBatch(batch);
        lane.nextOffset = nextOffset;
      } catch (error) {
        this.fail(client, error as Error);
        return;
      }
    }
    lane.running = false;
  }

  /** After any fault: drop everything in memory, connect anew, read again. */
  private fail(client: pg.Client, error: Error): void {
    if (this.client !== client) return;
    this.options.onError(error);
    this.down(new LogUnavailable(`The database is away: ${error.message}`));
    client.end().catch(() => undefined);
    if (!this.stopping) this.reconnecting ??= this.reconnect().finally(() => (this.reconnecting = null));
  }

  private down(error: LogUnavailable): void {
    this.client = null;
    this.lanes = new Map();
    this.ends = new Map();
    for (const { reject } of this.pending.splice(0)) reject(error);
  }

  private async reconnect(): Promise<void> {
    while (!this.stopping) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_AFTER_MS));
      try {
        return await this.connect();
      } catch (error) {
        this.options.onError(error as Error);
      }
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.url, application_name: 'muster-log', keepAlive: true, connectionTimeoutMillis: 5_000,
      query_timeout: 15_000,
    });
    client.on('error', (error) => this.fail(client, error));
    client.on('end', () => this.fail(client, new Error('the connection has ended')));
    await client.connect();
    try {
      const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [ADVISORY_LOCK]);
      if (!rows[0]!.locked) throw new Error('another Muster process works with this database; several processes need Kafka');
      await client.query('SELECT log.roll($1)', [this.options.keepDays]);
      const { lanes, ends } = await this.load(client);
      await client.query('SET synchronous_commit = off');
      this.lanes = lanes;
      this.ends = ends;
      this.client = client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    for (const lane of this.lanes.values()) if (lane.waiting.length > 0) void this.run(lane);
  }

  private async load(client: pg.Client): Promise<{ lanes: Map<string, Lane>; ends: Map<string, number> }> {
    const lanes = new Map<string, Lane>();
    const ends = new Map<string, number>();
    const topics = this.subscriptions.map(({ topic }) => topic);
    const { rows } = await client.query<{ topic: string; partition: number; next_offset: string }>(
      'SELECT topic, partition, next_offset FROM log.ends($1)', [topics],
    );
    for (const row of rows) ends.set(`${row.topic}/${row.partition}`, Number(row.next_offset));
    for (const subscription of this.subscriptions) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const key = `${subscription.topic}/${partition}`;
        const position = await subscription.position(partition);
        const nextOffset = position.epoch === EPOCH ? position.nextOffset : 0;
        const end = ends.get(key) ?? 0;
        // Rows that are older than the retention are gone, and a position is never behind its own commit.
        ends.set(key, Math.max(end, nextOffset));
        lanes.set(key, {
          subscription, partition, nextOffset, running: false, waiting: await this.backlog(client, subscription.topic, partition, nextOffset),
        });
      }
    }
    return { lanes, ends };
  }

  private async backlog(client: pg.Client, topic: string, partition: number, from: number): Promise<Lane['waiting']> {
    const waiting: Lane['waiting'] = [];
    for (;;) {
      const { rows } = await client.query<{ offset: string; message: Message }>(
        'SELECT "offset", message FROM log.read($1, $2, $3, $4)', [topic, partition, from + waiting.length, BACKLOG_PAGE_MESSAGES],
      );
      for (const row of rows) waiting.push({ offset: Number(row.offset), message: row.message });
      if (rows.length < BACKLOG_PAGE_MESSAGES) return waiting;
    }
  }

  private async roll(): Promise<void> {
    await this.client?.query('SELECT log.roll($1)', [this.options.keepDays]).catch(this.options.onError);
  }
}
