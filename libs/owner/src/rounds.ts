import { onceAMinute } from '#runtime';
import type { Job } from './definition.js';

const RETRY_AFTER_MS = 1_000;

export interface RoundsOptions {
  readonly logger: { warn(facts: object, text: string): void };
  /** The words of the log for a round that has failed. */
  readonly fault: string;
}

/**
 * Work that is done in rounds: one at the start, one whenever it is nudged, and one after the time that the round before
 * it has returned, in ms. There is one round at a time: a nudge while one is under way makes one more behind it. A round
 * that fails is told once a minute, and tried again after a second.
 */
export class Rounds implements Job {
  /** A round that is long looks at this, and ends early. */
  isStopping = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private again = false;
  private readonly onFault: (error: Error) => void;

  constructor(
    private readonly round: () => Promise<number>,
    { logger, fault }: RoundsOptions,
  ) {
    this.onFault = onceAMinute((error, leftOut) => logger.warn({ error: error.message, leftOut }, fault));
  }

  start(): void {
    this.nudge();
  }

  nudge(): void {
    if (this.isStopping) return;
    this.again = true;
    this.running ??= this.run().finally(() => (this.running = null));
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer);
    let nextMs = RETRY_AFTER_MS;
    try {
      while (this.again && !this.isStopping) {
        this.again = false;
        nextMs = await this.round();
      }
    } catch (error) {
      // The log is not started yet, or it or the database is away.
      this.onFault(error as Error);
      nextMs = RETRY_AFTER_MS;
    }
    if (!this.isStopping) this.timer = setTimeout(() => this.nudge(), nextMs);
  }
}
