import { uniqueKey, type Resource } from '#scim';
import type { Held, SignIn } from '#contracts';
import type { Archival } from './archiving.js';
import type { MappedAttributes } from './incoming.js';
import { marked } from './local-attributes.js';
import type { UserState } from './user.js';

/** The column `links`: it is NULL for nearly all users, and costs them nothing. */
export interface Links {
  readonly signIns: readonly SignIn[];
  readonly before: Resource | null;
  /** The key of the user name of `before`. */
  readonly nameBefore: string | null;
  readonly refused: readonly string[];
  readonly awaited: boolean;
  readonly mapping: MappedAttributes | null;
  /** Left out = no administrator keeps the user archived. */
  readonly archival?: Archival;
  readonly movedVersion?: number;
  readonly withdrawnFrom?: string;
  readonly holds?: Held;
  readonly local?: readonly string[];
}

type User = NonNullable<UserState>;

/** The part of a user that stands in that column. */
export const withLinks = (
  links: Links | null,
): Pick<
  User,
  | 'signIns'
  | 'before'
  | 'refused'
  | 'awaited'
  | 'mapping'
  | 'archival'
  | 'movedVersion'
  | 'withdrawnFrom'
  | 'held'
  | 'local'
> => ({
  signIns: links?.signIns ?? [],
  before: links?.before ?? null,
  refused: links?.refused ?? [],
  awaited: links?.awaited ?? false,
  mapping: links?.mapping ?? null,
  ...(links?.archival ? { archival: links.archival } : {}),
  ...(links?.movedVersion === undefined ? {} : { movedVersion: links.movedVersion }),
  withdrawnFrom: links?.withdrawnFrom ?? null,
  held: links?.holds ?? null,
  ...marked(links?.local ?? []),
});

/** The column of a user; null = nothing stands in it. */
export const linksOf = (state: User): Links | null => {
  const { signIns, before, refused, awaited, mapping, archival, movedVersion, withdrawnFrom, held, local } = state;
  const isOrdinary = signIns.length + refused.length === 0 && !before && !awaited && !mapping && !archival && !local;
  if (isOrdinary && movedVersion === undefined && withdrawnFrom === null && !held) return null;
  return {
    signIns,
    before,
    nameBefore: before && uniqueKey(String(before.userName)),
    refused,
    awaited,
    mapping,
    ...(archival ? { archival } : {}),
    ...(movedVersion === undefined ? {} : { movedVersion }),
    ...(withdrawnFrom === null ? {} : { withdrawnFrom }),
    ...(held ? { holds: held } : {}),
    ...marked(local ?? []),
  };
};
