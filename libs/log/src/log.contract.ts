import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { commandsOf, eventsOf, outcomesOf, partitionOf, type Message } from '#contracts';
import { LogUnavailable, type Batch, type Log, type LogRow, type Subscription } from './log.js';

/** An adapter brings this to the contract: a real database and a real log, which may be killed. */
export interface Adapter {
  /** The database with the position rows and the Postgres log: its owner's URL. */
  databaseUrl(): string;
  /** A log as one process has it, not started. Where it needs a pool of the database, it uses this one. */
  newLog(options: { readonly maxBatchMessages: number; readonly pool: pg.Pool }): Log;
  /** Kills what the log works on. Resolves when it has ended. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  restart(): Promise<void>;
}

const COMMANDS = commandsOf('identity');
const EVENTS = eventsOf('identity');
const OUTCOMES = outcomesOf('identity');
const CONSUMER_GROUP = 'muster.identity';
/**
 * Generous: the machine may do other work, and a broker or a database is started. No test waits that long when all is
 * well.
 */
const TIMEOUT_MS = 120_000;

/** A tenant of its own for a test, in the partition that it asks for. */
export const newTenant = (partition?: number): string => {
  for (;;) {
    const tenant = randomUUID();
    if (partition === undefined || partitionOf(tenant) === partition) return tenant;
  }
};

export const newMessages = (tenant: string, count: number): Message[] =>
  Array.from({ length: count }, (_, number) => ({
    id: randomUUID(),
    type: 'muster.test.v1',
    source: 'test',
    subject: 's',
    time: new Date().toISOString(),
    tenant,
    directory: null,
    correlationId: 'c',
    causationId: null,
    data: { number },
  }));

export const idsOf = (messages: readonly (Message | null)[]): (string | undefined)[] =>
  messages.map((message) => message?.id);

export const numbersOf = (messages: readonly Message[]): unknown[] =>
  messages.map(({ data }) => (data as { number: number }).number);

/** Resolves when `holds`, which is asked after each `tell`. */
export class Signal {
  private readonly waiting = new Set<{ holds: () => boolean; resolve: () => void }>();

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.add({ holds, resolve });
      this.tell();
    });
  }

  tell(): void {
    for (const waiter of this.waiting) {
      if (!waiter.holds()) continue;
      this.waiting.delete(waiter);
      waiter.resolve();
    }
  }
}

/** A consumer whose effect is its position row. It keeps the batches that it was handed for the test. */
export class Consumer implements Subscription {
  readonly begun: Batch[] = [];
  readonly handled: Batch[] = [];
  /** Runs before the effect of a batch. */
  before: (batch: Batch) => Promise<void> | void = () => undefined;

  constructor(
    private readonly pool: pg.Pool,
    readonly topic = COMMANDS,
    readonly signal = new Signal(),
    private readonly consumerGroup = CONSUMER_GROUP,
  ) {}

  async position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    const { rows } = await this.pool.query<{ epoch: string; next_offset: string }>(
      `INSERT INTO identity.positions VALUES ($1, $2, $3, '', 0)
       ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET epoch = positions.epoch RETURNING epoch, next_offset`,
      [this.consumerGroup, this.topic, partition],
    );
    return { epoch: rows[0]!.epoch, nextOffset: Number(rows[0]!.next_offset) };
  }

  async moveTo(partition: number, epoch: string, nextOffset: number): Promise<void> {
    await this.pool.query(
      'UPDATE identity.positions SET epoch = $4, next_offset = $5 WHERE consumer_group = $1 AND topic = $2 AND partition = $3',
      [this.consumerGroup, this.topic, partition, epoch, nextOffset],
    );
  }

  async handleBatch(batch: Batch): Promise<void> {
    this.begun.push(batch);
    this.signal.tell();
    await this.before(batch);
    await this.moveTo(batch.partition, batch.epoch, batch.nextOffset);
    this.handled.push(batch);
    this.signal.tell();
  }

  /** The messages of these tenants that were handled. */
  messages(...tenants: string[]): Message[] {
    return this.handled.flatMap(({ received }) =>
      received.flatMap(({ message }) => (message && tenants.includes(message.tenant) ? [message] : [])),
    );
  }

  /** Resolves when all of these have been handled. */
  has(messages: readonly Message[]): Promise<void> {
    const missing = new Set(idsOf(messages));
    let seen = 0;
    return this.signal.until(() => {
      for (; seen < this.handled.length; seen++)
        for (const { message } of this.handled[seen]!.received) missing.delete(message?.id);
      return missing.size === 0;
    });
  }
}

