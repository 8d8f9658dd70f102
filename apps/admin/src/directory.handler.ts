import { Controller, Inject, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { outcomesOf, type AdminCommand } from '#contracts';
import type { BatchHandler } from '#event-store';
import { HandlerFaultFilter, type Batch, type Log } from '#log';

export const ADMIN_BATCHES = Symbol('BatchHandler<AdminCommand>');
export const ADMIN_LOG = Symbol('Log of admin');

/** Takes batches of commands about tenants, directories and tokens from the log. */
@Controller()
@UseFilters(HandlerFaultFilter)
export class DirectoryHandler {
  constructor(
    @Inject(ADMIN_BATCHES) private readonly batches: BatchHandler<AdminCommand>,
    @Inject(ADMIN_LOG) private readonly log: Log,
  ) {}

  @MessagePattern('admin.commands')
  async handle(@Payload() batch: Batch): Promise<void> {
    await this.batches.handle(batch, ({ rows, outcomes }) => {
      this.log.committed(rows);
      this.log.broadcast(outcomesOf('admin'), outcomes);
    });
  }
}
