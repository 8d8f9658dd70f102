import pg from 'pg';
import { isCommandTopic, PARTITIONS, partitionOf, type Message } from '#contracts';
import { AWAY, LogUnavailable, type Batch, type Log, type LogRow, type Subscription } from '../log.js';
import { CommandLane } from './command-lane.js';

export interface PostgresLogOptions {
  /** The database as role muster_log. */
  readonly url: string;
  readonly maxBatchMessages: number;
  readonly keepDays: number;
  readonly onError: (error: Error) => void;
}

/** Rows of one partition that a consumer still has to handle. */
interface Lane {
  readonly subscription: Subscription;
  readonly partition: number;
  /** The number of its subscription, and its partition: a topic may have several subscriptions. */
  readonly key: string;
  /** The offset after the last one that was read or handed over; null while that is not known yet. */
  end: number | null;
  /**
   * The table holds more than is in memory: rows that are handed over meanwhile are read there when their turn comes.
   */
  isBehind: boolean;
  /**
   * Its position or its backlog could not be read: its handler gets nothing until they can, so nobody else notices that
   * it stands still.
   */
  isUnreadable: boolean;
  waiting: { offset: number; message: Message }[];
  running: boolean;
}

const EPOCH = 'postgres';
/** Only one process may number the offsets: it holds this advisory lock as long as its connection lives. */
const ADVISORY_LOCK = 7_216_002;
const RECONNECT_AFTER_MS = 200;
const RETRY_AFTER_MS = 200;
/** A lane has so much in memory at the most: it may stand still for long. */
const MAX_LANE_MESSAGES = 1_000;
const BACKLOG_PAGE_BYTES = 4 * 1_048_576;
const MAX_MISSED_MESSAGES = 10_000;
/**
 * No client waits for a reader of events: one call for many of them costs a lone command nothing, one call for each
 * costs 0.2 ms.
 */
const HAND_OVER_AFTER_MS = 20;
const ROLL_EVERY_MS = 3_600_000;

/** It ends the process with one line and not for good: the other process may be the one before, which is ending. */
class LogIsTaken extends Error {
  override readonly message =
    'Another Muster process works with this database: end it, or set KAFKA_BROKERS for both, because several processes need Kafka.';
  readonly exitCode = 1;
}

/**
 * The log inside one process. Commands are handed to their lane in memory and stored nowhere. The rows that lanes
 * commit are handed over in memory as well, and read from the table after a start, after a fault, and where a consumer
 * is far behind: it goes on at its position row.
 */
export class PostgresLog implements Log {
  private client: pg.Client | null = null;
  private stopping = false;
  /** Topic and partition → the lanes of all who read it. */
  private lanes = new Map<string, Lane[]>();
  /** Topic → its lanes, by partition. They outlive the connection, which they do not use. */
  private readonly commandLanes = new Map<string, readonly CommandLane[]>();
  private reconnecting: Promise<void> | null = null;
  /** Batches that are being handled, by the key of their lane: a fault does not end them, and the next one waits. */
  private readonly handling = new Map<string, Promise<void>>();
  /** Rows that were committed while their lane was being read: it is handed over afterwards, unless it was read. */
  private missed: LogRow[] = [];
  private rollTimer: NodeJS.Timeout | null = null;
  /** Rows that lanes have written and other lanes are going to read. */
  private readonly committedRows: LogRow[] = [];
  private handOverTimer: NodeJS.Timeout | null = null;
  private readonly subscriptions: Subscription[] = [];
  private readonly listeners = new Map<string, ((message: Message) => void)[]>();

  constructor(private readonly options: PostgresLogOptions) {}

  subscribe(subscription: Subscription): void {
    if (!isCommandTopic(subscription.topic)) return void this.subscriptions.push(subscription);
    const { maxBatchMessages, onError } = this.options;
    this.commandLanes.set(
      subscription.topic,
      Array.from(
        { length: PARTITIONS },
        (_, partition) => new CommandLane({ subscription, partition, maxBatchMessages, onError }),
      ),
    );
  }

