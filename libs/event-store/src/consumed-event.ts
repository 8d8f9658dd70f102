import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { derivedId, eventsViewOf, idTime, pageByBytes, type EventData, type Message, type Owner } from '#contracts';

/** An event of another owner, as a consumer gets it. */
export interface ConsumedEvent {
  readonly tenant: string;
  /** The sequence, dense for each tenant. */
  readonly sequence: number;
  /** The aggregate that it is about. */
  readonly stream: string;
  /** The version, dense for each stream. */
  readonly version: number;
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly recordedAt: string;
  /** The one who asked for it: `token:<id>`, `admin`. */
  readonly actor: string;
  readonly directory: string | null;
  readonly correlationId: string;
  /** The command that it came of. */
  readonly causationId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  /**
   * The log carries the whole event for some days. An event that is not there any more is read from the store of its
   * owner, which keeps personal data sealed: `data` then comes without it.
   */
  readonly from: 'log' | 'store';
}

/** The event in a message; null = it holds none. */
export const consumedFrom = (message: Message | null): ConsumedEvent | null => {
  if (!message || !UUID.test(message.tenant) || !UUID.test(message.subject)) return null;
  const { sequence, version, actor, event } = (message.data ?? {}) as Partial<EventData<Record<string, unknown>>>;
  if (typeof sequence !== 'number' || typeof version !== 'number' || typeof event !== 'object' || event === null)
    return null;
  const { tenant, subject: stream, type, time: recordedAt, directory, correlationId, causationId } = message;
  return {
    tenant,
    sequence,
    stream,
    version,
    type,
    recordedAt,
    actor: String(actor),
    directory,
    correlationId,
    causationId,
    data: event,
    from: 'log',
  };
};

/** A UUID as owners write it. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface EventRow {
  readonly sequence: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly recorded_at: Date;
  readonly actor: string;
  readonly directory: string | null;
  readonly correlation_id: string;
  readonly command_id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const MAX_PAGE_EVENTS = 1_000;
const MAX_PAGE_BYTES = 4 * 1_048_576;

/**
 * The events of a tenant between two sequences, both excluded, in pages. For a tenant that is older than this consumer
 * they are all events that it ever had.
 */
export async function* eventsBetween(
  pool: Pool,
  source: Owner,
  tenant: string,
  after: number,
  before: number,
): AsyncGenerator<readonly ConsumedEvent[]> {
  const sql = pageByBytes({
    table: eventsViewOf(source),
    key: ['tenant', 'sequence'],
    columns: ['stream', 'version', 'type', 'recorded_at', 'actor', 'directory', 'correlation_id', 'command_id', 'data'],
    condition: 'tenant = $1 AND sequence < $3',
    bytes: 'octet_length(data::text)',
    maxRows: MAX_PAGE_EVENTS,
    maxBytes: MAX_PAGE_BYTES,
  });
  for (let last = after; last < before - 1;) {
    const { rows } = await pool.query<EventRow>(sql, [tenant, last, before]);
    if (rows.length === 0) return;
    yield rows.map(({ sequence, recorded_at, correlation_id, command_id, ...row }) => ({
      tenant,
      sequence: Number(sequence),
      recordedAt: recorded_at.toISOString(),
      correlationId: correlation_id,
      causationId: command_id,
      from: 'store',
      ...row,
    }));
    last = Number(rows.at(-1)!.sequence);
  }
}

/**
 * The id of the command that an event causes: the same each time, so that the command is carried out once. A UUIDv7
 * with the time of its cause (RFC 9562 §5.7), so that its outcome is deleted with those of its day.
 */
export const causedId = (
  { tenant, sequence, recordedAt }: Pick<ConsumedEvent, 'tenant' | 'sequence' | 'recordedAt'>,
  source: Owner,
): string => derivedId(idTime(Date.parse(recordedAt)), sha256(`${tenant}|${source}|${sequence}`));

/**
 * The id of the command that goes on where this one has ended: as with `causedId`, the same each time, and of the time
 * of its cause.
 */
export const followingId = (commandId: string): string =>
  derivedId(commandId.replace('-', '').slice(0, 12), sha256(`${commandId}|next`));

/**
 * The id of a command that a timer sends: the same each time for one cause. `at` is the moment that the timer waited
 * for, in ms, and `cause` says what for.
 */
export const timedId = (at: number, cause: string): string =>
  derivedId(at.toString(16).padStart(12, '0'), sha256(cause));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
