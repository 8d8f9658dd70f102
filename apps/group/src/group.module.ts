import { Module, type DynamicModule } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { commandsOf, IDENTITY_EVENTS_VIEW } from '#contracts';
import { BatchHandler, causedId, EventConsumer, OutcomeRetention, poolOf, type LaneWatch } from '#event-store';
import type { Log } from '#log';
import type { Config, Logger } from '#runtime';
import { FoldGroupNames } from './fold-group-names.job.js';
import { GROUP_BATCHES, GROUP_LOG, GroupHandler, IDENTITY_EVENTS } from './group.handler.js';
import { groupBehaviour } from './group.projection.js';
import { toLeaveGroups } from './leave-groups.js';
import { Leftovers } from './leftovers.job.js';

const OUTCOME_RETENTION = Symbol('OutcomeRetention of group');

export interface GroupOptions {
  readonly config: Config;
  readonly database: DataSource;
  readonly log: Log;
  readonly lanes: LaneWatch;
  readonly logger: Logger;
}

/** Owns groups: who is a member of what, their events, their projection. */
@Module({})
export class GroupModule {
  static register({ config, database, log, lanes, logger }: GroupOptions): DynamicModule {
    const pool = poolOf(database);
    const batches = new BatchHandler(
      pool,
      groupBehaviour(config.MAX_RESOURCE_BYTES),
      () => new Date(),
      (error, message) =>
        logger.error(
          { error: String(error), commandId: message?.id, type: message?.type },
          'command set aside as dead letter',
        ),
      { maxBytes: config.MAX_BATCH_BYTES, watch: lanes },
    );
    const users = new EventConsumer(pool, {
      owner: 'group',
      source: 'identity',
      view: IDENTITY_EVENTS_VIEW,
      watch: lanes,
      react: (events) => events.flatMap((event) => toLeaveGroups(event, causedId(event, 'identity')) ?? []),
      publish: (messages) => log.publish(commandsOf('group'), messages),
      onUnreadable: (message) =>
        logger.error({ id: message?.id }, 'a message in identity.events is no event; it is skipped'),
    });
    return {
      module: GroupModule,
      controllers: [GroupHandler],
      providers: [
        { provide: GROUP_BATCHES, useValue: batches },
        { provide: GROUP_LOG, useValue: log },
        { provide: IDENTITY_EVENTS, useValue: users },
        { provide: FoldGroupNames, useValue: new FoldGroupNames(pool) },
        {
          provide: Leftovers,
          useValue: new Leftovers(pool, {
            publish: (messages) => log.publish(commandsOf('group'), messages),
            logger,
            watch: lanes,
          }),
        },
        {
          provide: OUTCOME_RETENTION,
          useValue: new OutcomeRetention(pool, 'group', { keepDays: config.OUTCOME_KEEP_DAYS, logger }),
        },
      ],
      exports: [GROUP_BATCHES, IDENTITY_EVENTS],
    };
  }
}
