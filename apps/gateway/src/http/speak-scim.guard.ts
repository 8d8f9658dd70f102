import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keepBody } from '#owner';
import type { Config } from '#runtime';
import { quote, Rejected } from '#scim';
import { CONFIG } from '../injected.js';
import { RequestLimits } from './request-limits.guard.js';
import { parseBody } from './scim-body.js';
import { mediaTypeFor, WRONG_TYPE } from './scim-error.filter.js';
import { methodsOf, pathOf, SERVICE_PROVIDER_CONFIG } from './scim-paths.js';

/** Makes the HTTP server speak SCIM: media types, body, unknown paths and methods. */
export const speakScim = (app: NestFastifyApplication): void => {
  const { MAX_BULK_BODY_BYTES } = app.get<Config>(CONFIG);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRoute', (route) => {
    if (route.url.endsWith('/Bulk')) route.bodyLimit = MAX_BULK_BODY_BYTES;
  });
  // Those that Fastify has by itself; other faces on this port have theirs.
  for (const type of ['application/json', 'text/plain'])
    if (fastify.hasContentTypeParser(type)) fastify.removeContentTypeParser(type);
  const limits = app.get(RequestLimits);
  fastify.addContentTypeParser(
    ['application/scim+json', 'application/json'],
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        if (body.length === 0) return done(null, undefined);
        keepBody(request, body as Buffer);
        requirePlainCoding(request.headers);
        const parsed = limits.read(request, body as Buffer, parseBody);
        if (!(parsed instanceof Promise)) return done(null, parsed);
        parsed.then((value) => done(null, value), done);
      } catch (error) {
        done(error as Error);
      }
    },
  );
  // Only a body can have a wrong type. Where it comes in pieces, the first piece or the end shows whether there is one.
  fastify.addContentTypeParser('*', (_request, payload, done) => {
    const end = (): void => done(null);
    payload
      .once('end', end)
      .once('error', done)
      .once('data', () => {
        payload.off('end', end).off('error', done);
        done(new Rejected('unsupportedMediaType', WRONG_TYPE));
      });
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (payload && pathOf(request.url).startsWith('/api/scim/'))
      void reply.header('content-type', mediaTypeFor(request.headers.accept));
    const sent = limits.toSend(request, reply, payload);
    if (sent instanceof Promise) sent.then((value) => done(null, value), done);
    else done(null, sent);
  });
  fastify.addHook('preParsing', (request, reply, body, done) => {
    limits.count(request, reply, body);
    done();
  });
  // RFC 9110 §10.1.1: an expectation other than 100-continue may be ignored; Node would answer a bare 417.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  fastify.addHook('onRequest', (request, reply, done) => {
    try {
      if (request.headers['transfer-encoding'] === undefined) {
        if (Number(request.headers['content-length'] ?? 0) > 0) requirePlainCoding(request.headers);
        // RFC 9110 §8.3: the type of a body that is not there means nothing. Libraries send one with each DELETE.
        else delete request.raw.headers['content-type'];
      }
      // The router would take a GET of .search for that of a resource.
      if (request.is404 || request.url.includes('/.search')) requireRoute(request, reply);
      const route = request.routeOptions;
      const { url } = route;
      const isForAll = url === SERVICE_PROVIDER_CONFIG && request.headers.authorization === undefined;
      const waits =
        url?.startsWith('/api/scim/') && !isForAll && !reply.sent ? limits.receive(request, reply, route) : undefined;
      if (waits) waits.then(() => done(), done);
      else if (!reply.sent) done();
    } catch (error) {
      done(error as Error);
    }
  });
};

/** Says why a path or a method is none, where more is known than that. Throws Rejected. */
const requireRoute = (request: FastifyRequest, reply: FastifyReply): void => {
  const { method } = request;
  const allowed = methodsOf(pathOf(request.url), method);
  if (!allowed) return;
  const isAllowed = allowed.includes(method);
  // RFC 9110 §15.5.6 and §9.3.7: both answers name the methods that there are.
  if (!isAllowed || method === 'OPTIONS') void reply.header('allow', allowed.join(', '));
  if (!isAllowed) {
    throw new Rejected('methodNotAllowed', `${method} is not a method of this path; it takes ${allowed.join(', ')}.`);
  }
  if (method === 'OPTIONS') void reply.status(204).send();
};

const requirePlainCoding = ({ 'content-encoding': coding }: FastifyRequest['headers']): void => {
  if (coding === undefined || coding.toLowerCase() === 'identity') return;
  throw new Rejected(
    'unsupportedMediaType',
    `Send the body as it is: its Content-Encoding ${quote(coding)} is not supported.`,
  );
};
