import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotFoundException } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CORRELATION_HEADER } from './correlation.js';
import { uuidv7 } from './uuid.js';

/** Requests that one connection may have under way: hardly any client pipelines, and one packet holds hundreds. */
const MAX_PIPELINED_REQUESTS = 16;
/** The bytes of a body without a reader that are taken off the connection, which then serves the next request. */
const MAX_DISCARDED_BYTES = 131_072;
/** The time that a client has for reading its answer before a connection with an unread body is reset. */
const LINGER_MS = 2_000;
/** A request that is refused because its client has too many under way. */
class Overload extends Error {
  override readonly name = 'Overload';
  readonly statusCode = 429;
}

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly sendTimeoutMs: number;
}

/**
 * Limits the resources that a client may take of a server before its token is known: connections, requests on one of
 * them, bodies that are not read, and answers that it does not read.
 */
export const limitConnections = (
  app: NestFastifyApplication,
  { maxConnections, maxConnectionsPerAddress, sendTimeoutMs }: ConnectionLimits,
): void => {
  const fastify = app.getHttpAdapter().getInstance();
  const { server } = fastify;
  /** Open connections, by address, the oldest first. */
  const open = new Map<string, Set<Connection>>();
  let total = 0;
  server.on('connection', (socket: Connection) => {
    const address = networkOf(socket.remoteAddress);
    const own = open.get(address) ?? new Set();
    const hasOwnRoom = own.size < maxConnectionsPerAddress;
    const hasRoom = hasOwnRoom && (total < maxConnections || giveWay(open, own.size));
    total++;
    open.set(address, own.add(socket));
    socket.once('close', () => {
      total--;
      if (own.delete(socket) && own.size === 0) open.delete(address);
    });
    if (hasRoom) return;
    socket.write(
      `HTTP/1.1 ${hasOwnRoom ? '503 Service Unavailable' : '429 Too Many Requests'}\r\n${CORRELATION_HEADER}: ${uuidv7()}\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
    );
    socket.destroySoon();
  });

  fastify.addHook('onRequest', ({ raw: { socket } }, { raw: response }, done) => {
    const requests = begin(socket, response);
    if (requests <= MAX_PIPELINED_REQUESTS) done();
    else
      done(
        new Overload(
          `More than ${MAX_PIPELINED_REQUESTS} requests wait on this connection: send the next one when their answers have come.`,
        ),
      );
  });
  // Node would let a connection be silent for ever while a request is under way. The time begins anew with each piece
  // that goes through.
  server.setTimeout(sendTimeoutMs, (socket: Connection) => {
    const isOurTurn = !isIdle(socket) && socket.writableLength === 0;
    if (!isOurTurn) socket.destroy();
  });
  // Node would say 100 Continue before anybody has looked at the request (RFC 9110 §10.1.1).
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  fastify.addHook('preParsing', (request, reply, _payload, done) => {
    // Fastify would read and parse the body of a request that leads nowhere.
    if (request.is404) return done(new NotFoundException());
    if (request.headers.expect?.toLowerCase() === '100-continue') reply.raw.writeContinue();
    done();
  });
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    if (unreadBytes(request) > MAX_DISCARDED_BYTES) closeUnread(request, reply);
    done();
  });
};

/**
 * The properties under which a connection has its requests that are under way, and a response the calls that give back
 * its resources.
 */
const UNDER_WAY = Symbol('requests that are under way');
const RELEASES = Symbol('what is given back when the answer has gone');

type Connection = Socket & { [UNDER_WAY]?: Set<Response> };
/** Null: the answer has gone, or will never go. */
type Response = FastifyReply['raw'] & { [RELEASES]?: (() => void)[] | null };

const isIdle = (socket: Connection): boolean => (socket[UNDER_WAY]?.size ?? 0) === 0;

/** Returns how many requests are under way on the connection. */
const begin = (socket: Connection, response: Response): number => {
  let underWay = socket[UNDER_WAY];
  if (!underWay) {
    const all = (underWay = socket[UNDER_WAY] = new Set());
    // A response that waits behind others on its connection does not say that it was closed.
    socket.once('close', () => all.forEach(end));
  }
  const requests = underWay.add(response).size;
  response[RELEASES] = [];
  if (socket.destroyed) end(response);
  response.once('close', () => {
    socket[UNDER_WAY]!.delete(response);
    end(response);
  });
  return requests;
};

const end = (response: Response): void => {
  const releases = response[RELEASES];
  if (!releases) return;
  response[RELEASES] = null;
  for (const release of releases) release();
};

/** Tells whether nobody will read the answer: it has gone, or its client has. */
export const isOver = ({ raw }: FastifyReply): boolean => (raw as Response)[RELEASES] === null;

/**
 * Calls `release` once: when the answer has gone, or its connection has ended, and at once if that has happened
 * already.
 */
export const releaseWhenGone = ({ raw }: FastifyReply, release: () => void): void => {
  const releases = (raw as Response)[RELEASES];
  if (releases) releases.push(release);
  else release();
};

/**
 * There is no room for another connection: of the addresses that then still have as many as the one that wants it, the
 * one that has most loses its oldest connection on which nothing is asked. Returns whether there is room now.
 */
const giveWay = (open: ReadonlyMap<string, ReadonlySet<Connection>>, own: number): boolean => {
  const rich = [...open.values()].filter(({ size }) => size > own + 1).sort((a, b) => b.size - a.size);
  for (const connections of rich) {
    for (const socket of connections) {
      if (!isIdle(socket) || socket.destroyed) continue;
      socket.destroy();
      return true;
    }
  }
  return false;
};

/** The bytes of the body that may still come. */
const unreadBytes = ({ raw, headers }: FastifyRequest): number => {
  if (raw.complete) return 0;
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity;
};

/**
 * The answer comes before the body has been read. Node would go on reading, and throw away, all of it; or reset the
 * connection at once, so that a client which is still sending may never see why.
 */
const closeUnread = ({ raw: { socket } }: FastifyRequest, reply: FastifyReply): void => {
  void reply.header('connection', 'close');
  socket.destroySoon = () => {
    socket.end();
    // Node begins to throw away the rest of the body when the answer has been sent, in the same turn.
    setImmediate(() => socket.pause());
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
};

/** An address of IPv4, or the network of an address of IPv6: whoever has one of its addresses has 2^64. */
export const networkOf = (address = ''): string => {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = [], tail = []] = address
    .split('%')[0]!
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const groups = address.includes('::')
    ? [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail]
    : head;
  return `${groups.slice(0, 4).join(':')}::/64`;
};
