import { randomUUID } from 'node:crypto';
import type { CommandData, Message } from '#contracts';
import { LogUnavailable, type Batch, type Subscription } from '../log.js';

export interface CommandLaneOptions {
  readonly subscription: Subscription;
  readonly partition: number;
  readonly maxBatchMessages: number;
  readonly onError: (error: Error) => void;
}

/** The messages of one `publish` that are not carried out yet. */
interface Sending {
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const RETRY_AFTER_MS = 200;
/**
 * No more messages are taken when so many wait. A sender has at most 128 of a partition under way; a page of events may
 * cause a thousand.
 */
const MAX_WAITING_COMMANDS = 1_000;

/**
 * The commands of one partition, in memory: the sender of a command has no answer yet, so that a crash may lose it. A
 * batch whose handler throws is handed over again, until the process stops.
 */
export class CommandLane {
  /**
   * Offsets begin anew with each process, and so does the epoch: a position that this lane did not write says nothing
   * of its commands, and a command that comes twice is dropped by its id.
   */
  private readonly epoch = `memory/${randomUUID()}`;
  private readonly waiting: { readonly offset: number; readonly message: Message; readonly sending: Sending }[] = [];
  private end = 0;
  private running: Promise<void> | null = null;
  private stopping = false;
  private endPause: (() => void) | null = null;

  constructor(private readonly options: CommandLaneOptions) {}

  /** Resolves when the handler has committed all of them. Throws LogUnavailable. */
  publish(messages: readonly Message[]): Promise<void> {
    if (this.stopping) return Promise.reject(new LogUnavailable('The log is being stopped.'));
    if (this.waiting.length >= MAX_WAITING_COMMANDS)
      return Promise.reject(new LogUnavailable('The message log is behind.'));
    if (messages.length === 0) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      const sending: Sending = { left: messages.length, resolve, reject };
      for (const message of messages) this.waiting.push({ offset: this.end++, message, sending });
      this.running ??= this.run();
    });
  }

  /**
   * Resolves when the batch that is being handled is done. The senders of the other messages are not told what became
   * of them.
   */
  async stop(): Promise<void> {
    this.stopping = true;
    this.endPause?.();
    await this.running;
    for (const { sending } of this.waiting.splice(0)) sending.reject(new LogUnavailable('The log is being stopped.'));
  }

  private async run(): Promise<void> {
    // The messages that are published in one turn of the event loop are one batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0 && !this.stopping) await this.handle();
    this.running = null;
  }

  private async handle(): Promise<void> {
    const { subscription, partition, maxBatchMessages, onError } = this.options;
    const received = this.waiting.slice(0, maxBatchMessages);
    const batch: Batch = {
      topic: subscription.topic,
      partition,
      epoch: this.epoch,
      received,
      nextOffset: received.at(-1)!.offset + 1,
    };
    try {
      await subscription.handleBatch(batch);
    } catch (error) {
      onError(error as Error);
      await this.pause();
      this.forgetLate();
      return;
    }
    this.waiting.splice(0, received.length);
    for (const { sending } of received) if (--sending.left === 0) sending.resolve();
  }

  /**
   * Their senders have been told that nothing is known of them; while the database is away they would fill the memory.
   */
  private forgetLate(): void {
    const now = Date.now();
    const isLate = ({ data }: Message): boolean =>
      Date.parse((data as Partial<CommandData<unknown>> | null)?.expiresAt ?? '') < now;
    for (const { message, sending } of this.waiting
      .splice(0)
      .filter((one) => isLate(one.message) || !this.waiting.push(one)))
      sending.reject(new LogUnavailable(`The command ${message.id} was not carried out in time.`));
  }

  private pause(): Promise<void> {
    if (this.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.endPause!(), RETRY_AFTER_MS);
      this.endPause = () => {
        clearTimeout(timer);
        this.endPause = null;
        resolve();
      };
    });
  }
}
