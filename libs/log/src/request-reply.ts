import {
  OUTCOME_TYPE,
  commandsOf,
  isEffect,
  outcomesOf,
  partitionOf,
  type Message,
  type Outcome,
  type OutcomeData,
  type Owner,
} from '#contracts';
import { FairQueue } from './fair-queue.js';
import { LogUnavailable, type Log } from './log.js';

export interface RequestReplyOptions {
  readonly owner: Owner;
  /**
   * An outcome that was not heard after this time is looked up. null: none is heard, each is looked up; where a process
   * has few commands of its own among many of others, hearing all outcomes takes more than reading a few.
   */
  readonly lookupAfterMs: number | null;
  readonly timeoutMs: number;
  /** Outcomes that are in the database, by command id. */
  lookup(commandIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>>;
}

/** The part of an outcome that is told to those who hear it, and stored nowhere. */
export type Told = Pick<OutcomeData, 'cost' | 'effect'>;

interface Waiter {
  readonly message: Message;
  readonly lane: Lane;
  readonly since: number;
  /** Null = the command has not been sent yet. */
  lookedUp: number | null;
  readonly onTold: ((told: Told) => void) | undefined;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** The commands for one partition. */
interface Lane {
  sent: number;
  readonly queue: FairQueue<Waiter>;
}

const SWEEP_EVERY_MS = 250;
/** A process that does not hear its outcomes waits so long for nothing. */
const LOOK_UP_EVERY_MS = 15;
const MAX_WAITING_COMMANDS = 10_000;
/**
 * So many commands of a partition are sent and not answered yet. Further ones wait here, where tenants take turns: in
 * the log, which keeps its order, a tenant with 1,000 commands would stand before everybody else. They are few enough
 * that all of them are done in some 50 ms, and enough for a lane to always find its next batch.
 */
const MAX_SENT_COMMANDS = 128;
const MAX_LOOKUP_COMMANDS = 1_000;

/**
 * Publishes a command and waits for its outcome: the answer to a client is sent only after the commit that holds it.
 */
export class RequestReply {
  private readonly waiters = new Map<string, Waiter>();
  private readonly lanes = new Map<number, Lane>();
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private lookingUp = false;

  constructor(
    private readonly log: Log,
    private readonly options: RequestReplyOptions,
  ) {
    if (options.lookupAfterMs !== null) log.listen(outcomesOf(options.owner), (message) => this.settle(message));
  }

  /**
   * `onTold` is called before it resolves, if the outcome says what the command has cost and done.
   * Throws LogUnavailable when the log does not take the command or no outcome comes in time: it is then unknown what
   * became of it.
   */
  request(message: Message, onTold?: (told: Told) => void): Promise<Outcome> {
    if (this.stopped) return Promise.reject(new LogUnavailable('The service is being stopped.'));
    if (this.waiters.size >= MAX_WAITING_COMMANDS)
      return Promise.reject(new LogUnavailable('Too many commands wait for their outcome.'));
    return new Promise<Outcome>((resolve, reject) => {
      const lane = this.laneOf(partitionOf(message.tenant));
      const waiter: Waiter = { message, lane, since: performance.now(), lookedUp: null, onTold, resolve, reject };
      // Registered before it is published: the outcome may be faster than the acknowledgement.
      this.waiters.set(message.id, waiter);
      this.planSweep();
      if (lane.sent < MAX_SENT_COMMANDS) this.send(waiter);
      else lane.queue.add(message.tenant, waiter);
    });
  }

  private laneOf(partition: number): Lane {
    const known = this.lanes.get(partition);
    if (known) return known;
    const lane: Lane = { sent: 0, queue: new FairQueue() };
    this.lanes.set(partition, lane);
    return lane;
  }

  private send(waiter: Waiter): void {
    const { message, lane } = waiter;
    lane.sent++;
    waiter.lookedUp = performance.now();
    this.log.publish(commandsOf(this.options.owner), [message]).catch((error: Error) => this.fail([waiter], error));
  }

  /** Forgets a command for which nobody waits any more. Returns who did, if anybody. */
  private end(commandId: string): Waiter | undefined {
    const waiter = this.waiters.get(commandId);
    if (!waiter) return undefined;
    this.waiters.delete(commandId);
    if (waiter.lookedUp !== null) waiter.lane.sent--;
    return waiter;
  }

  /** There is room in a lane: waiting commands are sent, but for those whose time is over. */
  private sendNext({ lane }: Waiter): void {
    while (lane.sent < MAX_SENT_COMMANDS) {
      const next = lane.queue.take();
      if (!next) break;
      if (this.waiters.get(next.message.id) === next) this.send(next);
    }
  }

  private answer(commandId: string, outcome: Outcome, { cost, effect }: Told = {}): void {
    const waiter = this.end(commandId);
    if (!waiter) return;
    waiter.onTold?.({ ...(typeof cost === 'number' && { cost }), ...(isEffect(effect) && { effect }) });
    waiter.resolve(outcome);
    this.sendNext(waiter);
  }

  private fail(waiters: readonly Waiter[], error: Error): void {
    const ended = waiters.filter(({ message }) => this.end(message.id));
    for (const waiter of ended) {
      waiter.reject(error);
      this.sendNext(waiter);
    }
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer ?? undefined);
    for (const { reject } of this.waiters.values()) reject(new LogUnavailable('The service is being stopped.'));
    this.waiters.clear();
    this.lanes.clear();
  }

  private settle({ type, data }: Message): void {
    if (type !== OUTCOME_TYPE) return;
    // On Kafka anybody may write anything.
    const { commandId, outcome, ...told } = (data ?? {}) as Partial<OutcomeData>;
    if (commandId === undefined || outcome === undefined) return;
    this.answer(commandId, outcome, told);
  }

  /** Only while somebody waits. */
  private planSweep(): void {
    if (this.timer || this.waiters.size === 0) return;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.sweep();
        this.planSweep();
      },
      this.options.lookupAfterMs === null ? LOOK_UP_EVERY_MS : SWEEP_EVERY_MS,
    ).unref();
  }

  private sweep(): void {
    const now = performance.now();
    this.fail(
      [...this.waiters.values()].filter(({ since }) => now - since >= this.options.timeoutMs),
      new LogUnavailable('No outcome in time.'),
    );
    // A database that is slow gets one question at a time: the reads of the gateway use the same connections.
    if (this.lookingUp) return;
    const lookupAfterMs = this.options.lookupAfterMs ?? 0;
    const late = [...this.waiters]
      .filter(([, { lookedUp }]) => lookedUp !== null && now - lookedUp >= lookupAfterMs)
      .slice(0, MAX_LOOKUP_COMMANDS);
    if (late.length > 0) void this.lookUp(late);
  }

  private async lookUp(late: readonly (readonly [string, Waiter])[]): Promise<void> {
    this.lookingUp = true;
    for (const [, waiter] of late) waiter.lookedUp = performance.now();
    // A database that is away is not reported here: the waiter times out by itself.
    const found = await this.options
      .lookup(late.map(([commandId]) => commandId))
      .catch(() => new Map<string, Outcome>());
    this.lookingUp = false;
    for (const [commandId, outcome] of found) this.answer(commandId, outcome);
  }
}
