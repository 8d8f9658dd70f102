import { Module, type DynamicModule } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { BatchHandler, OutcomeRetention, poolOf, type LaneWatch } from '#event-store';
import type { Log, RequestReply } from '#log';
import type { Config, Face, Logger } from '#runtime';
import { API_KEY, ApiKeyGuard, requireApiKeyFirst } from './api-key.guard.js';
import { DirectoriesController } from './directories.controller.js';
import { ADMIN_POOL, ADMIN_REQUESTS, Directories, MASTER_KEY, SCIM_BASE_URL } from './directories.queries.js';
import { ADMIN_BATCHES, ADMIN_LOG, DirectoryHandler } from './directory.handler.js';
import { adminBehaviour } from './directory.projection.js';
import { GroupsAdminController } from './groups.controller.js';
import { GROUP_REQUESTS, Groups } from './groups.queries.js';
import { ADMIN_LOGGER, RejectedFilter } from './rejected.filter.js';
import { SchemasController } from './schemas.controller.js';
import { Schemas } from './schemas.queries.js';
import { StreamEventsController } from './stream-events.controller.js';
import { StreamEvents } from './stream-events.queries.js';
import { UserLinksController } from './user-links.controller.js';
import { IDENTITY_REQUESTS, UserLinks } from './user-links.sender.js';

const OUTCOME_RETENTION = Symbol('OutcomeRetention of admin');

export interface AdminOptions {
  readonly config: Config;
  readonly database: DataSource;
  readonly log: Log;
  readonly lanes: LaneWatch;
  readonly requests: RequestReply;
  /** To identity, which owns users. */
  readonly identity: RequestReply;
  /** To group, which owns groups. */
  readonly group: RequestReply;
  readonly masterKey: Buffer;
  readonly apiKey: string;
  readonly logger: Logger;
}

/** Owns tenants, directories, tokens and the schemas of tenants. */
@Module({})
export class AdminModule {
  static register({
    config,
    database,
    log,
    lanes,
    requests,
    identity,
    group,
    masterKey,
    apiKey,
    logger,
  }: AdminOptions): DynamicModule {
    const batches = new BatchHandler(
      poolOf(database),
      adminBehaviour(),
      () => new Date(),
      (error, message) =>
        logger.error(
          { error: String(error), commandId: message?.id, type: message?.type },
          'command set aside as dead letter',
        ),
      { maxBytes: config.MAX_BATCH_BYTES, watch: lanes },
    );
    const outcomes = new OutcomeRetention(poolOf(database), 'admin', { keepDays: config.OUTCOME_KEEP_DAYS, logger });
    return {
      module: AdminModule,
      controllers: [
        DirectoryHandler,
        DirectoriesController,
        SchemasController,
        StreamEventsController,
        UserLinksController,
        GroupsAdminController,
      ],
      providers: [
        Directories,
        Schemas,
        StreamEvents,
        UserLinks,
        Groups,
        ApiKeyGuard,
        RejectedFilter,
        { provide: ADMIN_LOGGER, useValue: logger },
        { provide: ADMIN_BATCHES, useValue: batches },
        { provide: ADMIN_LOG, useValue: log },
        {
          provide: OUTCOME_RETENTION,
          useValue: {
            onApplicationBootstrap: () => outcomes.start(),
            beforeApplicationShutdown: () => outcomes.stop(),
          },
        },
        { provide: ADMIN_POOL, useValue: poolOf(database) },
        { provide: ADMIN_REQUESTS, useValue: requests },
        { provide: IDENTITY_REQUESTS, useValue: identity },
        { provide: GROUP_REQUESTS, useValue: group },
        { provide: MASTER_KEY, useValue: masterKey },
        { provide: API_KEY, useValue: apiKey },
        { provide: SCIM_BASE_URL, useValue: config.scimBaseUrl },
      ],
      exports: [Directories, ADMIN_BATCHES],
    };
  }
}

/** The admin API on a port of its own. */
export const adminFace = (config: Config, module: DynamicModule, logger: Logger): Face => ({
  module,
  port: config.ADMIN_PORT,
  host: config.ADMIN_HOST,
  prepare: (app) => {
    app.useGlobalFilters(new RejectedFilter(logger));
    requireApiKeyFirst(app);
  },
});
