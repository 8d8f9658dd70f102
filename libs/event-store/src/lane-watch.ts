/** A lane that has something to do. */
interface Busy {
  /** The time of its last commit, or of the first message since. Times are those of performance.now(). */
  sinceMs: number;
  attemptedMs: number;
  isRunning: boolean;
  isToldOf: boolean;
  error: unknown;
}

export interface Standstill {
  /** Topic and partition. */
  readonly lane: string;
  /** ISO 8601, UTC. */
  readonly since: string;
  /** The number of standstills that this process has had, with this one. */
  readonly standstills: number;
  readonly error: string | undefined;
}

export interface LaneWatchOptions {
  readonly standstillAfterMs: number;
  /** A lane has had messages waiting for so long and has committed nothing. Called once for each standstill. */
  readonly onStandstill: (standstill: Standstill) => void;
  readonly onProgress: (lane: string) => void;
  readonly now?: () => number;
}

const CHECK_EVERY_MS = 1_000;

/**
 * Notices a lane that has messages waiting and commits nothing. The process is then not ready, until that lane makes
 * progress.
 */
export class LaneWatch {
  readonly name = 'lanes';
  private readonly busy = new Map<string, Busy>();
  private readonly now: () => number;
  private standstills = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: LaneWatchOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  async start(): Promise<void> {
    this.timer = setInterval(() => this.check(), CHECK_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
  }

  /**
   * The reason why the process cannot serve; null = no lane stands still. It names lanes and times alone: everybody may
   * read it.
   */
  unready(): string | null {
    this.check();
    const lanes = [...this.busy]
      .filter(([, { isToldOf }]) => isToldOf)
      .map(([lane, { sinceMs }]) => `${lane} since ${this.timeOf(sinceMs)}`);
    if (lanes.length === 0) return null;
    return `messages wait and nothing is committed: ${lanes.join(', ')} (standstills of this process: ${this.standstills})`;
  }

  /** Hands a batch to a lane: `work` reports each commit as progress. */
  async during<T>(lane: string, work: (progress: () => void) => Promise<T>): Promise<T> {
    const now = this.now();
    const known = this.busy.get(lane);
    const busy: Busy = known ?? { sinceMs: now, attemptedMs: now, isRunning: true, isToldOf: false, error: undefined };
    if (known) known.isRunning = true;
    else this.busy.set(lane, busy);
    try {
      const result = await work(() => this.progress(lane, busy));
      this.progress(lane, busy);
      this.busy.delete(lane);
      return result;
    } catch (error) {
      busy.error = error;
      busy.attemptedMs = this.now();
      busy.isRunning = false;
      throw error;
    }
  }

  private progress(lane: string, busy: Busy): void {
    if (busy.isToldOf) this.options.onProgress(lane);
    busy.isToldOf = false;
    busy.sinceMs = this.now();
  }

  private check(): void {
    const now = this.now();
    const { standstillAfterMs, onStandstill } = this.options;
    for (const [lane, busy] of this.busy) {
      // A log tries again at once. Where it does not, the partition belongs to another process, or there is no log:
      // other parts tell that.
      if (!busy.isRunning && now - busy.attemptedMs > standstillAfterMs) this.busy.delete(lane);
      else if (!busy.isToldOf && now - busy.sinceMs > standstillAfterMs) {
        busy.isToldOf = true;
        this.standstills++;
        onStandstill({
          lane,
          since: this.timeOf(busy.sinceMs),
          standstills: this.standstills,
          error: busy.error === undefined ? undefined : String(busy.error),
        });
      }
    }
  }

  private timeOf(ms: number): string {
    return new Date(Date.now() - (this.now() - ms)).toISOString();
  }
}

interface Logger {
  info(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

/** A watch that says in one line of the log when a lane stands still, and in another one when it goes on. */
export const watchLanes = (standstillAfterSeconds: number, logger: Logger): LaneWatch =>
  new LaneWatch({
    standstillAfterMs: standstillAfterSeconds * 1_000,
    onStandstill: (standstill) =>
      logger.error(
        standstill,
        'a lane stands still: messages wait and nothing is committed; this process is not ready',
      ),
    onProgress: (lane) => logger.info({ lane }, 'the lane goes on'),
  });
