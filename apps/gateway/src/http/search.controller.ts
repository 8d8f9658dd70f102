import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { GroupRow, UserRow } from '#contracts';
import { Pace, type Config } from '#runtime';
import {
  GROUP,
  parseSearch,
  parseSearchRequest,
  Rejected,
  USER,
  type PagingLimits,
  type ResourceDefinition,
  type Search,
} from '#scim';
import type { Caller } from '../caller.js';
import { CONFIG, GROUP_QUERIES, USER_QUERIES } from '../injected.js';
import { Cursors, type Begin } from '../read/cursors.js';
import { MemberQueries, type Head, type ListAnswer } from '../read/members.queries.js';
import type { Page, ResourceQueries } from '../read/resource.queries.js';
import { ofGroupRow, toUserText } from '../read/to-response.js';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';

/**
 * RFC 7644 §3.4.2 and §3.4.3: lists of resources. A POST keeps filters, which hold personal data, out of logs of URLs.
 */
@Controller('api/scim/v2')
@UseGuards(ScimTokenGuard)
export class SearchController {
  private readonly limits: PagingLimits;

  constructor(
    @Inject(USER_QUERIES) private readonly users: ResourceQueries<UserRow>,
    @Inject(GROUP_QUERIES) private readonly groups: ResourceQueries<GroupRow>,
    private readonly members: MemberQueries,
    private readonly cursors: Cursors,
    private readonly pace: Pace,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.limits = { defaultCount: config.DEFAULT_PAGE_RESOURCES, maxCount: config.MAX_PAGE_RESOURCES };
  }

  @Get('Users')
  listUsers(@Req() { caller }: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<ListAnswer> {
    return this.searchUsers(caller, (definition) => parseSearch(definition, query, this.limits));
  }

  @Post('Users/.search')
  @HttpCode(200)
  findUsers(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<ListAnswer> {
    return this.searchUsers(caller, (definition) => parseSearchRequest(definition, body, this.limits));
  }

  @Get('Groups')
  listGroups(@Req() { caller }: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<ListAnswer> {
    return this.searchGroups(caller, (definition) => parseSearch(definition, query, this.limits));
  }

  @Post('Groups/.search')
  @HttpCode(200)
  findGroups(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<ListAnswer> {
    return this.searchGroups(caller, (definition) => parseSearchRequest(definition, body, this.limits));
  }

  /** RFC 7644 §3.4.2.1. */
  @Get()
  listAll(@Req() { caller }: ScimRequest, @Query() query: Readonly<Record<string, unknown>>): Promise<ListAnswer> {
    return this.searchAll(caller, (definition) => parseSearch(definition, query, this.limits));
  }

  @Post('.search')
  @HttpCode(200)
  findAll(@Req() { caller }: ScimRequest, @Body() body: unknown): Promise<ListAnswer> {
    return this.searchAll(caller, (definition) => parseSearchRequest(definition, body, this.limits));
  }

  /**
   * At the root all resource types are searched: first the users, then the groups. A type that does not have the
   * attribute has no hit.
   */
  private async searchAll(caller: Caller, parse: (definition: ResourceDefinition) => Search): Promise<ListAnswer> {
    const { user, group } = caller.definitions;
    const [ofUsers, ofGroups] = this.pace.during(
      caller.tenant,
      () => [attempt(() => parse(user)), attempt(() => parse(group))] as const,
    );
    if (ofUsers instanceof Rejected && ofGroups instanceof Rejected) throw ofUsers;
    const { search, begin } = this.cursors.resume(
      caller,
      '/',
      USER.name,
      ofUsers instanceof Rejected ? (ofGroups as Search) : ofUsers,
    );
    const { count } = search;
    const users =
      ofUsers instanceof Rejected || begin?.type === GROUP.name
        ? null
        : await this.usersOf(caller, { ...ofUsers, count }, begin);
    // In a walk the groups wait for the last user, but are counted at once.
    const groups =
      ofGroups instanceof Rejected || (users?.hasMore && begin!.totalResults !== null)
        ? null
        : await this.groupsAfter(caller, { ...ofGroups, count }, users, begin);
    const totalResults = begin?.totalResults ?? (users?.totalResults ?? 0) + (groups?.totalResults ?? 0);
    const next = users?.hasMore
      ? { type: USER.name, position: users.end }
      : groups?.hasMore
        ? { type: GROUP.name, position: groups.end }
        : null;
    return this.members.showPage(caller, {
      users: users?.shown ?? [],
      groups: groups?.shown ?? [],
      totalResults,
      place: this.cursors.place(search, totalResults, next),
      selection: ofGroups instanceof Rejected ? undefined : ofGroups.selection,
    });
  }

  private groupsAfter(
    caller: Caller,
    search: Search,
    users: Page<string> | null,
    begin: Begin | undefined,
  ): Promise<Page<Head>> {
    const [before, taken] = [users?.totalResults ?? 0, users?.shown.length ?? 0];
    const after = begin && users ? { ...begin, position: null } : begin;
    return this.groupsOf(
      caller,
      { ...search, startIndex: Math.max(1, search.startIndex - before), count: search.count - taken },
      after,
    );
  }

  private async searchUsers(caller: Caller, parse: (definition: ResourceDefinition) => Search): Promise<ListAnswer> {
    const asked = this.pace.during(caller.tenant, () => parse(caller.definitions.user));
    const { search, begin } = this.cursors.resume(caller, USER.endpoint, USER.name, asked);
    const { shown, totalResults, hasMore, end } = await this.usersOf(caller, search, begin);
    const place = this.cursors.place(search, totalResults, hasMore ? { type: USER.name, position: end } : null);
    return this.members.showPage(caller, { users: shown, groups: [], totalResults, place, selection: undefined });
  }

  private async searchGroups(caller: Caller, parse: (definition: ResourceDefinition) => Search): Promise<ListAnswer> {
    const asked = this.pace.during(caller.tenant, () => parse(caller.definitions.group));
    const { search, begin } = this.cursors.resume(caller, GROUP.endpoint, GROUP.name, asked);
    const { shown, totalResults, hasMore, end } = await this.groupsOf(caller, search, begin);
    const place = this.cursors.place(search, totalResults, hasMore ? { type: GROUP.name, position: end } : null);
    return this.members.showPage(caller, {
      users: [],
      groups: shown,
      totalResults,
      place,
      selection: search.selection,
    });
  }

  private usersOf(caller: Caller, search: Search, begin: Begin | undefined): Promise<Page<string>> {
    return this.users.page(
      caller,
      search,
      (row) => toUserText(row, caller, this.config.scimBaseUrl, search.selection),
      begin,
    );
  }

  private groupsOf(caller: Caller, search: Search, begin: Begin | undefined): Promise<Page<Head>> {
    return this.groups.page(
      caller,
      search,
      (row) => this.members.headOf(caller, ofGroupRow(row), search.selection),
      begin,
    );
  }
}

const attempt = (parse: () => Search): Search | Rejected => {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
};
