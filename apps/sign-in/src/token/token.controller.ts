import { Controller, Get, Header, Headers, HttpCode, Inject, Param, Post, Req, UseFilters } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { PROVIDER_ALGORITHMS } from '#auth';
import { ACCESS_TOKEN_TYPE as TYPE, issuerOf, SCIM_SCOPE, tokenEndpointOf, type DirectoryStatus } from '#contracts';
import { note } from '#owner';
import { Slots, uuidv7, type Config } from '#runtime';
import { OAuthErrors } from '../http/oauth-error.filter.js';
import { CONFIG } from '../injected.js';
import { OAuthError } from '../oauth-error.js';
import { ClientAuthentication } from './client-authentication.guard.js';
import { Clients } from './clients.queries.js';
import { SigningKeys } from './signing-keys.sender.js';
import { ACCESS_TOKEN_TYPE, CLIENT_CREDENTIALS, readTokenRequest, TOKEN_EXCHANGE } from './token-request.js';

/** The answer of the token endpoint (RFC 6749 §5.1). */
interface GrantedToken {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope: string;
  readonly issued_token_type?: string;
}

/** The metadata of the authorization server of a directory (RFC 8414 §2). */
interface Metadata {
  readonly issuer: string;
  readonly token_endpoint: string;
  readonly jwks_uri: string;
  readonly response_types_supported: readonly string[];
  readonly grant_types_supported: readonly string[];
  readonly scopes_supported: readonly string[];
  readonly token_endpoint_auth_methods_supported: readonly string[];
  readonly token_endpoint_auth_signing_alg_values_supported: readonly string[];
}

/** Gives access tokens to the clients of directories, and tells where and how (OAuth 2.0 client credentials). */
@Controller()
@UseFilters(OAuthErrors)
export class TokenController {
  /** Directories take turns: somebody who tries secrets of one of them holds up no other. */
  private readonly slots = new Slots({ maxRunning: 16, maxWaiting: 1_000, maxWaitingPerKey: 50, waitTimeoutMs: 5_000 });

  constructor(
    private readonly clients: Clients,
    private readonly authentication: ClientAuthentication,
    private readonly keys: SigningKeys,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Post('oauth/v1/:directory/token')
  @HttpCode(200)
  // RFC 6749 §5.1.
  @Header('cache-control', 'no-store')
  @Header('pragma', 'no-cache')
  token(
    @Param('directory') given: string,
    @Headers('authorization') authorization: string | undefined,
    @Req() request: FastifyRequest,
  ): Promise<GrantedToken> {
    const directory = given.toLowerCase();
    return this.slots.run(directory, () => this.grant(directory, authorization, request));
  }

  @Get('oauth/v1/:directory/jwks.json')
  @Header('cache-control', 'public, max-age=300')
  keysOf(): Promise<{ readonly keys: readonly object[] }> {
    return this.keys.published();
  }

  /** RFC 8414 §3.1 puts the well-known part before the path of the issuer; some clients append it (§5). */
  @Get([
    '.well-known/oauth-authorization-server/oauth/v1/:directory',
    'oauth/v1/:directory/.well-known/oauth-authorization-server',
  ])
  async metadata(@Req() request: FastifyRequest, @Param('directory') given: string): Promise<Metadata> {
    const directory = given.toLowerCase();
    await this.requireDirectory(directory, request);
    const base = this.config.signInUrl;
    const issuer = issuerOf(base, directory);
    return {
      issuer,
      token_endpoint: tokenEndpointOf(base, directory),
      jwks_uri: `${issuer}/jwks.json`,
      // There is no authorization endpoint, so there is nothing that it could respond.
      response_types_supported: [],
      grant_types_supported: [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
      scopes_supported: [SCIM_SCOPE],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: PROVIDER_ALGORITHMS,
    };
  }

  private async grant(
    directory: string,
    authorization: string | undefined,
    request: FastifyRequest,
  ): Promise<GrantedToken> {
    const status = await this.requireDirectory(directory, request);
    if (status !== 'active')
      throw new OAuthError(
        'unauthorized_client',
        `The directory is ${status}, and takes no requests until an administrator of Muster changes that.`,
      );
    const proof = readTokenRequest(String(request.body ?? ''), authorization);
    const { id } = await this.authentication.authenticate(directory, proof, request.ip);
    note(request, { actor: `client:${id}` });
    const { ACCESS_TOKEN_SECONDS: seconds, signInUrl, scimBaseUrl } = this.config;
    const now = Math.floor(Date.now() / 1_000);
    // RFC 9068 §2.2.
    const claims = {
      iss: issuerOf(signInUrl, directory),
      sub: id,
      client_id: id,
      aud: scimBaseUrl,
      iat: now,
      exp: now + seconds,
      jti: uuidv7(),
      scope: SCIM_SCOPE,
    };
    return {
      access_token: await this.keys.sign(claims, TYPE, request.id),
      token_type: 'Bearer',
      expires_in: seconds,
      scope: SCIM_SCOPE,
      ...(proof.method === 'token_exchange' ? { issued_token_type: ACCESS_TOKEN_TYPE } : {}),
    };
  }

  private async requireDirectory(directory: string, request: FastifyRequest): Promise<DirectoryStatus> {
    const known = await this.clients.directory(directory);
    if (known) {
      note(request, { directory, tenant: known.tenant });
      return known.status;
    }
    throw new OAuthError('invalid_request', 'There is no directory of this id: copy the address anew.', 404);
  }
}
