import { Controller, Get, Param, Query, UseFilters, UseGuards } from '@nestjs/common';
import type { EventRow } from '#contracts';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { RejectedFilter } from '../http/rejected.filter.js';
import { EventsPage, StreamEvents } from './stream-events.queries.js';

/** The events of one user or one group of any directory, even after it was deleted. */
@Controller('api/admin')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class StreamEventsController {
  constructor(private readonly events: StreamEvents) {}

  @Get('users/:id/events')
  ofUser(@Param('id') id: string, @Query() query: unknown): Promise<{ events: EventRow[]; next: number | null }> {
    return this.events.list('user', id, checked(EventsPage, query));
  }

  @Get('groups/:id/events')
  ofGroup(@Param('id') id: string, @Query() query: unknown): Promise<{ events: EventRow[]; next: number | null }> {
    return this.events.list('group', id, checked(EventsPage, query));
  }
}
