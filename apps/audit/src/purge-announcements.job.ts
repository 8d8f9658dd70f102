import type { Pool } from 'pg';
import { AUDIT_COMMAND_TYPES, AUDIT_EVENT_TYPES, type AuditCommand, type Message } from '#contracts';
import { LEAST_ID, timedId } from '#event-store';
import { Rounds, type Job } from '#owner';

export interface PurgeAnnouncementsOptions {
  readonly keepDays: number;
  /** Sends commands to the lane of audit. */
  readonly send: (messages: readonly Message[]) => Promise<void>;
  readonly logger: { warn(facts: object, text: string): void };
  readonly nowMs?: () => number;
}

const EVERY_MS = 3_600_000;
/** Entries that one statement looks at, by their key: some 10 ms. */
const PAGE_ROWS = 10_000;
/** Nobody waits for these: they are never too late. */
const NEVER = '9999-12-31T23:59:59.999Z';

/**
 * Announces in the log of each tenant, once a day at most, that what its oldest entries say was kept for long enough.
 * Another role purges it (apps/directory/src/payload-purge.job.ts), a day later and only up to the announced number. An
 * entry is old by the clock of this process and by that of the database. Processes may do it at once: the same
 * announcement is the same command.
 */
export const purgeAnnouncements = (pool: Pool, options: PurgeAnnouncementsOptions): Job => {
  const { keepDays, send, logger, nowMs = Date.now } = options;
  const rounds = new Rounds(
    async () => {
      const old = await readLimit(pool, keepDays, nowMs());
      for (let tenant = await nextTenant(pool, LEAST_ID); tenant !== undefined && !rounds.isStopping;) {
        const before = await oldEntries(pool, tenant, old, () => !rounds.isStopping);
        if (before !== null) await send([announcement(tenant, { before, keepDays }, old)]);
        tenant = await nextTenant(pool, tenant);
      }
      return EVERY_MS;
    },
    { logger, fault: 'it could not be announced which entries of the audit log are old' },
  );
  return rounds;
};

/** Entries from before this moment are old. It is the beginning of a day, so that it moves once a day. */
const readLimit = async (pool: Pool, keepDays: number, nowMs: number): Promise<Date> =>
  (
    await pool.query<{ old: Date }>(
      `SELECT date_trunc('day', least(now(), $1::timestamptz) - make_interval(hours => 24 * $2), 'UTC') AS old`,
      [new Date(nowMs), keepDays],
    )
  ).rows[0]!.old;

const nextTenant = async (pool: Pool, after: string): Promise<string | undefined> =>
  (
    await pool.query<{ tenant: string }>('SELECT tenant FROM audit.logs WHERE tenant > $1 ORDER BY tenant LIMIT 1', [
      after,
    ])
  ).rows[0]?.tenant;

/**
 * The number up to which all entries of a tenant are old; null = there is nothing to announce. Entries that say nothing but
 * what was announced before are left for the next time: else a tenant without news would have one each day.
 */
const oldEntries = async (pool: Pool, tenant: string, old: Date, go: () => boolean): Promise<number | null> => {
  const type = AUDIT_EVENT_TYPES.PurgeAnnounced;
  const last = await pool.query<{ before: string }>(
    `SELECT p.data->>'before' AS before FROM audit.entries a JOIN audit.payloads p ON p.tenant = a.tenant AND p.number = a.number
     WHERE a.tenant = $1 AND a.owner = 'audit' AND a.type = '${type}' ORDER BY a.number DESC LIMIT 1`,
    [tenant],
  );
  let before = Number(last.rows[0]?.before ?? 0);
  let others = 0;
  for (let more = true; more && go();) {
    const { rows } = await pool.query<{ entries: number; behind: string | null; young: string | null; others: number }>(
      `SELECT count(*)::int AS entries, max(number) + 1 AS behind, min(number) FILTER (WHERE recorded_at >= $3) AS young,
         (count(*) FILTER (WHERE recorded_at < $3 AND type <> '${type}'))::int AS others
       FROM (SELECT number, recorded_at, type FROM audit.entries WHERE tenant = $1 AND number >= $2 ORDER BY number LIMIT $4) AS page`,
      [tenant, before, old, PAGE_ROWS],
    );
    const page = rows[0]!;
    others += page.others;
    before = Number(page.young ?? page.behind ?? before);
    more = page.young === null && page.entries === PAGE_ROWS;
  }
  return others > 0 ? before : null;
};

/** The same one has the same id. */
const announcement = (
  tenant: string,
  purge: { readonly before: number; readonly keepDays: number },
  old: Date,
): Message => {
  const purgeId = timedId(old.getTime(), `${tenant}|purge|${purge.before}`);
  const command: AuditCommand = { type: 'AnnouncePurge', purgeId, ...purge };
  return {
    id: purgeId,
    type: AUDIT_COMMAND_TYPES[command.type],
    source: 'muster/audit',
    subject: purgeId,
    time: new Date().toISOString(),
    tenant,
    directory: null,
    correlationId: purgeId,
    causationId: null,
    data: { actor: 'audit', expiresAt: NEVER, command },
  };
};
