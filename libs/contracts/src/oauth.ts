/**
 * The issuer of the access tokens of a directory (RFC 8414 §2); its paths begin with it. `baseUrl` is where clients find
 * the sign-in.
 */
export const issuerOf = (baseUrl: string, directory: string): string => `${baseUrl}/oauth/v1/${directory}`;

export const tokenEndpointOf = (baseUrl: string, directory: string): string => `${issuerOf(baseUrl, directory)}/token`;

/** RFC 8414 §3.1 puts it between host and path of the issuer. */
export const metadataUrlOf = (baseUrl: string, directory: string): string => {
  const { origin, pathname } = new URL(issuerOf(baseUrl, directory));
  return `${origin}/.well-known/oauth-authorization-server${pathname}`;
};

/** The signature of access tokens (RFC 7518 §3.4), and their type (RFC 9068 §2.1). */
export const ACCESS_TOKEN_ALGORITHM = 'ES256';
export const ACCESS_TOKEN_TYPE = 'at+jwt';
/** The only scope: all that a directory may do by SCIM. */
export const SCIM_SCOPE = 'scim';
/** A key that signed the last one is published for as long as that may live. */
export const MAX_ACCESS_TOKEN_SECONDS = 21_600;

/** The text in which the private key of a signing key is sealed. */
export const signingKeyContext = (keyId: string): string => `installation|${keyId}|signing key`;
