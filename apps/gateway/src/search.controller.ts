import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { GroupRow, UserRow } from '#contracts';
import type { Config } from '#runtime';
import { GROUP, parseSearch, parseSearchRequest, Rejected, USER, type PagingLimits, type ResourceDefinition, type Search } from '#scim';
import { CONFIG } from './commands.sender.js';
import { GROUP_QUERIES } from './groups.controller.js';
import { MemberQueries } from './members.queries.js';
import type { ResourceQueries } from './resource.queries.js';
import { ScimTokenGuard, type Caller, type ScimRequest } from './scim-token.guard.js';
import { toUserList } from './to-response.js';
import { USER_QUERIES } from './users.controller.js';

/** RFC 7644 §3.4.2 and §3.4.3: lists of resources. A POST keeps filters, which hold personal data, out of logs of URLs. */
@Controller('api/scim/v2')
@UseGuards(ScimTokenGuard)
export class SearchController {
  private readonly limits: PagingLimits;

  constructor(
    @Inject(USER_QUERIES) private readonly users: ResourceQueries<UserRow>,
    @Inject(GROUP_QUERIES) private readonly groups: ResourceQueries<GroupRow>,
    private readonly members: MemberQueries,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.limits = { defaultCount: config.DEFAULT_PAGE_RESOURCES, maxCount: config.MAX_PAGE_RESOURCES };
  }

  @Get('Users')
  listUsers(@Req() { caller }: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<object> {
    return this.searchUsers(caller, parseSearch(USER, query, this.limits));
  }

  @Post('Users/.search')
  @HttpCode(200)
  findUsers(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<object> {
    return this.searchUsers(caller, parseSearchRequest(USER, body, this.limits));
  }

  @Get('Groups')
  listGroups(@Req() { caller }: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<object> {
    return this.searchGroups(caller, parseSearch(GROUP, query, this.limits));
  }

  @Post('Groups/.search')
  @HttpCode(200)
  findGroups(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<object> {
    return this.searchGroups(caller, parseSearchRequest(GROUP, body, this.limits));
  }

  /** At the root all resource types are searched: first the users, then the groups. A type that has not the attribute has no hit. */
  @Post('.search')
  @HttpCode(200)
  async findAll(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<object> {
    const [ofUsers, ofGroups] = [attempt(USER, body, this.limits), attempt(GROUP, body, this.limits)];
    if (ofUsers instanceof Rejected && ofGroups instanceof Rejected) throw ofUsers;
    const users = ofUsers instanceof Rejected ? null : { search: ofUsers, ...(await this.users.page(caller, ofUsers)) };
    const before = users?.totalResults ?? 0;
    const groups = ofGroups instanceof Rejected ? null : await this.groupsAfter(caller, ofGroups, before, users?.rows.length ?? 0);
    const { startIndex } = ofUsers instanceof Rejected ? (ofGroups as Search) : ofUsers;
    return this.members.showPage(caller, {
      users: users?.rows ?? [], groups: groups?.rows ?? [], totalResults: before + (groups?.totalResults ?? 0), startIndex,
      selections: { users: users?.search.selection, groups: ofGroups instanceof Rejected ? undefined : ofGroups.selection },
    });
  }

  private groupsAfter(caller: Caller, search: Search, before: number, taken: number): Promise<{ rows: readonly GroupRow[]; totalResults: number }> {
    return this.groups.page(caller, { ...search, startIndex: Math.max(1, search.startIndex - before), count: search.count - taken });
  }

  private async searchUsers(caller: Caller, search: Search): Promise<object> {
    return toUserList(await this.users.page(caller, search), search.startIndex, caller, this.config.scimBaseUrl, search.selection);
  }

  private async searchGroups(caller: Caller, search: Search): Promise<object> {
    const { rows, totalResults } = await this.groups.page(caller, search);
    return this.members.showPage(caller, { users: [], groups: rows, totalResults, startIndex: search.startIndex, selections: { users: undefined, groups: search.selection } });
  }

}

const attempt = (definition: ResourceDefinition, body: unknown, limits: PagingLimits): Search | Rejected => {
  try {
    return parseSearchRequest(definition, body, limits);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
};
