import type { ClientBase } from 'pg';
import { payloadHash, schemaOf, type Owner } from '#contracts';
import { LEAST_ID, inPages, type Finding } from '#event-store';

/** Columns of a stored event that its entry has as well. */
const COLUMNS = [
  'stream',
  'version',
  'type',
  'recorded_at',
  'command_id',
  'correlation_id',
  'actor',
  'directory',
] as const;
/** An event that is older and no entry yet is told: the integrator is away, or the log of the tenant stands still. */
const LATE_AFTER = '1 minute';

interface Found {
  readonly tenant: string;
  readonly sequence: number;
  /** Null = it has no entry. */
  readonly number: number | null;
  /** The columns that differ, or `content`. */
  readonly differs: readonly string[];
  /** Later events of the owner are entries. */
  readonly is_passed: boolean;
  readonly is_late: boolean;
}

interface Page {
  readonly tenant: string;
  readonly sequence: string;
  readonly events: number;
  readonly found: readonly Found[] | null;
}

/**
 * Compares each event in the store of an owner with its entry. Postgres hashes and compares: what events say does not
 * leave it. Returns how many there are.
 */
export const verifyEvents = async (
  client: ClientBase,
  owner: Owner,
  report: (finding: Finding) => void,
  progress: (events: number) => void,
): Promise<number> => {
  const sql = `
    WITH page AS MATERIALIZED (
      SELECT e.tenant, e.sequence, ${COLUMNS.map((name) => `e.${name}`).join(', ')}, ${payloadHash('e')} AS hash
      FROM ${schemaOf(owner)}.audited_v1 e WHERE (e.tenant, e.sequence) > ($1, $2) ORDER BY e.tenant, e.sequence LIMIT $3
    ), compared AS (
      SELECT p.tenant, p.sequence, p.recorded_at, a.number, array_remove(ARRAY[
          ${COLUMNS.map((name) => `CASE WHEN a.${name} IS DISTINCT FROM p.${name} THEN '${name}' END`).join(', ')},
          CASE WHEN a.payload_hash IS DISTINCT FROM p.hash THEN 'content' END
        ], NULL) AS differs
      FROM page p LEFT JOIN LATERAL (
        SELECT * FROM audit.entries a WHERE a.tenant = p.tenant AND a.owner = $4 AND a.sequence = p.sequence OFFSET 0
      ) a ON true
    )
    SELECT p.tenant, p.sequence, (SELECT count(*)::int FROM page) AS events, (
      SELECT json_agg(json_build_object('tenant', c.tenant, 'sequence', c.sequence, 'number', c.number, 'differs', c.differs,
        'is_late', c.recorded_at < now() - interval '${LATE_AFTER}', 'is_passed', c.sequence < coalesce((
            SELECT a.sequence FROM audit.entries a WHERE a.tenant = c.tenant AND a.owner = $4 ORDER BY a.sequence DESC LIMIT 1
          ), 0)) ORDER BY c.tenant, c.sequence)
      FROM compared c WHERE cardinality(c.differs) > 0
    ) AS found
    FROM page p ORDER BY p.tenant DESC, p.sequence DESC LIMIT 1`;
  let events = 0;
  let waits: string | null = null;
  const pages = inPages<Page>(
    async (last, maxRows) =>
      (await client.query<Page>(sql, [last?.tenant ?? LEAST_ID, last?.sequence ?? 0, maxRows, owner])).rows,
  );
  for await (const [page] of pages) {
    for (const { tenant, sequence, number, differs, is_passed: isPassed, is_late: isLate } of page!.found ?? []) {
      const event = `${owner}: tenant ${tenant}, sequence ${sequence}`;
      if (number !== null)
        report({
          rule: 'entry',
          detail: `${event}: ${differs.join(', ')} of the event is not what entry ${number} says`,
        });
      else if (isPassed) report({ rule: 'entry', detail: `${event}: the event has no entry, and later ones have` });
      // The first one of a tenant stands for those behind it.
      else if (isLate && waits !== tenant) {
        waits = tenant;
        report({
          rule: 'entry',
          detail: `${event}: from here on events are no entries yet, for more than ${LATE_AFTER}`,
        });
      }
    }
    progress((events += page!.events));
  }
  return events;
};

/** The store of an owner has to reach as far as the entries of its events do. */
export const verifyHeads = async (
  client: ClientBase,
  owner: Owner,
  reached: ReadonlyMap<string, number>,
  report: (finding: Finding) => void,
): Promise<void> => {
  const { rows } = await client.query<{ tenant: string; reached: string; head: string }>(
    `SELECT * FROM (
       SELECT t.tenant, t.reached, coalesce((
           SELECT e.sequence FROM ${schemaOf(owner)}.audited_v1 e WHERE e.tenant = t.tenant ORDER BY e.sequence DESC LIMIT 1
         ), 0) AS head
       FROM unnest($1::uuid[], $2::bigint[]) AS t(tenant, reached)
     ) h WHERE head < reached`,
    [[...reached.keys()], [...reached.values()]],
  );
  for (const { tenant, reached: last, head } of rows)
    report({
      rule: 'entry',
      detail: `${owner}: tenant ${tenant}: its store ends with sequence ${head}, and events up to ${last} are entries`,
    });
};
