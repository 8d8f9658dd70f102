import { Body, HttpCode, Param, Post } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsIn, IsNotEmpty, IsObject, IsOptional, IsString, IsUUID, MaxLength, ValidateNested } from 'class-validator';
import { LOGIN_TYPES, type LoginType, type RecordedSignIn } from '#contracts';
import { MAX_KEY_CHARACTERS } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { ID, listOf, NUMBER, objectOf, TEXT } from '../http/shapes.js';
import { UserLinks } from './user-links.sender.js';

const MAX_NAME_CHARACTERS = 400;

class NewSignIn {
  /** The id of the directory through which somebody signed in; without it the first one. */
  @IsOptional() @IsUUID() directory?: string;
  @IsIn(LOGIN_TYPES) loginType!: LoginType;
  @IsString() @IsNotEmpty() @MaxLength(MAX_KEY_CHARACTERS) providerId!: string;
  /** The value of the claim that the setting upnClaim of the directory names: it is compared with userName. */
  @IsString() @IsNotEmpty() @MaxLength(MAX_KEY_CHARACTERS) upn!: string;
  @IsOptional() @IsString() @IsNotEmpty() @MaxLength(MAX_KEY_CHARACTERS) email?: string;
  @IsOptional() @IsString() @MaxLength(MAX_NAME_CHARACTERS) displayName?: string;
}

class KnownSignIn {
  @IsUUID() directory!: string;
  @IsIn(LOGIN_TYPES) loginType!: LoginType;
  @IsString() @IsNotEmpty() @MaxLength(MAX_KEY_CHARACTERS) providerId!: string;
}

class WhatToUnlink {
  /** Without it the user is taken from its directory. */
  @IsOptional() @IsObject() @ValidateNested() @Type(() => KnownSignIn) signIn?: KnownSignIn;
}

class Transfer {
  /** The id of the directory that is to manage the user. */
  @IsUUID() directory!: string;
}

const SIGN_IN = objectOf<RecordedSignIn>(
  { userId: ID, matching: objectOf<RecordedSignIn['matching']>({ rule: TEXT, candidates: listOf(ID), result: ID }) },
  'RecordedSignIn',
);
export const VERSION_OF_USER = objectOf<{ id: string; version: number }>({ id: ID, version: NUMBER }, 'VersionOfUser');

/** Links users to directories. `sign-ins` is for the program that has verified a sign-in. */
@AdminController()
export class UserLinksController {
  constructor(private readonly links: UserLinks) {}

  @Post('sign-ins')
  @Needs('manage')
  @Documented({ summary: 'Record a sign-in, and find or make its user', body: NewSignIn, answer: SIGN_IN })
  recordSignIn(@Body() body: unknown, @Asks() asked: Asked): Promise<RecordedSignIn> {
    const { directory, loginType, providerId, upn, email, displayName } = checked(NewSignIn, body);
    return this.links.recordSignIn(asked, directory, {
      loginType,
      providerId,
      upn,
      email: email ?? null,
      displayName: displayName ?? null,
    });
  }

  @Post('users/:id/unlink')
  @Needs('manage')
  @Documented({
    summary: 'Take a user from its directory, or a sign-in from a user',
    body: WhatToUnlink,
    answer: VERSION_OF_USER,
  })
  @HttpCode(200)
  async unlink(
    @Param('id') id: string,
    @Body() body: unknown,
    @Asks() asked: Asked,
  ): Promise<{ id: string; version: number }> {
    const { signIn } = checked(WhatToUnlink, body);
    return { id, version: await this.links.unlink(asked, id.toLowerCase(), signIn ?? null) };
  }

  @Post('users/:id/transfer')
  @Needs('manage')
  @Documented({ summary: 'Let another directory manage a user', body: Transfer, answer: VERSION_OF_USER })
  @HttpCode(200)
  async transfer(
    @Param('id') id: string,
    @Body() body: unknown,
    @Asks() asked: Asked,
  ): Promise<{ id: string; version: number }> {
    return { id, version: await this.links.transfer(asked, id.toLowerCase(), checked(Transfer, body).directory) };
  }
}
