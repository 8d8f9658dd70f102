import type { RepeatableRequest } from './envelope.js';

/** A refused write that an administrator sends again, as the directory that sent it: the content of a question to the gateway. */
export interface ReplayRequest {
  /** The id that the record of this request gets: however many processes send it, there is one record. */
  readonly id: string;
  /** The request that is sent again. */
  readonly replayOf: string;
  readonly method: string;
  /** Below the SCIM base URL, as `replayablePath` gives it. */
  readonly path: string;
  /** If-Match and If-None-Match, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON as text; null = it has none. */
  readonly body: string | null;
  /** The administrator, under whose name the request and its events are recorded. */
  readonly by: {
    readonly actor: string;
    readonly reason?: string;
    readonly address: string;
    readonly userAgent: string | null;
  };
  /** The id of its only command: the owner carries it out once, however often it comes. */
  readonly commandId: string;
  /** Of a request of the admin API with an Idempotency-Key. */
  readonly request?: RepeatableRequest;
  /** ISO 8601, UTC. After it the request is not sent: the administrator was told 503. */
  readonly expiresAt: string;
}

/** RFC 9112 §3.2.2: a request may name its whole URL. A base URL that was pasted with a slash at its end doubles it. */
const WRITTEN = /^(?:https?:\/\/[^/?#]*)?\/+api\/+scim\/+v2\/+(Users|Groups)(?:\/+([^/?#]*))?\/*(\?[^#]*)?$/i;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** The only paths to which a request is sent again. */
const REPLAYABLE = /^\/(?:Users|Groups)(?:\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?(?:\?[\x21\x22\x24-\x7e]*)?$/;

/**
 * The path below the SCIM base URL of a write to users or groups, made anew of its parts: whatever a client once wrote,
 * it leads to nothing else. Null = it names no list of users or groups, and none of them by its id.
 */
export const replayablePath = (url: string): string | null => {
  const [, noun, id = '', query = ''] = WRITTEN.exec(url) ?? [];
  if (noun === undefined || (id !== '' && !ID.test(id))) return null;
  const list = noun.toLowerCase() === 'users' ? 'Users' : 'Groups';
  const path = `/${list}${id === '' ? '' : `/${id.toLowerCase()}`}${query}`;
  return isReplayablePath(path) ? path : null;
};

/** Tells whether it is a path as `replayablePath` makes them. */
export const isReplayablePath = (path: string): boolean => REPLAYABLE.test(path);
