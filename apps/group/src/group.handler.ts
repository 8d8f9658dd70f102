import { Controller, Inject, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { GROUP_COMMAND_TYPES, type GroupCommand } from '#contracts';
import type { BatchHandler, EventConsumer } from '#event-store';
import { HandlerFaultFilter, type Batch, type Log } from '#log';
import { Leftovers } from './leftovers.job.js';

export const GROUP_BATCHES = Symbol('BatchHandler<GroupCommand>');
export const GROUP_LOG = Symbol('Log of group');
export const IDENTITY_EVENTS = Symbol('EventConsumer of identity.events for group');
/** Commands that may leave something to be gone on with. */
const LEAVING: readonly string[] = [GROUP_COMMAND_TYPES.LeaveGroups, GROUP_COMMAND_TYPES.DeleteGroup];

/** Takes batches of group commands from the log and hands on what they became; and hears from identity who is gone. */
@Controller()
@UseFilters(HandlerFaultFilter)
export class GroupHandler {
  constructor(
    @Inject(GROUP_BATCHES) private readonly batches: BatchHandler<GroupCommand>,
    @Inject(GROUP_LOG) private readonly log: Log,
    @Inject(IDENTITY_EVENTS) private readonly users: EventConsumer,
    private readonly leftovers: Leftovers,
  ) {}

  @MessagePattern('group.commands')
  async handle(@Payload() batch: Batch): Promise<void> {
    await this.batches.handle(batch, (rows) => this.log.committed(rows));
    if (batch.received.some(({ message }) => message && LEAVING.includes(message.type))) this.leftovers.nudge();
  }

  @MessagePattern('identity.events')
  async hear(@Payload() batch: Batch): Promise<void> {
    await this.users.handle(batch);
  }
}
