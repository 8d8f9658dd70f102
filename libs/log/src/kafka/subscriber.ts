import { PARTITIONS } from '#contracts';
import type { Subscription } from '../log.js';
import { GroupMember, MAX_WAIT_MS, type GroupMemberOptions } from './group-member.js';
import { fromKafka, noticeFromKafka } from './kafka-message.js';
import { Lane } from './lane.js';

export interface SubscriberOptions extends GroupMemberOptions {
  readonly subscription: Subscription;
  /** The topic as Kafka knows it. */
  readonly topic: string;
  readonly epoch: string;
  readonly maxBatchMessages: number;
  /** Called when partitions are assigned; false = the offsets are no longer of our epoch. */
  readonly onAssigned: (partitions: readonly number[]) => Promise<boolean>;
}

/** Consumes one topic for one subscription. Positions are in Postgres, with the effects: Kafka's own are not used. */
export class Subscriber {
  private readonly member: GroupMember;
  private readonly lanes: readonly Lane[];

  constructor(private readonly options: SubscriberOptions) {
    const { topic, subscription, epoch, maxBatchMessages, onError, onDead } = options;
    this.member = new GroupMember(options);
    const { consumer } = this.member;
    this.lanes = Array.from(
      { length: PARTITIONS },
      (_, partition) =>
        new Lane({
          subscription,
          partition,
          epoch,
          maxBatchMessages,
          onError,
          onLost: onDead,
          source: {
            pause: () => consumer.pause([{ topic, partitions: [partition] }]),
            resume: () => consumer.resume([{ topic, partitions: [partition] }]),
            seek: (offset) => consumer.seek({ topic, partition, offset: String(offset) }),
          },
        }),
    );
  }

  ready(): boolean {
    return this.member.alive() && this.lanes.every((lane) => lane.ready());
  }

  silentMs(): number {
    return this.member.silentMs();
  }

  /** Resolves when it is a member of its group and knows where to begin. */
  async start(): Promise<void> {
    const { topic, subscription, onAssigned } = this.options;
    const read = subscription.onlyNotices ? noticeFromKafka : fromKafka;
    const { consumer } = this.member;
    const begun = new Promise<void>((resolve) => {
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        const mine = payload.memberAssignment[topic] ?? [];
        const allowed = onAssigned(mine);
        const opened = this.lanes.map((lane, partition) =>
          mine.includes(partition) ? lane.open(allowed) : void lane.close(),
        );
        void Promise.all(opened).then(() => this.ready() && resolve());
      });
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: PARTITIONS,
      eachBatch: async ({ batch, isStale }) => {
        if (isStale()) return;
        const lane = this.lanes[batch.partition]!;
        lane.take(batch.messages.map((message) => read(message)));
        await lane.hasRoom(MAX_WAIT_MS);
      },
    });
    await begun;
  }

  /** Resolves when the batches that have been begun are done. */
  async stop(): Promise<void> {
    const lanes = this.lanes.map((lane) => lane.stop());
    await this.member.stop().catch(this.options.onError);
    await Promise.all(lanes);
  }
}
