import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import type { RequestReply } from '#log';
import { Slots, type Config, type Logger } from '#runtime';
import { quote, Rejected, type CursorSeal } from '#scim';
import type { GroupRow, UserRow } from '#contracts';
import { BulkController } from './bulk.controller.js';
import { Commands, CONFIG, GROUP_REQUESTS, GroupCommands, IDENTITY_REQUESTS, UserCommands } from './commands.sender.js';
import { Cursors } from './cursors.js';
import { DiscoveryController } from './discovery.controller.js';
import { GROUP_QUERIES, GroupsController } from './groups.controller.js';
import { IgnoredAttributes } from './ignored-attributes.job.js';
import { MemberQueries } from './members.queries.js';
import { GATEWAY_POOL, ResourceQueries } from './resource.queries.js';
import { resourceTables } from './resource-tables.js';
import { parseBody } from './scim-body.js';
import { mediaTypeFor, ScimErrorFilter, WRONG_TYPE } from './scim-error.filter.js';
import { OptionalTokenGuard, ScimTokenGuard, TOKEN_CACHE_MS } from './scim-token.guard.js';
import { SearchController } from './search.controller.js';
import { USER_QUERIES, UsersController } from './users.controller.js';

export interface GatewayOptions {
  readonly config: Config;
  readonly pool: Pool;
  /** Of what clients hand back: the same in all gateways. */
  readonly cursorSeal: CursorSeal;
  readonly requests: { readonly identity: RequestReply; readonly group: RequestReply };
  readonly logger: Logger;
}

/** Owns HTTP and SCIM syntax; holds no state. */
@Module({})
export class GatewayModule {
  static register({ config, pool, cursorSeal, requests, logger }: GatewayOptions): DynamicModule {
    const { users, groups } = resourceTables(config.scimBaseUrl);
    const reading = { slots: searchSlots(config), maxPageBytes: config.MAX_PAGE_BYTES };
    return {
      module: GatewayModule,
      controllers: [SearchController, UsersController, GroupsController, BulkController, DiscoveryController],
      providers: [
        ScimTokenGuard, OptionalTokenGuard, Commands, UserCommands, GroupCommands,
        { provide: USER_QUERIES, useValue: new ResourceQueries<UserRow>(pool, users, reading) },
        { provide: GROUP_QUERIES, useValue: new ResourceQueries<GroupRow>(pool, groups, reading) },
        { provide: MemberQueries, useValue: new MemberQueries(pool, config.scimBaseUrl) },
        { provide: CONFIG, useValue: config },
        { provide: GATEWAY_POOL, useValue: pool },
        { provide: Cursors, useValue: new Cursors(cursorSeal, config.CURSOR_TIMEOUT_SECONDS * 1_000, () => Date.now()) },
        { provide: IDENTITY_REQUESTS, useValue: requests.identity },
        { provide: GROUP_REQUESTS, useValue: requests.group },
        { provide: IgnoredAttributes, useValue: new IgnoredAttributes(logger) },
        { provide: TOKEN_CACHE_MS, useValue: config.TOKEN_CACHE_MS },
      ],
    };
  }
}

/** One connection, if there are two, stays free of searches. */
const searchSlots = (config: Config): Slots =>
  new Slots({
    maxRunning: Math.max(1, Math.min(config.MAX_SEARCHES_AT_ONCE, config.DATABASE_POOL_CONNECTIONS - 1)),
    maxWaiting: config.MAX_WAITING_SEARCHES, waitTimeoutMs: config.SEARCH_WAIT_TIMEOUT_MS,
  });

/** Paths of SCIM and the methods that they take, besides HEAD where there is GET, and OPTIONS. */
const METHODS: readonly [RegExp, readonly string[]][] = [
  [/^\/api\/scim\/v2$/, ['GET']],
  [/^\/api\/scim\/v2\/(Users|Groups)$/, ['GET', 'POST']],
  [/^\/api\/scim\/v2(\/Users|\/Groups)?\/\.search$/, ['POST']],
  [/^\/api\/scim\/v2\/(Users|Groups)\/[^/]+$/, ['GET', 'PUT', 'PATCH', 'DELETE']],
  [/^\/api\/scim\/v2\/Bulk$/, ['POST']],
  [/^\/api\/scim\/v2\/(ServiceProviderConfig|(ResourceTypes|Schemas)(\/[^/]*)?)$/, ['GET']],
];
const OTHER_VERSION = /^\/api\/scim\/v(?!2(\/|$))\d/;
const NOT_BUILT = /^\/api\/scim\/v2\/Me(\/|$)/;

