import { SCIM_SCOPE } from '#contracts';
import { OAuthError } from '../oauth-error.js';

/** The proof of a client of who it is. */
export type Proof =
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post';
      readonly clientId: string;
      readonly secret: string;
    }
  | {
      /** RFC 7523 §2.2, or RFC 8693 §2.1, where the token to exchange is the proof. */
      readonly method: 'client_assertion' | 'token_exchange';
      /** Null: the assertion alone says who it is (RFC 7521 §4.2). */
      readonly clientId: string | null;
      readonly assertion: string;
    };

export const CLIENT_CREDENTIALS = 'client_credentials';
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Types of tokens that may be JWTs (RFC 8693 §3). */
const EXCHANGED_TYPES = ['jwt', 'id_token', 'access_token'].map((name) => `urn:ietf:params:oauth:token-type:${name}`);

/**
 * Reads a request to the token endpoint: the body of the form, and the Authorization header. Throws OAuthError. Nothing
 * of the request is told again, because a secret may stand in the wrong place.
 */
export const readTokenRequest = (form: string, authorization: string | undefined): Proof => {
  const parameters = new URLSearchParams(form);
  const one = (name: string): string | null => {
    const values = parameters.getAll(name);
    // RFC 6749 §3.2: a parameter comes once, and one without a value is as if it were not there.
    if (values.length > 1) throw new OAuthError('invalid_request', `The parameter ${name} comes more than once.`);
    return values[0] || null;
  };
  const grant = one('grant_type');
  if (grant === null) throw new OAuthError('invalid_request', 'The parameter grant_type is missing.');
  if (grant !== CLIENT_CREDENTIALS && grant !== TOKEN_EXCHANGE) {
    throw new OAuthError(
      'unsupported_grant_type',
      `This endpoint takes the grant types ${CLIENT_CREDENTIALS} and ${TOKEN_EXCHANGE}.`,
    );
  }
  const scope = one('scope');
  if (scope !== null && scope.trim() !== SCIM_SCOPE)
    throw new OAuthError('invalid_scope', `The one scope that there is: ${SCIM_SCOPE}.`);
  const basic = authorization === undefined ? null : basicOf(authorization);
  const clientId = one('client_id');
  if (basic && clientId !== null && clientId !== basic.clientId)
    throw new OAuthError('invalid_request', 'The client_id of the form is not that of the Authorization header.');
  const secret = one('client_secret');
  const assertion = one('client_assertion');
  const proofs: Proof[] = [
    ...(basic ? [{ method: 'client_secret_basic', ...basic } as const] : []),
    ...(secret === null ? [] : [postOf(clientId, secret)]),
    ...(assertion === null ? [] : [assertionOf(clientId, assertion, one('client_assertion_type'))]),
    ...(grant === TOKEN_EXCHANGE ? [exchangeOf(clientId, one)] : []),
  ];
  if (proofs.length > 1)
    throw new OAuthError('invalid_request', 'The client proves who it is in more than one way: send one of them.');
  if (!proofs[0])
    throw new OAuthError('invalid_client', 'The request has neither a client_secret nor a client_assertion.');
  return proofs[0];
};

const postOf = (clientId: string | null, secret: string): Proof => {
  if (clientId === null) throw new OAuthError('invalid_request', 'The parameter client_id is missing.');
  return { method: 'client_secret_post', clientId, secret };
};

const assertionOf = (clientId: string | null, assertion: string, type: string | null): Proof => {
  if (type !== ASSERTION_TYPE)
    throw new OAuthError('invalid_request', `The client_assertion_type has to be ${ASSERTION_TYPE}.`);
  return { method: 'client_assertion', clientId, assertion };
};

const exchangeOf = (clientId: string | null, one: (name: string) => string | null): Proof => {
  const assertion = one('subject_token');
  if (assertion === null) throw new OAuthError('invalid_request', 'The parameter subject_token is missing.');
  if (!EXCHANGED_TYPES.includes(one('subject_token_type') ?? ''))
    throw new OAuthError('invalid_request', `The subject_token_type has to be one of ${EXCHANGED_TYPES.join(', ')}.`);
  const wanted = one('requested_token_type');
  if (wanted !== null && wanted !== ACCESS_TOKEN_TYPE)
    throw new OAuthError('invalid_request', `The requested_token_type has to be ${ACCESS_TOKEN_TYPE}.`);
  if (one('actor_token') !== null) throw new OAuthError('invalid_request', 'An actor_token is not taken.');
  return { method: 'token_exchange', clientId, assertion };
};

/** RFC 6749 §2.3.1: both are encoded as in a form, before they are joined and encoded in base64. */
const basicOf = (authorization: string): { readonly clientId: string; readonly secret: string } => {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization) ?? [];
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (encoded === undefined || colon < 1)
    throw new OAuthError('invalid_client', 'The Authorization header holds no client id and secret as Basic.');
  const [clientId, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(decoded) as [string, string];
  return { clientId, secret };
};

/** Some clients do not encode them: a text that cannot be decoded is taken as it is. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
};
