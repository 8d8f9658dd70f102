import type { ClientBase } from 'pg';
import { AUDIT_EVENT_TYPES, payloadHash, type Purge } from '#contracts';
import { LEAST_ID, inPages, type Finding } from '#event-store';

/** Contents that follow each other without a gap, among those of one page. */
interface Row {
  readonly tenant: string;
  readonly first: number;
  readonly last: number;
}

interface Page {
  readonly tenant: string;
  readonly number: string;
  readonly payloads: number;
  readonly rows: readonly Row[];
  readonly found: readonly { readonly tenant: string; readonly number: number; readonly has_entry: boolean }[] | null;
}

const PAGE = `
  WITH page AS MATERIALIZED (
    SELECT p.tenant, p.number, ${payloadHash('p')} AS hash FROM audit.payloads p
    WHERE (p.tenant, p.number) > ($1, $2) ORDER BY p.tenant, p.number LIMIT $3
  ), in_rows AS (
    SELECT tenant, min(number) AS first, max(number) AS last FROM (
      SELECT tenant, number, number - row_number() OVER (PARTITION BY tenant ORDER BY number) AS gap FROM page
    ) g GROUP BY tenant, gap
  )
  SELECT p.tenant, p.number, (SELECT count(*)::int FROM page) AS payloads,
    (SELECT json_agg(r ORDER BY r.tenant, r.first) FROM in_rows r) AS rows, (
    SELECT json_agg(json_build_object('tenant', p.tenant, 'number', p.number, 'has_entry', e.number IS NOT NULL))
    FROM page p LEFT JOIN LATERAL (
      SELECT * FROM audit.entries e WHERE e.tenant = p.tenant AND e.number = p.number OFFSET 0
    ) e ON true WHERE e.payload_hash IS DISTINCT FROM p.hash
  ) AS found
  FROM page p ORDER BY p.tenant DESC, p.number DESC LIMIT 1`;

/**
 * Compares what entries say, where it is kept, with its hash; where it is not, an announcement in the log itself has to
 * explain that. `sizes` = the number of entries of each tenant. Returns how many contents there are.
 */
export const verifyPayloads = async (
  client: ClientBase,
  sizes: ReadonlyMap<string, number>,
  report: (finding: Finding) => void,
  progress: (payloads: number) => void,
): Promise<number> => {
  const purged = new Map<string, number>();
  for (const tenant of sizes.keys()) purged.set(tenant, await verifyPurges(client, tenant, report));
  /** The next number that is due of each tenant: below what was purged nothing is. */
  const due = new Map(purged);
  const missing = (tenant: string, to: number): void => {
    const from = due.get(tenant);
    if (from === undefined || from >= to) return;
    report({
      rule: 'entry',
      detail: `audit log of tenant ${tenant}: what ${from === to - 1 ? `entry ${from} says` : `the entries ${from} to ${to - 1} say`} is missing, and no entry announces that it was purged`,
    });
  };
  let payloads = 0;
  const pages = inPages<Page>(
    async (last, maxRows) =>
      (await client.query<Page>(PAGE, [last?.tenant ?? LEAST_ID, last?.number ?? -1, maxRows])).rows,
  );
  for await (const [page] of pages) {
    for (const { tenant, number, has_entry: hasEntry } of page!.found ?? [])
      report({
        rule: 'entry',
        detail: hasEntry
          ? `audit log of tenant ${tenant}: what entry ${number} says is not what was hashed`
          : `audit log of tenant ${tenant}: something is kept for entry ${number}, which is not there`,
      });
    for (const { tenant, first, last } of page!.rows) {
      missing(tenant, Math.min(first, sizes.get(tenant) ?? 0));
      due.set(tenant, Math.max(due.get(tenant) ?? 0, last + 1));
    }
    progress((payloads += page!.payloads));
  }
  for (const [tenant, size] of sizes) missing(tenant, size);
  return payloads;
};

/** The most that AUDIT_KEEP_DAYS may be. */
const MAX_KEEP_DAYS = 36_500;
/** Entries that one statement compares with an announcement. */
const SLICE_ROWS = 100_000;

/**
 * An announcement is only good of what was as old as it says. Returns the number below which what entries of a tenant say
 * may be gone.
 */
const verifyPurges = async (
  client: ClientBase,
  tenant: string,
  report: (finding: Finding) => void,
): Promise<number> => {
  const { rows } = await client.query<{ number: string; data: Partial<Purge> }>(
    `SELECT a.number, p.data FROM audit.entries a JOIN audit.payloads p ON p.tenant = a.tenant AND p.number = a.number
     WHERE a.tenant = $1 AND a.owner = 'audit' AND a.type = '${AUDIT_EVENT_TYPES.PurgeAnnounced}' ORDER BY a.number`,
    [tenant],
  );
  let purged = 0;
  for (const { number, data } of rows) {
    const [before, keepDays] = [Number(data.before), Number(data.keepDays)];
    // Audit writes no other, and one that was changed has been found by its hash.
    if (!Number.isSafeInteger(before) || !(keepDays > 0 && keepDays <= MAX_KEEP_DAYS)) continue;
    for (; purged < before; purged = Math.min(before, purged + SLICE_ROWS)) {
      const { rows: young } = await client.query<{ number: string }>(
        `SELECT e.number FROM audit.entries e JOIN audit.entries a ON a.tenant = e.tenant AND a.number = $2
         WHERE e.tenant = $1 AND e.number >= $3 AND e.number < $4 AND e.recorded_at > a.recorded_at - make_interval(hours => 24 * $5)
         ORDER BY e.number LIMIT 1`,
        [tenant, number, purged, Math.min(before, purged + SLICE_ROWS), keepDays],
      );
      if (!young[0]) continue;
      report({
        rule: 'entry',
        detail: `audit log of tenant ${tenant}: entry ${number} announces that the entries before ${before} were kept for ${keepDays} days, and entry ${young[0].number} was younger`,
      });
      purged = before;
      break;
    }
  }
  return purged;
};
