import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs, { type AclEntry, type Admin, type Kafka } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { commandsOf, eventsOf, deadOf, outcomesOf, userOf, type Message } from '#contracts';
import { startKafkaBroker, type KafkaBroker } from '../../../../deploy/kafka-broker.js';
import { watchLanes } from '#event-store';
import { readConfig } from '#runtime';
import { kafkaOf } from '../../../../test/support/kafka-client.js';
import { describeWithOwnKafka } from '../../../../test/support/kafka.js';
import { newDatabase } from '../../../../test/support/postgres.js';
import { append, Consumer, idsOf, itIsALog, newMessages, newTenant, numbersOf, Signal } from '../log.contract.js';
import { LogUnavailable, MessageTooLong } from '../log.js';
import { KafkaLog, type KafkaLogOptions } from './kafka-log.js';

// A broker takes 3 to 20 s to start on two cores that do other work.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });
const TIMEOUT_MS = 100_000;
const COMMANDS = commandsOf('identity');
const EVENTS = eventsOf('identity');
const OUTCOMES = outcomesOf('identity');
const DEAD = deadOf(COMMANDS);

describeWithOwnKafka('the Kafka log', () => {
  let dataDir: string;
  let broker: KafkaBroker;
  let databaseUrl: string;
  let pool: pg.Pool;
  const logs: KafkaLog[] = [];
  const dead: Error[] = [];
  const signal = new Signal();

  const startBroker = (port?: number): Promise<KafkaBroker> =>
    startKafkaBroker(dataDir, { port, services: ['muster'], topicSuffix: '.spec' });
  const kill = async (): Promise<void> => {
    process.kill(broker.pid, 'SIGKILL');
    await broker.exited;
  };
  const restart = async (): Promise<void> => {
    broker = await startBroker(Number(broker.brokers.split(':')[1]));
  };
  /** A process of identity. */
  const newLog = (options: Partial<KafkaLogOptions> = {}): KafkaLog => {
    const log = new KafkaLog({
      connection: readConfig(broker.settingsOf('muster')).kafka!,
      service: 'identity',
      pool,
      topicSuffix: '.spec',
      maxBatchMessages: 100,
      watch: { during: (_what, work) => work() },
      onError: () => undefined,
      onDead: (error) => {
        dead.push(error);
        signal.tell();
      },
      ...options,
    });
    logs.push(log);
    return log;
  };

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'muster-kafka-log-'));
    [broker, databaseUrl] = await Promise.all([startBroker(), newDatabase()]);
    pool = new pg.Pool({ connectionString: databaseUrl });
  });

  afterEach(async () => {
    for (const log of logs.splice(0)) await log.stop();
    expect(dead.splice(0)).toEqual([]);
  });

  afterAll(async () => {
    await pool?.end();
    await broker?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const client = (): Kafka => kafkaOf(broker.administrator);
  const started = async (
    subscriptions: readonly Consumer[] = [],
    options: Partial<KafkaLogOptions> = {},
  ): Promise<KafkaLog> => {
    const log = newLog(options);
    for (const subscription of subscriptions) log.subscribe(subscription);
    await log.start();
    return log;
  };
  /** Hears as a process of its own does, until the test ends. */
  const listen = async (topic: string): Promise<Message[]> => {
    const heard: Message[] = [];
    const log = newLog();
    log.listen(topic, (message) => {
      heard.push(message);
      signal.tell();
    });
    await log.start();
    return heard;
  };
  const has = (heard: readonly Message[], wanted: readonly Message[]): Promise<void> =>
    signal.until(() => {
      const ids = new Set(idsOf(heard));
      return wanted.every(({ id }) => ids.has(id));
    });
  /** The messages of a tenant that were heard, each for the first time. */
  const firsts = (heard: readonly Message[], tenant: string): unknown[] => [
    ...new Set(numbersOf(heard.filter((message) => message.tenant === tenant))),
  ];
  const withAdmin = async <T>(use: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = client().admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  };
  const large = (tenant: string, count: number): Message[] =>
    newMessages(tenant, count).map((message) => ({
      ...message,
      data: { ...(message.data as object), text: 'x'.repeat(700_000) },
    }));

  itIsALog({ databaseUrl: () => databaseUrl, newLog, kill, restart });

  it('shows bytes that are no message, in their place', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const [before, after] = [newMessages(newTenant(0), 1), newMessages(newTenant(0), 1)];
    await log.publish(COMMANDS, before);
    const producer = client().producer();
    await producer.connect();
    await producer.send({
      topic: `${COMMANDS}.spec`,
      messages: [
        { partition: 0, value: Buffer.from([0xff, 0x00]) },
        { partition: 0, value: null },
        { partition: 0, value: '{}', headers: { ce_id: 'only' } },
        { partition: 0, value: 'no json', headers: { ce_id: 'a', ce_type: 'b', ce_tenant: 'c' } },
      ],
    });
    await producer.disconnect();
    await log.publish(COMMANDS, after);
    await consumer.has(after);
    const received = consumer.handled.flatMap((batch) => batch.received);
    expect(received.map(({ message, raw }) => message?.id ?? raw)).toEqual([
      before[0]!.id,
      '\ufffd\0',
      '',
      '{}',
      'no json',
      after[0]!.id,
    ]);
  });

  it('takes messages of one turn that are too large for one request, and relays them', async () => {
    const [heard, consumer] = [await listen(EVENTS), new Consumer(pool)];
    const log = await started([consumer]);
    const [published, committed] = [large(newTenant(), 30), large(newTenant(), 30)];
    await Promise.all(published.map((message) => log.publish(COMMANDS, [message])));
    log.committed(await append(pool, EVENTS, committed));
    await Promise.all([consumer.has(published), has(heard, committed)]);
    expect(numbersOf(consumer.messages(published[0]!.tenant))).toEqual(numbersOf(published));
    expect(firsts(heard, committed[0]!.tenant)).toEqual(numbersOf(committed));
  });

  it('leaves out what is too long for the broker, and takes and relays all the others', async () => {
    await broker.allow(['.spec', '.limited']);
    const errors: Error[] = [];
    const limited = { topicSuffix: '.limited', onError: (error: Error) => errors.push(error) };
    const first = newLog(limited);
    await first.start();
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [COMMANDS, EVENTS].map((topic) => ({
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: `${topic}.limited`,
          configEntries: [{ name: 'max.message.bytes', value: '300000' }],
        })),
      }),
    );
    await first.stop();
    const consumer = new Consumer(pool);
    const heard: Message[] = [];
    const log = newLog(limited);
    log.subscribe(consumer);
    log.listen(EVENTS, (message) => {
      heard.push(message);
      signal.tell();
    });
    await log.start();
    const withLongOnes = (tenant: string, ...places: number[]): Message[] =>
      newMessages(tenant, 9).map((message, place) =>
        places.includes(place) ? { ...message, data: { number: place, text: 'x'.repeat(700_000) } } : message,
      );
    const published = withLongOnes(newTenant(), 0, 4, 8);
    const results = await Promise.allSettled(published.map((message) => log.publish(COMMANDS, [message])));
    expect(
      results.map((result) => (result.status === 'rejected' ? (result.reason as Error).constructor : null)),
    ).toEqual(published.map((_, place) => ([0, 4, 8].includes(place) ? MessageTooLong : null)));
    await consumer.has(published.filter((_, place) => ![0, 4, 8].includes(place)));
    expect(numbersOf(consumer.messages(published[0]!.tenant))).toEqual([1, 2, 3, 5, 6, 7]);
    // Longer than any topic takes: a broker would end the connection.
    await expect(
      log.publish(COMMANDS, [{ ...published[0]!, data: 'x'.repeat(17 * 1_048_576) }]),
    ).rejects.toBeInstanceOf(MessageTooLong);

    const committed = withLongOnes(newTenant(), 1, 2, 8);
    const rows = await append(pool, EVENTS, committed);
    log.committed(rows);
    const leftOut = rows
      .filter((_, place) => [1, 2, 8].includes(place))
      .map(({ partition, offset }) => `${EVENTS}/${partition} offset ${offset} is too long for Kafka`);
    /** The number of times that each was named: the other tests have left long ones, too. */
    const named = (): number[] =>
      leftOut.map((name) => errors.filter(({ message }) => message.startsWith(`${name} `)).length);
    await has(
      heard,
      committed.filter((_, place) => ![1, 2, 8].includes(place)),
    );
    await vi.waitFor(() => expect(named()).toEqual([1, 1, 1]), { timeout: TIMEOUT_MS });
    expect(firsts(heard, committed[0]!.tenant)).toEqual([0, 3, 4, 5, 6, 7]);
    // It does not come back to them.
    const after = newMessages(committed[0]!.tenant, 1);
    log.committed(await append(pool, EVENTS, after));
    await has(heard, after);
    expect(named()).toEqual([1, 1, 1]);
  });

  describe('of which a broker takes nothing, and hands over what it has,', () => {
    const journal: string[] = [];
    const logger = {
      info: ({ lane }: { lane?: string }) => journal.push(`${lane} goes on`),
      error: ({ lane }: { lane?: string }) => journal.push(`${lane} stands still`),
    };
    const lanes = watchLanes(1, logger);
    const errors: Error[] = [];
    const refused = { topicSuffix: '.refused', watch: lanes, onError: (error: Error) => void errors.push(error) };
    /**
     * A topic with one replica has as many as it needs, whatever min.insync.replicas says; what a broker refuses
     * differs in the error alone.
     */
    const rule = (topic: string): AclEntry => ({
      resourceType: kafkajs.AclResourceTypes.TOPIC,
      resourceName: `${topic}.refused`,
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: `User:${userOf('muster')}`,
      host: '*',
      operation: kafkajs.AclOperationTypes.WRITE,
      permissionType: kafkajs.AclPermissionTypes.DENY,
    });
    const refuse = (topic: string): Promise<unknown> => withAdmin((admin) => admin.createAcls({ acl: [rule(topic)] }));
    const takeAgain = (topic: string): Promise<unknown> =>
      withAdmin((admin) => admin.deleteAcls({ filters: [rule(topic)] }));
    const unready = (reason: RegExp): Promise<void> =>
      vi.waitFor(() => expect(lanes.unready() ?? '').toMatch(reason), { timeout: TIMEOUT_MS });

    beforeAll(() => broker.allow(['.spec', '.refused']));
    afterEach(() => {
      journal.splice(0);
      errors.splice(0);
    });

    it('makes its process unready, in one line that names the relay, until the broker takes it', async () => {
      const [heard, others]: [Message[], Message[]] = [[], []];
      const log = newLog(refused);
      log.subscribe(new Consumer(pool));
      for (const [topic, list] of [
        [EVENTS, heard],
        [DEAD, others],
      ] as const) {
        log.listen(topic, (message) => {
          list.push(message);
          signal.tell();
        });
      }
      await log.start();
      const messages = newMessages(newTenant(4), 3);
      const letters = newMessages(messages[0]!.tenant, 3);
      // A listener hears what comes after its first look at a partition, which a busy broker may answer late.
      for (const [topic, list] of [
        [EVENTS, heard],
        [DEAD, others],
      ] as const)
        await vi.waitFor(
          async () => {
            log.committed(await append(pool, topic, newMessages(messages[0]!.tenant, 1)));
            await new Promise((resolve) => void setImmediate(resolve));
            expect(list).not.toHaveLength(0);
          },
          { timeout: TIMEOUT_MS, interval: 200 },
        );
      await refuse(EVENTS);
      log.committed([...(await append(pool, DEAD, letters.slice(0, 2))), ...(await append(pool, EVENTS, messages))]);
      await unready(/relay to Kafka of identity\/4, sending to identity\.events since 2/);
      // The other topic goes on: what was sent together with what is refused is sent once more, and not with each
      // attempt.
      log.committed(await append(pool, DEAD, letters.slice(2)));
      await has(others, letters);
      expect(others.filter(({ id }) => id === letters[0]!.id).length).toBeLessThanOrEqual(2);
      // It hears and reads as before: that says nothing of what it sends.
      expect(log.unready()).toBeNull();
      expect(String(errors[0])).toMatch(/not authorized/i);
      await takeAgain(EVENTS);
      await has(heard, messages);
      await vi.waitFor(() => expect(lanes.unready()).toBeNull(), { timeout: TIMEOUT_MS });
      // Once, however often it was tried.
      const name = 'relay to Kafka of identity/4, sending to identity.events';
      expect(journal.filter((line) => line.startsWith(name))).toEqual([`${name} stands still`, `${name} goes on`]);
    });

    it('and so does one that publishes commands', async () => {
      const log = newLog({ ...refused, service: 'gateway', pool: null });
      await log.start();
      await refuse(COMMANDS);
      await vi.waitFor(
        async () => {
          await expect(log.publish(COMMANDS, newMessages(newTenant(), 1))).rejects.toBeInstanceOf(LogUnavailable);
          expect(lanes.unready() ?? '').toMatch(/publishing of gateway to identity\.commands since 2/);
        },
        { timeout: TIMEOUT_MS },
      );
      await takeAgain(COMMANDS);
      await vi.waitFor(() => log.publish(COMMANDS, newMessages(newTenant(), 1)), { timeout: TIMEOUT_MS });
      expect([lanes.unready(), log.unready()]).toEqual([null, null]);
    });
  });

  it('goes on with the oldest message when Kafka no longer holds what the position row names', async () => {
    const messages = newMessages(newTenant(1), 10);
    const first = new Consumer(pool);
    const log = await started([first]);
    await log.publish(COMMANDS, messages);
    await first.has(messages);
    await log.stop();
    const { epoch, nextOffset } = first.handled.findLast(({ partition }) => partition === 1)!;
    await first.moveTo(1, epoch, nextOffset - 8);
    await withAdmin(async (admin) => {
      const topic = `${COMMANDS}.spec`;
      // Otherwise it does not know the topic.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: String(nextOffset - 5) }] });
    });
    const second = new Consumer(pool);
    await started([second]);
    await second.has(messages.slice(5));
    expect(numbersOf(second.messages(messages[0]!.tenant))).toEqual(numbersOf(messages.slice(5)));
  });

  it('ends the process when a topic has less than its position row says, and says what to do', async () => {
    const consumer = new Consumer(pool);
    const first = await started([consumer]);
    const messages = newMessages(newTenant(2), 2);
    await first.publish(COMMANDS, messages.slice(0, 1));
    await consumer.has(messages.slice(0, 1));
    await first.stop();
    const { epoch, nextOffset } = consumer.handled.findLast(({ partition }) => partition === 2)!;
    await consumer.moveTo(2, epoch, nextOffset + 1_000);
    const log = await started([consumer]);
    await log.publish(COMMANDS, messages.slice(1));
    await signal.until(() => dead.length > 0);
    expect(log.unready()).not.toBeNull();
    expect(String(dead.splice(0))).toMatch(/identity\.commands\/2 .*KAFKA_TOPIC_SUFFIX/);
    expect(idsOf(consumer.messages(messages[0]!.tenant))).toEqual(idsOf(messages.slice(0, 1)));
    await consumer.moveTo(2, epoch, nextOffset);
  });

  it('keeps its partitions while a batch takes longer than a session lives', async () => {
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    const messages = newMessages(newTenant(3), 1);
    consumer.before = async ({ partition }) => {
      if (partition === 3) await pool.query('SELECT pg_sleep(8)');
    };
    await log.publish(COMMANDS, messages);
    await consumer.has(messages);
    expect(log.unready()).toBeNull();
    expect(consumer.begun.filter(({ partition }) => partition === 3)).toHaveLength(1);
  });

  it('shares the partitions between processes, and each goes on where another one stopped', async () => {
    const tenants = Array.from({ length: 12 }, (_, partition) => newTenant(partition));
    const published = tenants.map((tenant) => newMessages(tenant, 30));
    const [first, second] = [new Consumer(pool, COMMANDS, signal), new Consumer(pool, COMMANDS, signal)];
    const publish = (log: KafkaLog, from: number): Promise<unknown> =>
      Promise.all(published.map((messages) => log.publish(COMMANDS, messages.slice(from, from + 10))));
    const handled = (): string[] => [...first.messages(...tenants), ...second.messages(...tenants)].map(({ id }) => id);
    const all = (count: number): Promise<void> => signal.until(() => new Set(handled()).size === count);
    const log = await started([first]);
    await publish(log, 0);
    await all(120);
    const other = await started([second]);
    await vi.waitFor(() => expect(log.unready()).toBeNull(), { timeout: TIMEOUT_MS });
    await publish(log, 10);
    await all(240);
    expect(second.handled.length).toBeGreaterThan(0);
    await other.stop();
    await publish(log, 20);
    await all(360);
    // Nobody died: nothing was handled twice, and each tenant in order.
    expect(handled()).toHaveLength(360);
    for (const [index, tenant] of tenants.entries()) {
      const numbers = [...first.messages(tenant), ...second.messages(tenant)].map(
        ({ data }) => (data as { number: number }).number,
      );
      expect(numbers.sort((a, b) => a - b)).toEqual(numbersOf(published[index]!));
      for (const consumer of [first, second])
        expect(numbersOf(consumer.messages(tenant))).toEqual(
          [...(numbersOf(consumer.messages(tenant)) as number[])].sort((a, b) => a - b),
        );
    }
  });

  it('handles one batch of a partition at a time, also when the partitions are assigned anew meanwhile', async () => {
    const messages = Array.from({ length: 12 }, (_, partition) => newMessages(newTenant(partition), 1)[0]!);
    const [first, second] = [new Consumer(pool, COMMANDS, signal), new Consumer(pool, COMMANDS, signal)];
    const log = await started([first]);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const [under, most] = [new Map<number, number>(), new Map<number, number>()];
    first.before = async ({ partition }) => {
      under.set(partition, (under.get(partition) ?? 0) + 1);
      most.set(partition, Math.max(most.get(partition) ?? 0, under.get(partition)!));
      signal.tell();
      await released;
      under.set(partition, under.get(partition)! - 1);
    };
    await log.publish(COMMANDS, messages);
    await signal.until(() => under.size === 12);
    await started([second]);
    // The other process has its partitions; ours, which it kept, would begin again in less than these round trips.
    await signal.until(() => second.handled.length > 0);
    for (let trip = 0; trip < 200; trip++) await pool.query('SELECT 1');
    release();
    await vi.waitFor(() => expect(log.unready()).toBeNull(), { timeout: TIMEOUT_MS });
    const more = messages.map(({ tenant }) => newMessages(tenant, 1)[0]!);
    first.before = () => undefined;
    await log.publish(COMMANDS, more);
    await signal.until(
      () =>
        new Set(idsOf([first, second].flatMap((consumer) => consumer.messages(...more.map(({ tenant }) => tenant)))))
          .size === 24,
    );
    expect([...most.values()]).toEqual(Array(12).fill(1));
    const kept = messages.filter((_, partition) => !second.begun.some((batch) => batch.partition === partition));
    expect(kept.length).toBeGreaterThan(0);
    for (const message of kept)
      expect(first.messages(message.tenant).filter(({ id }) => id === message.id)).toHaveLength(1);
  });

  it('lets each process hear what is broadcast', async () => {
    const heard = [await listen(OUTCOMES), await listen(OUTCOMES)];
    const log = await started();
    const messages = newMessages(newTenant(), 10);
    log.broadcast(OUTCOMES, messages);
    await Promise.all(heard.map((list) => has(list, messages)));
    for (const list of heard) expect(firsts(list, messages[0]!.tenant)).toEqual(numbersOf(messages));
  });

  describe('the relay', () => {
    const tenant = newTenant(7);

    it('sends what a predecessor committed and did not send', async () => {
      const heard = await listen(EVENTS);
      const messages = newMessages(tenant, 20);
      await append(pool, EVENTS, messages);
      await started([new Consumer(pool)]);
      await has(heard, messages);
      expect(firsts(heard, tenant)).toEqual(numbersOf(messages));
    });

    it('sends again what it may not have sent: the id tells', async () => {
      const heard = await listen(EVENTS);
      const messages = newMessages(newTenant(6), 5);
      const log = await started([new Consumer(pool)]);
      log.committed(await append(pool, EVENTS, messages));
      await has(heard, messages);
      await log.stop();
      await pool.query('UPDATE identity.relays SET next_offset = next_offset - 3 WHERE topic = $1 AND partition = 6', [
        EVENTS,
      ]);
      await started([new Consumer(pool)]);
      await signal.until(() => heard.length === 8);
      expect(idsOf(heard)).toEqual([...idsOf(messages), ...idsOf(messages.slice(2))]);
    });

    it('skips nothing when it is stopped in the middle of many rows', async () => {
      const heard = await listen(EVENTS);
      const messages = newMessages(newTenant(8), 2_500);
      await append(pool, EVENTS, messages);
      for (let times = 0; times < 5; times++) await (await started([new Consumer(pool)])).stop();
      await started([new Consumer(pool)]);
      await has(heard, messages);
      expect(firsts(heard, messages[0]!.tenant)).toEqual(numbersOf(messages));
    });

    it('sends once and in order what lanes commit while it reads what is there', async () => {
      const heard = await listen(EVENTS);
      const messages = newMessages(newTenant(9), 600);
      const log = newLog();
      log.subscribe(new Consumer(pool));
      await append(pool, EVENTS, messages.slice(0, 300));
      const starting = log.start();
      for (let from = 300; from < 600; from += 5)
        log.committed(await append(pool, EVENTS, messages.slice(from, from + 5)));
      await starting;
      await has(heard, messages);
      expect(numbersOf(heard.filter((message) => message.tenant === messages[0]!.tenant))).toEqual(numbersOf(messages));
    });

    it('finds what another process committed before it died, when its own lane goes on', async () => {
      const heard = await listen(EVENTS);
      const messages = newMessages(newTenant(10), 9);
      const log = await started([new Consumer(pool)]);
      log.committed(await append(pool, EVENTS, messages.slice(0, 3)));
      await has(heard, messages.slice(0, 3));
      await append(pool, EVENTS, messages.slice(3, 6));
      log.committed(await append(pool, EVENTS, messages.slice(6)));
      await has(heard, messages);
      expect(firsts(heard, messages[0]!.tenant)).toEqual(numbersOf(messages));
    });

    it('keeps what is committed while the broker is away, and stops all the same', async () => {
      const messages = newMessages(newTenant(11), 300);
      const log = await started([new Consumer(pool)]);
      await kill();
      log.committed(await append(pool, EVENTS, messages.slice(0, 150)));
      // More than is kept in memory.
      const waiting = large(newTenant(), 100).map((message) => log.publish(COMMANDS, [message]));
      const refused = await Promise.allSettled(waiting);
      expect(refused.map((result) => (result as PromiseRejectedResult).reason)).toEqual(
        Array(100).fill(expect.any(LogUnavailable)),
      );
      expect(String((refused.at(-1) as PromiseRejectedResult).reason)).toMatch(/behind/);
      log.committed(await append(pool, EVENTS, messages.slice(150)));
      await log.stop();
      await restart();
      const heard = await listen(EVENTS);
      await started([new Consumer(pool)]);
      await has(heard, messages);
      expect(firsts(heard, messages[0]!.tenant)).toEqual(numbersOf(messages));
    });

    it('drops the days of the log that are too old, as the Postgres log does', async () => {
      const table = 'log.messages_20200101';
      await pool.query(
        `CREATE TABLE ${table} PARTITION OF log.messages FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')`,
      );
      await started();
      await vi.waitFor(
        async () => {
          const { rows } = await pool.query<{ found: string | null }>('SELECT to_regclass($1) AS found', [table]);
          expect(rows[0]!.found).toBeNull();
        },
        { timeout: TIMEOUT_MS },
      );
    });
  });

  it('ends the process when the broker was made anew; the next one sends the retained log again, and starts from the beginning', async () => {
    const tenant = newTenant(5);
    const [command] = newMessages(tenant, 1);
    const committed = newMessages(tenant, 5);
    const consumer = new Consumer(pool);
    const log = await started([consumer]);
    log.committed(await append(pool, EVENTS, committed));
    await log.publish(COMMANDS, [command!]);
    await consumer.has([command!]);
    const before = consumer.handled.at(-1)!;
    await kill();
    rmSync(join(dataDir, 'kafka'), { recursive: true });
    await restart();
    await signal.until(() => dead.length > 0);
    expect(log.unready()).not.toBeNull();
    expect(String(dead.splice(0))).toMatch(/made anew/);
    await log.stop();
    const heard = await listen(EVENTS);
    const next = new Consumer(pool);
    const second = await started([next]);
    await has(heard, committed);
    await second.publish(COMMANDS, [command!]);
    await next.has([command!]);
    expect(next.handled.at(-1)!.epoch).not.toBe(before.epoch);
    expect(next.handled.at(-1)!.received.at(-1)!.offset).toBe(0);
  });
});
