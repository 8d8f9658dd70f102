import type { Pool } from 'pg';
import { AUDIT_PURGES_VIEW, PURGE_NOTICE_DAYS } from '#contracts';
import { Rounds, type Job } from '#owner';
import type { Logger } from '#runtime';

export interface PayloadPurgeOptions {
  readonly keepDays: number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly nowMs?: () => number;
}

const EVERY_MS = 3_600_000;
/** Rows of one statement, each of which is compared with its announcement: some 30 ms. */
const PAGE_ROWS = 1_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Purges what old entries of the audit log say, where the log itself has announced it for a day. It is not the business
 * of audit, whose role writes the log and can remove nothing; this role sees numbers and times alone, and the view lets
 * it delete nothing else (docs/decisions/0021-what-audit-keep-days-does.md). Page by page along the key; processes may
 * do it at once, and one that ends in the middle leaves the rest for the next round.
 */
export const payloadPurge = (pool: Pool, { keepDays, logger, nowMs = Date.now }: PayloadPurgeOptions): Job => {
  const rounds = new Rounds(
    async () => {
      let purged = 0;
      for (let next = await nextOf(pool, LEAST_ID); next !== null && !rounds.isStopping;) {
        for (let rows = PAGE_ROWS; next.before !== null && rows === PAGE_ROWS && !rounds.isStopping;)
          purged += rows = await purgePage(pool, next.tenant, next.before, keepDays, nowMs());
        next = await nextOf(pool, next.tenant);
      }
      if (purged > 0) logger.info({ purged, keepDays }, 'what old entries of the audit log say was purged');
      return EVERY_MS;
    },
    { logger, fault: 'what old entries of the audit log say could not be purged' },
  );
  return rounds;
};

interface Announced {
  readonly tenant: string;
  /** Null = it was announced less than a day ago. */
  readonly before: string | null;
}

/** The next tenant for whom something was announced, and up to which number. */
const nextOf = async (pool: Pool, after: string): Promise<Announced | null> =>
  (
    await pool.query<Announced>(
      `SELECT t.tenant, (
         SELECT before FROM ${AUDIT_PURGES_VIEW} WHERE tenant = t.tenant AND recorded_at < now() - make_interval(hours => 24 * $2)
         ORDER BY number DESC LIMIT 1
       ) AS before FROM (SELECT tenant FROM ${AUDIT_PURGES_VIEW} WHERE tenant > $1 ORDER BY tenant LIMIT 1) AS t`,
      [after, PURGE_NOTICE_DAYS],
    )
  ).rows[0] ?? null;

/** One transaction. What is old is old by the clock of this process as well. Returns how many were purged. */
const purgePage = async (
  pool: Pool,
  tenant: string,
  before: string,
  keepDays: number,
  nowMs: number,
): Promise<number> =>
  (
    await pool.query(
      `DELETE FROM audit.purgeable_v1 WHERE tenant = $1 AND number = ANY (ARRAY(
         SELECT number FROM audit.purgeable_v1
         WHERE tenant = $1 AND number < $2 AND recorded_at < least(now(), $3::timestamptz) - make_interval(hours => 24 * $4)
         ORDER BY number LIMIT $5))`,
      [tenant, before, new Date(nowMs), keepDays, PAGE_ROWS],
    )
  ).rowCount ?? 0;
