import { connect as connectSocket } from 'node:net';
import kafkajs, { type Admin, type Consumer, type EachBatchPayload, type Kafka, type Message as KafkaMessage, type Producer } from 'kafkajs';
import type { Pool } from 'pg';
import { PARTITIONS, TOPICS, partitionOf, type Message, type Owner } from '#contracts';
import { LogUnavailable, type Batch, type Log, type LogRow, type Subscription } from '../log.js';
import { fromKafka, toKafka } from './kafka-message.js';
import { Relay } from './relay.js';

export interface KafkaLogOptions {
  /** `host:port`, one or more. */
  readonly brokers: readonly string[];
  /** The owner whose lanes this process runs; null for a gateway, which only sends commands and hears outcomes. */
  readonly owner: Owner | null;
  /** The owner's database: the Postgres log holds what the relay copies to Kafka. Null for a gateway. */
  readonly pool: Pool | null;
  /** A topic that is made anew on the same cluster gets another suffix. */
  readonly topicSuffix: string;
  readonly maxBatchMessages: number;
  readonly onError: (error: Error) => void;
  /** A consumer that died for good: the process has to end, and whoever keeps it starts it again. */
  readonly onDead: (error: Error) => void;
}

const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_MS = 2_000;
const MAX_WAIT_MS = 250;
const TOPICS_TIMEOUT_MS = 30_000;
const TOPICS_POLL_MS = 100;

/**
 * Kafka between processes. The owner of a lane consumes its commands, and copies what its transactions appended to the Postgres log
 * to Kafka: in order, one batch in flight for a partition. Positions live in Postgres, with the effects; Kafka's own are not used.
 */
export class KafkaLog implements Log {
  private readonly kafka: Kafka;
  private readonly producer: Producer;
  private readonly consumers: Consumer[] = [];
  private readonly subscriptions: Subscription[] = [];
  private readonly listeners = new Map<string, ((message: Message) => void)[]>();
  private readonly relays = new Map<number, Relay>();
  private readonly outgoing = new Map<string, { message: KafkaMessage; resolve: () => void; reject: (error: Error) => void }[]>();
  private readonly joined = new Set<Consumer>();
  private readonly flushing = new Set<string>();
  private epoch = '';
  private connected = false;
  private stopping = false;

