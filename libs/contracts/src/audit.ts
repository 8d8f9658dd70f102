import type { Effect } from './effects.js';

/** Commands to the owner of the audit log. */
export type AuditCommand =
  /** A face tells what it was asked by one tenant, and what it answered: best effort, in batches. */
  | ({ readonly type: 'RecordRequests' } & ToldRequests)
  /** Somebody is about to be shown entries of the audit log: it is recorded before the answer goes. */
  | ({ readonly type: 'RecordReading'; readonly readingId: string } & Reading)
  /** Entries are old enough: that what they say goes is recorded before anything does. */
  | ({ readonly type: 'AnnouncePurge'; readonly purgeId: string } & Purge);

/** Facts that the audit log itself makes. */
export type AuditEvent = ({ readonly type: 'AuditRead' } & Reading) | ({ readonly type: 'PurgeAnnounced' } & Purge);

/**
 * What the entries of a tenant with a number below `before` say was kept for `keepDays` days or more, and may be purged
 * a day after this was recorded and seen. Nothing else explains that it is gone.
 */
export interface Purge {
  readonly before: number;
  readonly keepDays: number;
}

/** The part of the audit log that somebody was shown. */
export interface Reading {
  /** The route, in a word: `entries`, `history`, `state`, `export`, `requests`, `report` … */
  readonly what: string;
  /** The filters and ids that were asked for; a person by the id, so that an erasure need not look for names here. */
  readonly asked: { readonly [name: string]: string };
}

/** The requests of one tenant that one face tells at once. */
export interface ToldRequests {
  readonly requests: readonly ToldRequest[];
  /** Their bodies: base64 of raw DEFLATE (RFC 1951) of a JSON array of texts; null = none of them has one. */
  readonly bodies: string | null;
  readonly reads: readonly CountedReads[];
  readonly seen: readonly SeenObject[];
}

/** The face that was asked. */
export const ASKED_FACES = ['scim', 'admin', 'sign-in'] as const;
export type AskedFace = (typeof ASKED_FACES)[number];

/** A write, or a request that was refused: what was asked, and what was answered. */
export interface RequestRecord {
  /** UUIDv7, of the moment at which the request came. */
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly face: AskedFace;
  /** Null = nobody knows whose request it was. */
  readonly directory: string | null;
  /** `token:<id>`, `client:<id>`, `key:<id>`; null = nobody knows. */
  readonly actor: string | null;
  /** Of HTTP; empty, like the path = it was no request that can be read. */
  readonly method: string;
  /** Path and query as they came, without secrets; cut off behind MAX_PATH_CHARACTERS. `#2/Users` at its end is the second operation of a bulk request, which failed. */
  readonly path: string;
  /** `User`, `Group`, `Bulk`, or the noun of the admin API; null = the path leads nowhere. */
  readonly resourceType: string | null;
  /** The resource that the path names, or that was made; null = none. */
  readonly object: string | null;
  /** The name by which the body calls it: userName or displayName. */
  readonly name: string | null;
  readonly status: number;
  /** Its effect on the user or group; null = nobody knows, or it was refused. */
  readonly effect: Effect | null;
  /** RFC 7644 §3.12; null = none. */
  readonly scimType: string | null;
  /** Why it was refused, in the words of the answer; null = it was not. */
  readonly detail: string | null;
  /** The address of the client. */
  readonly address: string;
  readonly userAgent: string | null;
  readonly correlationId: string;
  /** As it came, but secrets are masked; null = there was none, or it is kept nowhere. */
  readonly body: string | null;
  /** The length in bytes that it had: `body` is cut off behind MAX_KEPT_BODY_BYTES. */
  readonly bodyBytes: number;
  /** The header If-Match, on which a write depends; MASKED_CONDITION = it is kept nowhere. Null = it had none. */
  readonly ifMatch: string | null;
  /** The same of If-None-Match. */
  readonly ifNoneMatch: string | null;
  /** The request that this one repeats, sent again by an administrator; null = it came by itself. */
  readonly replayOf: string | null;
}

/** A request on its way: its body is at this place among those that are told with it; null = it has none. */
export type ToldRequest = Omit<RequestRecord, 'body'> & { readonly body: number | null };

/** Reads that were answered in one minute, by their kind. */
export interface CountedReads {
  /** ISO 8601, UTC: the beginning of the minute. */
  readonly minute: string;
  readonly face: AskedFace;
  readonly directory: string | null;
  /** `User` by its id, `Users` by a filter or page, `Schemas`, …; DROPPED. */
  readonly kind: string;
  readonly count: number;
}

/** An object that somebody was shown, and when last. */
export interface SeenObject {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** The kind of what is no read: requests that a face could not keep, because there were too many. */
export const DROPPED = 'dropped';

/** Stands in the key of counters where no directory is known. */
export const NO_DIRECTORY = '00000000-0000-0000-0000-000000000000';

export const MAX_PATH_CHARACTERS = 2_000;
export const MAX_DETAIL_CHARACTERS = 1_000;
export const MAX_USER_AGENT_CHARACTERS = 256;
export const MAX_KEPT_BODY_BYTES = 65_536;
/** Stands in the place of a condition that is no list of ETags, or a long one. */
export const MASKED_CONDITION = '***';
/** The most that the bodies of one command are as JSON, also where every character is an escape. */
export const MAX_TOLD_BODIES_BYTES = 1_048_576;

export const AUDIT_COMMAND_TYPES: { readonly [type in AuditCommand['type']]: string } = {
  RecordRequests: 'muster.audit.record-requests.v1',
  RecordReading: 'muster.audit.record-reading.v1',
  AnnouncePurge: 'muster.audit.announce-purge.v1',
};
export const AUDIT_EVENT_TYPES: { readonly [type in AuditEvent['type']]: string } = {
  AuditRead: 'muster.audit.read.v1',
  PurgeAnnounced: 'muster.audit.purge-announced.v1',
};

/** Bodies of requests of a tenant are sealed with a key that is derived of the master key by this text. */
export const bodyKeyText = (tenant: string): string => `bodies of requests|${tenant}`;
/** Additional data of the ciphertext of the bodies that one command told. */
export const bodiesContext = (tenant: string, commandId: string): string => `${tenant}|${commandId}|bodies`;
