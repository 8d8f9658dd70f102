import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotFoundException } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Requests that one connection may have under way: hardly a client pipelines, and one packet holds hundreds. */
const MAX_PIPELINED_REQUESTS = 16;
/** Of a body that nobody reads so much is taken off the connection, which then serves the next request. */
const MAX_DISCARDED_BYTES = 131_072;
/** The time that a client has for reading its answer before a connection with an unread body is reset. */
const LINGER_MS = 2_000;
/** Of all addresses together, for those that have no connection yet: a health check has to get through. */
const RESERVED_CONNECTIONS = 256;

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
 * What a client may take of a server before anybody knows who it is: connections, requests on one of them, bodies that are not read, and answers that it
 * does not read.
 */
export const limitConnections = (app: NestFastifyApplication, { maxConnections, maxConnectionsPerAddress, sendTimeoutMs }: ConnectionLimits): void => {
  const fastify = app.getHttpAdapter().getInstance();
  const { server } = fastify;
  /** Open connections, by address. */
  const open = new Map<string, number>();
  let total = 0;
  server.on('connection', (socket: Socket) => {
    const address = networkOf(socket.remoteAddress);
    const own = open.get(address) ?? 0;
    const isFull = total >= maxConnections + (own === 0 ? RESERVED_CONNECTIONS : 0);
    total++;
    open.set(address, own + 1);
    socket.once('close', () => {
      total--;
      const left = open.get(address)! - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (!isFull && own < maxConnectionsPerAddress) return;
    socket.write(`HTTP/1.1 ${isFull ? '503 Service Unavailable' : '429 Too Many Requests'}\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    socket.destroySoon();
  });

  /** Requests that are under way, by connection. */
  const underWay = new WeakMap<Socket, number>();
  fastify.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    const requests = (underWay.get(socket) ?? 0) + 1;
    underWay.set(socket, requests);
    reply.raw.once('close', () => underWay.set(socket, underWay.get(socket)! - 1));
    if (requests <= MAX_PIPELINED_REQUESTS) done();
    else done(new Overload(`More than ${MAX_PIPELINED_REQUESTS} requests wait on this connection: send the next one when their answers have come.`));
  });
  // Node would let a connection be silent for ever while a request is under way. The time begins anew with each piece that goes through.
  server.setTimeout(sendTimeoutMs, (socket: Socket) => {
    const isOurTurn = (underWay.get(socket) ?? 0) > 0 && socket.writableLength === 0;
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

/** What is given back when a connection ends, by connection. */
const heldBy = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `release` once: when the answer has gone, or its connection has ended, and at once where that was before. A response that was closed says so no
 * second time, and one that waits behind others on its connection does not say it at all.
 */
export const releaseWhenGone = ({ raw: { socket } }: FastifyRequest, { raw: response }: FastifyReply, release: () => void): void => {
  if (response.closed || response.destroyed || socket.destroyed) return release();
  let held = heldBy.get(socket);
  if (!held) {
    const all = (held = new Set());
    heldBy.set(socket, all);
    socket.once('close', () => all.forEach((giveBack) => giveBack()));
  }
  const all = held;
  const once = (): void => {
    if (all.delete(once)) release();
  };
  all.add(once);
  response.once('close', once);
};

/** How much of the body may still come. */
const unreadBytes = ({ raw, headers }: FastifyRequest): number => {
  if (raw.complete) return 0;
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity;
};

/**
 * The answer comes before the body has been read. Node would go on reading, and throw away, all of it; or reset the connection at once, so that a client
 * which is still sending may never see why.
 */
const closeUnread = ({ raw: { socket } }: FastifyRequest, reply: FastifyReply): void => {
  void reply.header('connection', 'close');
  socket.destroySoon = () => {
    socket.end();
    // Node begins to throw away what comes when the answer has been sent, in the same turn.
    setImmediate(() => socket.pause());
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
};

/** An address of IPv4, or the network of an address of IPv6: whoever has one of its addresses has 2^64. */
export const networkOf = (address = ''): string => {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = [], tail = []] = address.split('%')[0]!.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = address.includes('::') ? [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail] : head;
  return `${groups.slice(0, 4).join(':')}::/64`;
};
