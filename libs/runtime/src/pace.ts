import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { nextSlice, SLICE_MS } from './slices.js';
import { NoSlot } from './slots.js';

/** A key that was seen so lately counts as being here. */
const HERE_MS = 10_000;
/** Work that holds up the process for longer is slow; the rest counts for nothing. */
const SLOW_MS = 0.5;
/**
 * The share of the process's time for slow work of one key while others are here; and for that of all keys together, if
 * there are many.
 */
const SHARE = 1 / 5;
const SHARE_OF_ALL = 1 / 2;
/** Without it, no key would get its turn in time if there are very many. */
const MIN_SHARE = 1 / 20;
/**
 * Pieces of work of one key in one turn of the event loop, while others are here: of 128 that came together everybody
 * would wait for the last.
 */
const MAX_BEGUN_IN_TURN = 4;
/**
 * Slow work for which a key does not wait: a collection of garbage, or a busy machine, makes anything slow now and
 * then.
 */
const FREE_MS = 25;
/** A key waits a second for its next turn at the most, whatever it has done, unless many keys are slow. */
const MAX_OWED_MS = 225;
/** The other keys may have gone meanwhile. */
const CHECK_EVERY_MS = 50;
/**
 * As many waiters as there are connections: to refuse one takes as long as to let it wait, and it would come again at
 * once.
 */
const MAX_WAITING_PER_KEY = 10_000;
const WAIT_TIMEOUT_MS = 5_000;
const MAX_KEYS = 10_000;

interface Owed {
  ms: number;
  atMs: number;
}

interface Waiter {
  readonly sinceMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Gives each key, such as a tenant, a share of the time of this process. Nothing else runs while a long text is read or
 * a long list is written, so a key that has had such work done waits for its next turn until the others have had
 * theirs. A key that is alone waits for nothing.
 */
export class Pace {
  /** The key that was seen last, and when it and any other one were. */
  private last = '';
  private lastMs = -Infinity;
  private otherMs = -Infinity;
  /** Slow work that was done and is not paid back yet, by key: time pays it back. */
  private readonly owed = new Map<string, Owed>();
  private readonly queues = new Map<string, Waiter[]>();
  /** Pieces of work that have been begun in this turn of the event loop, by key. */
  private readonly begun = new Map<string, number>();

  constructor(private readonly elapsedMs: () => number = () => performance.now()) {}

  seen(key: string): void {
    if (key !== this.last) [this.last, this.otherMs] = [key, this.lastMs];
    this.lastMs = this.elapsedMs();
  }

  hasOthers(key: string): boolean {
    return this.elapsedMs() - (key === this.last ? this.otherMs : this.lastMs) < HERE_MS;
  }

  /** Does slow work of a key, and counts it. */
  during<T>(key: string, work: () => T): T {
    const sinceMs = this.elapsedMs();
    try {
      return work();
    } finally {
      const ms = this.elapsedMs() - sinceMs;
      if (ms > SLOW_MS) this.spent(key, ms);
    }
  }

  /**
   * Does work of a key that yields wherever something else may be done, in slices of time, each when it is the turn of
   * the key: slices alone let four requests of 120,000 names in each of nine parts take all of the time, of which
   * another key got a turn of 3 to 30 ms in two. Throws NoSlot, or what the work throws.
   */
  async stepwise<Result>(key: string, work: Iterator<void, Result>): Promise<Result> {
    for (;;) {
      const turn = this.turn(key);
      if (turn) await turn;
      const { done, value } = this.during(key, () => this.slice(work));
      if (done) return value;
      await nextSlice();
    }
  }

  private slice<Result>(work: Iterator<void, Result>): IteratorResult<void, Result> {
    const endMs = this.elapsedMs() + SLICE_MS;
    for (;;) {
      const step = work.next();
      if (step.done || this.elapsedMs() > endMs) return step;
    }
  }

  /** Counts slow work that was done elsewhere, such as by the owner of a command. */
  spent(key: string, ms: number): void {
    const atMs = this.elapsedMs();
    // The first ones are those that have paid for longest.
    for (const other of this.owed.keys()) if (this.owedBy(other) > 0) break;
    const owed = Math.min(MAX_OWED_MS, this.owedBy(key) + ms);
    this.owed.delete(key);
    this.owed.set(key, { ms: owed, atMs });
    if (this.owed.size > MAX_KEYS) this.owed.delete(this.owed.keys().next().value!);
  }

  /** Is called before work that may be slow: undefined = it may begin at once. Throws NoSlot. */
  turn(key: string): Promise<void> | undefined {
    const waiting = this.queues.get(key);
    if (!waiting && this.begins(key)) return undefined;
    if (waiting && waiting.length >= MAX_WAITING_PER_KEY)
      return Promise.reject(new NoSlot(`${MAX_WAITING_PER_KEY} are waiting already`));
    return new Promise((resolve, reject) => {
      const waiter = { sinceMs: this.elapsedMs(), resolve, reject };
      if (waiting) waiting.push(waiter);
      else void this.serve(key, [waiter]);
    });
  }

  private begins(key: string): boolean {
    if (!this.hasOthers(key)) return true;
    const begun = this.begun.get(key) ?? 0;
    if (begun >= MAX_BEGUN_IN_TURN || this.waitMs(key) > 0) return false;
    if (this.begun.size === 0) setImmediate(() => this.begun.clear());
    this.begun.set(key, begun + 1);
    return true;
  }

  private async serve(key: string, queue: Waiter[]): Promise<void> {
    this.queues.set(key, queue);
    for (let first = queue[0]; first; first = queue[0]) {
      const waitedMs = this.elapsedMs() - first.sinceMs;
      if (this.begins(key)) {
        queue.shift();
        first.resolve();
        // Waiters go one after the other, each when the work before it has been counted.
        if (this.owedBy(key) > 0) await nextTurn();
      } else if (waitedMs >= WAIT_TIMEOUT_MS) {
        queue.shift();
        first.reject(new NoSlot(`it was not its turn in ${WAIT_TIMEOUT_MS} ms`));
      } else {
        const waitMs = Math.min(this.waitMs(key), WAIT_TIMEOUT_MS - waitedMs, CHECK_EVERY_MS);
        await (waitMs > 0 ? delay(Math.max(1, waitMs), undefined, { ref: false }) : nextTurn());
      }
    }
    this.queues.delete(key);
  }

  private waitMs(key: string): number {
    const aboveMs = this.owedBy(key) - FREE_MS;
    return aboveMs <= 0 || !this.hasOthers(key) ? 0 : aboveMs / this.share;
  }

  private get share(): number {
    return Math.max(MIN_SHARE, Math.min(SHARE, SHARE_OF_ALL / this.owed.size));
  }

  private owedBy(key: string): number {
    const owed = this.owed.get(key);
    if (!owed) return 0;
    const left = owed.ms - (this.elapsedMs() - owed.atMs) * this.share;
    if (left > 0) return left;
    this.owed.delete(key);
    return 0;
  }
}
