interface Failure {
  readonly code?: string;
  readonly message: string;
}

/** `localhost` has two addresses, and Node tells of both. */
const failureOf = (error: unknown): Failure => ((error as Partial<AggregateError>).errors?.[0] ?? error) as Failure;

const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  // Postgres starts, stops, or has no connection left.
  '57P01',
  '57P02',
  '57P03',
  '53300',
]);

/**
 * Tells whether a connection may succeed later although nobody changes a setting: a container's name is known once the
 * container is there.
 */
const isAway = ({ code, message }: Failure): boolean =>
  code === undefined ? /timeout|terminated/i.test(message) : AWAY.has(code);

const WORDS: Readonly<Record<string, (url: URL) => string>> = {
  ECONNREFUSED: () => 'nothing listens there (ECONNREFUSED)',
  ENOTFOUND: ({ hostname }) => `there is no host ${hostname}`,
  EAI_AGAIN: ({ hostname }) => `the host ${hostname} cannot be looked up now`,
};

export interface ConnectionFault {
  /** True if the fault may pass by itself. */
  readonly isAway: boolean;
  /** The fault in one line that names the setting, and no password. */
  readonly line: string;
}

/** Says what a failed connection means. `url` is that of DATABASE_URL, or made of it. */
export const connectionFault = (url: string, error: unknown): ConnectionFault => {
  const failure = failureOf(error);
  // The server lets nobody in like this (SQLSTATE class 28), has no such database, or wants a password that the URL
  // does not have.
  if (/^(28...|3D000)$/.test(failure.code ?? '') || failure.message.startsWith('SASL: ')) {
    return { isAway: false, line: `The database refuses the user of DATABASE_URL: ${failure.message}.` };
  }
  const parsed = new URL(url);
  const isSilent = failure.code === undefined && /timeout/i.test(failure.message);
  const what = isSilent
    ? 'what listens there does not answer: is it a Postgres?'
    : (WORDS[failure.code ?? '']?.(parsed) ??
      (/^(Received|Unknown|Unexpected)|received invalid response/i.test(failure.message)
        ? 'what answers there is no Postgres'
        : failure.message.split('\n')[0] || failure.code));
  return {
    isAway: isAway(failure),
    line: `The database of DATABASE_URL at ${parsed.hostname}:${parsed.port || 5432} cannot be used: ${what}${isSilent ? '' : '.'}`,
  };
};
