/** One check of an authentication: what was expected, and what came. */
export interface Check {
  readonly check: string;
  readonly expected: string;
  readonly received: string;
  readonly passed: boolean;
}

/** Longer values are cut: a trace is read by people, and somebody else decides how long these are. */
const MAX_SHOWN_CHARACTERS = 200;

/** A value of a token in words that can be shown and stored: short, and without control characters. */
export const shown = (value: unknown): string => {
  if (value === undefined) return '(none)';
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '(none)');
  const readable = text.replace(/[\p{Cc}\p{Cs}]/gu, '\ufffd');
  return readable.length > MAX_SHOWN_CHARACTERS ? `${readable.slice(0, MAX_SHOWN_CHARACTERS)}…` : readable;
};

export const check = (name: string, expected: unknown, received: unknown, passed: boolean): Check => ({
  check: name,
  expected: shown(expected),
  received: shown(received),
  passed,
});

export const allPassed = (checks: readonly Check[]): boolean => checks.every(({ passed }) => passed);

/** The first check that failed, as a sentence for an administrator; null = none did. */
export const failureOf = (checks: readonly Check[]): string | null => {
  const failed = checks.find(({ passed }) => !passed);
  return failed ? `The ${failed.check} is ${failed.received}; expected: ${failed.expected}.` : null;
};

/** The values that the claims of a token have to have. */
export interface ExpectedClaims {
  readonly issuer: string;
  /** Undefined = any. */
  readonly subject?: string;
  /** One of these, exactly: a prefix would let in the tokens of others. */
  readonly audiences: readonly string[];
}

/** The clocks of two machines may differ by so much. */
const TOLERANCE_SECONDS = 30;

const at = (seconds: unknown): string =>
  typeof seconds === 'number' && Math.abs(seconds) < 8e12 ? new Date(seconds * 1_000).toISOString() : shown(seconds);

/** Compares claims with those that are expected; each is compared, also where one before it fails. `nowMs` in ms. */
export const checkClaims = (
  { iss, sub, aud, exp, nbf }: Readonly<Record<string, unknown>>,
  { issuer, subject, audiences }: ExpectedClaims,
  nowMs: number,
): readonly Check[] => {
  const now = nowMs / 1_000;
  const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
  const named = Array.isArray(aud) ? (aud as readonly unknown[]) : [aud];
  return [
    check('issuer (iss)', issuer, iss, iss === issuer),
    ...(subject === undefined ? [] : [check('subject (sub)', subject, sub, sub === subject)]),
    check(
      'audience (aud)',
      audiences.join(' or '),
      aud,
      named.some((one) => typeof one === 'string' && audiences.includes(one)),
    ),
    check('expiry (exp)', `after ${at(now)}`, at(exp), isTime(exp) && exp > now - TOLERANCE_SECONDS),
    // RFC 7519 §4.1.5: it may be left out.
    ...(nbf === undefined
      ? []
      : [check('beginning (nbf)', `before ${at(now)}`, at(nbf), isTime(nbf) && nbf < now + TOLERANCE_SECONDS)]),
  ];
};
