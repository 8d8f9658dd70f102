import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { IsIn, IsInt, IsOptional, IsString, IsUUID, MaxLength, Min, ValidateIf } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked, isGiven } from '../http/body.guard.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { Documented } from '../http/documented.js';
import { ID, LAST_USE, MOMENT, nullable, objectOf, oneOf, pageOf, TEXT } from '../http/shapes.js';
import { REVEALED } from '../directories/directory-shapes.controller.js';
import { expiryOf } from './expiry.js';
import { ListedTokens, type TokenView } from './tokens.queries.js';
import {
  Tokens,
  type MadeToken,
  type RevealedDirectory,
  type RevealedToken,
  type RotatedToken,
} from './tokens.sender.js';

/** An identity provider is given the new token by hand: a day is enough. */
const DEFAULT_OVERLAP_SECONDS = 86_400;

class NewToken {
  @IsString() @MaxLength(200) description = '';
  /** A moment; null or nothing = never. */
  @IsOptional() @IsString() expiresAt?: string;
}

class TokenChange {
  @ValidateIf(isGiven) @IsString() @MaxLength(200) description?: string;
  /** An inactive token opens nothing until it is active again. */
  @ValidateIf(isGiven) @IsIn(['active', 'inactive']) status?: 'active' | 'inactive';
}

class Rotation {
  /** For so long the old token lives on, but never longer than it would have; 0 = it ends at once. */
  @IsInt() @Min(0) overlapSeconds = DEFAULT_OVERLAP_SECONDS;
  /** A moment; null = never; nothing = the new token lives as long as the old one was to live. */
  @IsOptional() @IsString() expiresAt?: string | null;
}

class TokensQuery extends PageQuery {
  /** The id of a directory; without it tokens of all. */
  @IsOptional() @IsUUID() directory?: string;
  /** The id of a tenant; without it tokens of all. */
  @IsOptional() @IsUUID() tenant?: string;
}

const momentOf = (expiresAt: string | null | undefined): string | null =>
  expiresAt === undefined || expiresAt === null ? null : expiryOf(expiresAt, Date.now());

const token = {
  id: ID,
  tenant: ID,
  directory: ID,
  description: TEXT,
  status: oneOf(['active', 'inactive', 'revoked', 'expired']),
  created: MOMENT,
  expiresAt: nullable(MOMENT),
  replacedBy: nullable(ID),
  lastUsedAt: LAST_USE,
};
const TOKEN = objectOf<TokenView>(token, 'Token');
const MADE_TOKEN = objectOf<MadeToken>({ id: ID, token: TEXT }, 'MadeToken');
const REVEALED_TOKEN = objectOf<RevealedToken>({ ...token, token: nullable(TEXT) }, 'RevealedToken');
const ROTATED_TOKEN = objectOf<RotatedToken>({ ...token, token: TEXT, old: TOKEN }, 'RotatedToken');

@AdminController()
export class TokensController {
  constructor(
    private readonly tokens: Tokens,
    private readonly listed: ListedTokens,
    private readonly pages: Pages,
  ) {}

  @Get('tokens')
  @Needs('read')
  @Documented({ summary: 'List tokens, without the tokens themselves', query: TokensQuery, answer: pageOf(TOKEN) })
  list(@Query() query: unknown): Promise<Listed<TokenView>> {
    const asked = checked(TokensQuery, query);
    const [directory, tenant] = [asked.directory ?? null, asked.tenant ?? null];
    const read = (after: string | null, limit: number): Promise<TokenView[]> =>
      this.listed.page(directory, tenant, after ?? LEAST_ID, limit);
    return this.pages.list(['tokens', directory, tenant], asked, read, byId);
  }

  @Get('tokens/:id')
  @Needs('read')
  @Documented({ summary: 'Show what is known of a token, but not the token itself', answer: TOKEN })
  show(@Param('id') id: string): Promise<TokenView> {
    return this.listed.show(id);
  }

  @Post('directories/:id/tokens')
  @Needs('manage')
  @Documented({ summary: 'Make a token of a directory', body: NewToken, answer: MADE_TOKEN })
  create(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<MadeToken> {
    const { description, expiresAt } = checked(NewToken, body);
    return this.tokens.create(asked, id, description, momentOf(expiresAt));
  }

  /** The directory with a token to be seen. It is recorded who saw it, so it is no GET (RFC 9110 §9.2.1). */
  @Post('directories/:id/reveal-token')
  @Needs('reveal')
  @HttpCode(200)
  @Documented({
    summary: 'Show the token of a directory that works longest',
    description: 'It is recorded who saw it, so it is no GET. `id` may be `first`.',
    answer: REVEALED,
  })
  revealOf(@Param('id') id: string, @Asks() asked: Asked): Promise<RevealedDirectory> {
    return this.tokens.revealOf(asked, id === 'first' ? undefined : id);
  }

  /** One token, to be seen. */
  @Post('tokens/:id/reveal')
  @HttpCode(200)
  @Needs('reveal')
  @Documented({
    summary: 'Show a token again',
    description:
      'It is recorded who saw it, so it is no GET. `token` is null where it was sealed with another master key.',
    answer: REVEALED_TOKEN,
  })
  reveal(@Param('id') id: string, @Asks() asked: Asked): Promise<RevealedToken> {
    return this.tokens.reveal(asked, id);
  }

  @Post('tokens/:id/rotate')
  @Needs('manage')
  @Documented({
    summary: 'Make a token in the place of another, which lives on for a while',
    body: Rotation,
    answer: ROTATED_TOKEN,
  })
  rotate(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<RotatedToken> {
    const { overlapSeconds, expiresAt } = checked(Rotation, body);
    return this.tokens.rotate(asked, id, overlapSeconds, expiresAt === undefined ? undefined : momentOf(expiresAt));
  }

  @Patch('tokens/:id')
  @Needs('manage')
  @Documented({ summary: 'Describe a token, or make it active or inactive', body: TokenChange, answer: TOKEN })
  change(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<TokenView> {
    const { description, status } = checked(TokenChange, body);
    return this.tokens.change(asked, id, {
      ...(description === undefined ? {} : { description }),
      ...(status === undefined ? {} : { status }),
    });
  }

  @Delete('tokens/:id')
  @Needs('manage')
  @Documented({ summary: 'Make a token useless, for good', answer: null })
  @HttpCode(204)
  revoke(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.tokens.revoke(asked, id);
  }
}
