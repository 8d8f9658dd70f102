import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import type { RequestReply } from '#log';
import { Pace, Slots, type Config, type Logger } from '#runtime';
import { quote, Rejected, type CursorSeal } from '#scim';
import type { GroupRow, UserRow } from '#contracts';
import { Admission } from './http/admission.guard.js';
import { BulkController } from './http/bulk.controller.js';
import {
  Commands,
  CONFIG,
  GROUP_REQUESTS,
  GroupCommands,
  IDENTITY_REQUESTS,
  UserCommands,
} from './write/commands.sender.js';
import { Cursors } from './read/cursors.js';
import { DiscoveryController } from './http/discovery.controller.js';
import { GROUP_QUERIES, GroupsController } from './http/groups.controller.js';
import { IgnoredAttributes } from './write/ignored-attributes.job.js';
import { MemberQueries } from './read/members.queries.js';
import { GATEWAY_POOL, ResourceQueries, type ReadingLimits } from './read/resource.queries.js';
import { resourceTables } from './read/resource-tables.js';
import { parseBody } from './http/scim-body.js';
import { mediaTypeFor, ScimErrorFilter, WRONG_TYPE } from './http/scim-error.filter.js';
import { ScimTokens } from './read/scim-tokens.queries.js';
import { SearchController } from './http/search.controller.js';
import { USER_QUERIES, UsersController } from './http/users.controller.js';

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
    const pace = new Pace();
    const admission = new Admission(new ScimTokens(pool, config.TOKEN_CACHE_MS), pace, config);
    const reading: ReadingLimits = {
      ...slotsOf(config, pace),
      maxPageBytes: config.MAX_PAGE_BYTES,
      requireRoom: (tenant) => admission.requireRoomForList(tenant),
    };
    return {
      module: GatewayModule,
      controllers: [SearchController, UsersController, GroupsController, BulkController, DiscoveryController],
      providers: [
        Commands,
        UserCommands,
        GroupCommands,
        { provide: USER_QUERIES, useValue: new ResourceQueries<UserRow>(pool, users, reading) },
        { provide: GROUP_QUERIES, useValue: new ResourceQueries<GroupRow>(pool, groups, reading) },
        { provide: MemberQueries, useValue: new MemberQueries(pool, config.scimBaseUrl, reading.lookUps) },
        { provide: CONFIG, useValue: config },
        { provide: GATEWAY_POOL, useValue: pool },
        {
          provide: Cursors,
          useValue: new Cursors(cursorSeal, config.CURSOR_TIMEOUT_SECONDS * 1_000, () => Date.now()),
        },
        { provide: IDENTITY_REQUESTS, useValue: requests.identity },
        { provide: GROUP_REQUESTS, useValue: requests.group },
        { provide: IgnoredAttributes, useValue: new IgnoredAttributes(logger) },
        { provide: Admission, useValue: admission },
        { provide: Pace, useValue: pace },
      ],
    };
  }
}

/**
 * One tenant may have so much of the slots while others are there: one search, and two look-ups, so that a group that
 * is read does not hold up the rest.
 */
const SHARE_BESIDE_OTHERS = 1 / 4;

/**
 * Searches and look-ups of what several may have take a share of the connections each; two, if there are as many, are
 * always left to what finds one resource at the most, to tokens and to outcomes.
 */
const slotsOf = (config: Config, pace: Pace): Pick<ReadingLimits, 'searches' | 'lookUps'> => {
  const {
    DATABASE_POOL_CONNECTIONS: connections,
    MAX_SEARCHES_AT_ONCE,
    MAX_WAITING_SEARCHES,
    MAX_WAITING_SEARCHES_PER_TENANT,
    SEARCH_WAIT_TIMEOUT_MS,
  } = config;
  const slots = (maxRunning: number): Slots =>
    new Slots({
      maxRunning,
      besideOthers: { maxRunning: Math.max(1, Math.floor(maxRunning * SHARE_BESIDE_OTHERS)), pace },
      maxWaiting: MAX_WAITING_SEARCHES,
      maxWaitingPerKey: MAX_WAITING_SEARCHES_PER_TENANT,
      waitTimeoutMs: SEARCH_WAIT_TIMEOUT_MS,
    });
  const searches = Math.max(1, Math.min(MAX_SEARCHES_AT_ONCE, connections - 3));
  return { searches: slots(searches), lookUps: slots(Math.max(1, connections - searches - 2)) };
};

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
/**
 * RFC 7643 §5: the ways of authentication are found without any. A client that does send a token gets to know when it
 * is wrong: some try a new one here.
 */
