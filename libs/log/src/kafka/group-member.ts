import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, Kafka } from 'kafkajs';

export interface GroupMemberOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** A fetch is answered when there are so many, or after `maxWaitMs`. */
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly onError: (error: Error) => void;
  /** Called when the consumer is lost and will not come back by itself. */
  readonly onDead: (error: Error) => void;
}

/**
 * The least that a broker allows by default. The partitions of a killed process wait so long for another process, which
 * is shorter than a command lives. The price of losing a session is a rebalance; the position rows keep two processes
 * apart.
 */
const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_MS = 1_500;
/** A fetch waits so long for messages, as a rule, and the other partitions wait at most so long for one that is slow. */
export const MAX_WAIT_MS = 250;
const RESTART_AFTER_MS = 1_000;
/** Three heartbeats and the wait of a fetch. */
const SILENT_AFTER_MS = 5_000;

/**
 * A kafkajs consumer that knows whether it lives: kafkajs retries for half a minute before it says that something is
 * wrong.
 */
export class GroupMember {
  readonly consumer: Consumer;
  private joined = false;
  private lastBeatMs = performance.now();
  private stopping = false;

  constructor({ kafka, groupId, minBytes, maxWaitMs, onError, onDead }: GroupMemberOptions) {
    this.consumer = kafka.consumer({
      groupId,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: maxWaitMs,
      minBytes,
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 30, restartOnFailure: () => this.mayRestart() },
    });
    const { events } = this.consumer;
    this.consumer.on(events.GROUP_JOIN, () => {
      this.joined = true;
      this.beat();
    });
    this.consumer.on(events.HEARTBEAT, () => this.beat());
    this.consumer.on(events.REBALANCING, () => (this.joined = false));
    this.consumer.on(events.CRASH, ({ payload }) => {
      this.joined = false;
      if (this.stopping) return;
      onError(payload.error);
      if (!payload.restart) onDead(payload.error);
    });
  }

  /** Tells whether it is a member of its group, and the group has heard of it lately. */
  alive(): boolean {
    return this.joined && this.silentMs() < SILENT_AFTER_MS;
  }

  silentMs(): number {
    return performance.now() - this.lastBeatMs;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.joined = false;
    await this.consumer.disconnect();
  }

  /** kafkajs itself would restart at once, and also after stop(). */
  private async mayRestart(): Promise<boolean> {
    await delay(RESTART_AFTER_MS, undefined, { ref: false });
    return !this.stopping;
  }

  private beat(): void {
    this.lastBeatMs = performance.now();
  }
}
