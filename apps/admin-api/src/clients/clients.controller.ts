import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  IsUrl,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import type { Federation } from '#contracts';
import { Directories } from '../directories/directories.queries.js';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { BOOLEAN, ID, LAST_USE, listOf, MOMENT, nullable, objectOf, oneOf, pageOf, TEXT } from '../http/shapes.js';
import { expiryOf } from '../tokens/expiry.js';
import { Clients, type AuthenticationView, type ClientView } from './clients.queries.js';
import { ChangedClients, type NewClientView, type NewSecret } from './clients.sender.js';

/** http is for an issuer on this machine alone, which OUTBOUND_NETWORKS has to allow. */
const ISSUER = { protocols: ['http', 'https'], require_protocol: true, require_tld: false };
const MAX_VALUE_CHARACTERS = 500;
const MAX_AUDIENCES = 10;

class NewFederation {
  @IsUrl(ISSUER) @MaxLength(MAX_VALUE_CHARACTERS) issuer!: string;
  @IsString() @IsNotEmpty() @MaxLength(MAX_VALUE_CHARACTERS) subject!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_AUDIENCES)
  @IsString({ each: true })
  @IsNotEmpty({ each: true })
  @MaxLength(MAX_VALUE_CHARACTERS, { each: true })
  audiences!: string[];
  @IsOptional() @IsUrl(ISSUER) @MaxLength(MAX_VALUE_CHARACTERS) jwksUri?: string;
}

class NewClientSecret {
  @IsString() @MaxLength(200) description = '';
  /** A moment; null or nothing = never. */
  @IsOptional() @IsString() expiresAt?: string;
}

class NewClient extends NewClientSecret {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
  @IsOptional() @IsObject() @ValidateNested() @Type(() => NewFederation) federation?: NewFederation;
}

const FEDERATION = objectOf<Federation>(
  { issuer: TEXT, subject: TEXT, audiences: listOf(TEXT), jwksUri: nullable(TEXT) },
  'Federation',
);
const client = {
  id: ID,
  directory: ID,
  name: TEXT,
  status: oneOf(['active', 'revoked']),
  created: MOMENT,
  lastUsedAt: LAST_USE,
  federation: nullable(FEDERATION),
  secrets: listOf(
    objectOf<ClientView['secrets'][number]>(
      { id: ID, description: TEXT, status: oneOf(['active', 'expired']), expiresAt: nullable(MOMENT) },
      'ListedSecret',
    ),
  ),
};
const CLIENT = objectOf<ClientView>(client, 'Client');
const NEW_CLIENT = objectOf<NewClientView>({ ...client, secret: nullable(TEXT) }, 'MadeClient');
const MADE_SECRET = objectOf<{ id: string; secret: string }>({ id: ID, secret: TEXT }, 'MadeSecret');
const AUTHENTICATION = objectOf<AuthenticationView>(
  {
    accepted: BOOLEAN,
    at: MOMENT,
    method: TEXT,
    client: nullable(ID),
    checks: listOf(
      objectOf<AuthenticationView['checks'][number]>({ check: TEXT, expected: TEXT, received: TEXT, passed: BOOLEAN }),
    ),
  },
  'Authentication',
);

const secretOf = ({ description, expiresAt }: NewClientSecret): NewSecret => ({
  description,
  expiresAt: expiresAt === undefined || expiresAt === null ? null : expiryOf(expiresAt, Date.now()),
});
const federationOf = ({ federation }: NewClient): Federation | null => {
  if (!federation) return null;
  const { issuer, subject, audiences, jwksUri = null } = federation;
  return { issuer, subject, audiences, jwksUri };
};
const directoryOf = (id: string): string | undefined => (id === 'first' ? undefined : id);

@AdminController('directories')
export class ClientsController {
  constructor(
    private readonly directories: Directories,
    private readonly clients: Clients,
    private readonly changed: ChangedClients,
    private readonly pages: Pages,
  ) {}

  @Get(':id/clients')
  @Needs('read')
  @Documented({ summary: 'List the OAuth clients of a directory', query: PageQuery, answer: pageOf(CLIENT) })
  async list(@Param('id') id: string, @Query() query: unknown): Promise<Listed<ClientView>> {
    const directory = await this.directories.show(directoryOf(id));
    const read = (after: string | null, limit: number): Promise<ClientView[]> =>
      this.clients.page(directory.id, after ?? LEAST_ID, limit);
    return this.pages.list(['clients', directory.id], checked(PageQuery, query), read, byId);
  }

  /** The secret is shown here and nowhere else. */
  @Post(':id/clients')
  @Needs('manage')
  @Documented({
    summary: 'Make an OAuth client of a directory',
    description: 'It has a first secret, which is shown here and nowhere else, or tokens that another issuer signs.',
    body: NewClient,
    answer: NEW_CLIENT,
  })
  create(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<NewClientView> {
    const made = checked(NewClient, body);
    return this.changed.create(asked, directoryOf(id), made.name, federationOf(made), secretOf(made));
  }

  @Get(':id/clients/:client')
  @Needs('read')
  @Documented({ summary: 'Show an OAuth client, by its id or name', answer: CLIENT })
  async show(@Param('id') id: string, @Param('client') client: string): Promise<ClientView> {
    return this.clients.show((await this.directories.show(directoryOf(id))).id, client);
  }

  @Delete(':id/clients/:client')
  @Needs('manage')
  @Documented({ summary: 'Make a client and its access tokens useless, for good', answer: null })
  @HttpCode(204)
  revoke(@Param('id') id: string, @Param('client') client: string, @Asks() asked: Asked): Promise<void> {
    return this.changed.revoke(asked, directoryOf(id), client);
  }

  @Post(':id/clients/:client/secrets')
  @Needs('manage')
  @Documented({ summary: 'Make another secret of a client', body: NewClientSecret, answer: MADE_SECRET })
  addSecret(
    @Param('id') id: string,
    @Param('client') client: string,
    @Body() body: unknown,
    @Asks() asked: Asked,
  ): Promise<{ readonly id: string; readonly secret: string }> {
    return this.changed.addSecret(asked, directoryOf(id), client, secretOf(checked(NewClientSecret, body)));
  }

  @Delete(':id/clients/:client/secrets/:secret')
  @Needs('manage')
  @Documented({ summary: 'Make a secret of a client useless', answer: null })
  @HttpCode(204)
  removeSecret(
    @Param('id') id: string,
    @Param('client') client: string,
    @Param('secret') secret: string,
    @Asks() asked: Asked,
  ): Promise<void> {
    return this.changed.removeSecret(asked, directoryOf(id), client, secret);
  }

  /** The last accepted and the last refused authentication: what was expected, and what came. */
  @Get(':id/authentications')
  @Needs('read')
  @Documented({
    summary: 'Show the last authentications at a directory',
    description: 'The last that was accepted and the last that was refused: what each check expected, and what came.',
    answer: pageOf(AUTHENTICATION),
  })
  async authentications(@Param('id') id: string): Promise<Listed<AuthenticationView>> {
    const directory = await this.directories.show(directoryOf(id));
    return { items: await this.clients.authentications(directory.id), next: null };
  }
}
