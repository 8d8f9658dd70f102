import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka, Producer } from 'kafkajs';
import type { Pool } from 'pg';
import {
  commandsOf,
  groupPrefixOf,
  outcomesOf,
  PARTITIONS,
  sourceOf,
  writtenBy,
  type Message,
  type Owner,
} from '#contracts';
import {
  AWAY,
  LOG_KEEP_DAYS,
  LogRefused,
  LogUnavailable,
  type Log,
  type LogRow,
  type Subscription,
  type Watch,
} from '../log.js';
import { kafkaClient, untilKnown, whyRefused, type KafkaConnection } from './connect.js';
import { MAX_WAIT_MS } from './group-member.js';
import { Listener } from './listener.js';
import { makeTopics } from './make-topics.js';
import { Publisher } from './publisher.js';
import { Relay } from './relay.js';
import './records.js';
import './request-queue.js';
import { Subscriber } from './subscriber.js';

export interface KafkaLogOptions {
  readonly connection: KafkaConnection;
  /**
   * The service that speaks: an owner, whose lanes this process runs, or a face, which only sends commands and hears
   * outcomes.
   */
  readonly service: string;
  /** The owner's database: the Postgres log holds what the relay copies to Kafka. Null for a face. */
  readonly pool: Pool | null;
  /** A topic that is made anew on the same cluster gets another suffix. */
  readonly topicSuffix: string;
  /** Topics that it makes besides those of an owner's lane. */
  readonly makes?: readonly string[];
  readonly maxBatchMessages: number;
  /** Told whether sending succeeds: a broker may be there, and hand over messages, and take none. */
  readonly watch: Watch;
  readonly onError: (error: Error) => void;
  /** Called when the log does not come back by itself: the process has to end, and its supervisor starts it again. */
  readonly onDead: (error: Error) => void;
}

/**
 * No client waits for a reader of events, and a fetch for every few of them costs more than they do: up to MAX_WAIT_MS
 * later.
 */
const EVENTS_AT_ONCE_BYTES = 256 * 1024;
/** Nobody waits for one who only notices them either, and each of his fetches brings more than he reads. */
const NOTICES_AT_ONCE_BYTES = 1_048_576;
const NOTICES_MAX_WAIT_MS = 500;
const MADE_ANEW = 'The broker was made anew; a new start makes the topics and sends the log again.';
const WATCH_EVERY_MS = 5_000;
const ASK_AFTER_MS = 10_000;
/** Half a minute: after a broker was away a consumer needs up to SESSION_TIMEOUT_MS to join again. */
const MAX_ANSWERS_IN_SILENCE = 6;
const RETRY_AFTER_MS = 200;
const ROLL_EVERY_MS = 3_600_000;
/** Any number that nothing else in the database locks. */
const ROLL_LOCK = 7_216_003;

/**
 * Kafka between processes. The owner of a lane consumes its commands, and copies the rows that its transactions
 * appended to the Postgres log to Kafka. Positions live in Postgres, with the effects; Kafka's own are not used.
 */
