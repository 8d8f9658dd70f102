import { OUTCOME_TYPE, commandsOf, outcomesOf, type Message, type Outcome, type OutcomeData, type Owner } from '#contracts';
import { LogUnavailable, type Log } from './log.js';

export interface RequestReplyOptions {
  readonly owner: Owner;
  /**
   * After this an outcome that was not heard is looked up. null: none is heard, each is looked up; where between many commands of others a
   * few are our own, hearing all of them takes more than reading a few.
   */
  readonly lookupAfterMs: number | null;
  readonly timeoutMs: number;
  /** Outcomes that are in the database, by command id. */
  lookup(commandIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>>;
}

interface Waiter {
  readonly since: number;
  lookedUp: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

const SWEEP_EVERY_MS = 250;
/** So long somebody waits needlessly who does not hear. */
const LOOK_UP_EVERY_MS = 15;
const MAX_WAITING_COMMANDS = 10_000;
const MAX_LOOKUP_COMMANDS = 1_000;

/** Publishes a command and waits for its outcome: the answer to a client is sent only after the commit that holds it. */
export class RequestReply {
  private readonly waiters = new Map<string, Waiter>();
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private lookingUp = false;

  constructor(private readonly log: Log, private readonly options: RequestReplyOptions) {
    if (options.lookupAfterMs !== null) log.broadcast(outcomesOf(options.owner), (message) => this.settle(message));
  }

  /** Throws LogUnavailable when the log does not take the command or no outcome comes in time: what became of it is unknown. */
  request(message: Message): Promise<Outcome> {
    if (this.stopped) return Promise.reject(new LogUnavailable('The service is being stopped.'));
    if (this.waiters.size >= MAX_WAITING_COMMANDS) return Promise.reject(new LogUnavailable('Too many commands wait for their outcome.'));
    return new Promise<Outcome>((resolve, reject) => {
      const since = performance.now();
      // Registered before it is published: the outcome may be faster than the acknowledgement.
      this.waiters.set(message.id, { since, lookedUp: since, resolve, reject });
      this.planSweep();
      this.log.publish(commandsOf(this.options.owner), [message]).catch((error: Error) => {
        if (this.waiters.delete(message.id)) reject(error);
      });
    });
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer ?? undefined);
    for (const { reject } of this.waiters.values()) reject(new LogUnavailable('The service is being stopped.'));
    this.waiters.clear();
  }

  private settle({ type, data }: Message): void {
    if (type !== OUTCOME_TYPE) return;
    // On Kafka anybody may write anything.
    const { commandId, outcome } = (data ?? {}) as Partial<OutcomeData>;
    if (commandId !== undefined && outcome !== undefined) this.answer(commandId, outcome);
  }

  private answer(commandId: string, outcome: Outcome): void {
    this.waiters.get(commandId)?.resolve(outcome);
    this.waiters.delete(commandId);
  }

  /** Only while somebody waits. */
  private planSweep(): void {
    if (this.timer || this.waiters.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.sweep();
      this.planSweep();
    }, this.options.lookupAfterMs === null ? LOOK_UP_EVERY_MS : SWEEP_EVERY_MS).unref();
  }

  private sweep(): void {
    const now = performance.now();
    for (const [commandId, { since, reject }] of this.waiters) {
      if (now - since < this.options.timeoutMs) continue;
      this.waiters.delete(commandId);
      reject(new LogUnavailable('No outcome in time.'));
    }
    // A database that is slow gets one question at a time: the reads of the gateway use the same connections.
    if (this.lookingUp) return;
    const lookupAfterMs = this.options.lookupAfterMs ?? 0;
    const late = [...this.waiters].filter(([, { lookedUp }]) => now - lookedUp >= lookupAfterMs).slice(0, MAX_LOOKUP_COMMANDS);
    if (late.length > 0) void this.lookUp(late);
  }

  private async lookUp(late: readonly (readonly [string, Waiter])[]): Promise<void> {
    this.lookingUp = true;
    for (const [, waiter] of late) waiter.lookedUp = performance.now();
    // The database being away is no news here: the waiter times out by itself.
    const found = await this.options.lookup(late.map(([commandId]) => commandId)).catch(() => new Map<string, Outcome>());
    this.lookingUp = false;
    for (const [commandId, outcome] of found) this.answer(commandId, outcome);
  }
}
