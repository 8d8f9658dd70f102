export interface SlotsOptions {
  readonly maxRunning: number;
  /** The slots of one key while others are here as `pace` knows it; without it, one less than all. */
  readonly besideOthers?: { readonly maxRunning: number; readonly pace: { hasOthers(key: string): boolean } };
  readonly maxWaiting: number;
  /** The waiters of one key among these. */
  readonly maxWaitingPerKey: number;
  readonly waitTimeoutMs: number;
}

/** There was no room: not even to wait, or not in time. */
export class NoSlot extends Error {
  override readonly name = 'NoSlot';
}

/**
 * A limit of how much of one kind of work runs at once, shared fairly by those who ask for it, such as tenants. Further
 * work waits: the keys take turns, and of one key the work that came first goes first. While there are two slots or
 * more, one of them is never taken by a key that holds all others: a tenant that asks for nothing but slow work would
 * make the next one wait until one of its own ends. It may be fewer while others are here: what runs in the slots takes
 * processors from what runs elsewhere.
 */
export class Slots {
  private running = 0;
  private readonly runningOf = new Map<string, number>();
  private waiting = 0;
  /** The waiters, by key. The first key has had its turn longest ago. */
  private readonly queues = new Map<string, Set<() => void>>();
  /** The deadlines of all waiters, the first one first. */
  private readonly deadlines = new Set<{ readonly atMs: number; readonly giveUp: () => void }>();
  /** One timer for all: a timer for each would cost more than all else here. */
  private timer: NodeJS.Timeout | null = null;
  private readonly maxRunningPerKey: number;

  constructor(private readonly options: SlotsOptions) {
    this.maxRunningPerKey = Math.max(1, options.maxRunning - 1);
  }

  /** Throws NoSlot, or what `work` throws. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    // Others of its key may wait although there is room: they were not to begin while other keys were here, which may
    // be over.
    if (this.running < this.options.maxRunning && this.mayBegin(key) && !this.queues.has(key)) this.begin(key);
    else {
      const turn = this.turn(key);
      this.fill();
      await turn;
    }
    try {
      return await work();
    } finally {
      this.end(key);
    }
  }

  private mayBegin(key: string): boolean {
    const running = this.runningOf.get(key) ?? 0;
    const { besideOthers } = this.options;
    return (
      running < this.maxRunningPerKey &&
      (!besideOthers || running < besideOthers.maxRunning || !besideOthers.pace.hasOthers(key))
    );
  }

  private begin(key: string): void {
    this.running++;
    this.runningOf.set(key, (this.runningOf.get(key) ?? 0) + 1);
  }

  private end(key: string): void {
    this.running--;
    const left = this.runningOf.get(key)! - 1;
    if (left === 0) this.runningOf.delete(key);
    else this.runningOf.set(key, left);
    this.fill();
  }

  /** Begins the work that waits and may begin: usually one, and several when others have gone. */
  private fill(): void {
    while (this.running < this.options.maxRunning && this.beginNext());
  }

  /** Returns whether a waiter has begun. */
  private beginNext(): boolean {
    for (const [next, queue] of this.queues) {
      if (!this.mayBegin(next)) continue;
      const [take] = queue as unknown as [() => void];
      take();
      // It waits again behind the other keys.
      if (this.queues.delete(next) && queue.size > 0) this.queues.set(next, queue);
      return true;
    }
    return false;
  }

  /** Resolves when a slot has been taken for this key. */
  private turn(key: string): Promise<void> {
    const { maxWaiting, maxWaitingPerKey, waitTimeoutMs } = this.options;
    const queue = this.queues.get(key) ?? new Set();
    const most = Math.min(maxWaiting, maxWaitingPerKey);
    if (this.waiting >= maxWaiting || queue.size >= maxWaitingPerKey)
      return Promise.reject(new NoSlot(`${most} are waiting already`));
    this.queues.set(key, queue);
    this.waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.deadlines.delete(deadline);
        this.waiting--;
        queue.delete(take);
        if (queue.size === 0 && this.queues.get(key) === queue) this.queues.delete(key);
      };
      const giveUp = (): void => {
        leave();
        reject(new NoSlot(`there was none in ${waitTimeoutMs} ms`));
      };
      const deadline = { atMs: performance.now() + waitTimeoutMs, giveUp };
      this.deadlines.add(deadline);
      this.timer ??= setTimeout(this.expire, waitTimeoutMs).unref();
      const take = (): void => {
        leave();
        this.begin(key);
        resolve();
      };
      queue.add(take);
    });
  }

  /** Waiters whose time is over give up. The timer goes on for the next one of all. */
  private readonly expire = (): void => {
    this.timer = null;
    const nowMs = performance.now();
    for (const { atMs, giveUp } of this.deadlines) {
      // A timer may come a moment early.
      if (atMs > nowMs + 1) {
        this.timer = setTimeout(this.expire, atMs - nowMs).unref();
        return;
      }
      giveUp();
    }
  };
}
