import { Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { IsIn, IsOptional, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { HOLD_REASONS, WHEN_MAPPED, type Held } from '#contracts';
import { MAX_KEY_CHARACTERS, WEB_ROLES } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, Pages, rowsOf, type Listed } from '../http/pages.queries.js';
import {
  BOOLEAN,
  ID,
  listOf,
  MOMENT,
  nullable,
  NUMBER,
  OBJECT,
  objectOf,
  oneOf,
  optional,
  pageOf,
  TEXT,
} from '../http/shapes.js';
import { MATCHES, USER_STATES, type UserState, type UserView } from './found.js';
import type { ShownLine } from './mapped-by.js';
import { UserLinks } from './user-links.sender.js';
import { Users, type FoundUser, type Place, type ShownUser, type Visible } from './users.queries.js';

class UsersPage extends PageQuery {
  /** Left out = all users who are there, active and archived ones. */
  @IsOptional() @IsIn(USER_STATES) state?: UserState;
  /** The id of a tenant. */
  @IsOptional() @IsUUID() tenant?: string;
  /** The id of the directory that manages them. */
  @IsOptional() @IsUUID() directory?: string;
}

class Search extends PageQuery {
  /** An identifier that somebody has or had; one that ends in `*` stands for all that begin so. */
  @IsString() @Matches(/\S/, { message: '$property must not be blank' }) @MaxLength(MAX_KEY_CHARACTERS) text!: string;
  /** The id of a tenant; left out = in all. */
  @IsOptional() @IsUUID() tenant?: string;
}

const DIRECTORY = nullable(objectOf<NonNullable<UserView['directory']>>({ id: ID, name: nullable(TEXT) }));
const OF_LIST = {
  id: ID,
  tenant: ID,
  userName: TEXT,
  state: oneOf(USER_STATES),
  displayName: nullable(TEXT),
  email: nullable(TEXT),
  externalId: nullable(TEXT),
  directory: DIRECTORY,
  created: MOMENT,
  lastModified: MOMENT,
};
const USER = objectOf<UserView>(OF_LIST, 'User');
const FOUND = objectOf<FoundUser>({ ...OF_LIST, matchedBy: oneOf(MATCHES) }, 'FoundUser');
type Origin = NonNullable<ShownUser['origin']>;
const SHOWN = objectOf<ShownUser>(
  {
    ...OF_LIST,
    version: NUMBER,
    attributes: nullable(OBJECT),
    archivedBy: nullable(oneOf(['administrator', 'directory'])),
    webRole: nullable(oneOf(WEB_ROLES)),
    webRoleSources: listOf(
      objectOf<ShownUser['webRoleSources'][number]>({
        group: nullable(
          objectOf<NonNullable<ShownUser['webRoleSources'][number]['group']>>({ id: ID, displayName: TEXT }),
        ),
        role: oneOf(WEB_ROLES),
        gives: nullable(oneOf(WEB_ROLES)),
      }),
    ),
    origin: nullable(
      objectOf<Origin>({
        by: oneOf(['provisioning', 'sign-in']),
        at: MOMENT,
        directory: DIRECTORY,
        actor: TEXT,
        matching: nullable(OBJECT),
      }),
    ),
    withdrawnFrom: DIRECTORY,
    held: nullable(objectOf<Held>({ reasons: listOf(oneOf(HOLD_REASONS)), active: BOOLEAN, letIn: optional(BOOLEAN) })),
    localAttributes: listOf(TEXT),
    mappedBy: listOf(
      objectOf<ShownLine>(
        {
          target: TEXT,
          line: NUMBER,
          expression: nullable(TEXT),
          when: nullable(oneOf(WHEN_MAPPED)),
          directory: ID,
          directoryVersion: NUMBER,
        },
        'MappedBy',
      ),
    ),
    signIns: listOf(
      objectOf<ShownUser['signIns'][number]>({
        directory: ID,
        loginType: TEXT,
        providerId: TEXT,
        movedVersion: optional(NUMBER),
      }),
    ),
    groups: listOf(
      objectOf<ShownUser['groups'][number]>({ id: ID, directory: nullable(ID), display: TEXT, direct: BOOLEAN }),
    ),
    lastEvents: listOf(
      objectOf<ShownUser['lastEvents'][number]>({
        version: NUMBER,
        type: TEXT,
        recordedAt: MOMENT,
        actor: TEXT,
        data: OBJECT,
      }),
    ),
  },
  'ShownUser',
);

/** Users of every directory, and of none. */
@AdminController('users')
export class UsersController {
  constructor(
    private readonly users: Users,
    private readonly links: UserLinks,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List users, also archived or deleted ones', query: UsersPage, answer: pageOf(USER) })
  list(@Query() query: unknown): Promise<Listed<UserView>> {
    const page = checked(UsersPage, query);
    const { state, tenant, directory } = page;
    const listing = { state, directory, tenants: inTenant(tenant) };
    return this.pages.list<UserView, Place>(
      ['users', state ?? null, tenant ?? null, directory ?? null],
      page,
      (after, limit) => this.users.page(listing, after, limit),
      (user) => [user.tenant, user.id],
    );
  }

  /** Those who have the identifier come before those who had it. There is one page: more are not looked for. */
  @Get('find')
  @Needs('read')
  @Documented({
    summary: 'Find users by any identifier that they have or had',
    description:
      'User name, e-mail, UPN, externalId, provider id, name or id, whatever its case where case does not tell people apart. Archived and deleted users are found, too. A text that ends in `*` stands for all that begin with it. The first 100 are answered, those who have the identifier before those who had it.',
    query: Search,
    answer: pageOf(FOUND),
  })
  async find(@Query() query: unknown): Promise<Listed<FoundUser>> {
    const page = checked(Search, query);
    return { items: await this.users.find(inTenant(page.tenant), page.text, rowsOf(page)), next: null };
  }

  @Get(':id')
  @Needs('read')
  @Documented({
    summary: 'Show what is known of a user, also of a deleted one',
    description:
      '`withdrawnFrom` is the directory that has deleted a user who is kept as archived, `held` why one is archived although its identity provider wants otherwise, unless an administrator has let it in (`letIn`), `localAttributes` what administrators have set, and `mappedBy` which line of the attribute mapping wrote an attribute, as far as the last events tell: `directoryVersion` is the version of the directory whose settings had that line.',
    answer: SHOWN,
  })
  show(@Param('id') id: string): Promise<ShownUser> {
    return this.users.show(id);
  }

  /** The user may act no longer, whatever its directory sends, until an administrator restores it. */
  @Post(':id/archive')
  @Needs('manage')
  @Documented({
    summary: 'Archive a user',
    description: 'The user may act no longer, whatever its directory sends, until an administrator restores it.',
    answer: SHOWN,
  })
  @HttpCode(200)
  async archive(@Param('id') id: string, @Asks() asked: Asked): Promise<ShownUser> {
    await this.links.archive(asked, id.toLowerCase());
    return this.users.show(id);
  }

  @Post(':id/restore')
  @Needs('manage')
  @Documented({
    summary: 'Restore an archived user',
    description:
      'Of a user whom an administrator had archived, it gives back what the directory says of `active`; to any other archived user it gives access. A name that a soft deletion took is given back, and must be free.',
    answer: SHOWN,
  })
  @HttpCode(200)
  async restore(@Param('id') id: string, @Asks() asked: Asked): Promise<ShownUser> {
    await this.links.restore(asked, id.toLowerCase());
    return this.users.show(id);
  }
}

/** A key of one tenant asks for that one (OneTenant). */
const inTenant = (tenant: string | undefined): Visible => (tenant === undefined ? null : [tenant]);
