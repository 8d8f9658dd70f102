import { OUTCOME_TYPE, commandsOf, outcomesOf, type Message, type Outcome, type OutcomeData, type Owner } from '#contracts';
import { LogUnavailable, type Log } from './log.js';

export interface RequestReplyOptions {
  readonly owner: Owner;
  readonly lookupAfterMs: number;
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

/** Publishes a command and waits for its outcome: the answer to a client is sent only after the commit that holds it. */
export class RequestReply {
  private readonly waiters = new Map<string, Waiter>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly log: Log, private readonly options: RequestReplyOptions) {
    log.broadcast(outcomesOf(options.owner), (message) => this.settle(message));
    this.timer = setInterval(() => void this.sweep(), SWEEP_EVERY_MS);
    this.timer.unref();
  }

  /** Throws LogUnavailable when the log does not take the command or no outcome comes in time: what became of it is unknown. */
  request(message: Message): Promise<Outcome> {
    return new Promise<Outcome>((resolve, reject) => {
      const since = performance.now();
      // Registered before it is published: the outcome may be faster than the acknowledgement.
      this.waiters.set(message.id, { since, lookedUp: since, resolve, reject });
      this.log.publish(commandsOf(this.options.owner), [message]).catch((error: Error) => {
        if (this.waiters.delete(message.id)) reject(error);
      });
    });
  }

  stop(): void {
    clearInterval(this.timer);
    for (const { reject } of this.waiters.values()) reject(new LogUnavailable('The service is being stopped.'));
    this.waiters.clear();
  }

  private settle(message: Message): void {
    if (message.type !== OUTCOME_TYPE) return;
    const { commandId, outcome } = message.data as OutcomeData;
    const waiter = this.waiters.get(commandId);
    if (!waiter) return;
    this.waiters.delete(commandId);
    waiter.resolve(outcome);
  }

  private async sweep(): Promise<void> {
    const now = performance.now();
    const late: string[] = [];
    for (const [commandId, waiter] of this.waiters) {
      if (now - waiter.since >= this.options.timeoutMs) {
        this.waiters.delete(commandId);
        waiter.reject(new LogUnavailable('No outcome in time.'));
      } else if (now - waiter.lookedUp >= this.options.lookupAfterMs) {
        waiter.lookedUp = now;
        late.push(commandId);
      }
    }
    if (late.length === 0) return;
    // The database being away is no news here: the waiter times out by itself.
    const found = await this.options.lookup(late).catch(() => new Map<string, Outcome>());
    for (const [commandId, outcome] of found) {
      this.waiters.get(commandId)?.resolve(outcome);
      this.waiters.delete(commandId);
    }
  }
}
