import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
// @ts-expect-error -- the package brings no types
import Provider from 'oidc-provider';

/**
 * A real OpenID provider, as a process of its own: openid-provider.ts starts it. Node runs this file as it is, so it has
 * types that can be taken away alone. It gives JWTs as access tokens for whichever audience its client asks for.
 */

type Handler = (request: unknown, response: unknown) => void;
let issuer = '';
let handle: Handler = () => undefined;
let keys = 0;

/** A provider with a new key, and the ones before it. */
const jwks: object[] = [];
const provide = async (): Promise<void> => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  jwks.unshift({ ...(await exportJWK(privateKey)), kid: `key-${++keys}`, use: 'sig', alg: 'RS256' });
  const provider = new Provider(issuer, {
    jwks: { keys: jwks },
    clients: [
      {
        client_id: 'the-workload',
        client_secret: 'a secret of the provider',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string): object => ({
          scope: 'scim',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  handle = provider.callback() as Handler;
};

const server = createServer((request, response) => handle(request, response));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  void provide().then(() => process.send!({ issuer }));
});
process.on('message', () => void provide().then(() => process.send!({ issuer })));
process.on('disconnect', () => process.exit());
