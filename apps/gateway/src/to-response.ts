import type { UserRow, UserSnapshot } from '#contracts';
import { listResponse, renderResource, USER, type Selection } from '#scim';

/** The URL of a user; `scimBaseUrl` has no slash at its end. */
export const userLocation = (scimBaseUrl: string, id: string): string => `${usersUrl(scimBaseUrl)}/${id}`;
export const usersUrl = (scimBaseUrl: string): string => `${scimBaseUrl}/Users`;

/** A user as a client sees it. */
export const toUser = (user: UserSnapshot, scimBaseUrl: string, selection: Selection | undefined): object =>
  renderResource(USER, user.resource, { ...user, location: userLocation(scimBaseUrl, user.id) }, selection);

/** A page of users (RFC 7644 §3.4.2); `startIndex` is the number of its first one, from 1. */
export const toUserList = (
  page: { readonly rows: readonly UserRow[]; readonly totalResults: number }, startIndex: number, scimBaseUrl: string,
  selection: Selection | undefined,
): object => {
  const resources = page.rows.map((row) => toUser(ofRow(row), scimBaseUrl, selection));
  return listResponse(resources, page.totalResults, startIndex, resources.length);
};

/** A row of the published view as what an outcome holds of a user. */
export const ofRow = (row: UserRow): UserSnapshot => ({
  id: row.id, version: row.version, created: row.created.toISOString(), lastModified: row.lastModified.toISOString(),
  resource: row.resource,
});
