import { Module, type DynamicModule } from '@nestjs/common';
import { IssuerKeys, Traces } from '#auth';
import type { FaceDefinition, FaceTools } from '#owner';
import { GuardedRequests, WrongCredentials } from '#runtime';
import { takeForms } from './http/form-body.guard.js';
import { OAuthErrors } from './http/oauth-error.filter.js';
import { describeSignIn } from './http/told-requests.guard.js';
import { CONFIG, DIRECTORY_REQUESTS, LOGGER, MASTER_SEAL, POOL } from './injected.js';
import { ClientAuthentication } from './token/client-authentication.guard.js';
import { Clients } from './token/clients.queries.js';
import { SigningKeys } from './token/signing-keys.sender.js';
import { TokenController } from './token/token.controller.js';

/** Where clients of OAuth 2.0 get access tokens for SCIM. It holds no state but a copy of public keys. */
@Module({})
export class SignInModule {
  static register({ config, pool, requests, masterSeal, logger }: FaceTools): DynamicModule {
    const outbound = new GuardedRequests({
      networks: config.outboundNetworks,
      timeoutMs: config.OUTBOUND_TIMEOUT_MS,
      maxBodyBytes: MAX_KEYS_BYTES,
    });
    return {
      module: SignInModule,
      controllers: [TokenController],
      providers: [
        Clients,
        ClientAuthentication,
        SigningKeys,
        OAuthErrors,
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: POOL, useValue: pool },
        { provide: MASTER_SEAL, useValue: masterSeal() },
        { provide: DIRECTORY_REQUESTS, useValue: requests('directory') },
        { provide: IssuerKeys, useValue: new IssuerKeys(outbound) },
        { provide: Traces, useValue: new Traces(pool, logger) },
        { provide: WrongCredentials, useValue: new WrongCredentials(config.MAX_WRONG_CREDENTIALS_PER_MINUTE) },
      ],
    };
  }
}

/** Entra's set of keys has 20 kB. */
const MAX_KEYS_BYTES = 262_144;

/** For those who ask for access. Its commands are few among many: it looks their outcomes up. */
export const signIn: FaceDefinition = {
  name: 'sign-in',
  secrets: ['MASTER_KEY'],
  sendsTo: ['directory'],
  tells: 'audit',
  hears: [],
  address: ({ HOST: host, PORT, SIGN_IN_PORT }) => ({ host, port: SIGN_IN_PORT ?? PORT }),
  make: (tools) => ({
    module: SignInModule.register(tools),
    prepare: (app) => takeForms(app, tools.logger),
    basePaths: ['/oauth', '/.well-known/oauth-authorization-server'],
    told: { face: 'sign-in', describe: describeSignIn },
    errors: new OAuthErrors(tools.logger),
  }),
};
