export interface SlotsOptions {
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly waitTimeoutMs: number;
}

/** There was no room: not even to wait, or not in time. */
export class NoSlot extends Error {
  override readonly name = 'NoSlot';
}

/** So much of one kind of work at once; what comes on top of it waits for its turn, first come, first served. */
export class Slots {
  private running = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: SlotsOptions) {}

  /** Throws NoSlot, or what `work` throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.options.maxRunning) this.running++;
    else await this.turn();
    try {
      return await work();
    } finally {
      const [next] = this.waiting;
      if (next) next();
      else this.running--;
    }
  }

  /** Resolves when somebody hands on its slot. */
  private turn(): Promise<void> {
    const { maxWaiting, waitTimeoutMs } = this.options;
    if (this.waiting.size >= maxWaiting) return Promise.reject(new NoSlot(`${maxWaiting} are waiting already`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(take);
        reject(new NoSlot(`there was none in ${waitTimeoutMs} ms`));
      }, waitTimeoutMs);
      const take = (): void => {
        clearTimeout(timer);
        this.waiting.delete(take);
        resolve();
      };
      this.waiting.add(take);
    });
  }
}