const SERVICE_PROVIDER_CONFIG = '/api/scim/v2/ServiceProviderConfig';
const NOT_BUILT = /^\/api\/scim\/v2\/Me(\/|$)/;

/** As the router reads it (startService of libs/runtime). RFC 9112 §3.2.2: a request may name its whole URL. */
const pathOf = ({ url }: FastifyRequest): string => {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  // Nearly all are as they should be; the expressions cost 1 µs each time.
  if (path.startsWith('/') && !path.endsWith('/') && !path.includes('//')) return path;
  return path
    .replace(/^https?:\/\/[^/]*/i, '')
    .replace(/\/{2,}/g, '/')
    .replace(/\/$/, '');
};

const requirePlainCoding = ({ 'content-encoding': coding }: FastifyRequest['headers']): void => {
  if (coding === undefined || coding.toLowerCase() === 'identity') return;
  throw new Rejected(
    'unsupportedMediaType',
    `Send the body as it is: its Content-Encoding ${quote(coding)} is not supported.`,
  );
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
  const admission = app.get(Admission);
  fastify.addContentTypeParser(
    ['application/scim+json', 'application/json'],
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        if (body.length === 0) return done(null, undefined);
        requirePlainCoding(request.headers);
        const parsed = admission.read(request, body as Buffer, parseBody);
        if (!(parsed instanceof Promise)) return done(null, parsed);
        parsed.then((value) => done(null, value), done);
      } catch (error) {
        done(error as Error);
      }
    },
  );
  // Only a body has a type that could be wrong: one that comes in pieces shows with the first of them, or at its end,
  // whether there is one.
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
    if (payload && pathOf(request).startsWith('/api/scim/'))
      void reply.header('content-type', mediaTypeFor(request.headers.accept));
    const sent = admission.toSend(request, reply, payload);
    if (sent instanceof Promise) sent.then((value) => done(null, value), done);
    else done(null, sent);
  });
  fastify.addHook('preParsing', (request, reply, body, done) => {
    admission.count(request, reply, body);
    done();
  });
  // RFC 9110 §10.1.1: what is expected besides 100-continue may be left alone; Node answers a bare 417.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  fastify.addHook('onRequest', (request, reply, done) => {
    try {
      if (request.headers['transfer-encoding'] === undefined) {
        if (Number(request.headers['content-length'] ?? 0) > 0) requirePlainCoding(request.headers);
        // RFC 9110 §8.3: what is said of a body that is not there says nothing. Libraries send a form's type with each
        // DELETE.
        else delete request.raw.headers['content-type'];
      }
      // A GET of .search is taken for that of a resource.
      if (request.is404 || request.url.includes('/.search')) requireRoute(request, reply);
      const route = request.routeOptions;
      const { url } = route;
      const isForAll = url === SERVICE_PROVIDER_CONFIG && request.headers.authorization === undefined;
      const waits =
        url?.startsWith('/api/scim/') && !isForAll && !reply.sent ? admission.admit(request, reply, route) : undefined;
      if (waits) waits.then(() => done(), done);
      else if (!reply.sent) done();
    } catch (error) {
      done(error as Error);
    }
  });
};

/** Says why a path or a method is none, where more is known than that. Throws Rejected. */
const requireRoute = (request: FastifyRequest, reply: FastifyReply): void => {
  const path = pathOf(request);
  if (OTHER_VERSION.test(path)) {
    throw new Rejected('invalidVers', 'This service speaks SCIM 2.0: its base path is /api/scim/v2 (RFC 7644 §3.13).');
  }
  if (NOT_BUILT.test(path)) throw new Rejected('notImplemented', `${request.method} ${path} is not supported yet.`);
  const [, methods] = METHODS.find(([pattern]) => pattern.test(path)) ?? [];
  if (methods) requireMethod(methods, request, reply);
};

const requireMethod = (methods: readonly string[], request: FastifyRequest, reply: FastifyReply): void => {
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
  const isAllowed = allowed.includes(request.method);
  // RFC 9110 §15.5.6 and §9.3.7: both answers name the methods that there are.
  if (!isAllowed || request.method === 'OPTIONS') void reply.header('allow', allowed.join(', '));
  if (!isAllowed) {
    throw new Rejected(
      'methodNotAllowed',
      `${request.method} is not a method of this path; it takes ${allowed.join(', ')}.`,
    );
  }
  if (request.method === 'OPTIONS') void reply.status(204).send();
};
