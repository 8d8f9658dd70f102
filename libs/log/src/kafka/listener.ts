import type { Kafka } from 'kafkajs';
import { PARTITIONS, type Message } from '#contracts';
import { GroupMember, MAX_WAIT_MS } from './group-member.js';
import { fromKafka } from './kafka-message.js';

export interface ListenerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** Handlers, by the topic as Kafka knows it. */
  readonly listeners: ReadonlyMap<string, readonly ((message: Message) => void)[]>;
  readonly onError: (error: Error) => void;
  readonly onDead: (error: Error) => void;
}

/** Each process that listens hears all of a topic, from the end, under a group of its own. */
export class Listener {
  private readonly member: GroupMember;

  constructor(private readonly options: ListenerOptions) {
    this.member = new GroupMember({ ...options, minBytes: 1, maxWaitMs: MAX_WAIT_MS });
  }

  ready(): boolean {
    return this.member.alive();
  }

  silentMs(): number {
    return this.member.silentMs();
  }

  /** Resolves when it hears: its first fetch asks for the end of the topic. */
  async start(): Promise<void> {
    const { listeners, onError } = this.options;
    const { consumer } = this.member;
    await consumer.connect();
    await consumer.subscribe({ topics: [...listeners.keys()], fromBeginning: false });
    const fetched = new Promise<void>((resolve) => consumer.on(consumer.events.FETCH, () => resolve()));
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: PARTITIONS,
      eachBatch: async ({ batch }) => {
        for (const { message } of batch.messages.map(fromKafka)) {
          for (const listener of listeners.get(batch.topic) ?? []) {
            if (!message) continue;
            // Best effort: the error of one listener does not concern the others.
            try {
              listener(message);
            } catch (error) {
              onError(error as Error);
            }
          }
        }
      },
    });
    await fetched;
  }

  async stop(): Promise<void> {
    await this.member.stop().catch(this.options.onError);
  }
}
