import type { ClientBase } from 'pg';
import { schemaOf, type Owner } from '#contracts';
import { isOld } from './outcome-retention.job.js';

/** One broken invariant, in words that name the rows. */
export interface Finding {
  readonly invariant: string;
  readonly detail: string;
}

export interface Verification {
  readonly compared: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** An event as it is stored. */
export interface StoredEvent {
  readonly tenant: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly recorded_at: Date;
  readonly data: unknown;
  readonly personal: string | null;
}

const PAGE_ROWS = 2_000;

/**
 * I6 and I3 of one owner, on a live database: sequences are dense for each tenant, versions for each stream, and each event
 * belongs to a command whose one outcome is not a rejection, or was deleted for its age. Walks by key: no statement reads more than
 * a page.
 */
export const verifyStore = async (client: ClientBase, owner: Owner): Promise<Verification> => {
  const findings: Finding[] = [];
  let events = 0;
  let last = { tenant: '00000000-0000-0000-0000-000000000000', sequence: 0 };
  for (;;) {
    const { rows } = await client.query<{
      tenant: string; sequence: string; stream: string; version: number; answered: string | null; old: boolean | null;
    }>(
      `SELECT e.tenant, e.sequence, e.stream, e.version, o.outcome->>'status' AS answered,
         ${isOld('e', `(SELECT deleted_before FROM ${schemaOf(owner)}.outcome_retention)`)} AS old
       FROM ${schemaOf(owner)}.events e LEFT JOIN ${schemaOf(owner)}.outcomes o USING (command_id)
       WHERE (e.tenant, e.sequence) > ($1, $2) ORDER BY e.tenant, e.sequence LIMIT ${PAGE_ROWS}`,
      [last.tenant, last.sequence],
    );
    for (const row of rows) {
      const sequence = Number(row.sequence);
      const expected = row.tenant === last.tenant ? last.sequence + 1 : 1;
      if (sequence !== expected) {
        findings.push({ invariant: 'I6', detail: `${owner}: tenant ${row.tenant} has sequence ${sequence} where ${expected} was due` });
      }
      if (row.answered !== 'done' && !(row.answered === null && row.old)) {
        const what = row.answered === null ? 'has no outcome' : 'was rejected';
        findings.push({ invariant: 'I3', detail: `${owner}: the command behind ${row.stream} version ${row.version} ${what}` });
      }
      last = { tenant: row.tenant, sequence };
    }
    events += rows.length;
    if (rows.length < PAGE_ROWS) break;
  }
  return { compared: { [`${owner} events`]: events }, findings };
};

/** Streams in the order of their ids, each whole, in pages; for folding. */
export async function* streams(client: ClientBase, owner: Owner): AsyncGenerator<readonly StoredEvent[]> {
  let last = { stream: '00000000-0000-0000-0000-000000000000', version: 0 };
  let open: StoredEvent[] = [];
  for (;;) {
    const { rows } = await client.query<StoredEvent>(
      `SELECT tenant, stream, version, type, recorded_at, data, personal FROM ${schemaOf(owner)}.events
       WHERE (stream, version) > ($1, $2) ORDER BY stream, version LIMIT ${PAGE_ROWS}`,
      [last.stream, last.version],
    );
    for (const row of rows) {
      if (open.length > 0 && open[0]!.stream !== row.stream) {
        yield open;
        open = [];
      }
      open.push(row);
      last = row;
    }
    if (rows.length < PAGE_ROWS) break;
  }
  if (open.length > 0) yield open;
}

/** One stream as it is now, in the order of its versions. */
export const oneStream = async (client: ClientBase, owner: Owner, stream: string): Promise<StoredEvent[]> =>
  (await client.query<StoredEvent>(
    `SELECT tenant, stream, version, type, recorded_at, data, personal FROM ${schemaOf(owner)}.events WHERE stream = $1 ORDER BY version`, [stream],
  )).rows;
