/**
 * An estimate of Entra's quarantine by its published rule (learn.microsoft.com, "Application provisioning in quarantine
 * status"). Entra counts objects that fail, and we see their requests: so it is an estimate. A 404 where 200 was due puts a
 * directory there at once, too: Muster answers no list so, and a wrong Tenant URL says nothing of the directory that has it.
 */

/** From so many failures on Entra looks whether there are too many. */
const MIN_FAILURES = 5_000;
const MOST_SHARE = 0.4;
const MOST_FAILURES = 40_000;
/** From this part of the failures on it is worth a warning. */
const NEAR = 0.5;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RETRY_HOURS = [6, 12, 24] as const;
const DISABLED_AFTER_DAYS = 28;

/** The facts of one directory, as they were seen. */
export interface FailuresSeen {
  /** Users and groups whose last request failed. */
  readonly failing: number;
  /** Users and groups that the directory manages, whether they fail or not. */
  readonly managed: number;
  /** Those of `failing` that it does not manage: most of them never came to be. */
  readonly unmanaged: number;
  /** The end of the last cycle, ms since 1970; null = there was none. */
  readonly lastCycleMs: number | null;
  /** When its credentials were refused, if they were not accepted since; null = they are good, or nobody knows. */
  readonly credentialsRefusedMs: number | null;
}

export interface Quarantine {
  readonly state: 'far' | 'near' | 'likely';
  readonly failures: number;
  readonly fromFailures: number;
  /** Failures of all users and groups, in percent. */
  readonly percent: number;
  /** Since when, ms since 1970; null = it is not likely. */
  readonly sinceMs: number | null;
  /** When Entra tries again; null = it is not likely in quarantine. */
  readonly nextTryMs: number | null;
  /** When Entra disables the provisioning unless it succeeds before. */
  readonly disabledMs: number | null;
  readonly words: string;
}

const count = (value: number): string => value.toLocaleString('en-US');

/** After a failure Entra tries again after 6, 12 and 24 hours, then daily. */
const nextTry = (sinceMs: number, nowMs: number): number => {
  const next = RETRY_HOURS.map((hours) => sinceMs + hours * HOUR_MS).find((ms) => ms > nowMs);
  return next ?? sinceMs + Math.ceil((nowMs - sinceMs) / DAY_MS) * DAY_MS;
};

const AFTERWARDS =
  'Entra tries again 6, 12 and 24 hours after the first failure, then daily, and disables provisioning after four weeks. "Restart provisioning" ends it at once.';

export const quarantineOf = (seen: FailuresSeen, nowMs: number): Quarantine => {
  const { failing, managed, unmanaged, credentialsRefusedMs, lastCycleMs } = seen;
  const all = managed + unmanaged;
  const share = all === 0 ? 0 : failing / all;
  const percent = Math.round(share * 1_000) / 10;
  const words = `${count(failing)} of ${count(MIN_FAILURES)} failures, ${percent} % of its users and groups`;
  const counts = { failures: failing, fromFailures: MIN_FAILURES, percent };
  const likely = (sinceMs: number, why: string): Quarantine => ({
    ...counts,
    state: 'likely',
    sinceMs,
    nextTryMs: nextTry(sinceMs, nowMs),
    disabledMs: sinceMs + DISABLED_AFTER_DAYS * DAY_MS,
    words: `Likely in quarantine: ${why}. ${AFTERWARDS}`,
  });
  if (credentialsRefusedMs !== null) return likely(credentialsRefusedMs, 'its credentials were refused');
  const isTooMuch = failing > MOST_FAILURES || (failing >= MIN_FAILURES && share > MOST_SHARE);
  if (isTooMuch)
    return likely(
      lastCycleMs ?? nowMs,
      failing > MOST_FAILURES ? `${count(failing)} failures are more than ${count(MOST_FAILURES)}` : words,
    );
  const isNear = failing >= MIN_FAILURES * NEAR;
  return {
    ...counts,
    state: isNear ? 'near' : 'far',
    sinceMs: null,
    nextTryMs: null,
    disabledMs: null,
    words: isNear
      ? `Near: ${words}. From ${count(MIN_FAILURES)} failures on, more than ${MOST_SHARE * 100} % are too many; more than ${count(MOST_FAILURES)} always are.`
      : `Not near: ${words}.`,
  };
};
