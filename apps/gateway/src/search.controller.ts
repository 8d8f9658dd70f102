import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { Config } from '#runtime';
import { parseSearch, parseSearchRequest, USER, type PagingLimits, type Search } from '#scim';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';
import { toUserList } from './to-response.js';
import { UserQueries } from './user.queries.js';
import { CONFIG } from './users.controller.js';

/** RFC 7644 §3.4.2 and §3.4.3: lists of users. A POST keeps filters, which hold personal data, out of logs of URLs. */
@Controller('api/scim/v2')
@UseGuards(ScimTokenGuard)
export class SearchController {
  private readonly limits: PagingLimits;

  constructor(private readonly users: UserQueries, @Inject(CONFIG) private readonly config: Config) {
    this.limits = { defaultCount: config.DEFAULT_PAGE_RESOURCES, maxCount: config.MAX_PAGE_RESOURCES };
  }

  @Get('Users')
  list(@Req() request: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<object> {
    return this.search(request, parseSearch(USER, query, this.limits));
  }

  /** At the root all resource types are searched: users are all that there are. */
  @Post(['Users/.search', '.search'])
  @HttpCode(200)
  searchRequest(@Req() request: ScimRequest, @Body() body: unknown): Promise<object> {
    return this.search(request, parseSearchRequest(USER, body, this.limits));
  }

  private async search({ caller }: ScimRequest, search: Search): Promise<object> {
    return toUserList(await this.users.page(caller, search), search.startIndex, this.config.scimBaseUrl, search.selection);
  }
}
