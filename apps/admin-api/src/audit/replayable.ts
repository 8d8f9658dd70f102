import { MASKED_CONDITION, MAX_KEPT_BODY_BYTES, MAX_PATH_CHARACTERS, replayablePath } from '#contracts';
import type { KeptRequest, RequestRow, SendingDirectory } from './asked-request.js';

const WRITES: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'];
/** Masking puts it in the place of a secret; a client that sends the same is not told apart. */
const MASK = '***';
const FACES = { admin: 'of an administrator', 'sign-in': 'for an access token', scim: '' } as const;
/** RFC 9112 §3.2.2: a request may name its whole URL. */
const BELOW_BASE = /^(?:https?:\/\/[^/?#]*)?\/+api\/+scim\/+v2(\/[^#]*)$/;

type Asked = Pick<RequestRow, 'method' | 'path'>;
const isSearch = ({ path }: Asked): boolean => /\/\.search(?:[?#]|$)/.test(path);
export const isWrite = (request: Asked): boolean => WRITES.includes(request.method) && !isSearch(request);

/** The path below the SCIM base URL to which a request is sent again, or tried; null = to none. */
export const pathOf = (request: Asked): string | null =>
  isWrite(request) ? replayablePath(request.path) : (BELOW_BASE.exec(request.path)?.[1] ?? null);

/**
 * Says why nobody can send a request as it was sent, not even to try it; null = it can be sent. Each reason is a fact
 * about the request and its record, which no change of an administrator mends.
 */
export const unsendable = (request: KeptRequest): string | null => {
  const { face, method, path, status, directory, body, bodyBytes, resourceType, ifMatch, ifNoneMatch } = request;
  if (face !== 'scim') return `It is a request ${FACES[face]}: only those of identity providers are sent again.`;
  if (directory === null)
    return status === 401
      ? 'It belongs to no directory, because its token was not accepted: there is nobody as whom it could be sent. The identity provider sends it again once its token is good.'
      : 'It belongs to no directory, because it was refused before anybody looked whose it is: there is nobody as whom it could be sent.';
  if (resourceType === 'Bulk')
    return 'It is a bulk request, or an operation of one, which may depend on the operations beside it: the identity provider has to send it again.';
  if (!['GET', 'HEAD', ...WRITES].includes(method)) return `${method || 'It'} asks for no user or group.`;
  if (path.includes(MASK) || path.length >= MAX_PATH_CHARACTERS)
    return `Its path was not kept as it came: it holds a secret, or has more than ${MAX_PATH_CHARACTERS} characters.`;
  if (pathOf(request) === null) return 'Its path names neither a list of users or groups, nor one of them by its id.';
  if ([ifMatch, ifNoneMatch].includes(MASKED_CONDITION))
    return 'Its header If-Match or If-None-Match was not kept as it came: it is no list of ETags, or a long one.';
  if (body === null && bodyBytes > 0)
    return `Its body of ${bodyBytes} bytes is kept nowhere: it was not read, or secrets could not be told from the rest of it.`;
  if (bodyBytes > MAX_KEPT_BODY_BYTES)
    return `Of its ${bodyBytes} bytes only the first ${MAX_KEPT_BODY_BYTES} are kept: the identity provider has to send it again.`;
  if (body?.includes(`"${MASK}"`))
    return 'Its body had secrets in it, such as a password, which are kept nowhere: the identity provider has to send it again.';
  return null;
};

/** Facts about a request besides its record. */
export interface Circumstances {
  /** Null = it was deleted. */
  readonly directory: SendingDirectory | null;
  /** The request that has repeated it, or that it has repeated, and was done; null = there is none. */
  readonly done: Pick<RequestRow, 'id' | 'at'> | null;
  /** True: it was answered as failed, and its change was made all the same. */
  readonly isCarriedOut: boolean;
}

/** A moment to a millisecond. */
const shown = (moment: string): string => new Date(moment).toISOString();

/** The reason when a directory was deleted. */
export const NO_DIRECTORY = 'Its directory was deleted: nobody can send anything in its name.';

/** Says why a request that could be sent is not sent again as it is now; null = it may be. */
export const unrepeatable = (request: RequestRow, { directory, done, isCarriedOut }: Circumstances): string | null => {
  const { status, at } = request;
  if (!isWrite(request))
    return 'It only reads, so there is nothing to do again: a dry run says what it would be answered now.';
  if (status < 400)
    return `It was answered ${status} and done: sent again, it could overwrite what has changed since. Only requests that were refused or failed are sent again.`;
  if (isCarriedOut)
    return `It was answered ${status}, and its change was made all the same, because the answer came too late or not at all: sent again, it could overwrite what has changed since.`;
  if (done)
    return `It was sent again on ${shown(done.at)} and done then (request ${done.id}): once more, it could overwrite what has changed since.`;
  if (!directory) return NO_DIRECTORY;
  if (directory.status === 'disconnected')
    return `The directory "${directory.name}" is disconnected, and takes no requests: connect it first (directory connect).`;
  if (directory.status !== 'active')
    return `The directory "${directory.name}" is ${directory.status}, and takes no requests: enable it first (directory enable).`;
  if (directory.movedAt !== null && directory.movedAt > at)
    return `The directory "${directory.name}" was moved to another identity provider on ${shown(directory.movedAt)}, after this request: the new one has to send it.`;
  return null;
};
