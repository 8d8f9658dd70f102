/**
 * The redirect URIs of OpenID Connect, in the order in which an identity provider asks for them. Each directory has its own, so
 * that the answer of one identity provider cannot be taken for that of another one (RFC 9700 §4.4).
 */
export interface RedirectUris {
  /** Mobile and desktop applications, which keep no secret. */
  readonly publicClient: string;
  readonly web: string;
}
/** `signInUrl` is that of the sign-in, without a slash at its end. */
export const redirectUrisOf = (signInUrl: string, directoryId: string): RedirectUris => ({
  publicClient: `${signInUrl}/sign-in/${directoryId}/oidc/public-client`,
  web: `${signInUrl}/sign-in/${directoryId}/oidc/web`,
});
