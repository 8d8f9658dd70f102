import { NoSlot } from '#runtime';
import { Rejected } from '#scim';

/** Turns "there was no room in time" into the 429 that a client gets; every other error stays as it is. */
export const busy = (error: unknown): unknown =>
  error instanceof NoSlot
    ? new Rejected(
        'tooManyRequests',
        `It was not begun, because requests of this tenant before it take long: ${error.message}. Send fewer at once, or smaller ones, and this one again.`,
      )
    : error;
