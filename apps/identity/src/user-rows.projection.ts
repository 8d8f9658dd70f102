import { WITHDRAWN } from '#contracts';
import { fold, foldedAttributes, keyBeside, type Json, type ResourceDefinition } from '#scim';
import { homeOf, isActive, upnOf } from './identifiers.js';
import { knownAs, lastSeenOf } from './known-as.js';
import { linksOf } from './links.js';
import type { UserState } from './user.js';

/** The columns of the projection and their types. */
export const USER_COLUMNS = {
  tenant: 'uuid',
  id: 'uuid',
  directory: 'uuid',
  version: 'int',
  created: 'timestamptz',
  last_modified: 'timestamptz',
  resource: 'jsonb',
  user_name_folded: 'text',
  name_key: 'text',
  former_upn_key: 'text',
  external_id: 'text',
  work_email_folded: 'text',
  work_email_key: 'text',
  other_work_emails_folded: 'text[]',
  links: 'jsonb',
  folded: 'jsonb',
  archived: 'boolean',
};
/** The identifiers of users that their rows do not have: those of before, and names. */
export const KNOWN_AS_COLUMNS = {
  tenant: 'uuid',
  id: 'uuid',
  version: 'int',
  n: 'smallint',
  kind: 'text',
  value: 'text',
};
export const DELETED_COLUMNS = {
  tenant: 'uuid',
  id: 'uuid',
  directory: 'uuid',
  version: 'int',
  created: 'timestamptz',
  deleted: 'timestamptz',
  user_name: 'text',
  display_name: 'text',
  email: 'text',
  external_id: 'text',
};

/**
 * The row of the projection: the fold of the events, with the folded columns that filters and matching look up, and
 * what else filters compare folded. A column without a value is left out of what is written, where it would have to be
 * read.
 */
export const userRow = (
  tenant: string,
  state: NonNullable<UserState>,
  definition: ResourceDefinition,
): Record<string, unknown> => {
  const workEmails = (Array.isArray(state.resource.emails) ? state.resource.emails : []).flatMap((email) => {
    const { type, value } = email as { type?: Json; value?: Json };
    return typeof type === 'string' && fold(type) === 'work' && typeof value === 'string' ? [fold(value)] : [];
  });
  const userName = String(state.resource.userName);
  const upn = upnOf(state.resource);
  const [nameFolded, workEmail] = [fold(userName), workEmails[0]];
  return {
    tenant,
    id: state.id,
    directory: state.withdrawnFrom === null ? state.directory : WITHDRAWN,
    version: state.version,
    created: state.created,
    last_modified: state.lastModified,
    resource: state.resource,
    user_name_folded: nameFolded,
    name_key: keyBeside(userName, nameFolded) ?? undefined,
    former_upn_key: upn === userName && state.withdrawnFrom === null ? undefined : (keyBeside(upn, '') ?? undefined),
    external_id: state.resource.externalId,
    work_email_folded: workEmail,
    work_email_key: workEmail === undefined ? undefined : (keyBeside(workEmail, workEmail) ?? undefined),
    other_work_emails_folded: workEmails.length > 1 ? workEmails.slice(1) : undefined,
    links: linksOf(state) ?? undefined,
    folded: foldedAttributes(definition, state.resource),
    archived: isActive(state.resource) ? undefined : true,
  };
};

/** The rows of the identifiers that one event adds to those by which the user is found. */
export const knownAsRows = (
  tenant: string,
  id: string,
  version: number,
  before: UserState,
  after: UserState,
): Record<keyof typeof KNOWN_AS_COLUMNS, unknown>[] =>
  knownAs(before, after).map(([kind, value], n) => ({ tenant, id, version, n, kind, value }));

/** The row that is kept of a user who was deleted by the event of that version. */
export const deletedRow = (
  tenant: string,
  user: NonNullable<UserState>,
  version: number,
  deleted: string,
): Record<keyof typeof DELETED_COLUMNS, unknown> => ({
  tenant,
  id: user.id,
  directory: homeOf(user),
  version,
  created: user.created,
  deleted,
  ...lastSeenOf(user),
});
