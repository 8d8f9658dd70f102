import {
  DIRECTORIES_VIEW,
  schemasAsJson,
  settingsSql,
  USERS_VIEW,
  WITHDRAWN,
  type DirectoryStatus,
  type GroupCommand,
  type SettingsReadBy,
} from '#contracts';
import type { Command } from '#event-store';
import type { Json, Resource, TenantSchema } from '#scim';
import { nameKey, type GroupState } from './group.js';
import { splitOperations, type MemberChange } from './membership.js';

/**
 * One query loads this for a batch: never the members of a group as a whole, unless a command speaks of all of them.
 */
export interface LoadedGroups {
  readonly groups:
    | (Omit<NonNullable<GroupState>, 'lastModified' | 'memberCount'> & {
        tenant: string;
        last_modified: string;
        member_count: number;
      })[]
    | null;
  readonly claims: { tenant: string; value: string; holder: string | null }[] | null;
  /**
   * The groups that those who leave are leaving now, whether they are in others beside these, and whether they have
   * been leaving before.
   */
  readonly left?:
    | {
        tenant: string;
        member: string;
        users: string[] | null;
        groups: string[] | null;
        has_more: boolean;
        is_leaving: boolean;
      }[]
    | null;
  /** Memberships that there are, as far as the batch asks. */
  readonly present: { tenant: string; group: string; users: string[] | null; groups: string[] | null }[] | null;
  /** The users and groups under the ids that are to become members. */
  readonly known: { tenant: string; users: string[] | null; groups: string[] | null }[] | null;
  /**
   * If the batch asked for it: each group above some groups, with the groups that it is directly in; a row without a
   * group = there are more than the most.
   */
  readonly above?: { tenant: string; member: string | null; groups: string[] | null }[] | null;
  readonly directories:
    | (SettingsReadBy<'group'> & { tenant: string; id: string; name: string; status: DirectoryStatus })[]
    | null;
  readonly schemas: (TenantSchema & { tenant: string })[] | null;
}

export interface TenantGroup {
  readonly tenant: string;
  readonly id: string;
}

export interface Touched {
  readonly groups: { tenant: string; id: string }[];
  readonly names: { tenant: string; value: string }[];
  /** Members to look for in these groups. */
  readonly pairs: { tenant: string; group: string; members: string[] }[];
  /** Groups of which all members are needed. */
  readonly whole: { tenant: string; group: string }[];
  /** The ids that are to become members. */
  readonly candidates: { tenant: string; ids: string[] }[];
  /**
   * Groups whose own groups, and theirs, are needed, because a group is to become their member: none may come to
   * contain itself.
   */
  readonly climbing: readonly TenantGroup[];
  /** Those who leave all groups that they are in, and of how many each at once. */
  readonly leavers: TenantGroup[];
  readonly leaveAtOnce: number;
  readonly commands: number;
  readonly tenants: string[];
}

/**
 * Groups above one group, with whatever a batch nests beside it, and the memberships between them: a further group is
 * refused above it. Windows lets nobody sign in who is in more than 1,015 groups, nested ones counted; to walk through
 * so many takes 30 ms.
 */
export const MAX_GROUPS_ABOVE = 1_000;
export const MAX_MEMBERSHIPS_ABOVE = 10_000;

/**
 * Groups that one user or group leaves with one command, and that all leave with one batch; the rest follows with
 * further commands.
 */
const MAX_GROUPS_LEFT = 500;
const MAX_GROUPS_LEFT_PER_BATCH = 2_000;
/** The size of these groups together: each is loaded and written whole. */
const MAX_BYTES_LEFT = 4 * 1_048_576;

/**
 * Members that are loaded for the commands of a batch that speak of all members of a group; MAX_MEMBERSHIP_CHANGES fits
 * into it twice.
 */
export const MAX_MEMBERS_LOADED = 50_000;

const LEFT_SQL = `
    'left', (SELECT json_agg(json_build_object('tenant', t.tenant, 'member', t.id,
        'users', (SELECT json_agg(l.group_id) FROM left_groups l WHERE l.tenant = t.tenant AND l.member = t.id AND l.kind = 'U' AND l.is_now),
        'groups', (SELECT json_agg(l.group_id) FROM left_groups l WHERE l.tenant = t.tenant AND l.member = t.id AND l.kind = 'G' AND l.is_now),
        'has_more', EXISTS (SELECT FROM left_groups l WHERE l.tenant = t.tenant AND l.member = t.id AND NOT l.is_now),
        'is_leaving', EXISTS (SELECT FROM "group".leaving l WHERE l.tenant = t.tenant AND l.member = t.id OFFSET 0)))
      FROM json_to_recordset(($json)->'leavers') AS t(tenant uuid, id uuid)),`;
