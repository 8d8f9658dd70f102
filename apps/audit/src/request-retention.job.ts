import type { Pool } from 'pg';
import { leastIdAt } from '#contracts';
import { Rounds, type Job } from '#owner';
import type { Logger } from '#runtime';
import { LEAST_ID } from '#event-store';

const DAY_MS = 86_400_000;
const EVERY_MS = 6 * 3_600_000;
/** Rows of one statement, which takes some 20 ms: no write waits for longer. */
const PAGE_ROWS = 1_000;

export interface RequestRetentionOptions {
  readonly keepDays: number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly nowMs?: () => number;
}

/** The old rows of a table, in the order of its key. */
interface Old {
  readonly table: 'requests' | 'bodies' | 'request_counts' | 'read_counts';
  /** The first columns of the key: of each combination of them the old rows come first. */
  readonly of: readonly ('tenant' | 'directory')[];
  /** The column of the key behind these. */
  readonly column: 'id' | 'told_by' | 'minute';
  readonly before: string;
}

/**
 * Deletes requests with their bodies, counters of requests and reads, and when objects were seen last, that are older than they are kept: page by page
 * along the keys, when the process starts and then four times a day. Processes may do it at once.
 */
export const requestRetention = (pool: Pool, options: RequestRetentionOptions): Job => {
  const { keepDays, logger, nowMs = Date.now } = options;
  const rounds = new Rounds(
    async () => {
      const before = nowMs() - keepDays * DAY_MS;
      const old: readonly Old[] = [
        { table: 'requests', of: ['tenant'], column: 'id', before: leastIdAt(before) },
        // The id of a command is younger than those of the requests that it tells.
        { table: 'bodies', of: ['tenant'], column: 'told_by', before: leastIdAt(before) },
        ...(['request_counts', 'read_counts'] as const).map((table) => ({
          table,
          of: ['tenant', 'directory'] as const,
          column: 'minute' as const,
          before: new Date(before).toISOString(),
        })),
      ];
      const go = (): boolean => !rounds.isStopping;
      let deleted = await deleteUnseen(pool, new Date(before), go);
      for (const one of old) deleted += await deleteOld(pool, one, go);
      if (deleted > 0) logger.info({ deleted }, 'old requests and counters deleted');
      return EVERY_MS;
    },
    { logger, fault: 'old requests could not be deleted' },
  );
  return rounds;
};

/** Tenant after tenant, or directory after directory: in each of them the old ones are the beginning of the key. */
const deleteOld = async (pool: Pool, { table, of, column, before }: Old, go: () => boolean): Promise<number> => {
  const columns = of.join(', ');
  const values = of.map((_, index) => `$${index + 3}`).join(', ');
  let deleted = 0;
  for (let place: string[] | undefined = of.map(() => LEAST_ID); place && go();) {
    const { rows }: { rows: { place: string[] }[] } = await pool.query(
      `SELECT ARRAY[${columns}]::text[] AS place FROM audit.${table} WHERE (${columns}) > (${of.map((_, index) => `$${index + 1}`).join(', ')})
       ORDER BY ${columns} LIMIT 1`,
      place,
    );
    place = rows[0]?.place;
    for (let more = place !== undefined; more && go();) {
      const page = await pool.query(
        `DELETE FROM audit.${table} WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM audit.${table} WHERE (${columns}) = (${values}) AND ${column} < $1 ORDER BY ${column} LIMIT $2))`,
        [before, PAGE_ROWS, ...(place ?? [])],
      );
      deleted += page.rowCount ?? 0;
      more = page.rowCount === PAGE_ROWS;
    }
  }
  return deleted;
};

interface UnseenPage {
  readonly deleted: number;
  /** Where the next page begins; null = this was the last one. */
  readonly tenant: string | null;
  readonly id: string | null;
}

/** The moment stands in no index, because nearly each read writes it: the table is walked by its key. */
const deleteUnseen = async (pool: Pool, before: Date, go: () => boolean): Promise<number> => {
  let deleted = 0;
  let last: { tenant: string; id: string } | null = { tenant: LEAST_ID, id: LEAST_ID };
  while (last && go()) {
    const page: UnseenPage = (
      await pool.query<UnseenPage>(
        `WITH page AS (
         SELECT tenant, id FROM audit.seen WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3
       ), gone AS (
         DELETE FROM audit.seen s USING page WHERE s.tenant = page.tenant AND s.id = page.id AND s.at < $4 RETURNING 1
       )
       SELECT (SELECT count(*) FROM gone)::int AS deleted, last.tenant, last.id
       FROM (SELECT 1) AS one LEFT JOIN (SELECT tenant, id FROM page ORDER BY tenant, id OFFSET $3 - 1) AS last ON true`,
        [last.tenant, last.id, PAGE_ROWS, before],
      )
    ).rows[0]!;
    deleted += page.deleted;
    last = page.tenant !== null && page.id !== null ? { tenant: page.tenant, id: page.id } : null;
  }
  return deleted;
};
