import type { ClientBase } from 'pg';
import { leastIdAt, NO_DIRECTORY } from '#contracts';
import type { Finding } from '#event-store';
import { minuteMsOf } from './told.js';

const MINUTE_MS = 60_000;
/** One statement reads the requests of so long: no transaction lasts for more than a few seconds. */
const STRETCH_MS = 6 * 3_600_000;

/**
 * Compares the counters of requests of a tenant with the requests that they count. Returns the number of requests that were
 * compared. Those of the oldest minute are left out, because a part of them may have been deleted by their age.
 */
export const verifyRequestCounts = async (
  client: ClientBase,
  tenant: string,
  report: (finding: Finding) => void,
): Promise<number> => {
  const ends = await client.query<{ id: string }>(
    `(SELECT id FROM audit.requests WHERE tenant = $1 ORDER BY id LIMIT 1)
     UNION ALL (SELECT id FROM audit.requests WHERE tenant = $1 ORDER BY id DESC LIMIT 1)`,
    [tenant],
  );
  const [oldest, newest] = ends.rows.map(({ id }) => minuteMsOf(id));
  if (oldest === undefined || newest === undefined) return 0;
  let compared = 0;
  for (let fromMs = oldest + MINUTE_MS; fromMs <= newest; fromMs += STRETCH_MS)
    compared += await compare(client, tenant, fromMs, Math.min(fromMs + STRETCH_MS, newest + MINUTE_MS), report);
  return compared;
};

/** In one snapshot: a request and its counter are written by one transaction. */
const compare = async (
  client: ClientBase,
  tenant: string,
  fromMs: number,
  toMs: number,
  report: (finding: Finding) => void,
): Promise<number> => {
  const { rows } = await client.query<{
    asked: number;
    wrong: readonly { minute: string; directory: string; asked: number; counted: number }[] | null;
  }>(
    `WITH RECURSIVE d AS (
       SELECT NULL::uuid AS directory, 0 AS place
       UNION ALL
       SELECT (SELECT c.directory FROM audit.request_counts c
         WHERE c.tenant = $1 AND c.directory >= '${NO_DIRECTORY}' AND (d.directory IS NULL OR c.directory > d.directory) ORDER BY c.directory LIMIT 1), d.place + 1
       FROM d WHERE d.place = 0 OR d.directory IS NOT NULL
     ), asked AS (
       SELECT coalesce(directory, '${NO_DIRECTORY}') AS directory,
         to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 60000 * 60) AS minute, count(*)::float8 AS count
       FROM audit.requests WHERE tenant = $1 AND id >= $2 AND id < $3 AND face <> 'admin' GROUP BY 1, 2
     ), counted AS (
       SELECT d.directory, c.minute, sum(c.count)::float8 AS count FROM d CROSS JOIN LATERAL (
         SELECT minute, count FROM audit.request_counts WHERE tenant = $1 AND directory = d.directory AND minute >= $4 AND minute < $5 OFFSET 0) AS c
       WHERE d.directory IS NOT NULL GROUP BY 1, 2
     ), wrong AS (
       SELECT minute, directory, coalesce(a.count, 0) AS asked, coalesce(c.count, 0) AS counted
       FROM asked a FULL JOIN counted c USING (directory, minute) WHERE a.count IS DISTINCT FROM c.count
     )
     SELECT (SELECT coalesce(sum(count), 0)::float8 FROM asked) AS asked, (SELECT json_agg(w ORDER BY w.minute, w.directory) FROM wrong w) AS wrong`,
    [tenant, leastIdAt(fromMs), leastIdAt(toMs), new Date(fromMs), new Date(toMs)],
  );
  const { asked, wrong } = rows[0]!;
  for (const { minute, directory, asked: requests, counted } of wrong ?? [])
    report({
      rule: 'row',
      detail: `requests of tenant ${tenant}, minute ${new Date(minute).toISOString()}, directory ${directory}: there are ${requests}, and audit.request_counts says ${counted}`,
    });
  return asked;
};
