/** The errors of a token endpoint (RFC 6749 §5.2), and what is said when it cannot answer now (RFC 6749 §4.1.2.1). */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'temporarily_unavailable'
  | 'server_error';

export class OAuthError extends Error {
  constructor(
    readonly code: OAuthErrorCode,
    readonly description: string,
    /** RFC 6749 §5.2: 400, unless the client could not be authenticated. */
    readonly status = STATUS[code] ?? 400,
    /** Null = nothing is said of when to try again. */
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`${code}: ${description}`);
  }
}

const STATUS: { readonly [code in OAuthErrorCode]?: number } = {
  invalid_client: 401,
  temporarily_unavailable: 503,
  server_error: 500,
};

/** The body of an error. RFC 6749 §5.2 allows printable ASCII without quotes and backslashes. */
export const oauthErrorBody = ({ code, description }: OAuthError): object => ({
  error: code,
  error_description: description.replace(/["\\]/g, "'").replace(/[^ -~]/g, '?'),
});
