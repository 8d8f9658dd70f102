import { Rejected } from './error.js';
import { integer, type PagingLimits } from './list.js';

/** Longer than any that is written: a sort key has 400 characters at most. */
export const MAX_CURSOR_CHARACTERS = 4_096;

/**
 * The resource after which a page begins: its id, and by what it was sorted, as a text; null = it had no value, or
 * nothing is sorted.
 */
export interface Position {
  readonly id: string;
  readonly key: string | null;
}

/** The place up to which a client has read. */
export interface Walk {
  /** The resource type that is being walked through: /.search at the root goes through one after the other. */
  readonly type: string;
  /** Counted once, for the first page: counting costs as much as all pages together. */
  readonly totalResults: number;
  readonly count: number;
  /** null = before the first. */
  readonly position: Position | null;
}

/** The parameters by which a client pages by cursor (RFC 9865 §2). */
export interface CursorRequest {
  /** Empty: the first page. */
  readonly text: string;
  /** The question that the list answers: a cursor is good for the same only. */
  readonly asked: string;
  /** null = none was sent. */
  readonly count: number | null;
}

/**
 * Makes of a text a sealed one of URL-safe characters, which opens in the same context only; null: it was not sealed,
 * or not for this.
 */
export interface CursorSeal {
  seal(context: string, text: string): string;
  open(context: string, sealed: string): string | null;
}

/** Throws Rejected: invalidCursor, or invalidCount for a count that is no whole number. */
export const parseCursor = (
  text: string,
  asked: string,
  startIndex: string | undefined,
  count: string | undefined,
  limits: PagingLimits,
): { cursor: CursorRequest; startIndex: number; count: number } => {
  if (startIndex)
    throw new Rejected(
      'invalidCursor',
      'A list is paged by cursor or by startIndex: leave one of them out (RFC 9865 §2.4).',
    );
  const number = integer('count', count, 'invalidCount');
  const sent = number === undefined ? null : Math.min(limits.maxCount, Math.max(0, number));
  return { cursor: { text, asked, count: sent }, startIndex: 1, count: sent ?? limits.defaultCount };
};

/** Begins the payload: one of another release is told from ours. */
const FORMAT = 1;

/**
 * The text of a cursor. It holds all that is known of the walk, so that any gateway can go on with it. It is sealed,
 * because a sort key is personal data and cursors stand in URLs; `asked` is not in it, but it opens with that only.
 */
export const writeCursor = (
  seal: CursorSeal,
  asked: string,
  { type, totalResults, count, position }: Walk,
  nowMs: number,
): string =>
  seal.seal(
    asked,
    JSON.stringify([FORMAT, nowMs, type, totalResults, count, ...(position ? [position.id, position.key] : [])]),
  );

/**
 * Throws Rejected: expiredCursor; invalidCount for another count than that of the first page; invalidCursor for all
 * else.
 */
export const readCursor = (
  seal: CursorSeal,
  { text, asked, count }: CursorRequest,
  nowMs: number,
  timeoutMs: number,
): Walk => {
  const opened = text.length > MAX_CURSOR_CHARACTERS ? null : seal.open(asked, text);
  const [format, issuedMs, type, totalResults, pageCount, id, key] =
    opened === null
      ? []
      : (JSON.parse(opened) as [number, number, string, number, number, string | undefined, string | null]);
  // RFC 9865 §5.2: forged, and of somebody else, look the same.
  if (format !== FORMAT) {
    throw new Rejected(
      'invalidCursor',
      'The cursor is none of this list: send nextCursor as it came, with the same path, filter, sortBy and sortOrder and a token of the ' +
        'same directory, whose settings have not changed meanwhile, or begin anew with an empty cursor.',
    );
  }
  if (nowMs - issuedMs! > timeoutMs) {
    throw new Rejected(
      'expiredCursor',
      `The cursor has expired: a page has to be asked for within ${timeoutMs / 1_000} seconds of the one before. Begin anew with an empty cursor.`,
    );
  }
  if (count !== null && count !== pageCount) {
    throw new Rejected(
      'invalidCount',
      `All pages have the count of the first one (RFC 9865 §2): send count=${pageCount}, or none.`,
    );
  }
  return {
    type: type!,
    totalResults: totalResults!,
    count: pageCount!,
    position: id === undefined ? null : { id, key: key! },
  };
};
