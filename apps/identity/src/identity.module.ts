import { Module, type DynamicModule } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { BatchHandler, OutcomeRetention, poolOf, type LaneWatch } from '#event-store';
import type { Log } from '#log';
import type { Config, Logger } from '#runtime';
import { FoldUsers } from './fold-users.job.js';
import { IDENTITY_LOG, USER_BATCHES, UserHandler } from './user.handler.js';
import { userBehaviour } from './user.projection.js';

const OUTCOME_RETENTION = Symbol('OutcomeRetention of identity');

export interface IdentityOptions {
  readonly config: Config;
  readonly database: DataSource;
  readonly log: Log;
  readonly lanes: LaneWatch;
  readonly masterKey: Buffer;
  readonly logger: Logger;
}

/** Owns users: who is who, their events, their projection. */
@Module({})
export class IdentityModule {
  static register({ config, database, log, lanes, masterKey, logger }: IdentityOptions): DynamicModule {
    const batches = new BatchHandler(
      poolOf(database),
      userBehaviour(masterKey, config.MAX_RESOURCE_BYTES),
      () => new Date(),
      (error, message) =>
        logger.error(
          { error: String(error), commandId: message?.id, type: message?.type },
          'command set aside as dead letter',
        ),
      { maxBytes: config.MAX_BATCH_BYTES, watch: lanes },
    );
    const outcomes = new OutcomeRetention(poolOf(database), 'identity', { keepDays: config.OUTCOME_KEEP_DAYS, logger });
    return {
      module: IdentityModule,
      controllers: [UserHandler],
      providers: [
        { provide: USER_BATCHES, useValue: batches },
        { provide: IDENTITY_LOG, useValue: log },
        { provide: OUTCOME_RETENTION, useValue: outcomes },
        { provide: FoldUsers, useValue: new FoldUsers(poolOf(database)) },
      ],
      exports: [USER_BATCHES],
    };
  }
}
