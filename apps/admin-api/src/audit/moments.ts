import { leastIdAt } from '#contracts';
import { Rejected } from '#scim';
import { readMoment } from '../http/moment.js';

/** Postgres has no year 0, and ids have no time before 1970; nothing has happened before. */
const [LEAST_MS, MOST_MS] = [0, Date.UTC(9999, 11, 31)];

/**
 * A moment that a request names, as ISO 8601 in UTC; left out or null = none. A day alone is its beginning in UTC. Throws
 * Rejected(invalidValue).
 */
export const momentIn = (name: string, text: string | null | undefined): string | undefined => {
  if (text === undefined || text === null) return undefined;
  const moment = readMoment(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if ('why' in moment)
    throw new Rejected(
      'invalidValue',
      `${name} ${moment.why}: send a moment with its zone, such as 2026-01-31T12:00:00Z, or a day, such as 2026-01-31, which begins in UTC; in a query + is written as %2B.`,
    );
  return new Date(Math.min(Math.max(moment.ms, LEAST_MS), MOST_MS)).toISOString();
};

export interface Timespan {
  /** Not before, ISO 8601. */
  readonly since?: string;
  /** Before, ISO 8601. */
  readonly until?: string;
}

/** Throws Rejected(invalidValue) also when nothing lies between the two. */
export const timespanIn = (given: {
  readonly since?: string | null | undefined;
  readonly until?: string | null | undefined;
}): Timespan => {
  const [since, until] = [momentIn('since', given.since), momentIn('until', given.until)];
  if (since !== undefined && until !== undefined && since >= until)
    throw new Rejected(
      'invalidValue',
      `since (${since}) must be before until (${until}): nothing lies between. Exchange them, or leave one out.`,
    );
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
};

/** The least UUIDv7 of a moment, ISO 8601. */
export const leastIdOf = (moment: string): string => leastIdAt(Date.parse(moment));
