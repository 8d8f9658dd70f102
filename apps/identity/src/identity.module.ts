import { Module, type DynamicModule } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { BatchHandler, poolOf } from '#event-store';
import type { Log } from '#log';
import type { Logger } from '#runtime';
import { IDENTITY_LOG, USER_BATCHES, UserHandler } from './user.handler.js';
import { userBehaviour } from './user.projection.js';

export interface IdentityOptions {
  readonly database: DataSource;
  readonly log: Log;
  readonly masterKey: Buffer;
  readonly logger: Logger;
}

/** Owns users: who is who, their events, their projection. */
@Module({})
export class IdentityModule {
  static register({ database, log, masterKey, logger }: IdentityOptions): DynamicModule {
    const batches = new BatchHandler(poolOf(database), userBehaviour(masterKey), () => new Date(), (error, message) =>
      logger.error({ error: String(error), commandId: message?.id, type: message?.type }, 'command set aside as dead letter'),
    );
    return {
      module: IdentityModule,
      controllers: [UserHandler],
      providers: [{ provide: USER_BATCHES, useValue: batches }, { provide: IDENTITY_LOG, useValue: log }],
      exports: [USER_BATCHES],
    };
  }
}
