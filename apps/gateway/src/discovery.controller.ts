import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import type { Config } from '#runtime';
import { ScimTokenGuard } from './scim-token.guard.js';
import { CONFIG } from './users.controller.js';

/** RFC 7644 §4. Says truly what works. */
@Controller('api/scim/v2/ServiceProviderConfig')
@UseGuards(ScimTokenGuard)
export class DiscoveryController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get()
  serviceProviderConfig(): object {
    return {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
      patch: { supported: true },
      bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
      filter: { supported: true, maxResults: this.config.MAX_PAGE_RESOURCES },
      changePassword: { supported: false },
      sort: { supported: true },
      etag: { supported: true },
      authenticationSchemes: [
        {
          type: 'oauthbearertoken', name: 'Bearer token', primary: true,
          description: 'The token of a directory, sent as "Authorization: Bearer <token>" (RFC 6750)',
          specUri: 'https://www.rfc-editor.org/info/rfc6750',
        },
      ],
      meta: { resourceType: 'ServiceProviderConfig', location: `${this.config.scimBaseUrl}/ServiceProviderConfig` },
    };
  }
}
