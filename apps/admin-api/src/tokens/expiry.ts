import type { TokenStatus } from '#contracts';
import { Rejected } from '#scim';
import { readMoment } from '../http/moment.js';

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
  const moment = readMoment(text);
  if ('why' in moment) throw refused(moment.why);
  if (moment.ms <= now) throw refused('has passed');
  return new Date(moment.ms).toISOString();
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
