import { isUtf8 } from 'node:buffer';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  INSTALLATION,
  MAX_DETAIL_CHARACTERS,
  MAX_KEPT_BODY_BYTES,
  MAX_PATH_CHARACTERS,
  MAX_USER_AGENT_CHARACTERS,
  MASKED_CONDITION,
  type AskedFace,
  type Effect,
  type RequestRecord,
} from '#contracts';
import { arrivalOf, uuidv7, type AnswerListener } from '#runtime';
import { maskDetail, maskForm, maskJson, maskPath, maskText, type Kept } from './mask-secrets.js';
import type { RequestsToTell } from './told-requests.js';

const MAX_NAME_CHARACTERS = 256;

/** The facts that a face knows of a request that it has answered. */
export interface Described {
  /** Null = nobody knows whose it was. */
  readonly tenant: string | null;
  readonly directory: string | null;
  readonly actor: string | null;
  readonly resourceType: string | null;
  readonly object: string | null;
  readonly name: string | null;
  /** True if it changes nothing, whatever its method is. */
  readonly isRead: boolean;
  /** The name under which reads of this kind are counted. */
  readonly kind: string;
  /** The object that the answer shows; null = none, or several. */
  readonly seen: string | null;
  /** Its effect on the resource; left out = nobody knows. */
  readonly effect?: Effect;
  /** Operations of a bulk request that failed; left out = none. */
  readonly failed?: readonly FailedOperation[];
  /** It was sent again; left out = it came by itself. */
  readonly again?: SentAgain;
}

/** A request that an administrator has sent again: this process sent it to itself, for somebody elsewhere. */
export interface SentAgain {
  /** The id that its record gets. */
  readonly id: string;
  readonly replayOf: string;
  readonly address: string;
  readonly userAgent: string | null;
}

/** An operation of a bulk request that failed, though the request was answered as a whole. */
export interface FailedOperation {
  readonly method: string;
  /** Behind the path of the request. */
  readonly fragment: string;
  readonly resourceType: string | null;
  readonly object: string | null;
  readonly name: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string;
}

/**
 * Says whose a request was and what it was about; null = it is not recorded. `url` is that of its route; undefined = it
 * has none.
 */
export type Describe = (
  request: FastifyRequest,
  reply: FastifyReply,
  url: string | undefined,
  payload: unknown,
) => Described | null;

/** The notes of a face about a request, for its description. */
export interface Notes {
  tenant?: string;
  directory?: string;
  actor?: string;
  effect?: Effect;
}

/** A body as it came, or its beginning. */
interface Body {
  readonly beginning: Uint8Array;
  readonly bytes: number;
  readonly isForm: boolean;
}

const NOTES = Symbol('notes about a request');
const BODY = Symbol('body of a request as it came');
type Noted = FastifyRequest & { [NOTES]?: Notes; [BODY]?: Body };

export const note = (request: FastifyRequest, notes: Notes): void => {
  (request as Noted)[NOTES] = { ...(request as Noted)[NOTES], ...notes };
};
export const notesOf = (request: FastifyRequest): Notes => (request as Noted)[NOTES] ?? {};

/** Keeps a body until the request is answered; of a long one its beginning alone, so that it holds no more memory. */
export const keepBody = (request: FastifyRequest, body: Uint8Array, isForm = false): void => {
  const beginning = body.length > MAX_KEPT_BODY_BYTES ? Buffer.from(body.subarray(0, MAX_KEPT_BODY_BYTES)) : body;
  (request as Noted)[BODY] = { beginning, bytes: body.length, isForm };
};

/** A face that shares a port with others, and what it tells. */
export interface TellingFace {
  readonly name: AskedFace;
  readonly describe: Describe;
  readonly requests: RequestsToTell;
}

/**
 * Tells what was asked and answered: writes and refusals as they were, other reads by their number. Without a request no
 * face is asked for, but the one that answers what nobody can read.
 */
export const tellAnswers = (
  faceOf: (request: FastifyRequest | null, url: string | undefined) => TellingFace | null,
): AnswerListener => ({
  answered: (request, reply, payload) => {
    try {
      // Anybody may ask, several times a second.
      if (request.url.startsWith('/health/')) return;
      const { url } = request.routeOptions;
      const face = faceOf(request, url);
      const described = face?.describe(request, reply, url, payload);
      if (described) tell(face!, described, request, reply, payload);
    } catch {
      // The answer goes in any case.
    }
  },
  unread: (refused) => {
    const face = faceOf(null, undefined);
    if (face) tellUnread(face, refused);
  },
});

/** Tells of bytes that are no request, of which nothing but the answer is known. */
const tellUnread = (
  { requests, name: face }: TellingFace,
  { address, correlationId, status, body }: Parameters<AnswerListener['unread']>[0],
): void => {
  if (!requests.admitsUnknown(address)) return requests.drop(INSTALLATION, face);
  requests.record(INSTALLATION, {
    id: correlationId,
    at: new Date().toISOString(),
    durationMs: 0,
    face,
    directory: null,
    actor: null,
    method: '',
    path: '',
    resourceType: null,
    object: null,
    name: null,
    status,
    effect: null,
    ...refusalIn(body),
    address,
    userAgent: null,
    correlationId,
    body: null,
    bodyBytes: 0,
    ifMatch: null,
    ifNoneMatch: null,
    replayOf: null,
  });
};

