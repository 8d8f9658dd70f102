import { Body, Delete, HttpCode, Param, Post } from '@nestjs/common';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { ID, objectOf, TEXT } from '../http/shapes.js';
import { REVEALED } from '../directories/directory-shapes.controller.js';
import { expiryOf } from './expiry.js';
import { Tokens, type RevealedDirectory } from './tokens.sender.js';

class NewToken {
  @IsString() @MaxLength(200) description = '';
  /** A moment; null or nothing = never. */
  @IsOptional() @IsString() expiresAt?: string;
}

const MADE_TOKEN = objectOf<{ id: string; token: string }>({ id: ID, token: TEXT }, 'MadeToken');

@AdminController()
export class TokensController {
  constructor(private readonly tokens: Tokens) {}

  @Post('directories/:id/tokens')
  @Needs('manage')
  @Documented({ summary: 'Make a token of a directory', body: NewToken, answer: MADE_TOKEN })
  create(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<{ id: string; token: string }> {
    const { description, expiresAt } = checked(NewToken, body);
    return this.tokens.create(
      asked,
      id,
      description,
      expiresAt === undefined || expiresAt === null ? null : expiryOf(expiresAt, Date.now()),
    );
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
  reveal(@Param('id') id: string, @Asks() asked: Asked): Promise<RevealedDirectory> {
    return this.tokens.reveal(asked, id === 'first' ? undefined : id);
  }

  @Delete('tokens/:id')
  @Needs('manage')
  @Documented({ summary: 'Make a token useless, for good', answer: null })
  @HttpCode(204)
  revoke(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.tokens.revoke(asked, id);
  }
}
