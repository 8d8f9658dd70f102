import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { MAX_MEMBERS_PER_REQUEST } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked, isGiven } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { asBoolean, NOT_BLANK } from '../http/query-values.js';
import { ID, nullable, NUMBER, objectOf, oneOf, pageOf, TEXT } from '../http/shapes.js';
import { Groups, type GroupView, type MemberView } from './groups.queries.js';
import { LocalGroups } from './groups.sender.js';

const MAX_NAME_CHARACTERS = 400;

const lower = ({ value }: { value: unknown }): unknown =>
  Array.isArray(value) ? value.map((id: unknown) => (typeof id === 'string' ? id.toLowerCase() : id)) : value;

class GroupsPage extends PageQuery {
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
}

class MembersPage extends PageQuery {
  /** Only users who may act, also those who are members through other groups. */
  @Transform(asBoolean) @IsBoolean() effective = false;
}

class NewGroup {
  @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_NAME_CHARACTERS) displayName!: string;
  @IsArray()
  @ArrayMaxSize(MAX_MEMBERS_PER_REQUEST)
  @IsUUID(undefined, { each: true })
  @Transform(lower)
  members: string[] = [];
  @IsOptional() @IsUUID() tenant?: string;
}

class ChangedGroup {
  @ValidateIf(isGiven) @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_NAME_CHARACTERS) displayName?: string;
  @ValidateIf(isGiven)
  @IsArray()
  @ArrayMaxSize(MAX_MEMBERS_PER_REQUEST)
  @IsUUID(undefined, { each: true })
  @Transform(lower)
  add?: string[];
  @ValidateIf(isGiven)
  @IsArray()
  @ArrayMaxSize(MAX_MEMBERS_PER_REQUEST)
  @IsUUID(undefined, { each: true })
  @Transform(lower)
  remove?: string[];
}

const GROUP = objectOf<GroupView>(
  {
    id: ID,
    tenant: ID,
    displayName: TEXT,
    directory: nullable(objectOf<NonNullable<GroupView['directory']>>({ id: ID, name: TEXT })),
    members: NUMBER,
    version: NUMBER,
  },
  'Group',
);
const MEMBER = objectOf<MemberView>({ id: ID, type: oneOf(['User', 'Group']) }, 'Member');

/** Groups of every owner; local ones can be made and changed, with any users of the tenant. */
@AdminController('groups')
export class GroupsAdminController {
  constructor(
    private readonly groups: Groups,
    private readonly local: LocalGroups,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List the groups of a tenant', query: GroupsPage, answer: pageOf(GROUP) })
  list(@Query() query: unknown): Promise<Listed<GroupView>> {
    const page = checked(GroupsPage, query);
    const read = (after: string | null, limit: number): Promise<GroupView[]> =>
      this.groups.page(page.tenant, after ?? LEAST_ID, limit);
    return this.pages.list(['groups', page.tenant ?? null], page, read, byId);
  }

  @Get(':id')
  @Needs('read')
  @Documented({ summary: 'Show a group', answer: GROUP })
  show(@Param('id') id: string): Promise<GroupView> {
    return this.groups.show(id);
  }

  @Get(':id/members')
  @Needs('read')
  @Documented({ summary: 'List the members of a group', query: MembersPage, answer: pageOf(MEMBER) })
  members(@Param('id') id: string, @Query() query: unknown): Promise<Listed<MemberView>> {
    const page = checked(MembersPage, query);
    const read = (after: string | null, limit: number): Promise<MemberView[]> =>
      this.groups.members(id, page.effective, after ?? LEAST_ID, limit);
    return this.pages.list(['members', id.toLowerCase(), page.effective], page, read, byId);
  }

  @Post()
  @Needs('manage')
  @Documented({ summary: 'Make a local group', body: NewGroup, answer: GROUP })
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<GroupView> {
    const { displayName, members, tenant } = checked(NewGroup, body);
    return this.local.create(asked, displayName, members, tenant);
  }

  /** Members that are removed go first. */
  @Patch(':id')
  @Needs('manage')
  @Documented({
    summary: 'Change a local group',
    description: 'Members that are removed go first.',
    body: ChangedGroup,
    answer: GROUP,
  })
  change(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<GroupView> {
    const { displayName, add, remove } = checked(ChangedGroup, body);
    return this.local.change(asked, id, {
      ...(displayName === undefined ? {} : { displayName }),
      ...(add ? { add } : {}),
      ...(remove ? { remove } : {}),
    });
  }

  @Delete(':id')
  @Needs('manage')
  @Documented({ summary: 'Delete a local group', answer: null })
  @HttpCode(204)
  delete(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.local.delete(asked, id);
  }
}