const tell = (
  { requests, name: face }: TellingFace,
  described: Described,
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): void => {
  const { directory, actor, kind, seen } = described;
  const tenant = described.tenant ?? INSTALLATION;
  const isRefused = reply.statusCode >= 400;
  if (described.isRead && !isRefused) {
    requests.count(tenant, face, directory, kind);
    if (seen !== null) requests.see(tenant, seen);
    return;
  }
  const body = (request as Noted)[BODY];
  const isAdmitted = actor !== null || requests.admitsUnknown(request.ip);
  // A record that has no room is not made ready either.
  if (!isAdmitted || !requests.hasRoom(tenant, body?.beginning.length ?? 0)) return requests.drop(tenant, face);
  const kept = keptOf(body);
  const record = recordOf(face, described, { body, kept }, request, reply, isRefused ? refusalIn(payload) : NO_REFUSAL);
  requests.record(tenant, record);
  for (const { fragment, name, detail, ...operation } of described.failed ?? [])
    requests.record(tenant, {
      ...record,
      ...operation,
      id: uuidv7(),
      effect: null,
      path: storable(maskPath(`${record.path}#${fragment}`), MAX_PATH_CHARACTERS),
      name: name === null ? null : storable(maskText(name), MAX_NAME_CHARACTERS),
      detail: storable(maskDetail(detail, kept ?? NO_SECRETS), MAX_DETAIL_CHARACTERS),
      body: null,
      bodyBytes: 0,
    });
};

const recordOf = (
  face: AskedFace,
  { directory, actor, resourceType, object, name, effect, again }: Described,
  { body, kept }: { readonly body: Body | undefined; readonly kept: Kept | null },
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Refusal,
): RequestRecord => {
  const { id, ms } = arrivalOf(request);
  const durationMs = performance.now() - ms;
  const userAgent = again ? again.userAgent : (request.headers['user-agent'] ?? null);
  return {
    id: again?.id ?? id,
    at: new Date(Date.now() - durationMs).toISOString(),
    durationMs: Math.round(durationMs * 1_000) / 1_000,
    face,
    directory,
    actor,
    method: request.method,
    path: storable(maskPath(request.url), MAX_PATH_CHARACTERS),
    resourceType,
    object,
    name: name === null ? null : storable(maskText(name), MAX_NAME_CHARACTERS),
    status: reply.statusCode,
    effect: effect ?? null,
    scimType: refusal.scimType,
    detail:
      refusal.detail === null ? null : storable(maskDetail(refusal.detail, kept ?? NO_SECRETS), MAX_DETAIL_CHARACTERS),
    address: again?.address ?? request.ip,
    userAgent: userAgent === null ? null : storable(maskText(userAgent), MAX_USER_AGENT_CHARACTERS),
    correlationId: request.id,
    body: kept?.text ?? null,
    bodyBytes: body?.bytes ?? (Number(request.headers['content-length']) || 0),
    ifMatch: conditionIn(request.headers['if-match']),
    ifNoneMatch: conditionIn(request.headers['if-none-match']),
    replayOf: again?.replayOf ?? null,
  };
};

/** A list of ETags as Muster gives them, which can hold no secret. */
const CONDITION = /^(?:\*|\s*(?:W\/)?"\d{0,9}"\s*(?:,\s*(?:W\/)?"\d{0,9}"\s*)*)$/;
const MAX_CONDITION_CHARACTERS = 200;
const conditionIn = (header: string | string[] | undefined): string | null => {
  if (header === undefined) return null;
  const text = header.toString();
  return text.length <= MAX_CONDITION_CHARACTERS && CONDITION.test(text) ? text : MASKED_CONDITION;
};

const NO_SECRETS: Kept = { text: '', secrets: [], isCut: false };
const NOTHING: Kept = { text: null, secrets: [], isCut: false };

/** Null = there was no body. */
const keptOf = (body: Body | undefined): Kept | null => {
  if (!body || body.bytes === 0) return null;
  const { beginning, bytes, isForm } = body;
  const isCut = bytes > beginning.length;
  const whole = isCut ? upToCharacter(beginning) : beginning;
  // An answer that is no text may be a text that was packed, with the secrets in it.
  if (!isUtf8(whole)) return NOTHING;
  const text = Buffer.from(whole.buffer, whole.byteOffset, whole.length).toString();
  return isForm ? { ...NO_SECRETS, text: maskForm(text) } : maskJson(text, isCut);
};

/** The bytes up to the last character of UTF-8 that is complete. */
const upToCharacter = (bytes: Uint8Array): Uint8Array => {
  let end = bytes.length;
  // At most three bytes follow the first one of a character.
  for (let back = 1; back <= 4; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    if (back < length) end = bytes.length - back;
    break;
  }
  return bytes.subarray(0, end);
};

/** Postgres refuses NUL characters and halves of surrogate pairs. */
const storable = (text: string, maxCharacters: number): string => {
  const short = text.length > maxCharacters ? text.slice(0, maxCharacters) : text;
  const sound = short.isWellFormed() ? short : short.toWellFormed();
  return sound.includes('\0') ? sound.replaceAll('\0', '\ufffd') : sound;
};

/** The reasons that a refusal gives. */
interface Refusal {
  readonly scimType: string | null;
  readonly detail: string | null;
}
const NO_REFUSAL: Refusal = { scimType: null, detail: null };

/** Reads an error of SCIM (RFC 7644 §3.12), a problem (RFC 9457), or an error of OAuth (RFC 6749 §5.2). */
const refusalIn = (payload: unknown): Refusal => {
  const answer = typeof payload === 'string' || Buffer.isBuffer(payload) ? parsed(String(payload)) : payload;
  if (typeof answer !== 'object' || answer === null) return NO_REFUSAL;
  const { scimType, detail, error, error_description: description } = answer as Readonly<Record<string, unknown>>;
  return {
    scimType: typeof scimType === 'string' ? scimType : null,
    detail:
      typeof detail === 'string'
        ? detail
        : typeof error === 'string' && typeof description === 'string'
          ? `${error}: ${description}`
          : null,
  };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