/** Appends as the transaction of a lane does, which numbers its own outputs. */
export const append = async (pool: pg.Pool, topic: string, messages: readonly Message[]): Promise<LogRow[]> => {
  const { rows: found } = await pool.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM log.ends($1)',
    [[topic]],
  );
  const ends = new Map(found.map(({ partition, next_offset }) => [partition, Number(next_offset)]));
  const rows = messages.map((message): LogRow => {
    const partition = partitionOf(message.tenant);
    const offset = ends.get(partition) ?? 0;
    ends.set(partition, offset + 1);
    return { topic, partition, offset, id: message.id, message };
  });
  await pool.query('SELECT log.append($1, $2, $3, $4, $5)', [
    rows.map(() => topic),
    rows.map(({ partition }) => partition),
    rows.map(({ offset }) => offset),
    rows.map(({ id }) => id),
    JSON.stringify(rows.map(({ message }) => message)),
  ]);
  return rows;
};

/** Every rule of the port. Both adapters pass it, on the real thing. */
export const itIsALog = (adapter: Adapter): void => {
  vi.setConfig({ testTimeout: TIMEOUT_MS, hookTimeout: TIMEOUT_MS });
  let pool: pg.Pool;
  const logs: Log[] = [];

  beforeAll(() => {
    pool = new pg.Pool({ connectionString: adapter.databaseUrl() });
    pool.on('error', () => undefined);
  });

  afterEach(async () => {
    for (const log of logs.splice(0)) await log.stop();
  });

  afterAll(() => pool.end());

  const newLog = (maxBatchMessages = 100): Log => {
    const log = adapter.newLog({ maxBatchMessages, pool });
    logs.push(log);
    return log;
  };
  const started = async (subscriptions: readonly Subscription[], maxBatchMessages?: number): Promise<Log> => {
    const log = newLog(maxBatchMessages);
    for (const subscription of subscriptions) log.subscribe(subscription);
    await log.start();
    return log;
  };
  const commit = async (log: Log, topic: string, messages: readonly Message[]): Promise<void> =>
    log.committed(await append(pool, topic, messages));
  const untilReady = (log: Log): Promise<void> =>
    vi.waitFor(() => expect(log.unready()).toBeNull(), { timeout: TIMEOUT_MS });

  it('keeps the order of a tenant, whose messages are all in the partition of its key', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const tenants = [newTenant(), newTenant(), newTenant()];
    const published = tenants.map((tenant) => newMessages(tenant, 60));
    for (let turn = 0; turn < 60; turn += 20) {
      await Promise.all(
        published.flatMap((messages) =>
          messages.slice(turn, turn + 20).map((message) => log.publish(COMMANDS, [message])),
        ),
      );
    }
    await consumer.has(published.flat());
    tenants.forEach((tenant, index) =>
      expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(published[index]!)),
    );
    for (const { partition, received } of consumer.handled)
      for (const { message } of received) expect(partitionOf(message!.tenant)).toBe(partition);
  });

  it('hands over what was published in one turn of the event loop as one batch, or next to it', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const messages = newMessages(newTenant(), 40);
    await Promise.all(messages.map((message) => log.publish(COMMANDS, [message])));
    await consumer.has(messages);
    // The first one may go ahead when the lane is idle.
    expect(consumer.handled.length).toBeLessThanOrEqual(2);
  });

  it('says in a batch where it ends, and hands over no more than the limit', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer], 10);
    const messages = newMessages(newTenant(), 35);
    await log.publish(COMMANDS, messages);
    await consumer.has(messages);
    expect(numbersOf(consumer.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
    for (const { received, nextOffset } of consumer.handled) {
      expect(received.length).toBeLessThanOrEqual(10);
      expect(nextOffset).toBe(received.at(-1)!.offset + 1);
    }
  });

  it('hands over one batch of a partition at a time', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer], 5);
    const tenant = newTenant();
    const messages = newMessages(tenant, 40);
    let under = 0;
    let most = 0;
    consumer.before = async () => {
      most = Math.max(most, ++under);
      // A round trip to the database, in which a second batch would begin.
      await pool.query('SELECT 1');
      under--;
    };
    await Promise.all(messages.map((message) => log.publish(COMMANDS, [message])));
    await consumer.has(messages);
    expect(most).toBe(1);
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages));
  });

  it('goes on with the other partitions while one is being handled', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const [slow, other] = [newMessages(newTenant(0), 1), newMessages(newTenant(1), 3)];
    consumer.before = ({ partition }) => (partition === 0 ? consumer.has(other) : undefined);
    const published = log.publish(COMMANDS, slow);
    await consumer.signal.until(() => consumer.begun.length > 0);
    for (const message of other) await log.publish(COMMANDS, [message]);
    await Promise.all([published, consumer.has(slow)]);
    expect(idsOf(consumer.messages(slow[0]!.tenant, other[0]!.tenant))).toEqual(idsOf([...other, ...slow]));
  });

  it.each([
    [
      'at once',
      () => {
        throw new Error('a fault');
      },
    ],
    ['after a while', () => pool.query('SELECT no_such_column').then(() => undefined)],
    // A client library may take this for a bug that no retry mends.
    [
      'with a TypeError',
      async () => {
        throw new TypeError('a fault');
      },
    ],
  ])(
    'hands over the same messages again, in order and without a gap, when the handler throws %s',
    async (_when, fault) => {
      const consumer = new Consumer(pool);
      const log = await started([consumer], 4);
      const tenant = newTenant();
      const messages = newMessages(tenant, 20);
      let faults = 3;
      // In the middle: a part is handled already, and more waits.
      consumer.before = ({ received }) =>
        consumer.messages(tenant).length >= 8 && received.length > 0 && faults-- > 0 ? fault() : undefined;
      await log.publish(COMMANDS, messages);
      await consumer.has(messages);
      expect(faults).toBeLessThan(0);
      expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages));
      await untilReady(log);
    },
  );

  it('goes on with the other partitions while the handler of one throws', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const [failing, other] = [newMessages(newTenant(2), 2), newMessages(newTenant(3), 2)];
    let mended = false;
    consumer.before = ({ partition }) => {
      if (partition === 2 && !mended) throw new Error('a fault');
    };
    const published = log.publish(COMMANDS, failing);
    await consumer.signal.until(() => consumer.begun.length > 1);
    await log.publish(COMMANDS, other);
    await consumer.has(other);
    mended = true;
    await Promise.all([published, consumer.has(failing)]);
    expect(idsOf(consumer.messages(failing[0]!.tenant))).toEqual(idsOf(failing));
  });

  it('goes on at the position row after a stop and a start', async () => {
    const tenant = newTenant();
    const [before, after] = [newMessages(tenant, 5), newMessages(tenant, 5)];
    const first = new Consumer(pool, EVENTS);
    const log = await started([first, new Consumer(pool)]);
    await commit(log, EVENTS, before);
    await first.has(before);
    await log.stop();
    // Two of them are to be handled again: somebody put the position row back.
    const { partition, epoch, nextOffset } = first.handled.at(-1)!;
    await first.moveTo(partition, epoch, nextOffset - 2);
    const second = new Consumer(pool, EVENTS);
    const next = await started([second, new Consumer(pool)]);
    await commit(next, EVENTS, after);
    await second.has(after);
    expect(idsOf(second.messages(tenant))).toEqual(idsOf([...before.slice(-2), ...after]));
    expect(second.handled.filter((batch) => batch.partition !== partition)).toEqual([]);
  });

  it('starts from the beginning when the position row is of another epoch', async () => {
    const tenant = newTenant(4);
    const messages = newMessages(tenant, 5);
    const first = new Consumer(pool, EVENTS);
    const log = await started([first, new Consumer(pool)]);
    await commit(log, EVENTS, messages);
    await first.has(messages);
    await log.stop();
    await first.moveTo(4, 'another', 1_000_000);
    const second = new Consumer(pool, EVENTS);
    await started([second]);
    await second.has(messages);
    expect(second.handled[0]!.received[0]!.offset).toBe(0);
    expect(second.handled[0]!.epoch).toBe(first.handled[0]!.epoch);
  });

  it('hands to each subscription its own topic, and what a lane has committed, in order', async () => {
    const [commands, events] = [new Consumer(pool), new Consumer(pool, EVENTS)];
    const log = await started([commands, events]);
    const [published, committed] = [newMessages(newTenant(5), 20), newMessages(newTenant(5), 20)];
    await log.publish(COMMANDS, published);
    await commit(log, EVENTS, committed.slice(0, 10));
    await commit(log, EVENTS, committed.slice(10));
    await Promise.all([commands.has(published), events.has(committed)]);
    expect(idsOf(events.messages(committed[0]!.tenant))).toEqual(idsOf(committed));
    expect(commands.handled.every(({ topic }) => topic === COMMANDS)).toBe(true);
    expect(events.handled.every(({ topic }) => topic === EVENTS)).toBe(true);
  });

  it('lets every listener hear what is broadcast from the start on, in order, though one of them throws', async () => {
    const [before, after] = [newMessages(newTenant(6), 3), newMessages(newTenant(6), 30)];
    const signal = new Signal();
    const first = newLog();
    const heardBefore: Message[] = [];
    first.listen(OUTCOMES, (message) => {
      heardBefore.push(message);
      signal.tell();
    });
    await first.start();
    first.broadcast(OUTCOMES, before);
    await signal.until(() => heardBefore.length === before.length);
    await first.stop();
    const heard: Message[][] = [[], []];
    const log = newLog();
    log.listen(OUTCOMES, () => {
      throw new Error('a fault of a listener');
    });
    for (const list of heard) {
      log.listen(OUTCOMES, (message) => {
        list.push(message);
        signal.tell();
      });
    }
    await log.start();
    // Right after the start: a process that asks now waits for the answer.
    log.broadcast(OUTCOMES, after);
    await signal.until(() => heard.every((list) => list.some(({ id }) => id === after.at(-1)!.id)));
    for (const list of heard) expect(idsOf(list)).toEqual(idsOf(after));
  });

  it('is ready from the end of its start to its stop, and takes nothing outside of that', async () => {
    const log = newLog();
    const consumer = new Consumer(pool);
    log.subscribe(consumer);
    log.listen(OUTCOMES, () => undefined);
    const messages = newMessages(newTenant(), 1);
    expect(log.unready()).not.toBeNull();
    await expect(log.publish(COMMANDS, messages)).rejects.toBeInstanceOf(LogUnavailable);
    await log.start();
    expect(log.unready()).toBeNull();
    await log.publish(COMMANDS, messages);
    await consumer.has(messages);
    await log.stop();
    expect(log.unready()).not.toBeNull();
    await expect(log.publish(COMMANDS, messages)).rejects.toBeInstanceOf(LogUnavailable);
  });

  it('stops when the batch that is being handled is done, begins no other, and leaves nothing open', async () => {
    // Without those of the pool, which opens and closes them when it likes to. Others may still be closing at first.
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length - pool.totalCount;
    const tenant = newTenant();
    const messages = newMessages(tenant, 20);
    const consumer = new Consumer(pool, EVENTS);
    const before = sockets();
    const log = await started([consumer, new Consumer(pool)], 5);
    expect(sockets()).toBeGreaterThan(before);
    let stopped: Promise<void> | undefined;
    consumer.before = async () => {
      stopped ??= log.stop();
      // More round trips than a stop that does not wait would take.
      for (let trip = 0; trip < 500; trip++) await pool.query('SELECT 1');
    };
    await commit(log, EVENTS, messages);
    await consumer.signal.until(() => consumer.begun.length > 0);
    await stopped;
    expect(consumer.begun).toHaveLength(1);
    expect(consumer.handled).toHaveLength(1);
    await vi.waitFor(() => expect(sockets()).toBeLessThanOrEqual(before), { timeout: TIMEOUT_MS });
    const next = new Consumer(pool, EVENTS);
    await started([next]);
    await next.has(messages.slice(consumer.handled[0]!.received.length));
    expect(idsOf([...consumer.messages(tenant), ...next.messages(tenant)])).toEqual(idsOf(messages));
  });

  it('takes no message while it is away and says so; comes back by itself, with everything that it took', async () => {
    const tenant = newTenant();
    const [before, after] = [newMessages(tenant, 3), newMessages(tenant, 3)];
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    await log.publish(COMMANDS, before);
    await consumer.has(before);
    await adapter.kill();
    await vi.waitFor(() => expect(log.unready()).not.toBeNull(), { timeout: TIMEOUT_MS });
    await expect(log.publish(COMMANDS, newMessages(newTenant(), 1))).rejects.toBeInstanceOf(LogUnavailable);
    await adapter.restart();
    await untilReady(log);
    await log.publish(COMMANDS, after);
    await consumer.has(after);
    expect(idsOf(consumer.messages(tenant))).toEqual(idsOf([...before, ...after]));
  });

  it('can be stopped while it is away', async () => {
    const log = await started([new Consumer(pool)]);
    await adapter.kill();
    await log.stop();
    await adapter.restart();
    await untilReady(await started([new Consumer(pool)]));
  });
};
