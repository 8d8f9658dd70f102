import type { Pool } from 'pg';
import { schemaOf, type Owner } from '#contracts';
import { LEAST_ID } from './stored-events.js';
import { isTimeOut } from './blame.js';

export interface OutcomeRetentionOptions {
  /** Longer than the log keeps messages: a command that is delivered again must find its outcome. */
  readonly keepDays: number;
  /** The pause between the end of a run and the next one. */
  readonly everyMs?: number;
  readonly logger: { info(facts: object, text: string): void; warn(facts: object, text: string): void };
}

const HOUR_MS = 3_600_000;
/** Rows of one chunk, which takes 20 ms on two cores (300,000 rows in 5.7 s): no write waits for longer. */
const CHUNK_ROWS = 1_000;

/**
 * SQL: the least UUIDv7 of a time (RFC 9562 §5.7: the first 48 bits are its milliseconds), so that old ids are a range
 * of the key.
 */
const leastIdOf = (time: string): string =>
  `rpad(lpad(to_hex(floor(extract(epoch FROM ${time}) * 1000)::bigint), 12, '0'), 32, '0')::uuid`;

/**
 * SQL: whether the outcome of this row's command is old, by the clock of who sent the command and of who answered it.
 */
export const isOld = (row: string, before: string): string =>
  `(${row}.command_id < ${leastIdOf(before)} AND ${row}.recorded_at < ${before})`;

/**
 * Deletes the outcomes of an owner that nobody can ask for any more: when its application starts, and then every hour.
 * Processes of one owner may do it at once. Outcomes whose command has no UUIDv7 stay as long as their id happens to
 * lie above the range.
 */
export class OutcomeRetention {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    private readonly pool: Pool,
    private readonly owner: Owner,
    private readonly options: OutcomeRetentionOptions,
  ) {}

  start(): void {
    const { everyMs = HOUR_MS, logger } = this.options;
    const { owner } = this;
    this.running = this.deleteOld()
      .then(
        (deleted) => deleted > 0 && logger.info({ owner, deleted }, 'old outcomes deleted'),
        (error: Error) => logger.warn({ owner, error: error.message }, 'old outcomes could not be deleted'),
      )
      .then(() => {
        if (!this.stopping) this.timer = setTimeout(() => this.start(), everyMs);
      });
  }

  /** Resolves when the chunk that is under way is done; the next run deletes the rest. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private async deleteOld(): Promise<number> {
    const before = await this.announce();
    let deleted = 0;
    for (let after: string | null = LEAST_ID, rows = CHUNK_ROWS; after !== null && !this.stopping;) {
      try {
        const chunk = await this.deleteChunk(after, before, rows);
        deleted += chunk.deleted;
        after = chunk.last;
      } catch (error) {
        // A smaller chunk may be deleted in time; the next run begins with the same rows.
        if (!isTimeOut(error) || rows === 1) throw error;
        rows = Math.ceil(rows / 8);
      }
    }
    return deleted;
  }

  /**
   * Records the limit of deletion before anything is deleted, so that verify never takes an outcome for lost; the limit
   * never moves back, when the setting is raised.
   */
  private async announce(): Promise<string> {
    const { rows } = await this.pool.query<{ before: string }>(
      `UPDATE ${schemaOf(this.owner)}.outcome_retention SET deleted_before = greatest(deleted_before, now() - make_interval(hours => 24 * $1))
       RETURNING (now() - make_interval(hours => 24 * $1))::text AS before`,
      [this.options.keepDays],
    );
    return rows[0]!.before;
  }

  /** One transaction. `last` = the id from which the next chunk goes on; null = this was the last one. */
  private async deleteChunk(
    after: string,
    before: string,
    rows: number,
  ): Promise<{ deleted: number; last: string | null }> {
    const result = await this.pool.query<{ deleted: number; last: string | null }>(
      `WITH chunk AS (
         SELECT command_id, recorded_at FROM ${schemaOf(this.owner)}.outcomes
         WHERE command_id > $1 AND command_id < ${leastIdOf('$2::timestamptz')} ORDER BY command_id LIMIT $3
       ), deleted AS (
         DELETE FROM ${schemaOf(this.owner)}.outcomes o USING chunk WHERE o.command_id = chunk.command_id AND ${isOld('chunk', '$2::timestamptz')} RETURNING 1
       )
       SELECT (SELECT count(*) FROM deleted)::int AS deleted, (SELECT command_id FROM chunk ORDER BY command_id OFFSET $3 - 1) AS last`,
      [after, before, rows],
    );
    return result.rows[0]!;
  }
}
