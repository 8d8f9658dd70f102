import { NoSlot } from '#runtime';
import { Rejected } from '#scim';

/** The answer to a request that waited in vain. */
export const busy = (error: unknown): unknown =>
  error instanceof NoSlot
    ? new Rejected(
        'tooManyRequests',
        `It was not begun, because requests of this tenant before it take long: ${error.message}. Send fewer at once, or smaller ones, and this one again.`,
      )
    : error;