export class KafkaLog implements Log {
  private readonly kafka: Kafka;
  private readonly producer: Producer;
  private readonly publisher: Publisher;
  private readonly subscriptions: Subscription[] = [];
  private readonly listeners = new Map<string, ((message: Message) => void)[]>();
  /** Each process that listens hears everything: its group is its own. */
  private readonly listenerGroup: string;
  private consumers: (Subscriber | Listener)[] = [];
  private relays: Relay[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private clusterId = '';
  private started = false;
  private stopping = false;
  private dead = false;
  private answersInSilence = 0;

  constructor(private readonly options: KafkaLogOptions) {
    this.kafka = kafkaClient(options.connection, `muster-${this.service}`);
    this.listenerGroup = `${groupPrefixOf(this.service)}listener.${randomUUID()}`;
    // Not idempotent: the client rolls its sequence back before a retry. Duplicates are dropped by id.
    this.producer = this.kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      retry: { initialRetryTime: 50, retries: 4 },
    });
    this.publisher = new Publisher(this.producer, this.service, (topic) => this.named(topic), options.watch);
  }

  subscribe(subscription: Subscription): void {
    this.subscriptions.push(subscription);
  }

  listen(topic: string, handle: (message: Message) => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), handle]);
  }

  unready(): string | null {
    return this.started && !this.stopping && !this.dead && this.consumers.every((consumer) => consumer.ready())
      ? null
      : AWAY;
  }

  async publish(topic: string, messages: readonly Message[]): Promise<void> {
    if (!this.started || this.stopping) throw new LogUnavailable('The message log is away.');
    await this.publisher.publish(topic, messages);
  }

  /**
   * A process that misses one looks it up: the watch tells that the broker does not take it, and no answer waits for
   * that.
   */
  broadcast(topic: string, messages: readonly Message[]): void {
    if (this.started && messages.length > 0) this.publisher.publish(topic, messages).catch(this.options.onError);
  }

  committed(rows: readonly LogRow[]): void {
    for (const [partition, mine] of Map.groupBy(rows, ({ partition: number }) => number))
      this.relays[partition]?.add(mine);
  }

  /** Throws when the broker is away, or the topics cannot be made; LogRefused when the broker will not have us. */
  async start(): Promise<void> {
    try {
      this.clusterId = await untilKnown(() =>
        this.ask(async (admin) => {
          await makeTopics(admin, {
            own: [...(this.owner ? [commandsOf(this.owner), ...this.written] : []), ...(this.options.makes ?? [])].map(
              (topic) => this.named(topic),
            ),
            heard: [...this.subscriptions.map(({ topic }) => topic), ...this.listeners.keys()].map((topic) =>
              this.named(topic),
            ),
            groups: [
              ...this.subscriptions.map(({ topic }) => this.groupOf(topic)),
              ...(this.listeners.size > 0 ? [this.listenerGroup] : []),
            ],
          });
          return (await admin.describeCluster()).clusterId;
        }),
      );
      await this.producer.connect();
      this.makeRelays();
      this.makeConsumers();
      await Promise.all(this.consumers.map((consumer) => consumer.start()));
      this.every(WATCH_EVERY_MS, () => this.watch());
      this.started = true;
    } catch (error) {
      await this.stop();
      const refused = whyRefused(error, this.options.connection);
      throw refused === null ? error : new LogRefused(refused);
    }
  }

  /** Batches that have been begun and messages that are under way are brought to their end. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.consumers.map((consumer) => consumer.stop()));
    await Promise.all([...this.relays.map((relay) => relay.stop()), this.publisher.stop()]);
    await this.producer.disconnect().catch(this.options.onError);
  }

  private named(topic: string): string {
    return topic + this.options.topicSuffix;
  }

  private get service(): string {
    return this.options.service;
  }

  private get owner(): Owner | null {
    return this.options.pool && this.service;
  }

  /** The topics that are written with the effects of lanes and consumers. */
  private get written(): readonly string[] {
    return writtenBy(
      this.service,
      this.subscriptions.flatMap(({ topic, onlyNotices }) => (onlyNotices ? [] : (sourceOf(topic) ?? []))),
    );
  }

  /** A group for each topic: the members of one have to be interested in the same. */
  private groupOf(topic: string): string {
    return groupPrefixOf(this.service) + this.named(topic);
  }

  private get epoch(): string {
    return `${this.clusterId}/${this.options.topicSuffix}`;
  }

  private makeRelays(): void {
    const { pool, watch, onError } = this.options;
    const owner = this.owner;
    if (!owner || !pool) return;
    this.relays = Array.from(
      { length: PARTITIONS },
      (_, partition) =>
        new Relay({
          producer: this.producer,
          pool,
          owner,
          // Outcomes are broadcast.
          topics: this.written.filter((topic) => topic !== outcomesOf(owner)),
          partition,
          epoch: this.epoch,
          named: (topic) => this.named(topic),
          watch,
          onError,
        }),
    );
    // The Postgres log does the same where it is alone. Several processes may roll at the same moment: one of them
    // does, and nobody waits for it.
    const roll = async (): Promise<void> => {
      await pool.query('SELECT CASE WHEN pg_try_advisory_xact_lock($2) THEN log.roll($1) END', [
        LOG_KEEP_DAYS,
        ROLL_LOCK,
      ]);
    };
    roll().catch(onError);
    this.every(ROLL_EVERY_MS, roll);
  }

  private makeConsumers(): void {
    const { topicSuffix, maxBatchMessages, onError } = this.options;
    const owner = this.owner;
    const common = { kafka: this.kafka, onError, onDead: (error: Error) => this.die(error) };
    this.consumers = this.subscriptions.map((subscription) => {
      const topic = this.named(subscription.topic);
      const isOwnLane = owner !== null && subscription.topic === commandsOf(owner);
      return new Subscriber({
        ...common,
        groupId: this.groupOf(subscription.topic),
        subscription,
        topic,
        epoch: this.epoch,
        maxBatchMessages,
        minBytes: isOwnLane ? 1 : subscription.onlyNotices ? NOTICES_AT_ONCE_BYTES : EVENTS_AT_ONCE_BYTES,
        maxWaitMs: subscription.onlyNotices ? NOTICES_MAX_WAIT_MS : MAX_WAIT_MS,
        onAssigned: (partitions) => {
          // The process that has the commands of a lane also sends its outcomes and events.
          if (isOwnLane) for (const partition of partitions) this.relays[partition]?.assign();
          return this.isSameCluster();
        },
      });
    });
    if (this.listeners.size > 0) {
      const listeners = new Map([...this.listeners].map(([topic, handlers]) => [topic + topicSuffix, handlers]));
      this.consumers.push(new Listener({ ...common, groupId: this.listenerGroup, listeners }));
    }
  }

  private every(ms: number, act: () => Promise<void>): void {
    let acting = false;
    this.timers.push(
      setInterval(() => {
        if (acting) return;
        acting = true;
        void act()
          .catch(this.options.onError)
          .finally(() => (acting = false));
      }, ms),
    );
  }

  private die(error: Error): void {
    if (this.dead || this.stopping) return;
    this.dead = true;
    void this.reasonOf(error).then(this.options.onDead);
  }

  /** A broker that no longer knows our user may be another broker. */
  private async reasonOf(error: Error): Promise<Error> {
    const refused = whyRefused(error, this.options.connection);
    if (refused === null) return error;
    try {
      const { clusterId } = await untilKnown(() => this.ask((admin) => admin.describeCluster()));
      return clusterId === this.clusterId ? new LogRefused(refused) : new Error(MADE_ANEW);
    } catch {
      return new LogRefused(refused);
    }
  }

  private async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
      return await question(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** A broker that was wiped while we run has other offsets than ours. Waits for its answer. */
  private async isSameCluster(): Promise<boolean> {
    while (!this.stopping && !this.dead) {
      try {
        const { clusterId } = await this.ask((admin) => admin.describeCluster());
        if (clusterId === this.clusterId) return true;
        this.die(new Error(MADE_ANEW));
      } catch (error) {
        this.options.onError(error as Error);
        await delay(RETRY_AFTER_MS);
      }
    }
    return false;
  }

  /** A consumer that is silent although the broker answers is lost, or the broker has lost its topics. */
  private async watch(): Promise<void> {
    if (this.consumers.every((consumer) => consumer.silentMs() < ASK_AFTER_MS)) {
      this.answersInSilence = 0;
    } else if ((await this.isSameCluster()) && ++this.answersInSilence > MAX_ANSWERS_IN_SILENCE) {
      this.die(new Error('A consumer is silent although the broker answers.'));
    }
  }
}