  listen(topic: string, handle: (message: Message) => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), handle]);
  }

  unready(): string | null {
    if (!this.client) return AWAY;
    const lanes = [...this.lanes]
      .filter(([, readers]) => readers.some((lane) => lane.isUnreadable))
      .map(([key]) => key);
    return lanes.length === 0 ? null : `the position or the backlog of these lanes cannot be read: ${lanes.join(', ')}`;
  }

  /** Throws when the database is away or another process holds the log. */
  async start(): Promise<void> {
    await this.connect();
    this.rollTimer = setInterval(() => void this.roll(), ROLL_EVERY_MS);
  }

  /** All that is being handled is brought to its end; the next process reads the rows that wait. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.rollTimer) clearInterval(this.rollTimer);
    if (this.handOverTimer) clearTimeout(this.handOverTimer);
    await this.reconnecting;
    const client = this.client;
    this.down();
    // A consumer of events waits for the commands that they cause.
    await Promise.all([...this.commandLanes.values()].flat().map((lane) => lane.stop()));
    await Promise.all(this.handling.values());
    await client?.end().catch(() => undefined);
  }

  async publish(topic: string, messages: readonly Message[]): Promise<void> {
    if (!this.client || this.stopping) throw new LogUnavailable('The database is away.');
    const lanes = this.commandLanes.get(topic);
    if (!lanes) throw new LogUnavailable(`Nothing in this process consumes ${topic}.`);
    if (messages.length === 1) return lanes[partitionOf(messages[0]!.tenant)]!.publish(messages);
    const mine = Map.groupBy(messages, ({ tenant }) => partitionOf(tenant));
    await Promise.all([...mine].map(([partition, some]) => lanes[partition]!.publish(some)));
  }

  broadcast(topic: string, messages: readonly Message[]): void {
    // The lane goes on first: its next batch is in the database while the answers of this one are written.
    setImmediate(() => this.tell(topic, messages));
  }

  committed(rows: readonly LogRow[]): void {
    if (rows.length === 0) return;
    this.committedRows.push(...rows);
    this.handOverTimer ??= setTimeout(() => this.handOverCommitted(), HAND_OVER_AFTER_MS);
  }

  private handOverCommitted(): void {
    this.handOverTimer = null;
    for (const row of this.committedRows.splice(0)) {
      if (this.client) this.handOver(row);
      else this.missed.push(row);
    }
  }

  private tell(topic: string, messages: readonly Message[]): void {
    for (const listener of this.listeners.get(topic) ?? []) {
      for (const message of messages) {
        // The row is committed: an error of a listener is no fault of the lane.
        try {
          listener(message);
        } catch (error) {
          this.options.onError(error as Error);
        }
      }
    }
  }

  private handOver(row: LogRow): void {
    for (const lane of this.lanes.get(`${row.topic}/${row.partition}`) ?? []) {
      this.handOverTo(lane, row);
      // It was a fault, and all of them read again.
      if (!this.client) return;
    }
  }

  private handOverTo(lane: Lane, row: LogRow): void {
    if (lane.end === null && this.missed.length < MAX_MISSED_MESSAGES) return void this.missed.push(row);
    // The row was in the table already when that was read.
    if (lane.end !== null && row.offset < lane.end) return;
    if (lane.isBehind && lane.end !== null) return;
    if (row.offset !== lane.end)
      return this.fail(
        this.client!,
        new Error(`${row.topic}/${row.partition} was handed ${row.offset} instead of ${lane.end}`),
      );
    if (lane.waiting.length >= MAX_LANE_MESSAGES) {
      lane.isBehind = true;
      return;
    }
    lane.end = row.offset + 1;
    lane.waiting.push({ offset: row.offset, message: row.message });
    if (!lane.running) void this.run(lane);
  }

  private async run(lane: Lane): Promise<void> {
    lane.running = true;
    const client = this.client!;
    const { key } = lane;
    // A batch that was begun before a fault.
    await this.handling.get(key);
    while (this.client === client && !this.stopping && (lane.waiting.length > 0 || lane.isBehind)) {
      const handled = lane.waiting.length > 0 ? this.handle(client, lane) : this.readOn(client, lane);
      this.handling.set(key, handled);
      await handled;
      this.handling.delete(key);
    }
    lane.running = false;
  }

  private async handle(client: pg.Client, lane: Lane): Promise<void> {
    const received = lane.waiting.splice(0, this.options.maxBatchMessages);
    const batch: Batch = {
      topic: lane.subscription.topic,
      partition: lane.partition,
      epoch: EPOCH,
      received,
      nextOffset: received.at(-1)!.offset + 1,
    };
    try {
      await lane.subscription.handleBatch(batch);
    } catch (error) {
      this.options.onError(error as Error);
      await this.readAgain(client, lane);
    }
  }

  /**
   * After a fault of a handler: the rows that its lane has in memory are dropped and read again. The other lanes have
   * nothing to do with it.
   */
  private async readAgain(client: pg.Client, lane: Lane): Promise<void> {
    lane.end = null;
    lane.waiting = [];
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    await this.untilRead(client, lane, null);
  }

  /** The next page. The rows that are handed over from here on are kept until it is known where the page ends. */
  private async readOn(client: pg.Client, lane: Lane): Promise<void> {
    const from = lane.end;
    lane.end = null;
    await this.untilRead(client, lane, from);
  }

  private async untilRead(client: pg.Client, lane: Lane, from: number | null): Promise<void> {
    while (this.client === client && !this.stopping) {
      try {
        await this.read(client, lane, from);
        lane.isUnreadable = false;
        return this.handOverMissed();
      } catch (error) {
        lane.isUnreadable = true;
        this.options.onError(error as Error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
  }

  private handOverMissed(): void {
    for (const row of this.missed.splice(0)) this.handOver(row);
  }

  /** After a fault of the connection: drop everything in memory, connect anew, read again. */
  private fail(client: pg.Client, error: Error): void {
    if (this.client !== client) return;
    this.options.onError(error);
    this.down();
    client.end().catch(() => undefined);
    this.reconnecting ??= this.reconnect();
  }

  private down(): void {
    this.client = null;
    this.lanes = new Map();
  }

  private async reconnect(): Promise<void> {
    while (!this.client && !this.stopping) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_AFTER_MS));
      await this.connect().catch(this.options.onError);
    }
    // In the same turn as the check of the client: a handler may throw at once, and then somebody has to connect again.
    this.reconnecting = null;
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.url,
      application_name: 'muster-log',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 15_000,
    });
    client.on('error', (error) => this.fail(client, error));
    client.on('end', () => this.fail(client, new Error('the connection has ended')));
    await client.connect();
    try {
      const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
        ADVISORY_LOCK,
      ]);
      if (!rows[0]!.locked) throw new LogIsTaken();
      await client.query('SELECT log.roll($1)', [this.options.keepDays]);
      this.missed = [];
      this.lanes = await this.load(client);
      this.client = client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    for (const lane of [...this.lanes.values()].flat()) if (lane.waiting.length > 0) void this.run(lane);
    this.handOverMissed();
  }

  private async load(client: pg.Client): Promise<Map<string, Lane[]>> {
    const lanes = new Map<string, Lane[]>();
    for (const [index, subscription] of this.subscriptions.entries()) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const lane: Lane = {
          subscription,
          partition,
          key: `${index}/${partition}`,
          end: null,
          isBehind: false,
          isUnreadable: false,
          running: false,
          waiting: [],
        };
        await this.read(client, lane, null);
        const key = `${subscription.topic}/${partition}`;
        lanes.set(key, [...(lanes.get(key) ?? []), lane]);
      }
    }
    return lanes;
  }

  /** Reads the rows that wait for a lane, a page of them, from its position row on where `from` is null. */
  private async read(client: pg.Client, lane: Lane, from: number | null): Promise<void> {
    const {
      subscription: { topic },
      partition,
    } = lane;
    let end = from;
    if (end === null) {
      const position = await lane.subscription.position(partition);
      end = position.epoch === EPOCH ? position.nextOffset : 0;
    }
    const { rows } = await client.query<{ offset: string; message: Message; bytes: number }>(
      'SELECT "offset", message, bytes FROM log.read_some($1, $2, $3, $4, $5)',
      [topic, partition, end, MAX_LANE_MESSAGES, BACKLOG_PAGE_BYTES],
    );
    lane.waiting = rows.map((row) => ({ offset: Number(row.offset), message: row.message }));
    lane.isBehind =
      rows.length === MAX_LANE_MESSAGES || rows.reduce((sum, { bytes }) => sum + bytes, 0) >= BACKLOG_PAGE_BYTES;
    // Not the number of rows: the first ones may be gone, with their age.
    lane.end = (lane.waiting.at(-1)?.offset ?? end - 1) + 1;
  }

  private async roll(): Promise<void> {
    await this.client?.query('SELECT log.roll($1)', [this.options.keepDays]).catch(this.options.onError);
  }
}
