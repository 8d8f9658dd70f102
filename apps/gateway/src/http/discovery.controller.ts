import { Controller, Get, Inject, Param, Query, Req, UseGuards } from '@nestjs/common';
import type { Config } from '#runtime';
import {
  listResponse,
  quote,
  refuseFilter,
  Rejected,
  renderResourceType,
  renderSchema,
  type ResourceDefinition,
  type Schema,
} from '#scim';
import type { Caller } from '../caller.js';
import { CONFIG } from '../injected.js';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';

const typesOf = ({ definitions: { user, group } }: Caller): readonly ResourceDefinition[] => [user, group];
const schemasOf = (caller: Caller): readonly Schema[] =>
  typesOf(caller).flatMap(({ schema, extensions }) => [schema, ...extensions]);

/**
 * RFC 7644 §4: what this service can do. The answers are made from the settings and definitions that the code itself
 * uses. Anybody may read how to authenticate (RFC 7643 §5); resource types and schemas need a token, because a tenant's
 * own attributes are among them.
 */
@Controller('api/scim/v2')
export class DiscoveryController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get('ServiceProviderConfig')
  serviceProviderConfig(@Query('filter') filter: string | undefined): object {
    refuseFilter(filter);
    return {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
      // For people. An installation has no pages of its own yet, so this leads to the protocol that it speaks.
      documentationUri: 'https://www.rfc-editor.org/info/rfc7644',
      patch: { supported: true },
      bulk: {
        supported: true,
        maxOperations: this.config.MAX_BULK_OPERATIONS,
        maxPayloadSize: this.config.MAX_BULK_BODY_BYTES,
      },
      filter: { supported: true, maxResults: this.config.MAX_PAGE_RESOURCES },
      changePassword: { supported: false },
      sort: { supported: true },
      // RFC 9865 §4. By §2.4 a client that names no method of paging goes on getting startIndex.
      pagination: {
        cursor: true,
        index: true,
        defaultPaginationMethod: 'index',
        defaultPageSize: Math.min(this.config.DEFAULT_PAGE_RESOURCES, this.config.MAX_PAGE_RESOURCES),
        maxPageSize: this.config.MAX_PAGE_RESOURCES,
        cursorTimeout: this.config.CURSOR_TIMEOUT_SECONDS,
      },
      etag: { supported: true },
      authenticationSchemes: [
        {
          type: 'oauthbearertoken',
          name: 'Bearer token',
          primary: true,
          description: 'The token of a directory, sent as "Authorization: Bearer <token>" (RFC 6750)',
          specUri: 'https://www.rfc-editor.org/info/rfc6750',
        },
        {
          type: 'httpbasic',
          name: 'HTTP Basic',
          description: 'The id of a directory as the user name, and its token as the password (RFC 7617)',
          specUri: 'https://www.rfc-editor.org/info/rfc7617',
        },
      ],
      meta: { resourceType: 'ServiceProviderConfig', location: this.location('ServiceProviderConfig') },
    };
  }

  @Get('ResourceTypes')
  @UseGuards(ScimTokenGuard)
  resourceTypes(@Req() { caller }: ScimRequest, @Query('filter') filter: string | undefined): object {
    refuseFilter(filter);
    return whole(typesOf(caller).map((type) => renderResourceType(type, this.location('ResourceTypes', type.name))));
  }

  @Get('ResourceTypes/:name')
  @UseGuards(ScimTokenGuard)
  resourceType(
    @Req() { caller }: ScimRequest,
    @Param('name') name: string,
    @Query('filter') filter: string | undefined,
  ): object {
    refuseFilter(filter);
    const types = typesOf(caller);
    const type = types.find((known) => known.name === name);
    if (!type)
      throw new Rejected(
        'notFound',
        `There is no resource type ${quote(name)}; there are: ${types.map((known) => known.name).join()}.`,
      );
    return renderResourceType(type, this.location('ResourceTypes', type.name));
  }

  @Get('Schemas')
  @UseGuards(ScimTokenGuard)
  schemas(@Req() { caller }: ScimRequest, @Query('filter') filter: string | undefined): object {
    refuseFilter(filter);
    return whole(schemasOf(caller).map((schema) => renderSchema(schema, this.location('Schemas', schema.id))));
  }

  @Get('Schemas/:urn')
  @UseGuards(ScimTokenGuard)
  schema(
    @Req() { caller }: ScimRequest,
    @Param('urn') urn: string,
    @Query('filter') filter: string | undefined,
  ): object {
    refuseFilter(filter);
    // A URN is compared without its case (RFC 8141 §3.1).
    const schema = schemasOf(caller).find(({ id }) => id.toLowerCase() === urn.toLowerCase());
    if (!schema)
      throw new Rejected('notFound', `There is no schema ${quote(urn)}; GET /Schemas lists those that there are.`);
    return renderSchema(schema, this.location('Schemas', schema.id));
  }

  private location(...path: readonly string[]): string {
    return [this.config.scimBaseUrl, ...path].join('/');
  }
}

/** RFC 7644 §4: paging is ignored here; there is one page. */
const whole = (resources: readonly object[]): object =>
  listResponse(resources, resources.length, { startIndex: 1 }, resources.length);