  constructor(private readonly options: KafkaLogOptions) {
    this.kafka = new kafkajs.Kafka({
      clientId: `muster-${options.owner ?? 'gateway'}`,
      brokers: [...options.brokers],
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 3_000,
      requestTimeout: 10_000,
      retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 12 },
      socketFactory: ({ host, port, onConnect }) => {
        const socket = connectSocket({ host, port }, onConnect);
        socket.setNoDelay(true);
        socket.setKeepAlive(true, 60_000);
        return socket;
      },
    });
    // Not idempotent: the client rolls its sequence back before a retry. Duplicates are dropped by id.
    this.producer = this.kafka.producer({ allowAutoTopicCreation: false, idempotent: false, retry: { initialRetryTime: 50, retries: 4 } });
  }

  subscribe(subscription: Subscription): void {
    this.subscriptions.push(subscription);
  }

  broadcast(topic: string, handle: (message: Message) => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), handle]);
  }

  ready(): boolean {
    return this.connected && this.joined.size === this.consumers.length;
  }

  publish(topic: string, messages: readonly Message[]): Promise<void> {
    if (!this.connected) return Promise.reject(new LogUnavailable('The message log is away.'));
    return Promise.all(
      messages.map((message) => new Promise<void>((resolve, reject) => {
        const waiting = this.outgoing.get(topic) ?? [];
        waiting.push({ message: toKafka(message, partitionOf(message.tenant)), resolve, reject });
        this.outgoing.set(topic, waiting);
        this.planFlush(topic);
      })),
    ).then(() => undefined);
  }

  committed(rows: readonly LogRow[]): void {
    const byPartition = Map.groupBy(rows, ({ partition }) => partition);
    for (const [partition, mine] of byPartition) this.relays.get(partition)?.add(mine);
  }

  async start(): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      await this.makeTopics(admin);
      const { clusterId } = await admin.describeCluster();
      this.epoch = `${clusterId}/${this.options.topicSuffix}`;
    } finally {
      await admin.disconnect();
    }
    await this.producer.connect();
    this.connected = true;
    if (this.options.owner && this.options.pool) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        this.relays.set(partition, new Relay(this.producer, this.options.pool, this.options.owner, partition, this.epoch, (topic) => this.named(topic), this.options.onError));
      }
    }
    for (const subscription of this.subscriptions) await this.consume(subscription);
    if (this.listeners.size > 0) await this.listen();
  }

  /** Makes the topics that are missing, and waits until every partition has a leader: a consumer that asks too early dies of it. */
  private async makeTopics(admin: Admin): Promise<void> {
    const wanted = TOPICS.map((topic) => this.named(topic));
    for (const since = performance.now(); ; ) {
      try {
        const existing = new Set(await admin.listTopics());
        const topics = wanted.filter((topic) => !existing.has(topic));
        if (topics.length > 0) {
          await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: -1 })) });
        }
        // Asking for a coordinator makes a new cluster create the topic behind it.
        await admin.fetchOffsets({ groupId: 'muster.probe' });
        const { topics: known } = await admin.fetchTopicMetadata({ topics: [...wanted, '__consumer_offsets'] });
        if (known.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) return;
      } catch (error) {
        // Another process makes them at the same moment, or the broker is not done yet.
        if (performance.now() - since > TOPICS_TIMEOUT_MS) throw error;
      }
      if (performance.now() - since > TOPICS_TIMEOUT_MS) throw new LogUnavailable('The topics did not get their leaders in time.');
      await new Promise((resolve) => setTimeout(resolve, TOPICS_POLL_MS));
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.connected = false;
    await Promise.all(this.consumers.map((consumer) => consumer.disconnect().catch(this.options.onError)));
    await Promise.all([...this.relays.values()].map((relay) => relay.stop()));
    await this.producer.disconnect().catch(this.options.onError);
  }

  private named(topic: string): string {
    return topic + this.options.topicSuffix;
  }

  /** Messages of one turn of the event loop go out as one request; those that come while it is under way wait and form the next one. */
  private planFlush(topic: string): void {
    if (this.flushing.has(topic)) return;
    this.flushing.add(topic);
    setImmediate(() => void this.flush(topic));
  }

  private async flush(topic: string): Promise<void> {
    for (let waiting = this.outgoing.get(topic); waiting; waiting = this.outgoing.get(topic)) {
      this.outgoing.delete(topic);
      try {
        await this.producer.send({ topic: this.named(topic), acks: -1, messages: waiting.map(({ message }) => message) });
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        const away = new LogUnavailable(`The message log did not take the message: ${(error as Error).message}`);
        for (const { reject } of waiting) reject(away);
      }
    }
    this.flushing.delete(topic);
  }

  private watched(consumer: Consumer): Consumer {
    this.consumers.push(consumer);
    consumer.on(consumer.events.GROUP_JOIN, () => this.joined.add(consumer));
    consumer.on(consumer.events.REBALANCING, () => this.joined.delete(consumer));
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.joined.delete(consumer);
      this.options.onError(payload.error);
      if (!payload.restart && !this.stopping) this.options.onDead(payload.error);
    });
    return consumer;
  }

  /** One subscription: its positions are in Postgres, so wherever Kafka starts, the consumer seeks to its own. */
  private async consume(subscription: Subscription): Promise<void> {
    const topic = this.named(subscription.topic);
    const consumer = this.watched(
      this.kafka.consumer({
        groupId: `muster.${this.options.owner}${this.options.topicSuffix}`, sessionTimeout: SESSION_TIMEOUT_MS, heartbeatInterval: HEARTBEAT_MS,
        maxWaitTimeInMs: MAX_WAIT_MS, minBytes: 1, allowAutoTopicCreation: false,
        retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 30 },
      }),
    );
    const expected = new Map<number, number>();
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      for (const partition of payload.memberAssignment[topic] ?? []) {
        expected.delete(partition);
        this.relays.get(partition)?.assign().catch(this.options.onError);
      }
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: PARTITIONS,
      eachBatch: async (payload) => {
        const { partition, messages } = payload.batch;
        if (!expected.has(partition)) {
          const position = await subscription.position(partition);
          expected.set(partition, position.epoch === this.epoch ? position.nextOffset : 0);
        }
        const next = expected.get(partition)!;
        const first = Number(messages[0]!.offset);
        if (first < next && Number(messages[messages.length - 1]!.offset) < next) {
          consumer.seek({ topic, partition, offset: String(next) });
          return;
        }
        await this.handle(payload, subscription, next, (offset) => expected.set(partition, offset));
      },
    });
  }

  private async handle(
    { batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload, subscription: Subscription, from: number, advance: (offset: number) => void,
  ): Promise<void> {
    const received = batch.messages.map(fromKafka).filter(({ offset }) => offset >= from);
    for (let start = 0; start < received.length && isRunning() && !isStale(); start += this.options.maxBatchMessages) {
      const part = received.slice(start, start + this.options.maxBatchMessages);
      const nextOffset = part[part.length - 1]!.offset + 1;
      const handed: Batch = {
        topic: subscription.topic, partition: batch.partition, epoch: this.epoch, received: part, nextOffset, checkHeld: false,
      };
      await subscription.handleBatch(handed);
      advance(nextOffset);
      resolveOffset(String(nextOffset - 1));
      await heartbeat();
    }
  }

  /** Every process hears all outcomes, under a group of its own, from the end. */
  private async listen(): Promise<void> {
    const consumer = this.watched(
      this.kafka.consumer({
        groupId: `muster.listener.${crypto.randomUUID()}`, sessionTimeout: SESSION_TIMEOUT_MS, heartbeatInterval: HEARTBEAT_MS,
        maxWaitTimeInMs: MAX_WAIT_MS, minBytes: 1, allowAutoTopicCreation: false, retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 30 },
      }),
    );
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.listeners.keys()].map((topic) => this.named(topic)), fromBeginning: false });
    await consumer.run({
      autoCommit: false, partitionsConsumedConcurrently: PARTITIONS,
      eachBatch: async ({ batch }) => {
        const topic = batch.topic.slice(0, batch.topic.length - this.options.topicSuffix.length);
        const listeners = this.listeners.get(topic) ?? [];
        for (const { message } of batch.messages.map(fromKafka)) if (message) for (const listener of listeners) listener(message);
      },
    });
  }
}
