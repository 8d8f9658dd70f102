import { compactVerify, decodeJwt, decodeProtectedHeader, errors, type CryptoKey, type JWK } from 'jose';
import { check, type Check } from './checks.js';

export interface Jwt {
  readonly text: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A token of Entra has 2 kB; one with 200 groups in it has 10. */
const MAX_JWT_CHARACTERS = 16_384;
/** The signatures of identity providers (RFC 7518 §3.1, RFC 8037). None of these has a key that both sides know. */
export const PROVIDER_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

/** Tells whether a text may be a JWT, without reading it. */
export const looksLikeJwt = (text: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text);

/** Reads a JWT without believing it; null = it is none. */
export const readJwt = (text: string): Jwt | null => {
  if (text.length > MAX_JWT_CHARACTERS || !looksLikeJwt(text)) return null;
  try {
    return { text, header: decodeProtectedHeader(text), claims: decodeJwt(text) };
  } catch {
    return null;
  }
};

/** Finds the key of a kid. Null = there is none; throws when the keys are out of reach. */
export type FindKey = (kid: string, algorithm: string) => Promise<CryptoKey | JWK | null>;

/** Checks the header of a token, before a key is looked for. */
export const checkHeader = (
  { header }: Jwt,
  algorithms: readonly string[],
  types: readonly string[],
): readonly Check[] => {
  const { alg, kid, typ, crit, b64 } = header;
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  return [
    check('algorithm (alg)', algorithms.join(', '), alg, typeof alg === 'string' && algorithms.includes(alg)),
    check('type (typ)', types.join(' or ') || '(none)', typ, types.includes(String(type ?? '(none)'))),
    check('key id (kid)', 'the name of a key', kid, typeof kid === 'string' && kid !== ''),
    // RFC 7515 §4.1.11: what must be understood, and is not, refuses the token.
    ...(crit === undefined && b64 === undefined ? [] : [check('critical header (crit)', '(none)', crit ?? b64, false)]),
  ];
};

/** Checks the signature of a token whose header has been checked. Throws what `findKey` throws. */
export const checkSignature = async (jwt: Jwt, findKey: FindKey, keysOf: string): Promise<Check> => {
  const { kid, alg } = jwt.header as { readonly kid: string; readonly alg: string };
  const key = await findKey(kid, alg);
  if (!key) return check('key id (kid)', `a key of ${keysOf}`, kid, false);
  try {
    await compactVerify(jwt.text, key, { algorithms: [alg] });
    return check('signature', `by the key ${kid} of ${keysOf}`, 'by that key', true);
  } catch (error) {
    // A key that does not fit its algorithm is no fault of ours.
    if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error;
    return check('signature', `by the key ${kid} of ${keysOf}`, 'not by that key', false);
  }
};
