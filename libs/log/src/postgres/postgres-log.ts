import pg from 'pg';
import { PARTITIONS, TOPICS, partitionOf, type Message } from '#contracts';
import { AWAY, LogUnavailable, type Batch, type Log, type LogRow, type Subscription } from '../log.js';

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
  /** The offset after the last one that was read or handed over; null while that is being found out. */
  end: number | null;
  /** The table holds more than is in memory: what is handed over meanwhile is read there when its turn comes. */
  isBehind: boolean;
  /**
   * Its position or its backlog could not be read: its handler gets nothing until they can, so nobody else notices that
   * it stands still.
   */
  isUnreadable: boolean;
  waiting: { offset: number; message: Message; appended: Promise<void> }[];
  running: boolean;
}

interface Pending {
  readonly topic: string;
  readonly messages: readonly Message[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const APPENDED = Promise.resolve();
const EPOCH = 'postgres';
/** Only one process may number the offsets: it holds this advisory lock as long as its connection lives. */
const ADVISORY_LOCK = 7_216_002;
const RECONNECT_AFTER_MS = 200;
const RETRY_AFTER_MS = 200;
/** A lane has so much in memory at the most: it may stand still for long. */
const MAX_LANE_MESSAGES = 1_000;
const BACKLOG_PAGE_BYTES = 4 * 1_048_576;
const MAX_APPEND_MESSAGES = 1_000;
/** Of one statement. All messages of a turn together may be more than a text can hold. */
const MAX_APPEND_CHARACTERS = 8 * 1_048_576;
const MAX_PENDING_PUBLISHES = 10_000;
const MAX_MISSED_MESSAGES = 10_000;
/**
 * Nobody waits for whoever reads events: one call for many of them costs a lone command nothing, one for each 0.2 ms.
 */
const HAND_OVER_AFTER_MS = 20;
const ROLL_EVERY_MS = 3_600_000;

/**
 * The log inside one process: appended with one statement and handed over in memory meanwhile, read from the table only
 * after a start or a fault. The append does not wait for the disk, because the commit of the outcome flushes it too; so
 * after any fault of the connection everything in memory is dropped and read again, and who writes checks that the log
 * still holds what it was handed.
 */
export class PostgresLog implements Log {
  private client: pg.Client | null = null;
  private stopping = false;
  private lanes = new Map<string, Lane>();
  private ends = new Map<string, number>();
  private pending: Pending[] = [];
  private appending: Promise<void> | null = null;
  private flushPlanned = false;
  private reconnecting: Promise<void> | null = null;
  /** Batches that are being handled, by topic and partition: a fault does not end them, and the next one waits. */
  private readonly handling = new Map<string, Promise<void>>();
  /** Rows that were committed while their lane was being read: it is handed over afterwards, unless it was read. */
  private missed: { row: LogRow; appended: Promise<void> }[] = [];
  private rollTimer: NodeJS.Timeout | null = null;
  /** Rows that lanes have written and other lanes are going to read. */
  private readonly committedRows: LogRow[] = [];
  private handOverTimer: NodeJS.Timeout | null = null;
  private readonly subscriptions: Subscription[] = [];
  private readonly listeners = new Map<string, ((message: Message) => void)[]>();

  constructor(private readonly options: PostgresLogOptions) {}

  subscribe(subscription: Subscription): void {
    this.subscriptions.push(subscription);
  }

  broadcast(topic: string, handle: (message: Message) => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), handle]);
  }

  unready(): string | null {
    if (!this.client) return AWAY;
    const lanes = [...this.lanes].filter(([, { isUnreadable }]) => isUnreadable).map(([key]) => key);
    return lanes.length === 0 ? null : `the position or the backlog of these lanes cannot be read: ${lanes.join(', ')}`;
  }

  /** Throws when the database is away or another process holds the log. */
  async start(): Promise<void> {
    await this.connect();
    this.rollTimer = setInterval(() => void this.roll(), ROLL_EVERY_MS);
  }

  /** All that is being appended and handled is brought to its end; the next process reads what waits. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.rollTimer) clearInterval(this.rollTimer);
    if (this.handOverTimer) clearTimeout(this.handOverTimer);
    await this.reconnecting;
    await this.appending;
    const client = this.client;
    this.down(new LogUnavailable('The log is being stopped.'));
    await Promise.all(this.handling.values());
    await client?.end().catch(() => undefined);
  }

  publish(topic: string, messages: readonly Message[]): Promise<void> {
    if (!this.client || this.stopping) return Promise.reject(new LogUnavailable('The database is away.'));
    if (this.pending.length >= MAX_PENDING_PUBLISHES)
      return Promise.reject(new LogUnavailable('The message log is behind.'));
    const done = new Promise<void>((resolve, reject) => this.pending.push({ topic, messages, resolve, reject }));
    this.planFlush();
    return done;
  }

  committed(rows: readonly LogRow[]): void {
    // The lane goes on first: its next batch is in the database while the answers of this one are written.
    setImmediate(() => {
      for (const row of rows) this.tell(row);
    });
    this.committedRows.push(...rows);
    this.handOverTimer ??= setTimeout(() => this.handOverCommitted(), HAND_OVER_AFTER_MS);
  }

  private handOverCommitted(): void {
    this.handOverTimer = null;
    for (const row of this.committedRows.splice(0)) {
      if (this.client) this.handOver(row, APPENDED);
      else this.missed.push({ row, appended: APPENDED });
    }
  }

  private tell({ topic, message }: LogRow): void {
    for (const listener of this.listeners.get(topic) ?? []) {
      // It is committed: what a listener makes of it is no fault of the lane.
      try {
        listener(message);
      } catch (error) {
        this.options.onError(error as Error);
      }
    }
  }

  /** Messages of one turn of the event loop go out as one statement. */
  private planFlush(): void {
    if (this.flushPlanned || this.appending) return;
    this.flushPlanned = true;
    setImmediate(() => {
      this.flushPlanned = false;
      if (this.client && this.pending.length > 0) this.appending = this.flush(this.client);
    });
  }

  private async flush(client: pg.Client): Promise<void> {
    const taken: Pending[] = [];
    let count = 0;
    while (
      this.pending.length > 0 &&
      (count === 0 || count + this.pending[0]!.messages.length <= MAX_APPEND_MESSAGES)
    ) {
      const next = this.pending.shift()!;
      taken.push(next);
      count += next.messages.length;
    }
    const rows = taken.flatMap(({ topic, messages }) => messages.map((message) => this.number(topic, message)));
    const appended = this.append(client, rows);
    for (const row of rows) this.handOver(row, appended);
    try {
      await appended;
      for (const { resolve } of taken) resolve();
    } catch (error) {
      for (const { reject } of taken) reject(error as LogUnavailable);
    }
    this.appending = null;
    if (this.pending.length > 0) this.planFlush();
  }

  private async append(client: pg.Client, rows: readonly LogRow[]): Promise<void> {
    // The lane goes first: what it loads is being looked up while this is sent.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      const statements: Promise<void>[] = [];
      let [from, characters] = [0, 0];
      let texts: string[] = [];
      for (const [index, { message }] of rows.entries()) {
        const text = JSON.stringify(message);
        if (index > from && characters + text.length > MAX_APPEND_CHARACTERS) {
          statements.push(this.appendTexts(client, rows.slice(from, index), texts));
          [from, characters, texts] = [index, 0, []];
        }
        texts.push(text);
        characters += text.length;
      }
      statements.push(this.appendTexts(client, from === 0 ? rows : rows.slice(from), texts));
      // All are in line before anything else that this connection is asked: who reads on it finds what was handed over
      // before.
      await Promise.all(statements);
    } catch (error) {
      this.fail(client, error as Error);
      throw new LogUnavailable(`The message log did not take the message: ${(error as Error).message}`);
    }
  }

  private async appendTexts(client: pg.Client, rows: readonly LogRow[], texts: readonly string[]): Promise<void> {
    await client.query({
      name: 'log-append',
      text: 'SELECT log.append($1, $2, $3, $4, $5::json[])',
      values: [
        rows.map((row) => row.topic),
        rows.map(({ partition }) => partition),
        rows.map(({ offset }) => offset),
        rows.map(({ id }) => id),
        texts,
      ],
    });
  }

  private number(topic: string, message: Message): LogRow {
    const partition = partitionOf(message.tenant);
    const key = `${topic}/${partition}`;
    const offset = this.ends.get(key) ?? 0;
    this.ends.set(key, offset + 1);
    return { topic, partition, offset, id: message.id, message };
  }

  private handOver(row: LogRow, appended: Promise<void>): void {
    const lane = this.lanes.get(`${row.topic}/${row.partition}`);
    if (!lane) return;
    if (lane.end === null && this.missed.length < MAX_MISSED_MESSAGES) return void this.missed.push({ row, appended });
    // It was in the table already when that was read.
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
    lane.waiting.push({ offset: row.offset, message: row.message, appended });
    if (!lane.running) void this.run(lane);
  }

  private async run(lane: Lane): Promise<void> {
    lane.running = true;
    const client = this.client!;
    const key = `${lane.subscription.topic}/${lane.partition}`;
    // One that was begun before a fault.
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
    const { offset, appended } = received[received.length - 1]!;
    const batch: Batch = {
      topic: lane.subscription.topic,
      partition: lane.partition,
      epoch: EPOCH,
      received,
      nextOffset: offset + 1,
      appended,
    };
    try {
      await lane.subscription.handleBatch(batch);
    } catch (error) {
      this.options.onError(error as Error);
      await this.readAgain(client, lane);
    }
  }

  /**
   * After a fault of a handler: what its lane has in memory is dropped and read again, on the connection that appends,
   * which has then appended what the lane was handed. The other lanes have nothing to do with it.
   */
  private async readAgain(client: pg.Client, lane: Lane): Promise<void> {
    lane.end = null;
    lane.waiting = [];
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    await this.untilRead(client, lane, null);
  }

  /**
   * The next page. The rows that this process hands over and appends from here on are kept until it is known where the
   * page ends.
   */
  private async readOn(client: pg.Client, lane: Lane): Promise<void> {
    const from = lane.end;
    lane.end = null;
    // Rows that were handed over before are not kept, and are sent to the database in the next turn: they are read
    // after that.
    await new Promise((resolve) => setImmediate(resolve));
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
    for (const { row, appended } of this.missed.splice(0)) this.handOver(row, appended);
  }

  /** After a fault of the connection: drop everything in memory, connect anew, read again. */
  private fail(client: pg.Client, error: Error): void {
    if (this.client !== client) return;
    this.options.onError(error);
    this.down(new LogUnavailable(`The database is away: ${error.message}`));
    client.end().catch(() => undefined);
    this.reconnecting ??= this.reconnect();
  }

  private down(error: LogUnavailable): void {
    this.client = null;
    this.lanes = new Map();
    this.ends = new Map();
    for (const { reject } of this.pending.splice(0)) reject(error);
  }

  private async reconnect(): Promise<void> {
    while (!this.client && !this.stopping) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_AFTER_MS));
      await this.connect().catch(this.options.onError);
    }
    // In the same turn as the look at the client: a handler may throw at once, and then somebody has to connect again.
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
      if (!rows[0]!.locked)
        throw new Error('another Muster process works with this database; several processes need Kafka');
      await client.query('SELECT log.roll($1)', [this.options.keepDays]);
      this.missed = [];
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
    this.handOverMissed();
  }

  private async load(client: pg.Client): Promise<{ lanes: Map<string, Lane>; ends: Map<string, number> }> {
    const lanes = new Map<string, Lane>();
    const ends = new Map<string, number>();
    // All of them: who publishes to a topic need not consume it.
    const { rows } = await client.query<{ topic: string; partition: number; next_offset: string }>(
      'SELECT topic, partition, next_offset FROM log.ends($1)',
      [TOPICS],
    );
    for (const row of rows) ends.set(`${row.topic}/${row.partition}`, Number(row.next_offset));
    for (const subscription of this.subscriptions) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const key = `${subscription.topic}/${partition}`;
        const lane: Lane = {
          subscription,
          partition,
          end: null,
          isBehind: false,
          isUnreadable: false,
          running: false,
          waiting: [],
        };
        // Rows that are older than the retention are gone, and a position is never behind its own commit.
        ends.set(key, Math.max(ends.get(key) ?? 0, await this.read(client, lane, null)));
        lanes.set(key, lane);
      }
    }
    return { lanes, ends };
  }

  /**
   * Reads what waits for a lane, a page of it, from its position row on where `from` is null. Returns where the page
   * ends.
   */
  private async read(client: pg.Client, lane: Lane, from: number | null): Promise<number> {
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
    lane.waiting = rows.map((row) => ({ offset: Number(row.offset), message: row.message, appended: APPENDED }));
    lane.isBehind =
      rows.length === MAX_LANE_MESSAGES || rows.reduce((sum, { bytes }) => sum + bytes, 0) >= BACKLOG_PAGE_BYTES;
    // Not the number of rows: the first ones may be gone, with their age.
    lane.end = (lane.waiting.at(-1)?.offset ?? end - 1) + 1;
    return lane.end;
  }

  private async roll(): Promise<void> {
    await this.client?.query('SELECT log.roll($1)', [this.options.keepDays]).catch(this.options.onError);
  }
}
