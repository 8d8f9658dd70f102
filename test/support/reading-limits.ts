import { Slots } from '#runtime';
import type { ReadingLimits } from '../../apps/gateway/src/read/resource.queries.js';

/** One search and one look-up at a time, and nothing waits. */
export const readingLimits = (maxPageBytes = 1_000_000): ReadingLimits => {
  const one = (): Slots => new Slots({ maxRunning: 1, maxWaiting: 0, maxWaitingPerKey: 0, waitTimeoutMs: 1 });
  return { searches: one(), lookUps: one(), maxPageBytes, requireRoom: () => undefined };
};

/** A resource of a page as it was read. */
export const asRead = <Row>(row: Row): Row => row;
