import type { ClientBase } from 'pg';
import { pageByBytes, schemaOf, type Owner } from '#contracts';
import { isTimeOut } from './blame.js';
import { isOld } from './outcome-retention.job.js';

/** One broken invariant, in words that name the rows. */
export interface Finding {
  readonly invariant: string;
  readonly detail: string;
}

/** Told as a check goes on: what is compared, and how many of it so far. */
export type Progress = (what: string, count: number) => void;

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

/** Rows that one statement of verify compares: on a live database none of them may take long. */
const PAGE_ROWS = 2_000;
const MAX_PAGE_BYTES = 4 * 1_048_576;
/** Of one kind: who has more to mend will look again. */
export const MAX_FINDINGS = 100;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Walks a table by its key: `read` gets the last row of the page before (null = from the beginning) and how many rows
 * it may take, and returns an empty page at the end. A page that runs into the time limit of a statement is read again
 * in smaller pieces.
 */
export async function* inPages<Row>(
  read: (last: Row | null, maxRows: number) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  let last: Row | null = null;
  for (let maxRows = PAGE_ROWS; ;) {
    let rows: readonly Row[];
    try {
      rows = await read(last, maxRows);
    } catch (error) {
      if (!isTimeOut(error) || maxRows === 1) throw error;
      maxRows = Math.ceil(maxRows / 8);
      continue;
    }
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1)!;
    maxRows = Math.min(PAGE_ROWS, 2 * maxRows);
  }
}

interface Sequenced {
  readonly tenant: string;
  readonly sequence: string;
  readonly stream: string;
  readonly version: number;
  readonly answered: string | null;
  readonly old: boolean | null;
}

/**
 * I6 and I3 of one owner, on a live database: sequences are dense for each tenant, versions for each stream, and each
 * event belongs to a command whose one outcome is not a rejection, or was deleted for its age. Walks by key: no
 * statement reads more than a page. `progress` is told how many events have been looked at.
 */
export const verifyStore = async (
  client: ClientBase,
  owner: Owner,
  progress: Progress = ignore,
): Promise<Verification> => {
  const findings: Finding[] = [];
  let events = 0;
  let last = { tenant: LEAST_ID, sequence: 0 };
  const pages = inPages<Sequenced>(
    async (row, maxRows) =>
      (
        await client.query<Sequenced>(
          `SELECT e.tenant, e.sequence, e.stream, e.version, o.outcome->>'status' AS answered,
       ${isOld('e', `(SELECT deleted_before FROM ${schemaOf(owner)}.outcome_retention)`)} AS old
     FROM ${schemaOf(owner)}.events e LEFT JOIN ${schemaOf(owner)}.outcomes o USING (command_id)
     WHERE (e.tenant, e.sequence) > ($1, $2) ORDER BY e.tenant, e.sequence LIMIT $3`,
          [row?.tenant ?? LEAST_ID, row?.sequence ?? 0, maxRows],
        )
      ).rows,
  );
  for await (const rows of pages) {
    for (const row of rows) {
      const sequence = Number(row.sequence);
      const expected = row.tenant === last.tenant ? last.sequence + 1 : 1;
      if (sequence !== expected) {
        findings.push({
          invariant: 'I6',
          detail: `${owner}: tenant ${row.tenant} has sequence ${sequence} where ${expected} was due`,
        });
      }
      if (row.answered !== 'done' && !(row.answered === null && row.old)) {
        const what = row.answered === null ? 'has no outcome' : 'was rejected';
        findings.push({
          invariant: 'I3',
          detail: `${owner}: the command behind ${row.stream} version ${row.version} ${what}`,
        });
      }
      last = { tenant: row.tenant, sequence };
    }
    events += rows.length;
    progress(`${owner} events`, events);
  }
  return { compared: { [`${owner} events`]: events }, findings };
};

/** The events of one stream, in the order of their versions. */
export interface Stream {
  readonly tenant: string;
  readonly stream: string;
  readonly events: AsyncIterable<StoredEvent>;
}

/**
 * Streams in the order of their ids, for folding: a stream may be longer than the memory. Events of one that are not
 * read are skipped.
 */
export async function* streams(client: ClientBase, owner: Owner): AsyncGenerator<Stream> {
  const all = eventsFrom(client, owner, 'true', LEAST_ID);
  let next = await all.next();
  while (!next.done) {
    const { tenant, stream } = next.value;
    const events = (async function* (): AsyncGenerator<StoredEvent> {
      for (; !next.done && next.value.stream === stream; next = await all.next()) yield next.value;
    })();
    yield { tenant, stream, events };
    while (!next.done && next.value.stream === stream) next = await all.next();
  }
}

/** One stream as it is now. */
export const oneStream = (client: ClientBase, owner: Owner, stream: string): AsyncIterable<StoredEvent> =>
  eventsFrom(client, owner, 'stream = $1', stream);

async function* eventsFrom(
  client: ClientBase,
  owner: Owner,
  condition: string,
  stream: string,
): AsyncGenerator<StoredEvent> {
  const sql = pageByBytes({
    table: `${schemaOf(owner)}.events`,
    key: ['stream', 'version'],
    columns: ['tenant', 'type', 'recorded_at', 'data', 'personal'],
    condition,
    bytes: 'octet_length(data::text) + coalesce(octet_length(personal), 0)',
    maxRows: PAGE_ROWS,
    maxBytes: MAX_PAGE_BYTES,
  });
  for (let last = { stream, version: 0 }; ;) {
    const { rows } = await client.query<StoredEvent>(sql, [last.stream, last.version]);
    if (rows.length === 0) return;
    yield* rows;
    last = rows.at(-1)!;
  }
}

const ignore = (): void => undefined;
