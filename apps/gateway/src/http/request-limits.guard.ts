import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { note, type LastUses } from '#owner';
import { isOver, nextSlice, releaseWhenGone, Room, WrongCredentials, type Config, type Pace } from '#runtime';
import { errorBody, errorStatus, Rejected } from '#scim';
import { busy } from '../busy.filter.js';
import type { Caller } from '../caller.js';
import { credentialsIn, isOfAnother, NO_TOKEN, WRONG_USER_NAME, type Credentials } from '../credentials.js';
import type { Bearers } from '../read/bearers.queries.js';
import { UnknownToken, type KnownToken } from '../read/scim-tokens.queries.js';
import type { SelfSent, SelfSentRequests } from './self-sent-requests.sender.js';
import { bytesOf, HeldBytes, type Held } from './held-bytes.guard.js';
import type { ScimRequest } from './scim-token.guard.js';

/**
 * A tenant may have as many requests under way or waiting as there may be connections: a request that is refused would
 * come again at once.
 */
const WAITING = { maxHere: 10_000, waitTimeoutMs: 5_000 };
/**
 * A list may begin only while this share of what a tenant may leave unread is free, so that short answers have room.
 */
const SHARE_OF_SHORT_ANSWERS = 1 / 2;
/**
 * Parsing a longer body may take 25 ms, and looking at it as long again, so others have their turn in between.
 */
const SHORT_BODY_BYTES = 65_536;
/**
 * Nearly all bodies are shorter and are read at once. Longer ones wait for the turn of their tenant: 16 kB of small
 * objects take a millisecond, and a tenant sent 700 of them in a second.
 */
const QUICK_BODY_BYTES = 2_048;

/** The route of a request. Fastify makes a new object each time it is asked for it. */
type Route = Pick<FastifyRequest['routeOptions'], 'url' | 'bodyLimit'>;

/** Credentials, and the header that has them. */
interface Shown extends Credentials {
  readonly authorization: string;
  readonly tokenHash: string;
}

/** A request that has been let in, and all that is held for it until its answer has gone. */
interface Visit extends Held {
  readonly acceptedMs: number;
  readonly isRead: boolean;
  readonly isBulk: boolean;
  readonly bodyLimit: number;
  /** The part of the room that it takes. */
  readonly size: number;
  /** Null before it has been let in, and after its answer has been made. */
  room: Room | null;
}

/** A request that has a visit from its headers until its answer has gone. */
type LetIn = ScimRequest & { visit: Visit };

/**
 * Lets requests in before their bodies are read. Without a good token no body is read; no tenant fills the memory with
 * bodies that it sends or answers that it does not read; and none has more than its share of the time of this process.
 */
export class RequestLimits {
  private readonly held: HeldBytes;
  private readonly wrong: WrongCredentials;
  private readonly reads: Room;
  private readonly writes: Room;
  private readonly bulks: Room;

  /** The last credentials of each connection. */
  private readonly shown = new WeakMap<Socket, Shown>();

  constructor(
    private readonly bearers: Bearers,
    private readonly pace: Pace,
    private readonly config: Config,
    private readonly uses: Pick<LastUses, 'seen'>,
    private readonly selfSent: Pick<SelfSentRequests, 'of'>,
  ) {
    this.held = new HeldBytes(config);
    this.wrong = new WrongCredentials(config.MAX_WRONG_CREDENTIALS_PER_MINUTE);
    const room = { maxSize: Infinity, maxSizeBesideOthers: config.MAX_REQUESTS_AT_ONCE_PER_TENANT, ...WAITING };
    // Reads and writes have rooms of their own, so that a tenant can read while its writes wait.
    this.reads = new Room(pace, room);
    this.writes = new Room(pace, room);
    // Bulk requests count by their bytes: one of 3.5 MB may take 200 MB of memory until its last operation is done.
    this.bulks = new Room(pace, {
      maxSize: config.MAX_BULK_BODY_BYTES,
      maxSizeBesideOthers: config.MAX_BULK_BODY_BYTES,
      ...WAITING,
    });
  }