/** Memberships in a deleted group are left out, because they are being deleted already. */
const WITH_LEFT_SQL = `
  WITH left_groups AS MATERIALIZED (
    SELECT t.tenant, t.id AS member, m.group_id, m.kind,
      m.place = 1 OR (m.place <= (($json)->>'leaveAtOnce')::int AND m.until <= ${MAX_BYTES_LEFT}) AS is_now
    FROM json_to_recordset(($json)->'leavers') AS t(tenant uuid, id uuid)
    CROSS JOIN LATERAL (
      SELECT group_id, kind, row_number() OVER one_by_one AS place, sum(bytes) OVER one_by_one AS until FROM (
        SELECT m.group_id, m.kind, g.bytes FROM (SELECT group_id, kind FROM "group".members WHERE tenant = t.tenant AND member = t.id OFFSET 0) m
        CROSS JOIN LATERAL (SELECT octet_length(resource::text) AS bytes FROM "group".groups WHERE tenant = t.tenant AND id = m.group_id OFFSET 0) g
        LIMIT (($json)->>'leaveAtOnce')::int + 1
      ) f WINDOW one_by_one AS (ROWS UNBOUNDED PRECEDING)
    ) m
  )`;

const ABOVE_SQL = `
    'above', (SELECT json_agg(json_build_object('tenant', t.tenant, 'member', a.member, 'groups', a.groups))
      FROM (SELECT tenant, array_agg(id) AS ids FROM json_to_recordset(($json)->'climbing') AS t(tenant uuid, id uuid) GROUP BY 1) t
      CROSS JOIN LATERAL "group".groups_above(t.tenant, t.ids, ${MAX_GROUPS_ABOVE}, ${MAX_MEMBERSHIPS_ABOVE}) a),`;

/**
 * OFFSET 0 keeps each look-up a look-up (decision 3). A part that few batches ask for is left out of the others:
 * beginning it costs, also where it finds nothing.
 */
export const loadSql = ({ climbing, leavers }: Touched): string => `${leavers.length > 0 ? WITH_LEFT_SQL : ''}
  SELECT json_build_object(${climbing.length > 0 ? ABOVE_SQL : ''}${leavers.length > 0 ? LEFT_SQL : ''}
    'groups', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', t.id, 'directory', g.directory, 'version', g.version,
        'created', g.created, 'last_modified', g.last_modified, 'resource', g.resource, 'member_count', g.member_count))
      FROM (
        SELECT tenant, id FROM json_to_recordset(($json)->'groups') AS t(tenant uuid, id uuid)
        ${leavers.length > 0 ? 'UNION SELECT tenant, group_id FROM left_groups WHERE is_now' : ''}
      ) t
      CROSS JOIN LATERAL (SELECT * FROM "group".groups WHERE tenant = t.tenant AND id = t.id OFFSET 0) g),
    'claims', (SELECT json_agg(json_build_object('tenant', t.tenant, 'value', t.value, 'holder', c.holder))
      FROM json_to_recordset(($json)->'names') AS t(tenant uuid, value text)
      CROSS JOIN LATERAL (SELECT holder FROM "group".claims
        WHERE tenant = t.tenant AND kind = 'displayName' AND value = t.value COLLATE "C" OFFSET 0) c),
    'present', (
      SELECT json_agg(p) FROM (
        SELECT tenant, group_id AS "group", json_agg(member) FILTER (WHERE kind = 'U') AS users, json_agg(member) FILTER (WHERE kind = 'G') AS groups
        FROM (
          SELECT t.tenant, t."group" AS group_id, m.member, m.kind
          FROM json_to_recordset(($json)->'pairs') AS t(tenant uuid, "group" uuid, members json)
          CROSS JOIN LATERAL json_array_elements_text(t.members) AS one(id)
          CROSS JOIN LATERAL (SELECT member, kind FROM "group".members
            WHERE tenant = t.tenant AND group_id = t."group" AND member = one.id::uuid OFFSET 0) m
          UNION
          (SELECT t.tenant, t."group", m.member, m.kind FROM json_to_recordset(($json)->'whole') AS t(tenant uuid, "group" uuid)
          CROSS JOIN LATERAL (SELECT member, kind FROM "group".members WHERE tenant = t.tenant AND group_id = t."group" OFFSET 0) m
          LIMIT ${MAX_MEMBERS_LOADED + 1})
        ) AS found GROUP BY 1, 2
      ) p),
    'known', (SELECT json_agg((SELECT json_build_object('tenant', t.tenant,
        'users', json_agg(k.id) FILTER (WHERE k.kind = 'U'), 'groups', json_agg(k.id) FILTER (WHERE k.kind = 'G'))
        FROM json_array_elements_text(t.ids) AS one(id)
        CROSS JOIN LATERAL (
          SELECT id, 'U' AS kind FROM ${USERS_VIEW} WHERE tenant = t.tenant AND id = one.id::uuid AND directory IS DISTINCT FROM '${WITHDRAWN}'
          UNION ALL SELECT id, 'G' FROM "group".groups WHERE tenant = t.tenant AND id = one.id::uuid LIMIT 1) k))
      FROM json_to_recordset(($json)->'candidates') AS t(tenant uuid, ids json)),
    'directories', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', d.id, 'name', d.name, 'status', d.status,
                ${settingsSql('group', 'd.settings')}))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)
      CROSS JOIN LATERAL (SELECT * FROM ${DIRECTORIES_VIEW} WHERE tenant = t.tenant::uuid OFFSET 0) d),
    'schemas', ${schemasAsJson("= ANY (ARRAY(SELECT json_array_elements_text(($json)->'tenants')::uuid))")}
  )`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Returns what has to be loaded for these commands; `wanted` are groups to which a command turned out to add groups. A
 * command of a wrong shape touches nothing: decide will say what is wrong.
 */
