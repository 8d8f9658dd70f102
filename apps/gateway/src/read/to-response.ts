import type { DirectoryKind, GroupOfUser, GroupRow, GroupSnapshot, Member, UserRow, UserSnapshot } from '#contracts';
import {
  GROUP,
  listResponse,
  pickAttribute,
  renderResource,
  USER,
  type Definitions,
  type Json,
  type Place,
  type Selection,
} from '#scim';
import type { Caller } from '../caller.js';

/** URLs of resources; `scimBaseUrl` has no slash at its end. */
export const locationOf = (scimBaseUrl: string, { endpoint }: { readonly endpoint: string }, id: string): string =>
  `${scimBaseUrl}${endpoint}/${id}`;

export const etag = (version: number): string => `W/"${version}"`;

/**
 * The headers of an answer about one resource. RFC 7643 §3.1: ETag is its meta.version; Location is its meta.location,
 * which clients look for in the answers to GET, PUT and PATCH too; and so is Content-Location, where the body is the
 * whole resource and no part of it.
 */
export const headersOf = (
  scimBaseUrl: string,
  definition: { readonly endpoint: string },
  { id, version }: { readonly id: string; readonly version: number },
  isWhole: boolean,
): Record<string, string> => {
  const location = locationOf(scimBaseUrl, definition, id);
  return { etag: etag(version), location, ...(isWhole ? { 'content-location': location } : {}) };
};

/** Says which of a user's groups a client sees, and what the users and groups of its tenant may have. */
export type Seer = Pick<Caller, 'directory' | 'seesLocalGroups' | 'definitions'>;

/** A user as a client sees it. */
export const toUser = (
  user: UserSnapshot,
  seer: Seer,
  scimBaseUrl: string,
  selection: Selection | undefined,
): object => {
  const groups = groupsSeen(user, seer).map(({ id, display, direct }) => ({
    value: id,
    $ref: locationOf(scimBaseUrl, GROUP, id),
    display,
    type: direct ? 'direct' : 'indirect',
  }));
  const resource = groups.length === 0 ? user.resource : { ...user.resource, groups };
  return renderResource(
    seer.definitions.user,
    resource,
    { ...user, location: locationOf(scimBaseUrl, USER, user.id) },
    selection,
  );
};

/** The groups in which a client sees a user. */
export const groupsSeen = ({ groups }: UserSnapshot, { directory, seesLocalGroups }: Seer): readonly GroupOfUser[] =>
  (groups ?? []).filter((group) => group.directory === directory || (group.directory === null && seesLocalGroups));

/** A user of a list, as JSON. */
export const toUserText = (row: UserRow, seer: Seer, scimBaseUrl: string, selection: Selection | undefined): string =>
  JSON.stringify(toUser(ofUserRow(row), seer, scimBaseUrl, selection));

/**
 * The beginning of a page whose resources are JSON already (RFC 7644 §3.4.2), up to the first of them. They are parted
 * by commas, and LIST_END follows.
 */
export const listBegin = (totalResults: number, place: Place, itemsPerPage: number): string =>
  JSON.stringify(listResponse([], totalResults, place, itemsPerPage)).slice(0, -LIST_END.length);
export const LIST_END = ']}';

/** Makes of a row of the published view what an outcome says of a user. */
export const ofUserRow = ({ id, version, created, lastModified, resource, groups }: UserRow): UserSnapshot => {
  const snapshot = { id, version, created: created.toISOString(), lastModified: lastModified.toISOString(), resource };
  return groups ? { ...snapshot, groups } : snapshot;
};

/** Makes of a row of the published view what an outcome says of a group. */
export const ofGroupRow = ({ directory: _owner, created, lastModified, ...row }: GroupRow): GroupSnapshot => ({
  ...row,
  created: created.toISOString(),
  lastModified: lastModified.toISOString(),
});

/** Tells whether a client wants to see the groups of users. */
export const wantsGroups = (selection: Selection | undefined): boolean =>
  pickAttribute(selection, 'groups', [{ value: '', $ref: '', display: '', type: '' }]) !== undefined;

/** Tells whether a client wants to see members. */
export const wantsMembers = (selection: Selection | undefined): boolean =>
  pickAttribute(selection, 'members', [{ value: '', $ref: '', type: '', display: '' }]) !== undefined;

/** Tells whether a client wants to see the names of members. */
export const wantsNames = (selection: Selection | undefined): boolean =>
  pickAttribute(selection, 'members', [{ display: '' }]) !== undefined;

/** Tells whether the PATCH of a group is answered without the group. */
export const patchesGroupsBlindly = ({ kind }: { readonly kind: DirectoryKind }): boolean => kind === 'entra';

/** A group as a client sees it, without its members. */
export const toGroup = (
  group: GroupSnapshot,
  definitions: Definitions,
  scimBaseUrl: string,
  selection: Selection | undefined,
): object =>
  renderResource(
    definitions.group,
    group.resource,
    { ...group, location: locationOf(scimBaseUrl, GROUP, group.id) },
    selection,
  );

/** A member as a client sees it; `display` null = its name is not to be seen. */
export const toMember = (
  { value, type, display }: Member & { readonly display: string | null },
  scimBaseUrl: string,
  selection: Selection | undefined,
): Json => {
  const member = {
    value,
    $ref: locationOf(scimBaseUrl, type === 'User' ? USER : GROUP, value),
    type,
    ...(display === null ? {} : { display }),
  };
  const [picked] = pickAttribute(selection, 'members', [member]) as readonly [Json];
  return picked;
};