  /** undefined = it is let in at once. Throws Rejected: unauthorized, tooManyRequests. */
  receive(request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> | undefined {
    const credentials = this.shownBy(request);
    if (!credentials) {
      challenge(reply, '');
      throw new Rejected('unauthorized', NO_TOKEN);
    }
    const { token: bearer, tokenHash } = credentials;
    const selfSent = this.selfSent.of(tokenHash);
    const require = (): KnownToken | Promise<KnownToken> =>
      selfSent ? selfSent.token : this.require(bearer, tokenHash, reply);
    const token = require();
    const go = (found: KnownToken): Promise<void> | undefined => {
      if (!isOfAnother(credentials, found)) return this.letIn(found, require, request, reply, route, selfSent);
      challenge(reply, ', error="invalid_token"');
      throw new Rejected('unauthorized', WRONG_USER_NAME);
    };
    return token instanceof Promise ? token.then(go) : go(token);
  }

  /** A connection shows the same with each request, as a rule: it is read and hashed once. */
  private shownBy({ socket, headers: { authorization = '' } }: FastifyRequest): Shown | null {
    const known = this.shown.get(socket);
    if (known?.authorization === authorization) return known;
    const read = credentialsIn(authorization);
    if (!read) return null;
    const credentials = { ...read, authorization, tokenHash: hash('sha256', read.token) };
    this.shown.set(socket, credentials);
    return credentials;
  }

  /** RFC 6750 §3, RFC 7617 §2: the challenge is part of every 401. */
  private require(bearer: string, tokenHash: string, reply: FastifyReply): KnownToken | Promise<KnownToken> {
    const refused = (error: unknown): never => {
      if (error instanceof UnknownToken) this.countUnknown(reply);
      if (error instanceof Rejected && error.code === 'unauthorized') challenge(reply, ', error="invalid_token"');
      throw error;
    };
    try {
      const token = this.bearers.require(bearer, tokenHash);
      return token instanceof Promise ? token.catch(refused) : token;
    } catch (error) {
      return refused(error);
    }
  }

  /** Throws Rejected(tooManyRequests) above what one address may try. */
  private countUnknown(reply: FastifyReply): void {
    const retryAfterSeconds = this.wrong.count(reply.request.ip);
    if (retryAfterSeconds === null || reply.raw.headersSent) return;
    void reply.header('retry-after', String(retryAfterSeconds));
    throw new Rejected(
      'tooManyRequests',
      'Too many tokens that nobody knows came from this address (MAX_WRONG_CREDENTIALS_PER_MINUTE). A token that is known is let in all the same.',
    );
  }

  private letIn(
    { id, actor, tenant, directory, kind, settings, definitions, movedVersion }: KnownToken,
    require: () => KnownToken | Promise<KnownToken>,
    request: FastifyRequest,
    reply: FastifyReply,
    { url = '', bodyLimit }: Route,
    selfSent: SelfSent | undefined,
  ): Promise<void> | undefined {
    const caller: Caller = {
      ask: selfSent?.ask ?? null,
      replay: selfSent?.replay ?? null,
      correlationId: request.id,
      tenant,
      directory,
      kind,
      actor,
      seesUnmanaged: settings.offerExistingUsers,
      seesLocalGroups: settings.offerLocalGroups,
      definitions,
      movedVersion,
      bodyBytes: Number(request.headers['content-length'] ?? 0),
      requireToken: () => {
        const token = require();
        return token instanceof Promise ? token : undefined;
      },
      noteEffect: (effect) => note(request, { effect }),
      requireClient: () => requireClient(reply),
    };
    const isBulk = url.endsWith('/Bulk');
    const isRead = request.method === 'GET' || request.method === 'HEAD' || url.endsWith('/.search');
    const size = isBulk ? caller.bodyBytes || this.config.MAX_BULK_BODY_BYTES : 1;
    const visit: Visit = {
      tenant,
      acceptedMs: performance.now(),
      isRead,
      isBulk,
      bodyLimit,
      size,
      room: null,
      bodyBytes: 0,
      answerBytes: 0,
    };
    Object.assign(request, { caller, visit });
    if (!selfSent) this.uses.seen(id);
    requireClient(reply);
    // This is planned before anything can be refused, because the answer that refuses is held as well.
    releaseWhenGone(reply, () => this.giveBack(visit));
    this.pace.seen(tenant);
    this.held.requireRoom(tenant, 0);
    const room = isBulk ? this.bulks : isRead ? this.reads : this.writes;
    const entered = room.enter(tenant, size);
    if (entered) return this.letInLater(entered, room, visit, request, reply);
    visit.room = room;
    const turn = this.pace.turn(tenant);
    if (turn) return this.letInLater(turn, null, visit, request, reply);
    this.takeBody(caller, visit);
    return undefined;
  }

  private async letInLater(
    waits: Promise<void>,
    room: Room | null,
    visit: Visit,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    try {
      await waits;
      if (room) {
        if (isOver(reply)) room.leave(visit.tenant, visit.size);
        else visit.room = room;
        requireClient(reply);
        await this.pace.turn(visit.tenant);
      }
    } catch (error) {
      throw busy(error);
    }
    requireClient(reply);
    this.takeBody((request as LetIn).caller, visit);
  }

  private takeBody({ bodyBytes }: Caller, visit: Visit): void {
    // A body that is too long for its path is refused in a moment, and one that has no length is counted when it comes.
    if (bodyBytes > 0 && bodyBytes <= visit.bodyLimit) this.held.takeBody(visit, bodyBytes);
  }

  private giveBack(visit: Visit): void {
    this.leaveRoom(visit);
    this.held.release(visit);
  }

  private leaveRoom(visit: Visit): void {
    visit.room?.leave(visit.tenant, visit.size);
    visit.room = null;
  }

  /**
   * Reads a body with `parse`; a long one waits for the turn of its tenant. The body of a bulk request is returned as
   * it is, because it is read one operation at a time. Throws what `parse` throws, and Rejected(tooManyRequests).
   */
  read(request: FastifyRequest, body: Buffer, parse: (body: Buffer) => unknown): unknown {
    const { tenant, isBulk } = (request as Partial<LetIn>).visit ?? {};
    if (isBulk) return body;
    if (body.length <= QUICK_BODY_BYTES || tenant === undefined) return parse(body);
    const turn = this.pace.turn(tenant);
    const read = (): unknown => this.pace.during(tenant, () => parse(body));
    return turn || body.length > SHORT_BODY_BYTES ? this.readLater(turn, read, body.length) : read();
  }

  private async readLater(turn: Promise<void> | undefined, read: () => unknown, bytes: number): Promise<unknown> {
    await turn?.catch((error: unknown) => {
      throw busy(error);
    });
    const value = read();
    if (bytes > SHORT_BODY_BYTES) await nextSlice();
    return value;
  }

  /** Is called before a list that may be long is read. Throws Rejected(tooManyRequests). */
  requireRoomForList(tenant: string): void {
    this.held.requireRoom(tenant, this.config.MAX_UNSENT_BYTES_PER_TENANT * SHARE_OF_SHORT_ANSWERS);
  }

  /** Counts a body of unknown length while its pieces come. */
  count(request: FastifyRequest, reply: FastifyReply, body: NodeJS.ReadableStream): void {
    const { caller } = request as ScimRequest;
    if (!caller || request.headers['transfer-encoding'] === undefined) return;
    const { visit } = request as LetIn;
    const take = (piece: Buffer): void => {
      // The request has been answered already: the rest of its body is thrown away as it comes.
      if (isOver(reply) || reply.sent) return void body.removeListener('data', take);
      try {
        this.held.takeBody(visit, piece.length);
      } catch (error) {
        body.removeListener('data', take);
        // While Fastify collects the body it listens to this, and answers.
        if (body.listenerCount('error') > 0) body.emit('error', error);
        return;
      }
      (request as ScimRequest).caller = { ...caller, bodyBytes: visit.bodyBytes };
    };
    body.on('data', take);
  }

  /**
   * Returns what is sent: the answer, which counts as held until the connection has taken it. A read is refused instead
   * where too much is held already, or where the token has been revoked meanwhile. A write is always answered, because
   * it has been done; the number of commands under way limits how many these are.
   */
  toSend(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
    const { caller, visit } = request as Partial<LetIn>;
    if (!caller || !visit) return payload;
    this.leaveRoom(visit);
    if (payload === undefined || payload === null) return payload;
    if (!visit.isRead || reply.statusCode >= 400) return this.held.answer(visit, reply, payload);
    const refuse = (error: unknown): unknown => this.held.answer(visit, reply, refusal(reply, payload, error));
    try {
      const rechecked =
        performance.now() - visit.acceptedMs > this.config.TOKEN_CACHE_MS ? caller.requireToken() : undefined;
      if (rechecked) return rechecked.then(() => this.given(visit, reply, payload)).catch(refuse);
      return this.given(visit, reply, payload);
    } catch (error) {
      return refuse(error);
    }
  }

  private given(visit: Visit, reply: FastifyReply, payload: unknown): unknown {
    this.held.requireRoom(visit.tenant, bytesOf(payload));
    return this.held.answer(visit, reply, payload);
  }
}

/** Throws Rejected once the client has gone: nothing would give back what is held for the answer. */
const requireClient = (reply: FastifyReply): void => {
  if (isOver(reply)) throw new Rejected('unavailable', 'The client has hung up.');
};

const challenge = (reply: FastifyReply, error: string): void => {
  if (!reply.raw.headersSent)
    void reply.header('www-authenticate', [`Bearer realm="muster"${error}`, 'Basic realm="muster", charset="UTF-8"']);
};

/** The answer to a read that is refused when it is already made. */
const refusal = (reply: FastifyReply, payload: unknown, error: unknown): string => {
  if (!(error instanceof Rejected)) throw error;
  for (const name of ['etag', 'location', 'content-location', 'content-length']) void reply.removeHeader(name);
  if (error.code === 'tooManyRequests') void reply.header('retry-after', '1');
  void reply.status(errorStatus(error.code));
  destroy(payload);
  return JSON.stringify(errorBody(error.code, error.detail));
};

const destroy = (payload: unknown): void => {
  if (typeof payload === 'object' && payload !== null && 'destroy' in payload)
    (payload as { destroy(): void }).destroy();
};
