import { Controller, Get, Param, Query, UseFilters, UseGuards } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import type { EventRow } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { ApiKeyGuard } from './api-key.guard.js';
import { checked } from './directories.controller.js';
import { RejectedFilter } from './rejected.filter.js';
import { UserEvents } from './user-events.queries.js';

const MAX_PAGE_EVENTS = 1_000;
/** What Postgres' int holds: versions are one. */
const MAX_VERSION = 2_147_483_647;

class EventsPage {
  /** The version after which the page begins. */
  @Type(() => Number) @IsInt() @Min(0) @Max(MAX_VERSION) after = 0;
  /** More than the most is the most. */
  @Type(() => Number) @IsInt() @Min(1) limit = 100;
}

/** What happened to one user, whichever directory manages it; also of a user that is deleted. */
@Controller('api/admin/users')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class UserEventsController {
  constructor(private readonly events: UserEvents) {}

  /** `next` is the `after` of the next page; null on the last one. */
  @Get(':id/events')
  async list(@Param('id') id: string, @Query() query: unknown): Promise<{ events: EventRow[]; next: number | null }> {
    const { after, limit: wanted } = checked(EventsPage, query);
    const limit = Math.min(wanted, MAX_PAGE_EVENTS);
    // One more than the page holds says whether there is another.
    const events = isUuid(id) ? await this.events.page(id, after, limit + 1) : [];
    // A page behind the last event is empty; a user without a first one never was.
    const exists = events.length > 0 || (after > 0 && isUuid(id) && (await this.events.page(id, 0, 1)).length > 0);
    if (!exists) throw new Rejected('notFound', `There never was a user with the id ${id}.`);
    const page = events.slice(0, limit);
    return { events: page, next: events.length > limit ? page[page.length - 1]!.version : null };
  }
}
