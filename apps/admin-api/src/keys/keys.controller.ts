import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  MaxLength,
} from 'class-validator';
import { KEY_SCOPES, type KeyScope } from '#contracts';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { ID, LAST_USE, listOf, MOMENT, nullable, objectOf, oneOf, pageOf, TEXT, type Shape } from '../http/shapes.js';
import { expiryOf } from '../tokens/expiry.js';
import { Keys, type KeyView } from './keys.queries.js';
import { ChangedKeys } from './keys.sender.js';

/** Neither blank nor with control characters, in the words of every reader of JSON Schema: few know \p{Cc}. */
const CONTROLS = String.raw`\u0000-\u001f\u007f-\u009f`;
const ONE_LINE = new RegExp(String.raw`^[^\S${CONTROLS}]*[^\s${CONTROLS}][^${CONTROLS}]*$`);

class NewApiKey {
  /** Of an administrator or a program, on one line. */
  @IsString()
  @Matches(ONE_LINE, { message: '$property must be one line, and not blank' })
  @MaxLength(200)
  name!: string;
  @IsArray() @ArrayNotEmpty() @ArrayUnique() @IsIn(KEY_SCOPES, { each: true }) scopes!: KeyScope[];
  /** The id of the tenant that it may see and change; null or nothing = the whole installation. */
  @IsOptional() @IsUUID() tenant?: string;
  /** A moment; null or nothing = never. */
  @IsOptional() @IsString() expiresAt?: string;
}

const KEY: { readonly [name in keyof KeyView]: Shape } = {
  id: ID,
  name: TEXT,
  scopes: listOf(oneOf(KEY_SCOPES)),
  tenant: nullable(ID),
  status: oneOf(['active', 'revoked', 'expired']),
  created: MOMENT,
  expiresAt: nullable(MOMENT),
  lastUsedAt: LAST_USE,
};
const SHOWN_KEY = objectOf<KeyView>(KEY, 'Key');
const MADE_KEY = objectOf<KeyView & { readonly key: string }>({ ...KEY, key: TEXT }, 'MadeKey');

/** Keys of the admin API: named administrators and programs. */
@AdminController('keys')
export class KeysController {
  constructor(
    private readonly keys: Keys,
    private readonly changed: ChangedKeys,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read', 'keys')
  @Documented({ summary: 'List the keys of the admin API', query: PageQuery, answer: pageOf(SHOWN_KEY) })
  list(@Query() query: unknown): Promise<Listed<KeyView>> {
    const read = (after: string | null, limit: number): Promise<KeyView[]> => this.keys.page(after ?? LEAST_ID, limit);
    return this.pages.list(['keys'], checked(PageQuery, query), read, byId);
  }

  @Get(':id')
  @Needs('read', 'keys')
  @Documented({ summary: 'Show a key, but not its text', answer: SHOWN_KEY })
  show(@Param('id') id: string): Promise<KeyView> {
    return this.keys.show(id);
  }

  /** The answer has the key itself, which nobody can be shown again. */
  @Post()
  @Needs('manage', 'keys')
  @Documented({
    summary: 'Make a key, which is shown this once',
    description:
      'Scopes: `read` sees, `manage` changes and makes tokens, `reveal` is shown a token again, `audit` reads the audit log. With a tenant it sees and changes that one alone. A key gives no scope that it does not have; the bootstrap key gives all.',
    body: NewApiKey,
    answer: MADE_KEY,
  })
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<KeyView & { readonly key: string }> {
    const { name, scopes, tenant, expiresAt } = checked(NewApiKey, body);
    return this.changed.create(asked, {
      name: name.trim(),
      scopes,
      tenant: tenant?.toLowerCase() ?? null,
      expiresAt: expiresAt === undefined || expiresAt === null ? null : expiryOf(expiresAt, Date.now()),
    });
  }

  @Delete(':id')
  @Needs('manage', 'keys')
  @Documented({ summary: 'Make a key useless, for good and within a second', answer: null })
  @HttpCode(204)
  revoke(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.changed.revoke(asked, id);
  }
}
