import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUDIT_ENTRIES_VIEW, AUDIT_PAYLOADS_VIEW, asMoment, pageByBytes } from '#contracts';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';
import { eventOf, type EntryRow } from './entry.js';
import { PersonKeys } from './person-values.queries.js';
import { afterEvent, afterUnread, newSubject, type ReadEvent, type Subject } from './subject.js';

/** The most that is folded for one answer: 1,000 events of a user take 40 ms. A client may write one for ever. */
const MAX_FOLDED_EVENTS = 100_000;
const MAX_FOLDED_BYTES = 64 * 1_048_576;
const MAX_PAGE_BYTES = 4 * 1_048_576;
const PAGE_EVENTS = 1_000;

const COLUMNS = [
  'tenant',
  'number',
  'owner',
  'sequence',
  'type',
  'recorded_at',
  'command_id',
  'correlation_id',
  'actor',
  'directory',
  'data',
  'personal',
];
const PAGE = `
  SELECT tenant, number::float8 AS number, owner, sequence::float8 AS sequence, stream, version, type,
    ${asMoment('recorded_at')} AS "recordedAt", command_id AS "commandId", correlation_id AS "correlationId", actor, directory, data, personal,
    coalesce(octet_length(data::text), 0) + coalesce(octet_length(personal), 0) AS bytes
  FROM (${pageByBytes({
    table: `(
      SELECT e.*, p.data, p.personal FROM ${AUDIT_ENTRIES_VIEW} e LEFT JOIN LATERAL (
        SELECT data, personal FROM ${AUDIT_PAYLOADS_VIEW} WHERE tenant = e.tenant AND number = e.number OFFSET 0) p ON true) AS t`,
    key: ['stream', 'version'],
    columns: COLUMNS,
    condition: 'stream = $1',
    bytes: 'coalesce(octet_length(data::text), 0) + coalesce(octet_length(personal), 0)',
    maxRows: '$3::int',
    maxBytes: MAX_PAGE_BYTES,
  })}) AS page ORDER BY version`;

/** An entry of a stream, as it was read, with its subject before and after it. */
export interface Step {
  readonly row: EntryRow;
  readonly event: ReadEvent | null;
  readonly before: Subject;
  readonly after: Subject;
  readonly isErased: boolean;
  /** The length of what its event says. */
  readonly bytes: number;
}

/** Folds the entries of one user, group or other thing. */
@Injectable()
export class Streams {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly keys: PersonKeys,
  ) {}

  /** The first entry of a stream; undefined = the audit log has none of it. */
  async firstOf(stream: string): Promise<Pick<EntryRow, 'tenant' | 'type'> | undefined> {
    const { rows } = await this.pool.query<Pick<EntryRow, 'tenant' | 'type'>>({
      name: 'first-of-stream',
      text: `SELECT tenant, type FROM ${AUDIT_ENTRIES_VIEW} WHERE stream = $1 ORDER BY version LIMIT 1`,
      values: [stream],
    });
    return rows[0];
  }

  /** Each entry of a stream, the oldest first. Throws Rejected(tooMany) when there are more than are folded at once. */
  async *steps(tenant: string, stream: string): AsyncGenerator<Step> {
    const values = await this.keys.valuesOf(tenant, stream);
    let subject = newSubject();
    let [folded, bytes, last] = [0, 0, 0];
    for (;;) {
      const { rows } = await this.pool.query<EntryRow & Pick<Step, 'bytes'>>({
        name: 'audited-stream',
        text: PAGE,
        values: [stream, last, PAGE_EVENTS],
      });
      for (const row of rows) {
        const opened = values.of(row);
        const event = eventOf(row, opened);
        const before = subject;
        subject = event ? afterEvent(before, event) : afterUnread(before, row.type);
        yield { row, event, before, after: subject, isErased: opened === null, bytes: row.bytes };
        bytes += row.bytes;
      }
      folded += rows.length;
      if (folded > MAX_FOLDED_EVENTS || bytes > MAX_FOLDED_BYTES)
        throw new Rejected(
          'tooMany',
          `More has happened to ${stream} than is read at once (${MAX_FOLDED_EVENTS} entries). Ask for its entries, without values: /entries?subject=${stream}.`,
        );
      // A page that is full neither of rows nor of bytes is the last one.
      if (rows.length < PAGE_EVENTS && rows.reduce((sum, row) => sum + row.bytes, 0) < MAX_PAGE_BYTES) return;
      last = rows.at(-1)!.version;
    }
  }
}
