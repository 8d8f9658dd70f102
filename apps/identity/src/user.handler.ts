import { Controller, Inject, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { UserCommand } from '#contracts';
import type { BatchHandler } from '#event-store';
import { HandlerFaultFilter, type Batch, type Log } from '#log';

export const USER_BATCHES = Symbol('BatchHandler<UserCommand>');
export const IDENTITY_LOG = Symbol('Log of identity');

/** Takes batches of user commands from the log, and hands on what they became. */
@Controller()
@UseFilters(HandlerFaultFilter)
export class UserHandler {
  constructor(
    @Inject(USER_BATCHES) private readonly batches: BatchHandler<UserCommand>,
    @Inject(IDENTITY_LOG) private readonly log: Log,
  ) {}

  @MessagePattern('identity.commands')
  async handle(@Payload() batch: Batch): Promise<void> {
    await this.batches.handle(batch, (rows) => this.log.committed(rows));
  }
}
