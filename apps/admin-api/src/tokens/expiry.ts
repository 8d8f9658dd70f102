import type { TokenStatus } from '#contracts';
import { Rejected } from '#scim';

/** RFC 3339: a day, a time and its distance from UTC. A day alone would be another moment in each place. */
const MOMENT = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;

const DAY_ALONE = /^\d{4}-\d{2}-\d{2}$/;
const WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}T[\d:.]+$/i;

const whyNoMoment = (text: string): string =>
  DAY_ALONE.test(text)
    ? 'is a day without a time'
    : WITHOUT_ZONE.test(text)
      ? 'does not say how far its time is from UTC'
      : 'is no moment';

/**
 * The moment at which a token expires, in UTC. Throws Rejected(invalidValue) when it is none, or has passed. `now`
 * in ms.
 */
export const expiryOf = (text: string, now: number): string => {
  const refused = (why: string): Rejected =>
    new Rejected(
      'invalidValue',
      `expiresAt ${why}: send a moment to come with its day, time and zone, such as 2030-01-31T00:00:00Z or 2030-01-31T09:00:00+09:00.`,
    );
  const [, day] = MOMENT.exec(text) ?? [];
  const moment = Date.parse(text.toUpperCase());
  if (day === undefined || Number.isNaN(moment)) throw refused(whyNoMoment(text));
  // JavaScript takes the 30th of February for the 1st of March.
  if (new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day))
    throw refused('is a day that does not exist');
  if (moment <= now) throw refused('has passed');
  return new Date(moment).toISOString();
};

/** Sorts tokens, the one that works longest first. `expiresAt` is ISO 8601; null = never. */
export const lastsLongestFirst = (
  a: { readonly expiresAt: string | null },
  b: { readonly expiresAt: string | null },
): number => {
  const [endOfA, endOfB] = [a, b].map(({ expiresAt }) => (expiresAt === null ? Infinity : Date.parse(expiresAt)));
  return endOfA === endOfB ? 0 : endOfB! - endOfA!;
};

/** The state of a token now: as it was recorded, unless its time is over. */
export const statusOf = (status: TokenStatus, expiresAt: string | null, now: number): TokenStatus | 'expired' =>
  status !== 'revoked' && expiresAt !== null && Date.parse(expiresAt) <= now ? 'expired' : status;
