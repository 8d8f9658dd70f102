import type { Rejection, Resource } from '#scim';
import type { Effect } from './effects.js';
import type { RepeatableRequest } from './envelope.js';

export type { Rejection };

/** The outcome of one command. A command has exactly one outcome, however often it is delivered. */
export type Outcome<Value = unknown> = ({ readonly status: 'done'; readonly value: Value } | Rejection) & {
  /** The request that asked for it, where that may be repeated. */
  readonly request?: RepeatableRequest;
};

/**
 * The stored part of a value that shows a resource. Only those who wait for an outcome are told the resource with it:
 * stored with each outcome it was written four times, and 50 PATCHes of 4 kB together wrote 189 MiB. A client that has
 * to look its outcome up is shown what there is now.
 */
export interface StoredValue {
  readonly id: string;
  readonly version: number;
}

/** A user as the answer to a write shows it; `null` after a deletion. */
export interface UserSnapshot {
  readonly id: string;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
  /** True if the user is in any group: in which ones is not identity's to say. */
  readonly isMember?: boolean;
  /** The groups that the user is in, where they have been read; absent = none. */
  readonly groups?: readonly GroupOfUser[];
}

/** A group that a user is in. */
export interface GroupOfUser {
  readonly id: string;
  /** The directory that owns the group, null = a local one: not every client sees each group. */
  readonly directory: string | null;
  readonly display: string;
  /** False = through other groups. */
  readonly direct: boolean;
}

export const OUTCOME_TYPE = 'muster.outcome.v1';

/**
 * A millisecond of work counts as so many bytes of `cost`: reading JSON takes about 10 ms for each MiB, and writing it
 * as long again.
 */
export const BYTES_PER_MS = 40_000;

/** The content of an outcome message. */
export interface OutcomeData {
  readonly commandId: string;
  readonly outcome: Outcome;
  /** Bytes loaded and written for a command of this tenant, where they are known. */
  readonly cost?: number;
  /** The effect of the command; left out = it was rejected, or was carried out before. */
  readonly effect?: Effect;
}
