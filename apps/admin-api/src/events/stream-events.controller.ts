import { Get, Param, Query } from '@nestjs/common';
import type { EventRow } from '#contracts';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, type Listed } from '../http/pages.queries.js';
import { ID, MOMENT, nullable, NUMBER, OBJECT, objectOf, pageOf, TEXT } from '../http/shapes.js';
import { StreamEvents } from './stream-events.queries.js';

const EVENT = objectOf<EventRow>(
  {
    tenant: ID,
    sequence: NUMBER,
    stream: ID,
    version: NUMBER,
    type: TEXT,
    recordedAt: MOMENT,
    commandId: ID,
    correlationId: TEXT,
    actor: TEXT,
    directory: nullable(ID),
    data: OBJECT,
  },
  'Event',
);

/** The events of one user or one group of any directory, even after it was deleted. */
@AdminController()
export class StreamEventsController {
  constructor(private readonly events: StreamEvents) {}

  @Get('users/:id/events')
  @Needs('read')
  @Documented({
    summary: 'List everything that happened to a user, the oldest first',
    description: 'Also of a user who was deleted. Personal data is not shown.',
    query: PageQuery,
    answer: pageOf(EVENT),
  })
  ofUser(@Param('id') id: string, @Query() query: unknown): Promise<Listed<EventRow>> {
    return this.events.list('user', id, checked(PageQuery, query));
  }

  @Get('groups/:id/events')
  @Needs('read')
  @Documented({
    summary: 'List everything that happened to a group, the oldest first',
    description: 'Also of a group that was deleted, and who came and went.',
    query: PageQuery,
    answer: pageOf(EVENT),
  })
  ofGroup(@Param('id') id: string, @Query() query: unknown): Promise<Listed<EventRow>> {
    return this.events.list('group', id, checked(PageQuery, query));
  }
}
