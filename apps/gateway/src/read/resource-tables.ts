import { DIRECTORIES_VIEW, GROUPS_OF, GROUPS_VIEW, MEMBERS_VIEW, settingSql, USERS_VIEW } from '#contracts';
import { GROUP, USER, type Definitions, type ResourceDefinition } from '#scim';
import type { Caller } from '../caller.js';
import type { CompiledFilter } from './filter-to-sql.js';
import { plain, ResourceColumns, uuid, type Value } from './resource-columns.js';

/** The part of a tenant that a request may see, and the client that waits for it, if any. */
export type Scope = Pick<Caller, 'tenant' | 'directory' | 'seesUnmanaged' | 'seesLocalGroups' | 'definitions'> &
  Partial<Pick<Caller, 'requireClient' | 'movedVersion'>>;

/**
 * The tables and columns by which resources of one type are read. In all SQL `$1` is the tenant and `$2` the directory.
 */
export interface ResourceTable {
  /** Begins the names of prepared statements. */
  readonly name: string;
  readonly view: string;
  readonly columns: (scope: Pick<Scope, 'definitions'>) => ResourceColumns;
  /** The columns of a row, as SQL. */
  readonly select: string;
  /** Tells whether resources that belong to no directory are visible as well. */
  readonly seesUnowned: (scope: Scope) => boolean;
  /** Attributes whose values are unique: SQL of a value → the condition that a resource has it. */
  readonly unique: { readonly [lookUp in NonNullable<CompiledFilter['lookUp']>]?: (value: string) => string };
  /**
   * The condition that the identity provider of a directory that has moved has sent a resource, from the version of the
   * move; left out = it is not asked.
   */
  readonly isSince?: (movedVersion: number) => string;
  /** Conditions by which resources are looked up, for people. */
  readonly advice: string;
}

const isId = (id: string): string => `u.id = ${id}::uuid`;
const isGroupSeen = `(g.directory = $2 OR (g.directory IS NULL AND (SELECT ${settingSql('offerLocalGroups', 'settings')}::boolean FROM ${DIRECTORIES_VIEW} WHERE id = $2)))`;
/** The tables whose rows are the values of the attribute `groups` of a user and `members` of a group. */
const groupRows = `${GROUPS_OF}($1, ARRAY[u.id]) AS g WHERE ${isGroupSeen}`;
const isInAny = `EXISTS (SELECT FROM ${MEMBERS_VIEW} AS m WHERE m.tenant = $1 AND m.member = u.id)`;
const membersOf = (kind: 'U' | 'G'): string =>
  `(SELECT member FROM ${MEMBERS_VIEW} WHERE tenant = $1 AND group_id = down.id AND kind = '${kind}' OFFSET 0)`;
/** The users in a group, directly or through other groups. To ask this of each user took 5 s for 5,000 of them. */
const usersIn = (id: string): string => `u.id IN (
  WITH RECURSIVE down AS (
    SELECT g.id FROM ${GROUPS_VIEW} AS g WHERE g.tenant = $1 AND g.id = ${id} AND ${isGroupSeen}
    UNION
    SELECT m.member FROM down CROSS JOIN LATERAL ${membersOf('G')} m WHERE EXISTS (SELECT FROM ${GROUPS_VIEW} AS g WHERE g.tenant = $1 AND g.id = m.member OFFSET 0)
  )
  SELECT m.member FROM down CROSS JOIN LATERAL ${membersOf('U')} m)`;
const memberRows = `${MEMBERS_VIEW} AS m WHERE m.tenant = $1 AND m.group_id = u.id`;

/** Columns are made once for each definition. */
const columnsOf = (
  type: keyof Definitions,
  url: string,
  own: Readonly<Record<string, Value>>,
): ResourceTable['columns'] => {
  const made = new WeakMap<ResourceDefinition, ResourceColumns>();
  return ({ definitions }) => {
    const definition = definitions[type];
    let columns = made.get(definition);
    if (!columns) made.set(definition, (columns = new ResourceColumns(definition, url, own)));
    return columns;
  };
};

/** `baseUrl` has no slash at its end. The view of each statement has the name `u`. */
export const resourceTables = (baseUrl: string): { readonly users: ResourceTable; readonly groups: ResourceTable } => ({
  users: {
    name: 'user',
    view: USERS_VIEW,
    select: `u.id, u.version, u.created, u.last_modified AS "lastModified", u.resource,
      EXISTS (SELECT FROM ${MEMBERS_VIEW} m WHERE m.tenant = $1 AND m.member = u.id) AS "isMember"`,
    columns: columnsOf('user', `${baseUrl}${USER.endpoint}`, {
      userName: plain('user_name_folded'),
      groups: {
        ...plain(''),
        rows: groupRows,
        only: isInAny,
        parts: {
          value: { ...uuid('g.id'), holders: usersIn },
          display: plain('g.display_folded'),
          type: plain("CASE WHEN g.direct THEN 'direct' ELSE 'indirect' END"),
          $ref: plain(`'${baseUrl}${GROUP.endpoint}/' || g.id`),
        },
      },
    }),
    seesUnowned: ({ seesUnmanaged }) => seesUnmanaged,
    unique: { id: isId, userName: (name) => `u.user_name_folded = ${name}` },
    isSince: (movedVersion) => `u.moved_version = ${movedVersion}`,
    advice: 'userName eq, externalId eq, emails[type eq "work"].value eq',
  },
  groups: {
    name: 'group',
    view: GROUPS_VIEW,
    select:
      'u.id, u.directory, u.version, u.created, u.last_modified AS "lastModified", u.resource, u.member_count AS "memberCount"',
    columns: columnsOf('group', `${baseUrl}${GROUP.endpoint}`, {
      displayName: plain('display_name_folded'),
      members: {
        ...plain(''),
        rows: memberRows,
        parts: {
          value: uuid('m.member'),
          type: plain("CASE m.kind WHEN 'U' THEN 'user' ELSE 'group' END"),
          $ref: plain(
            `'${baseUrl}' || CASE m.kind WHEN 'U' THEN '${USER.endpoint}/' ELSE '${GROUP.endpoint}/' END || m.member`,
          ),
        },
      },
    }),
    seesUnowned: ({ seesLocalGroups }) => seesLocalGroups,
    unique: { id: isId },
    advice: 'displayName eq, externalId eq',
  },
});
