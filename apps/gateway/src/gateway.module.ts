import { Module, type DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';
import { IssuerKeys, Traces } from '#auth';
import type { GroupRow, UserRow } from '#contracts';
import { LastUses, type FaceDefinition, type FaceTools } from '#owner';
import { GuardedRequests, Pace, Slots, type Config, type Logger } from '#runtime';
import { RequestLimits } from './http/request-limits.guard.js';
import { SelfSentRequests } from './http/self-sent-requests.sender.js';
import { BulkController } from './http/bulk.controller.js';
import { DiscoveryController } from './http/discovery.controller.js';
import { GroupsController } from './http/groups.controller.js';
import { ScimErrors } from './http/scim-error.filter.js';
import { SearchController } from './http/search.controller.js';
import { speakScim } from './http/speak-scim.guard.js';
import { describeScim } from './http/told-requests.guard.js';
import { UsersController } from './http/users.controller.js';
import { CONFIG, GATEWAY_POOL, GROUP_QUERIES, GROUP_REQUESTS, IDENTITY_REQUESTS, USER_QUERIES } from './injected.js';
import { AccessTokens } from './read/access-tokens.queries.js';
import { Bearers } from './read/bearers.queries.js';
import { Cursors } from './read/cursors.js';
import { EntraTokens } from './read/entra-tokens.queries.js';
import { MemberQueries } from './read/members.queries.js';
import { ResourceQueries, type ReadingLimits } from './read/resource.queries.js';
import { resourceTables } from './read/resource-tables.js';
import { ScimTokens } from './read/scim-tokens.queries.js';
import { Commands, GroupCommands, UserCommands } from './write/commands.sender.js';
import { IgnoredAttributes } from './write/ignored-attributes.job.js';

/** The SCIM face: it owns HTTP and SCIM syntax, and holds no state. */
@Module({})
export class GatewayModule {
  static register(
    { config, pool, pace, seal, requests, logger }: FaceTools,
    selfSent: SelfSentRequests,
  ): DynamicModule {
    const { users, groups } = resourceTables(config.scimBaseUrl);
    const uses = new LastUses(pool);
    const limits = new RequestLimits(bearersOf(config, pool, logger), pace, config, uses, selfSent);
    const reading: ReadingLimits = {
      ...slotsOf(config, pace),
      maxPageBytes: config.MAX_PAGE_BYTES,
      requireRoom: (tenant) => limits.requireRoomForList(tenant),
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
          useValue: new Cursors(seal('cursor'), config.CURSOR_TIMEOUT_SECONDS * 1_000, () => Date.now()),
        },
        { provide: IDENTITY_REQUESTS, useValue: requests('identity') },
        { provide: GROUP_REQUESTS, useValue: requests('group') },
        { provide: IgnoredAttributes, useValue: new IgnoredAttributes(logger) },
        { provide: LastUses, useValue: uses },
        { provide: RequestLimits, useValue: limits },
        { provide: Pace, useValue: pace },
      ],
    };
  }
}

/** Entra's set of keys has 20 kB. */
const MAX_KEYS_BYTES = 262_144;

const bearersOf = (config: Config, pool: Pool, logger: Logger): Bearers => {
  const traces = new Traces(pool, logger);
  const outbound = new GuardedRequests({
    networks: config.outboundNetworks,
    timeoutMs: config.OUTBOUND_TIMEOUT_MS,
    maxBodyBytes: MAX_KEYS_BYTES,
  });
  return new Bearers(new ScimTokens(pool, config.TOKEN_CACHE_MS), [
    new AccessTokens(pool, traces, config),
    new EntraTokens(pool, new IssuerKeys(outbound), traces, config),
  ]);
};

/**
 * The share of the slots that one tenant may have while others are there. By default that is one search and two
 * look-ups, so that a group that is being read does not hold up the tenant's other requests.
 */
const SHARE_BESIDE_OTHERS = 1 / 4;

/**
 * Searches, and look-ups that may find several resources, each get a share of the database connections. Two
 * connections, if there are as many, are always left for statements that find one resource at most, for tokens and for
 * outcomes.
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

/** SCIM for identity providers. */
export const gateway: FaceDefinition = {
  name: 'gateway',
  sendsTo: ['identity', 'group'],
  hears: ['identity', 'group'],
  asks: ['identity', 'group'],
  answersDryRuns: true,
  answersReplays: true,
  address: ({ HOST: host, PORT: port }) => ({ host, port }),
  tells: 'audit',
  make: (tools) => {
    const selfSent = new SelfSentRequests(tools.pool, tools.dryRuns);
    tools.answerQuestions('dry-run', (question) => selfSent.answerDryRun(question));
    tools.answerQuestions('replay', (question) => selfSent.answerReplay(question));
    return {
      module: GatewayModule.register(tools, selfSent),
      prepare: speakScim,
      basePaths: ['/api/scim'],
      told: { face: 'scim', describe: describeScim },
      errors: new ScimErrors(tools.logger, tools.config.MAX_BODY_BYTES),
      begin: async (app) => selfSent.listensAt(app),
    };
  },
};
