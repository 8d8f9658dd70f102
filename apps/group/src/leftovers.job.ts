import type { Pool } from 'pg';
import { GROUP_COMMAND_TYPES, type CommandData, type GroupCommand, type Message } from '#contracts';
import { LEAST_ID, isTimeOut, type LaneWatch } from '#event-store';
import { Rounds, type Job } from '#owner';
import { toLeaveMore } from './leave-groups.js';

export interface LeftoversOptions {
  readonly publish: (messages: readonly Message<CommandData<GroupCommand>>[]) => Promise<void>;
  readonly logger: { warn(facts: object, text: string): void };
  /** Is told whether each look succeeds: the process is not ready while none does. */
  readonly watch?: LaneWatch;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** The number of leavers that are read at once. */
const PAGE_LEAVERS = 1_000;
/**
 * A command whose row is still there after so long is published again: a log that does not wait for the disk loses what
 * it took last when the database is killed. A command that is only slow is carried out once all the same, because its
 * id is its own.
 */
const PUBLISH_AGAIN_AFTER_MS = 10_000;
/**
 * Commands that are remembered as published. When there are more leavers, the next look goes on behind them, so that
 * none hides another for ever.
 */
const MAX_PUBLISHED = 10_000;
/** Deleting so many takes 10 ms. Fewer are deleted at once after a statement that took too long. */
const CHUNK_ROWS = 2_000;
/** The job also looks without being told to: another process may have ended with work left. */
const LOOK_EVERY_MS = 5_000;
const TELL_EVERY_MS = 60_000;
const WHAT = 'deleted users and groups have not left all their groups yet';

interface Leaving {
  readonly tenant: string;
  readonly member: string;
  readonly next_command: string;
  readonly correlation_id: string;
}

/**
 * Brings to its end what one transaction would take too long for: users and groups that are gone leave their groups
 * with one command after the other, and the memberships of a group that is gone are deleted bit by bit. The work that
 * is left lies in two tables, so that a process that starts next goes on; several processes may do it at once.
 */
export class Leftovers implements Job {
  readonly nudgedBy = [GROUP_COMMAND_TYPES.LeaveGroups, GROUP_COMMAND_TYPES.DeleteGroup];
  private readonly rounds: Rounds;
  /** When each command was published, the oldest first: it stays in the table until it is carried out. */
  private readonly published = new Map<string, number>();
  /** The leaver whom the last look ended with; the least ids when it saw all. */
  private last = { tenant: LEAST_ID, member: LEAST_ID };
  private chunkRows = CHUNK_ROWS;
  private toldAtMs = -Infinity;

  constructor(
    private readonly pool: Pool,
    private readonly options: LeftoversOptions,
  ) {
    const { watch, logger } = options;
    const round = async (progress?: () => void): Promise<number> => {
      await this.look(progress);
      return LOOK_EVERY_MS;
    };
    this.rounds = new Rounds(() => (watch ? watch.during('leaving of the deleted', round) : round()), {
      logger,
      fault: WHAT,
    });
  }

  start(): void {
    this.rounds.start();
  }

  /** Something may have been left. */
  nudge(): void {
    this.rounds.nudge();
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  private async look(progress = (): void => undefined): Promise<void> {
    await this.leave();
    while (!this.rounds.isStopping && (await this.empty())) {
      progress();
      await this.leave();
    }
    await this.tell();
  }

  /**
   * Publishes the next command of each of those who are leaving. It may have been published before: it has an id of its
   * own, and is carried out once.
   */
  private async leave(): Promise<void> {
    const now = this.options.now?.() ?? performance.now();
    for (const [id, at] of this.published) if (now - at >= PUBLISH_AGAIN_AFTER_MS) this.published.delete(id);
    while (this.published.size < MAX_PUBLISHED && !this.rounds.isStopping) {
      const { rows } = await this.pool.query<Leaving>(
        `SELECT tenant, member, next_command, correlation_id FROM "group".leaving
         WHERE (tenant, member) > ($1, $2) AND due <= now() ORDER BY tenant, member LIMIT ${PAGE_LEAVERS}`,
        [this.last.tenant, this.last.member],
      );
      const due = rows.filter(({ next_command }) => !this.published.has(next_command));
      const recordedAt = new Date().toISOString();
      if (due.length > 0) {
        await this.options.publish(
          due.map(({ tenant, member, next_command, correlation_id }) =>
            toLeaveMore({ tenant, stream: member, recordedAt, correlationId: correlation_id }, next_command),
          ),
        );
      }
      for (const { next_command } of due) this.published.set(next_command, now);
      const hadBegunLater = this.last.tenant !== LEAST_ID;
      const wasLastPage = rows.length < PAGE_LEAVERS;
      this.last = wasLastPage ? { tenant: LEAST_ID, member: LEAST_ID } : rows.at(-1)!;
      if (wasLastPage && !hadBegunLater) return;
    }
  }

  /** Says once a minute whose commands were set aside, and are sent again: an operator sees in the dead letters why. */
  private async tell(): Promise<void> {
    const now = this.options.now?.() ?? performance.now();
    if (now - this.toldAtMs < TELL_EVERY_MS) return;
    this.toldAtMs = now;
    const {
      rows: [failed],
    } = await this.pool.query<{ leavers: number; commands: number; next: Date }>(
      'SELECT count(*)::int AS leavers, max(failed) AS commands, min(due) AS next FROM "group".leaving WHERE failed > 0',
    );
    const { leavers, commands, next } = failed!;
    if (leavers > 0) this.options.logger.warn({ leavers, commandsSetAside: commands, nextAt: next }, WHAT);
  }

  /** Deletes some memberships of a group that is gone; false = there is no such group. */
  private async empty(): Promise<boolean> {
    const rows = this.chunkRows;
    try {
      const isFound = await this.emptyChunk(rows);
      this.chunkRows = Math.min(CHUNK_ROWS, 2 * rows);
      return isFound;
    } catch (error) {
      if (!isTimeOut(error) || rows === 1) throw error;
      this.chunkRows = Math.ceil(rows / 8);
      return true;
    }
  }

  private async emptyChunk(chunkRows: number): Promise<boolean> {
    const { rows } = await this.pool.query<{ found: boolean }>(
      `
      WITH one AS MATERIALIZED (SELECT tenant, group_id FROM "group".emptying LIMIT 1),
      chunk AS MATERIALIZED (
        SELECT m.tenant, m.group_id, m.member FROM one
        CROSS JOIN LATERAL (SELECT * FROM "group".members WHERE tenant = one.tenant AND group_id = one.group_id LIMIT $1) m
      ), gone AS (
        DELETE FROM "group".members m USING chunk c WHERE m.tenant = c.tenant AND m.group_id = c.group_id AND m.member = c.member
      ), done AS (
        DELETE FROM "group".emptying e USING one
        WHERE e.tenant = one.tenant AND e.group_id = one.group_id AND (SELECT count(*) FROM chunk) < $1
      )
      SELECT EXISTS (SELECT FROM one) AS found`,
      [chunkRows],
    );
    return rows[0]!.found;
  }
}
