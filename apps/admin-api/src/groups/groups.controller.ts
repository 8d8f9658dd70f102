import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { MAX_MEMBERS_PER_REQUEST } from '#scim';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { checked, isGiven } from '../http/body.guard.js';
import { Groups, type GroupView, type MemberView } from './groups.queries.js';
import { LocalGroups } from './groups.sender.js';
import { RejectedFilter } from '../http/rejected.filter.js';

const MAX_PAGE_ROWS = 1_000;
const MAX_NAME_CHARACTERS = 400;
/** A name that consists of spaces is refused, as it is for a group of an identity provider. */
const NOT_BLANK = { message: '$property must not be blank' };
const LEAST_ID = '00000000-0000-0000-0000-000000000000';
/** Any UUID is taken: the least one, with which a page may begin, has no version. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const lower = ({ value }: { value: unknown }): unknown =>
  Array.isArray(value) ? value.map((id: unknown) => (typeof id === 'string' ? id.toLowerCase() : id)) : value;

class PageOfRows {
  /** The id after which the page begins. */
  @Matches(UUID) after = LEAST_ID;
  /** More than the most is the most. */
  @Type(() => Number) @IsInt() @Min(1) limit = 100;
}

class GroupsPage extends PageOfRows {
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
}

class MembersPage extends PageOfRows {
  /** Only users who may act, also those who are members through other groups. */
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value)) @IsBoolean() effective =
    false;
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

/** A page and where the next one begins; null on the last one. */
interface Paged<Row> {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

const paged = async <Row extends { readonly id: string }>(
  { after, limit }: PageOfRows,
  read: (after: string, limit: number) => Promise<Row[]>,
): Promise<Paged<Row>> => {
  const most = Math.min(limit, MAX_PAGE_ROWS);
  // One more than the page holds says whether there is another.
  const found = await read(after.toLowerCase(), most + 1);
  const rows = found.slice(0, most);
  return { rows, next: found.length > most ? rows[rows.length - 1]!.id : null };
};

/** Groups of every owner; local ones can be made and changed, with any users of the tenant. */
@Controller('api/admin/groups')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class GroupsAdminController {
  constructor(
    private readonly groups: Groups,
    private readonly local: LocalGroups,
  ) {}

  @Get()
  async list(@Query() query: unknown): Promise<{ groups: readonly GroupView[]; next: string | null }> {
    const page = checked(GroupsPage, query);
    const { rows, next } = await paged(page, (after, limit) => this.groups.page(page.tenant, after, limit));
    return { groups: rows, next };
  }

  @Get(':id')
  show(@Param('id') id: string): Promise<GroupView> {
    return this.groups.show(id);
  }

  @Get(':id/members')
  async members(
    @Param('id') id: string,
    @Query() query: unknown,
  ): Promise<{ members: readonly MemberView[]; next: string | null }> {
    const page = checked(MembersPage, query);
    const { rows, next } = await paged(page, (after, limit) => this.groups.members(id, page.effective, after, limit));
    return { members: rows, next };
  }

  @Post()
  create(@Body() body: unknown): Promise<GroupView> {
    const { displayName, members, tenant } = checked(NewGroup, body);
    return this.local.create(displayName, members, tenant);
  }

  /** Members that are removed go first. */
  @Patch(':id')
  change(@Param('id') id: string, @Body() body: unknown): Promise<GroupView> {
    const { displayName, add, remove } = checked(ChangedGroup, body);
    return this.local.change(id, {
      ...(displayName === undefined ? {} : { displayName }),
      ...(add ? { add } : {}),
      ...(remove ? { remove } : {}),
    });
  }

  @Delete(':id')
  @HttpCode(204)
  delete(@Param('id') id: string): Promise<void> {
    return this.local.delete(id);
  }
}
