import { rejection, type Rejection } from './error.js';

/**
 * RFC 7644 §3.14, RFC 9110 §13.1: rejects a write with 412 when its If-Match does not name the current version, or its
 * If-None-Match does. `what` is a user or a group.
 */
export const preconditionFailed = (
  what: string,
  {
    ifMatch,
    ifNoneMatch,
  }: { readonly ifMatch: readonly number[] | null; readonly ifNoneMatch?: readonly number[] | '*' },
  version: number,
): Rejection | null => {
  if (ifMatch && !ifMatch.includes(version))
    return rejection('preconditionFailed', `The ${what} has changed meanwhile: its version is W/"${version}".`);
  if (ifNoneMatch !== '*' && !ifNoneMatch?.includes(version)) return null;
  return rejection(
    'preconditionFailed',
    `There is such a ${what}, its version is W/"${version}", and If-None-Match asks for none: leave that header out.`,
  );
};
