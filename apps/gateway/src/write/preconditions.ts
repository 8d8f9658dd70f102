import type { Conditions } from '#contracts';
import { quote, Rejected } from '#scim';

/** The headers that a write depends on. */
export const preconditionsOf = ({
  'if-match': ifMatch,
  'if-none-match': ifNoneMatch,
}: Readonly<Record<string, string | string[] | undefined>>): {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
} => ({ ifMatch: ifMatch?.toString(), ifNoneMatch: ifNoneMatch?.toString() });

/** The versions under which a write is carried out, as its headers say. */
export const toConditions = ({
  ifMatch,
  ifNoneMatch,
}: {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}): Conditions => ({
  ifMatch: toVersions(ifMatch),
  ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: toVersions(ifNoneMatch, 'If-None-Match') ?? '*' }),
});

/**
 * RFC 9110 §13.1.2: `If-None-Match: *` asks that nothing be at the path, and a POST is sent to the list of all users or
 * groups, which is always there. Throws Rejected(preconditionFailed).
 */
export const refuseIfNoneMatch = (ifNoneMatch: string | undefined): void => {
  if (ifNoneMatch?.trim() === '*') {
    throw new Rejected(
      'preconditionFailed',
      'If-None-Match: * asks that there be nothing at this path, and there is a list: leave that header out.',
    );
  }
};

/**
 * A client names the version that it has read, or a few. There is a limit because a version takes more memory as a
 * number in a command than as a few letters in a request.
 */
const MAX_VERSIONS = 100;
const MAX_VERSIONS_CHARACTERS = 2_000;

/**
 * The versions that an If-Match or If-None-Match header names (RFC 7644 §3.14, RFC 9110 §13.1); null = no header or
 * `*`.
 */
export const toVersions = (header: string | undefined, name = 'If-Match'): number[] | null => {
  if (header === undefined || header.trim() === '*') return null;
  const commas =
    header.length > MAX_VERSIONS_CHARACTERS ? MAX_VERSIONS : header.split(',', MAX_VERSIONS + 1).length - 1;
  if (commas >= MAX_VERSIONS)
    throw new Rejected(
      'invalidSyntax',
      `${name} must be a list of ${MAX_VERSIONS} ETags such as W/"3" at the most, not ${quote(header)}.`,
    );
  const versions = header.split(',').map((tag) => /^\s*(?:W\/)?"([1-9]\d{0,8})"\s*$/.exec(tag)?.[1]);
  if (versions.every((version) => version === undefined) && !header.includes('"')) {
    throw new Rejected('invalidSyntax', `${name} must be a list of ETags such as W/"3", not ${quote(header)}.`);
  }
  // A tag that we never gave out matches nothing.
  return versions.map((version) => (version === undefined ? -1 : Number(version)));
};

/** RFC 9110 §13.1.2: whether a client that sends If-None-Match has this version already. */
export const isNotModified = (ifNoneMatch: string | undefined, version: number): boolean =>
  ifNoneMatch !== undefined &&
  (ifNoneMatch.trim() === '*' || toVersions(ifNoneMatch, 'If-None-Match')?.includes(version) === true);
