import type { Pool } from 'pg';
import type { Message } from '#contracts';
import type { Behaviour } from './behaviour.js';
import { blameOf, isStale, isTimeOut, TooMuch } from './blame.js';
import { Costs } from './costs.js';
import { LaneTransaction, type Attempted, type Committed, type TransactionOptions } from './lane-transaction.js';
import type { LaneWatch } from './lane-watch.js';
import { slice, type BatchToHandle } from './turn.js';

/** About 0.1 s of work for the database and for this process. */
const DEFAULT_MAX_BYTES = 8 * 1_048_576;
/**
 * While the command is looked for that makes a batch run into the time limit, each piece gets this share of it: no
 * command is set aside for being slower, it only ends up alone, and then it has all the time. With the whole limit for
 * each piece the search in 256 commands would take eight times as long, and everybody in the partition waits for its
 * end.
 */
const SHARE_OF_TIME = 1 / 8;
const MIN_SEARCH_MS = 250;
/** A piece without the culprit takes milliseconds, and each one with it takes the whole share of time. */
const SEARCH_PIECES = 8;

export type OnCommitted = (done: Committed) => void;

export interface BatchOptions extends TransactionOptions {
  readonly watch?: LaneWatch;
}

/**
 * Brings a batch to its end, with one transaction as a rule. A batch that cannot be carried out as a whole is divided,
 * a lone command that cannot be carried out at all is set aside, and nobody is blamed for a fault that stands in
 * everybody's way.
 */
export class BatchHandler<C> {
  private readonly transaction: LaneTransaction<C>;
  private readonly costs = new Costs();

  constructor(
    private readonly pool: Pool,
    behaviour: Behaviour<C>,
    now: () => Date,
    onDead: (error: unknown, message: Message | null) => void,
    private readonly options: BatchOptions = { maxBytes: DEFAULT_MAX_BYTES },
  ) {
    this.transaction = new LaneTransaction(pool, behaviour, now, onDead, options);
  }

  /**
   * `committed` is called after each commit, in order: a batch may take several. Throws on infrastructure faults, and
   * the effects that have been committed until then stay; bad content never throws, it gets a dead letter.
   */
  async handle(batch: BatchToHandle, committed: OnCommitted): Promise<void> {
    const inPieces = (progress = (): void => undefined): Promise<void> =>
      this.goOn(batch, (done) => {
        progress();
        committed(done);
      });
    try {
      const { watch } = this.options;
      await (watch ? watch.during(`${batch.topic}/${batch.partition}`, inPieces) : inPieces());
    } catch (error) {
      this.transaction.forget(batch.partition);
      throw error;
    }
  }

  /** Forgets what it knows about a partition: after a rebalance somebody else may have written. */
  forget(partition: number): void {
    this.transaction.forget(partition);
  }

  /** The position from which the consumer of this owner goes on. */
  position(partition: number): Promise<{ epoch: string; nextOffset: number }> {
    return this.transaction.position(partition);
  }

  /** Cuts the batch by the costs that earlier transactions have taught. */
  private async goOn(batch: BatchToHandle, committed: OnCommitted, timeoutMs?: number): Promise<void> {
    for (const { from, to } of this.costs.pieces(batch.received, this.options.maxBytes))
      await this.carryOut(slice(batch, from, to), committed, timeoutMs);
  }

  private async carryOut(batch: BatchToHandle, committed: OnCommitted, timeoutMs?: number): Promise<void> {
    const isAlone = batch.received.length === 1;
    let poison: unknown;
    for (let stale = 0, wasUnsure = false; ;) {
      let attempted: Attempted;
      try {
        attempted = await this.transaction.attempt(batch, { poison, timeoutMs: wasUnsure ? undefined : timeoutMs });
      } catch (error) {
        this.transaction.forget(batch.partition);
        if (isStale(error) && ++stale < 3) continue;
        const blame = blameOf(error);
        // Only a message is left to be written: the content is not at fault any more.
        if (blame === 'infrastructure' || poison !== undefined) throw error;
        // A statement may also take too long because a table is locked or the machine is starved, and an administrator
        // may cancel any. So nobody is blamed while the lane cannot load and write nothing at all; and a command is set
        // aside when it has failed twice alone, with a proof after each that the lane works, and the dead letter is
        // written by the same statements in time. Twice it had the whole limit: both times alone, or the first time in
        // its batch, of which the others then needed no more than their share. With less the second time, whoever takes
        // a second as a rule would be set aside because the machine was slow the first time.
        if (blame === 'unsure') await this.transaction.prove(batch);
        if (!isAlone) return await this.divide(batch, error, committed, timeoutMs);
        if (blame === 'content' || wasUnsure) poison = error;
        wasUnsure = true;
        continue;
      }
      this.costs.learn(attempted.costs);
      committed(attempted.committed);
      const { length } = batch.received;
      if (attempted.done < length) await this.goOn(slice(batch, attempted.done, length), committed, timeoutMs);
      return;
    }
  }

  /** Finds the culprit: the pieces are transactions of their own, the healthy ones succeed. */
  private async divide(
    batch: BatchToHandle,
    error: unknown,
    committed: OnCommitted,
    timeoutMs: number | undefined,
  ): Promise<void> {
    const { length } = batch.received;
    // The number of commands that are as much as a transaction may be, if all are alike.
    const fitting = error instanceof TooMuch ? Math.floor((length * error.maxBytes) / error.bytes) : length;
    const size = Math.max(1, Math.min(fitting, Math.ceil(length / (isTimeOut(error) ? SEARCH_PIECES : 2))));
    const searchMs = isTimeOut(error) ? this.searchMs : timeoutMs;
    for (let from = 0; from < length; from += size) {
      await this.goOn(slice(batch, from, Math.min(from + size, length)), committed, searchMs);
    }
  }

  private get searchMs(): number | undefined {
    const { statement_timeout: limitMs } = this.pool.options as { statement_timeout?: number | false };
    return limitMs ? Math.min(limitMs, Math.max(MIN_SEARCH_MS, limitMs * SHARE_OF_TIME)) : undefined;
  }
}
