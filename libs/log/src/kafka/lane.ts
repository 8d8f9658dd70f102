import { setTimeout as delay } from 'node:timers/promises';
import type { Received, Subscription } from '../log.js';

/** The partition as the consumer sees it. Each call throws while the consumer is not running. */
export interface Source {
  pause(): void;
  resume(): void;
  seek(offset: number): void;
}

export interface LaneOptions {
  readonly subscription: Subscription;
  readonly partition: number;
  readonly epoch: string;
  readonly maxBatchMessages: number;
  readonly source: Source;
  readonly onError: (error: Error) => void;
  /** The topic has less than the position row says: it lost messages, or is another one. */
  readonly onLost: (error: Error) => void;
}

const RETRY_AFTER_MS = 200;
/** As much as one fetch brings of a partition, unless a message is longer. */
const MAX_WAITING_CHARACTERS = 1_048_576;

/**
 * One partition of a subscription, in order, one batch at a time. It begins at the position row whenever the partition
 * is assigned to this process and after each fault of the handler; the other partitions go on meanwhile.
 */
export class Lane {
  private waiting: Received[] = [];
  /** The offset that comes next; null while the partition is not ours, or where to begin is being found out. */
  private next: number | null = null;
  private opening = false;
  /**
   * The number of this opening. Each opening and closing begins another one: a result that an older one awaits is of no
   * use any more.
   */
  private turn = 0;
  private handling: Promise<void> | null = null;
  private paused = false;
  /** Called when there may be room for more. */
  private onRoom = (): void => undefined;

  constructor(private readonly options: LaneOptions) {}

  /** False while it takes no messages although the partition belongs to this process. */
  ready(): boolean {
    return !this.opening;
  }

  /** Nothing is fetched until the position row is known. `allowed` = whether the offsets are still of our epoch. */
  async open(allowed: Promise<boolean>): Promise<void> {
    const turn = this.close();
    this.opening = true;
    this.pause();
    // A batch that was begun before may not have had its effects yet.
    await this.handling;
    const isAllowed = await allowed;
    while (isAllowed && turn === this.turn && this.next === null) {
      try {
        const position = await this.options.subscription.position(this.options.partition);
        if (turn === this.turn) this.begin(position.epoch === this.options.epoch ? position.nextOffset : 0);
      } catch (error) {
        if (turn !== this.turn) return;
        this.options.onError(error as Error);
        await delay(RETRY_AFTER_MS);
      }
    }
    if (turn === this.turn) this.opening = false;
  }

  private begin(offset: number): void {
    this.options.source.seek(offset);
    this.options.source.resume();
    this.paused = false;
    this.next = offset;
  }

  /**
   * The partition belongs to another process, or to none. A batch that has been begun is brought to its end; the
   * position row is its fence.
   */
  close(): number {
    this.waiting = [];
    this.onRoom();
    this.next = null;
    this.opening = false;
    return ++this.turn;
  }

  /** Resolves when nothing is being handled. */
  async stop(): Promise<void> {
    this.close();
    await this.handling;
  }

  take(received: readonly Received[]): void {
    const { next } = this;
    if (next === null || received.length === 0) return;
    const { offset } = received[0]!;
    if (offset < next) {
      this.close();
      const { topic } = this.options.subscription;
      this.options.onLost(
        new Error(
          `${topic}/${this.options.partition} goes on at ${offset}, but ${next} was reached: it lost messages, or was made anew. ` +
            'Set KAFKA_TOPIC_SUFFIX to a new value, for all services.',
        ),
      );
      return;
    }
    this.waiting.push(...received);
    this.next = received[received.length - 1]!.offset + 1;
    if (this.handling) return;
    // Known before the handler is called, which may stop the log at once: a stop waits for it.
    const handled = Promise.withResolvers<void>();
    this.handling = handled.promise;
    void this.handleAll(this.turn).then(handled.resolve);
  }

  /**
   * Resolves when more may be fetched: the next batch gathers while this one is handled, because a lane that fetched it
   * only afterwards would stand idle meanwhile. Where enough is waiting it resolves when that has been begun, or after
   * `timeoutMs`: then nothing more is fetched of this partition until all is handled, and the other partitions go on.
   */
  async hasRoom(timeoutMs: number): Promise<void> {
    if (!this.isFull()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.onRoom = (): void => {
        if (this.isFull()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    if (this.isFull() && this.next !== null) this.pause();
  }

  private isFull(): boolean {
    return (
      this.waiting.length >= this.options.maxBatchMessages ||
      this.waiting.reduce((sum, { raw = '' }) => sum + raw.length, 0) >= MAX_WAITING_CHARACTERS
    );
  }

  private async handleAll(turn: number): Promise<void> {
    const { subscription, partition, epoch } = this.options;
    while (turn === this.turn && this.waiting.length > 0) {
      const received = this.waiting.splice(0, this.options.maxBatchMessages);
      this.onRoom();
      const nextOffset = received[received.length - 1]!.offset + 1;
      try {
        await subscription.handleBatch({ topic: subscription.topic, partition, epoch, received, nextOffset });
      } catch (error) {
        this.options.onError(error as Error);
        await delay(RETRY_AFTER_MS);
        if (turn === this.turn) void this.open(Promise.resolve(true));
      }
    }
    this.handling = null;
    if (turn === this.turn && this.paused) this.resume();
  }

  private pause(): void {
    this.paused = true;
    this.tell('pause');
  }

  private resume(): void {
    this.paused = false;
    this.tell('resume');
  }

  /** A consumer that does not run is about to join again, and then everything is opened again. */
  private tell(what: 'pause' | 'resume'): void {
    try {
      this.options.source[what]();
    } catch (error) {
      this.options.onError(error as Error);
    }
  }
}
