/**
 * A fault of a database, or of its settings, that somebody has to mend. It is shown as one line, and no restart mends
 * it.
 */
export class UnfitDatabase extends Error {
  override readonly name = 'UsageError';
  /** The same exit code as that of a UsageError of libs/runtime, which this lib does not know. */
  readonly exitCode = 64;
}

/** OpenSSL's and Node's names for a certificate that is not accepted. */
const CERTIFICATE =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|(DEPTH_ZERO_)?SELF_SIGNED_CERT\w*|UNABLE_TO_(VERIFY|GET|DECRYPT|DECODE)_\w+|ERROR_IN_CERT_\w+|HOSTNAME_MISMATCH|INVALID_CA)$/;

/** Describes the fault in the TLS of the server, or in its part of DATABASE_URL; null = the error is another one. */
export const unfitTls = (error: unknown): UnfitDatabase | null => {
  const { code, message } = error as { code?: string; message: string };
  if (CERTIFICATE.test(code ?? '')) {
    return new UnfitDatabase(
      `The certificate of the database is not accepted (${message}): sslrootcert in DATABASE_URL names the authority that signed it, and its host is one that it is made for.`,
    );
  }
  if (message === 'The server does not support SSL connections') {
    return new UnfitDatabase(
      'The database takes no TLS, which sslmode=verify-full in DATABASE_URL asks for: switch ssl on there; sslmode=disable is for a network that is trusted.',
    );
  }
  return null;
};
