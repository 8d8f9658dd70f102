import { Get, Param, Query } from '@nestjs/common';
import type { EventRow } from '#contracts';
import { AdminController } from '../http/admin.controller.js';
import { checked } from '../http/body.guard.js';
import { PageQuery, type Listed } from '../http/pages.queries.js';
import { StreamEvents } from './stream-events.queries.js';

/** The events of one user or one group of any directory, even after it was deleted. */
@AdminController()
export class StreamEventsController {
  constructor(private readonly events: StreamEvents) {}

  @Get('users/:id/events')
  ofUser(@Param('id') id: string, @Query() query: unknown): Promise<Listed<EventRow>> {
    return this.events.list('user', id, checked(PageQuery, query));
  }

  @Get('groups/:id/events')
  ofGroup(@Param('id') id: string, @Query() query: unknown): Promise<Listed<EventRow>> {
    return this.events.list('group', id, checked(PageQuery, query));
  }
}
