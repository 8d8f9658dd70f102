/** The credentials that a request shows to be let in. */
export interface Credentials {
  readonly token: string;
  /** With HTTP Basic the id of the directory, in lower case; null = it is a bearer token, which says which directory it is. */
  readonly directory: string | null;
}

const TOKEN = /^[\w.~+/-]+=*$/;
const BEARER = /^Bearer +(\S+) *$/i;
const BASIC = /^Basic +([\w+/-]+=*) *$/i;

export const NO_TOKEN =
  'A token is required: "Authorization: Bearer <token>", or HTTP Basic with the id of the directory as the user name and the token as the password.';
export const WRONG_USER_NAME =
  'The user name is not that of the directory of this token. Copy the user name of the directory anew.';

/** RFC 6750 §2.1 or RFC 7617 §2. Null = it shows nothing that could be a token. */
export const credentialsIn = (authorization = ''): Credentials | null => {
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer !== undefined) return TOKEN.test(bearer) ? { token: bearer, directory: null } : null;
  const basic = BASIC.exec(authorization)?.[1];
  if (basic === undefined) return null;
  const [, directory, token] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic, 'base64').toString('utf8')) ?? [];
  return token !== undefined && TOKEN.test(token) ? { token, directory: directory!.trim().toLowerCase() } : null;
};

/** Tells whether the user name is that of another directory than the password. */
export const isOfAnother = ({ directory }: Credentials, known: { readonly directory: string }): boolean =>
  directory !== null && directory !== known.directory;
