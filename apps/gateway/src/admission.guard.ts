import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { networkOf, Quota, releaseWhenGone, type Config } from '#runtime';
import { errorBody, errorStatus, Rejected } from '#scim';
import { NO_TOKEN, type Caller, type ScimRequest } from './scim-token.guard.js';
import type { KnownToken, ScimTokens } from './scim-tokens.queries.js';

/** Longer texts are sent as bytes: a text would be held twice, as it is and as the bytes of it that the connection has not taken yet. */
const MAX_TEXT_CHARACTERS = 65_536;
const SHARE_OF_SHORT_ANSWERS = 1 / 2;

/** An answer in pieces is longer than what is held of it at a time, and says how much that is. */
export interface HeldStream {
  readonly heldBytes: number;
}

/** What is known of a request from its headers until its answer has gone. */
type Admitted = ScimRequest & { acceptedMs: number };

/** Lets requests in before their bodies are read: whoever has no token gets nothing read, and no tenant fills the memory with what it sends or does not read. */
export class Admission {
  private readonly bodies: Quota;
  private readonly answers: Quota;

  constructor(private readonly tokens: ScimTokens, private readonly config: Config) {
    this.bodies = new Quota({ maxBytesPerKey: config.MAX_RECEIVED_BYTES_PER_TENANT, maxBytes: config.MAX_RECEIVED_BYTES });
    this.answers = new Quota({ maxBytesPerKey: config.MAX_UNSENT_BYTES_PER_TENANT, maxBytes: config.MAX_UNSENT_BYTES });
  }

  /** Throws Rejected: unauthorized, tooManyRequests. */
  async admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = await this.callerOf(request, reply);
    Object.assign(request, { caller, acceptedMs: performance.now() });
    this.requireRoom(caller.tenant, 0);
    const { bodyBytes } = caller;
    // What is too long for its path is refused in a moment, and what has no length is counted when it comes.
    if (bodyBytes === 0 || bodyBytes > request.routeOptions.bodyLimit) return;
    if (this.bodies.isFull(caller.tenant, bodyBytes)) throw noRoom();
    this.bodies.hold(caller.tenant, bodyBytes);
    releaseWhenGone(request, reply, () => this.bodies.release(caller.tenant, bodyBytes));
  }

  private async callerOf(request: FastifyRequest, reply: FastifyReply): Promise<Caller> {
    const bearer = /^Bearer +([\w.~+/=-]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    // RFC 6750 §3: the header is part of every 401.
    const challenge = (error: string): void => {
      if (!reply.raw.headersSent) void reply.header('www-authenticate', `Bearer realm="muster"${error}`);
    };
    if (!bearer) {
      challenge('');
      throw new Rejected('unauthorized', NO_TOKEN);
    }
    const [tokenHash, address] = [hash('sha256', bearer), networkOf(request.raw.socket.remoteAddress)];
    const requireToken = async (): Promise<KnownToken> => {
      try {
        return await this.tokens.require(tokenHash, address);
      } catch (error) {
        if (error instanceof Rejected && error.code === 'unauthorized') challenge(', error="invalid_token"');
        throw error;
      }
    };
    const { id, tenant, directory, kind, offerExistingUsers, offerLocalGroups, definitions } = await requireToken();
    return {
      tenant, directory, kind, actor: `token:${id}`, seesUnmanaged: offerExistingUsers, seesLocalGroups: offerLocalGroups, definitions,
      bodyBytes: Number(request.headers['content-length'] ?? 0), requireToken: async () => void (await requireToken()),
    };
  }

  /** Before a list is read that may be long: some room stays for short answers. Throws Rejected(tooManyRequests). */
  requireRoomForList(tenant: string): void {
    this.requireRoom(tenant, this.config.MAX_UNSENT_BYTES_PER_TENANT * SHARE_OF_SHORT_ANSWERS);
  }

  private requireRoom(tenant: string, bytes: number): void {
    if (this.answers.isFull(tenant, bytes)) throw unread(this.config);
  }

  /** Counts a body that does not say how long it is while it comes. */
  count(request: FastifyRequest, reply: FastifyReply, body: NodeJS.ReadableStream): void {
    const { caller } = request as ScimRequest;
    if (!caller || request.headers['transfer-encoding'] === undefined) return;
    let received = 0;
    let hasGone = false;
    releaseWhenGone(request, reply, () => {
      hasGone = true;
      this.bodies.release(caller.tenant, received);
    });
    const take = (piece: Buffer): void => {
      // What has been answered is thrown away as it comes.
      const isOver = hasGone || reply.sent;
      if (isOver || this.bodies.isFull(caller.tenant, piece.length)) {
        body.removeListener('data', take);
        // Fastify listens while it collects the body, and answers.
        if (!isOver && body.listenerCount('error') > 0) body.emit('error', noRoom());
        return;
      }
      received += piece.length;
      this.bodies.hold(caller.tenant, piece.length);
      (request as ScimRequest).caller = { ...caller, bodyBytes: received };
    };
    body.on('data', take);
  }

  /**
   * What is sent: the answer, held until the connection has taken it; or, for a read, why it is not given. A write has been done, and has to be answered:
   * of these no more can be under way than a tenant's commands.
   */
  async toSend(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
    const { caller, acceptedMs } = request as Admitted;
    if (!caller || payload === undefined || payload === null) return payload;
    const isRead = request.method === 'GET' || request.method === 'HEAD' || request.routeOptions.url?.endsWith('/.search') === true;
    if (isRead && reply.statusCode < 400) {
      try {
        if (performance.now() - acceptedMs > this.config.TOKEN_CACHE_MS) await caller.requireToken();
        this.requireRoom(caller.tenant, bytesOf(payload));
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
        for (const name of ['etag', 'location', 'content-location', 'content-length']) void reply.removeHeader(name);
        if (error.code === 'tooManyRequests') void reply.header('retry-after', '1');
        void reply.status(errorStatus(error.code));
        destroy(payload);
        return JSON.stringify(errorBody(error.code, error.detail));
      }
    }
    const sent = typeof payload === 'string' && payload.length > MAX_TEXT_CHARACTERS ? Buffer.from(payload) : payload;
    this.hold(caller, request, reply, bytesOf(sent));
    return sent;
  }

  private hold({ tenant }: Caller, request: FastifyRequest, reply: FastifyReply, bytes: number): void {
    this.answers.hold(tenant, bytes);
    releaseWhenGone(request, reply, () => this.answers.release(tenant, bytes));
  }
}

const noRoom = (): Rejected => new Rejected(
  'tooManyRequests', 'The bodies of the requests that are under way for this tenant are too long together (MAX_RECEIVED_BYTES_PER_TENANT, MAX_RECEIVED_BYTES): send the next ones later.',
);

const bytesOf = (payload: unknown): number =>
  typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : (payload as Partial<HeldStream>).heldBytes ?? 0;

const destroy = (payload: unknown): void => {
  if (typeof payload === 'object' && payload !== null && 'destroy' in payload) (payload as { destroy(): void }).destroy();
};

const unread = ({ MAX_UNSENT_BYTES_PER_TENANT }: Config): Rejected => new Rejected(
  'tooManyRequests',
  `Clients of this tenant do not read their answers: more than ${MAX_UNSENT_BYTES_PER_TENANT} bytes, or a fair share of MAX_UNSENT_BYTES, wait to be sent. Read them, ask for fewer resources at once (count), and send this again.`,
);