export const touches = (commands: readonly Command<GroupCommand>[], wanted: readonly TenantGroup[]): Touched => {
  const climbing = [...new Map(wanted.map((one) => [`${one.tenant}/${one.id}`, one])).values()];
  const leavers = new Map<string, TenantGroup>();
  const touched: Omit<Touched, 'leavers' | 'leaveAtOnce'> = {
    groups: [],
    names: [],
    pairs: [],
    whole: [],
    candidates: [],
    climbing,
    tenants: [],
    commands: commands.length,
  };
  for (const { tenant, directory, command } of commands) {
    if (!touched.tenants.includes(tenant)) touched.tenants.push(tenant);
    const id = command.type === 'LeaveGroups' ? command.memberId : command.groupId;
    if (typeof id !== 'string' || !UUID.test(id)) continue;
    if (command.type !== 'LeaveGroups') touched.groups.push({ tenant, id });
    if (command.type === 'LeaveGroups' || command.type === 'DeleteGroup')
      leavers.set(`${tenant}/${id}`, { tenant, id });
    const { names, changes } = mentioned(command);
    // A local group has its name among the local ones, a directory's among that directory's; an administrator changes
    // local ones only.
    for (const name of names)
      if (typeof name === 'string') touched.names.push({ tenant, value: nameKey(directory, { displayName: name }) });
    const ids = (...ops: readonly MemberChange['op'][]): string[] =>
      changes.flatMap((change) =>
        'ids' in change && ops.includes(change.op) ? change.ids.filter((one) => UUID.test(one)) : [],
      );
    const isAbout = (...ops: readonly MemberChange['op'][]): boolean => changes.some(({ op }) => ops.includes(op));
    const candidates = ids('add', 'replace');
    if (candidates.length > 0) touched.candidates.push({ tenant, ids: candidates });
    if (isAbout('replace', 'removeWhere')) touched.whole.push({ tenant, group: id });
    else if (changes.length > 0)
      touched.pairs.push({ tenant, group: id, members: isAbout('remove') ? ids('add', 'remove') : candidates });
  }
  const leaveAtOnce = Math.min(MAX_GROUPS_LEFT, Math.ceil(MAX_GROUPS_LEFT_PER_BATCH / Math.max(1, leavers.size)));
  return { ...touched, leavers: [...leavers.values()], leaveAtOnce };
};

/** The names that a command may give, and what it says of memberships. `decide` tells a fault in them. */
const mentioned = (
  command: GroupCommand,
): { readonly names: readonly (Json | undefined)[]; readonly changes: readonly MemberChange[] } => {
  switch (command.type) {
    case 'CreateGroup':
    case 'ReplaceGroup': {
      const ids = Array.isArray(command.members) ? (command.members as string[]) : [];
      return {
        names: [(command.resource as Resource | null)?.displayName],
        changes: [{ op: command.type === 'CreateGroup' ? 'add' : 'replace', ids }],
      };
    }
    case 'PatchGroup': {
      if (!Array.isArray(command.operations)) return { names: [], changes: [] };
      // All of them: an attribute of the tenant's own may be called displayName as well.
      const names = command.operations.filter(({ path }) => /(^|:)displayName$/i.test(path)).map(({ value }) => value);
      try {
        return { names, changes: splitOperations(command.operations).members };
      } catch {
        return { names: [], changes: [] };
      }
    }
    default:
      return { names: [], changes: [] };
  }
};
