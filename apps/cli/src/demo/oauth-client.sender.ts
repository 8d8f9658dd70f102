import { call, tokenEndpointOf } from '../admin-api.sender.js';
import type { ClientView, DirectoryView } from '../admin-views.js';

const REQUEST_TIMEOUT_MS = 30_000;
const LIFE_MS = 3_600_000;

/** A client of OAuth 2.0 of one run of the demo. */
export interface DemoClient {
  readonly accessToken: string;
  /** Where it got that. */
  readonly tokenEndpoint: string;
  /** It is revoked when the run is over, and its access token with it. */
  revoke(): Promise<void>;
}

/** Makes a client with a secret, and gets an access token as an identity provider does (RFC 6749 §4.4). */
export const newDemoClient = async (directory: DirectoryView, run: string): Promise<DemoClient> => {
  const path = `directories/${directory.id}/clients`;
  const { id, secret } = await call<ClientView & { readonly secret: string }>('POST', path, {
    name: `npm run demo ${run}`,
    expiresAt: new Date(Date.now() + LIFE_MS).toISOString(),
  });
  const revoke = (): Promise<void> => call('DELETE', `${path}/${id}`);
  const tokenEndpoint = tokenEndpointOf(directory);
  try {
    const response = await fetch(tokenEndpoint, {
      method: 'POST',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      },
      body: 'grant_type=client_credentials&scope=scim',
    });
    const answer = (await response.json()) as { access_token?: string; error_description?: string };
    if (!answer.access_token)
      throw new Error(
        `The token endpoint answers ${response.status}: ${answer.error_description ?? 'no access token'}`,
      );
    return { accessToken: answer.access_token, tokenEndpoint, revoke };
  } catch (error) {
    await revoke();
    throw error;
  }
};
