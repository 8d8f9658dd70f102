import type { Pool } from 'pg';
import { AUDIT_PURGES_VIEW } from '#contracts';
import { Rounds, type Job } from '#owner';
import type { Logger } from '#runtime';
import { LEAST_ID } from '#event-store';

export interface PayloadPurgeOptions {
  readonly keepDays: number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly nowMs?: () => number;
}

const EVERY_MS = 3_600_000;
/** Rows of one statement, each of which is compared with its announcement: 60 ms beside other work. */
const PAGE_ROWS = 1_000;

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
        for (let from: number | null = next.before === null ? null : 0; from !== null && !rounds.isStopping;) {
          const page: Purged = await purgePage(pool, { ...next, from }, keepDays, nowMs());
          purged += page.rows;
          from = page.rows < PAGE_ROWS ? null : Number(page.last) + 1;
        }
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
  /** Null = it was announced, or seen to be, less than a day ago. */
  readonly before: string | null;
}

/** The next tenant for whom something was announced, and up to which number. What was announced since is seen now. */
const nextOf = async (pool: Pool, after: string): Promise<Announced | null> => {
  const { rows } = await pool.query<{ tenant: string }>(
    `SELECT tenant FROM ${AUDIT_PURGES_VIEW} WHERE tenant > $1 ORDER BY tenant LIMIT 1`,
    [after],
  );
  const [next] = rows;
  if (!next) return null;
  await pool.query(
    `INSERT INTO audit.seen_announcements_v1 (tenant, number)
     SELECT tenant, number FROM ${AUDIT_PURGES_VIEW} WHERE tenant = $1
       AND number > coalesce((SELECT max(number) FROM audit.seen_announcements_v1 WHERE tenant = $1), -1)
     ON CONFLICT DO NOTHING`,
    [next.tenant],
  );
  const due = await pool.query<{ before: string }>(
    'SELECT before FROM audit.due_purges_v1 WHERE tenant = $1 ORDER BY number DESC LIMIT 1',
    [next.tenant],
  );
  return { ...next, before: due.rows[0]?.before ?? null };
};

interface Purged {
  readonly rows: number;
  /** The number of the last one; null = there was none. */
  readonly last: string | null;
}

/**
 * One transaction. What is old is old by the clock of this process as well. A page begins behind the one before it:
 * everything that was deleted would be passed over again.
 */
const purgePage = async (
  pool: Pool,
  { tenant, before, from }: Announced & { readonly from: number },
  keepDays: number,
  nowMs: number,
): Promise<Purged> =>
  (
    await pool.query<Purged>(
      `WITH gone AS (
         DELETE FROM audit.purgeable_v1 WHERE tenant = $1 AND number = ANY (ARRAY(
           SELECT number FROM audit.purgeable_v1 WHERE tenant = $1 AND number >= $2 AND number < $3
             AND recorded_at < least(now(), $4::timestamptz) - make_interval(hours => 24 * $5) ORDER BY number LIMIT $6)) RETURNING number
       )
       SELECT count(*)::int AS rows, max(number) AS last FROM gone`,
      [tenant, from, before, new Date(nowMs), keepDays, PAGE_ROWS],
    )
  ).rows[0]!;