/** As the router reads it (startService of libs/runtime). RFC 9112 §3.2.2: a request may name its whole URL. */
const pathOf = ({ url }: FastifyRequest): string => {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  // Nearly all are as they should be; the expressions cost 1 µs each time.
  if (path.startsWith('/') && !path.endsWith('/') && !path.includes('//')) return path;
  return path.replace(/^https?:\/\/[^/]*/i, '').replace(/\/{2,}/g, '/').replace(/\/$/, '');
};

const requirePlainCoding = ({ 'content-encoding': coding }: FastifyRequest['headers']): void => {
  if (coding === undefined || coding.toLowerCase() === 'identity') return;
  throw new Rejected('unsupportedMediaType', `Send the body as it is: its Content-Encoding ${quote(coding)} is not supported.`);
};

/** Makes the HTTP server speak SCIM: media types, body, errors, unknown paths and methods. */
export const speakScim = (app: NestFastifyApplication, logger: Logger): void => {
  const { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES } = app.get<Config>(CONFIG);
  app.useGlobalFilters(new ScimErrorFilter(logger, MAX_BODY_BYTES));
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRoute', (route) => {
    if (route.url.endsWith('/Bulk')) route.bodyLimit = MAX_BULK_BODY_BYTES;
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(['application/scim+json', 'application/json'], { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if ((body as Buffer).length > 0) requirePlainCoding(request.headers);
      done(null, (body as Buffer).length === 0 ? undefined : parseBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  // Only a body has a type that could be wrong: one that comes in pieces shows with the first of them, or at its end, whether there is one.
  fastify.addContentTypeParser('*', (_request, payload, done) => {
    const end = (): void => done(null);
    payload.once('end', end).once('error', done).once('data', () => {
      payload.off('end', end).off('error', done);
      done(new Rejected('unsupportedMediaType', WRONG_TYPE));
    });
  });
  fastify.addHook('onSend', async (request, reply, payload) => {
    if (payload && pathOf(request).startsWith('/api/scim/')) void reply.header('content-type', mediaTypeFor(request.headers.accept));
    return payload;
  });
  // RFC 9110 §10.1.1: what is expected besides 100-continue may be left alone; Node answers a bare 417.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  fastify.addHook('onRequest', async (request, reply) => {
    const path = pathOf(request);
    if (OTHER_VERSION.test(path)) {
      throw new Rejected('invalidVers', 'This service speaks SCIM 2.0: its base path is /api/scim/v2 (RFC 7644 §3.13).');
    }
    if (request.headers['transfer-encoding'] === undefined) {
      if (Number(request.headers['content-length'] ?? 0) > 0) requirePlainCoding(request.headers);
      // RFC 9110 §8.3: what is said of a body that is not there says nothing. Libraries send a form's type with each DELETE.
      else delete request.raw.headers['content-type'];
    }
    if (NOT_BUILT.test(path)) throw new Rejected('notImplemented', `${request.method} ${path} is not supported yet.`);
    const [, methods] = METHODS.find(([pattern]) => pattern.test(path)) ?? [];
    if (!methods) return;
    const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
    const isAllowed = allowed.includes(request.method);
    // RFC 9110 §15.5.6 and §9.3.7: both answers name the methods that there are.
    if (!isAllowed || request.method === 'OPTIONS') void reply.header('allow', allowed.join(', '));
    if (!isAllowed) {
      throw new Rejected('methodNotAllowed', `${request.method} is not a method of this path; it takes ${allowed.join(', ')}.`);
    }
    if (request.method === 'OPTIONS') await reply.status(204).send();
  });
};
