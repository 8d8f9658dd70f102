import { EXPIRY_WARNING_DAYS, type ExpiryWarningDays } from '#contracts';

const DAY_MS = 86_400_000;

/**
 * The warnings whose moment has come, as the most urgent of them: the fewest days before the end that have begun; null =
 * none. `expiresAt` is ISO 8601, null = never; `now` in ms.
 */
export const warningAt = (expiresAt: string | null, now: number): ExpiryWarningDays | null => {
  if (expiresAt === null) return null;
  const leftMs = Date.parse(expiresAt) - now;
  return EXPIRY_WARNING_DAYS.findLast((days) => leftMs <= days * DAY_MS) ?? null;
};

/**
 * The warning that is to be given now; null = none. `warned` is the last one that was given. After a downtime only the
 * most urgent one is left to be said, and of what has ended there is nothing to warn.
 */
export const warningDue = (
  { expiresAt, warned }: { readonly expiresAt: string | null; readonly warned: number | null },
  now: number,
): ExpiryWarningDays | null => {
  const days = warningAt(expiresAt, now);
  if (days === null || Date.parse(expiresAt!) <= now) return null;
  return warned === null || days < warned ? days : null;
};

/** When the next warning after `now` is to be given, in ms; null = there is none to come. */
export const nextWarningMs = (expiresAt: string, now: number): number | null =>
  EXPIRY_WARNING_DAYS.map((days) => Date.parse(expiresAt) - days * DAY_MS).find((at) => at > now) ?? null;
