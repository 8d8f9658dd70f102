import { GROUP_EVENT_TYPES, schemasAsJson, upcaster, type GroupEvent, type MemberType } from '#contracts';
import type { Fold, FoldTable } from '#event-store';
import { definitionsByTenant, STANDARD, type TenantSchema } from '#scim';
import { GROUP_COLUMNS, groupRow } from './group.projection.js';
import { evolve, nameKey, type GroupState } from './group.js';

export const upcastGroup = upcaster<GroupEvent>(GROUP_EVENT_TYPES);

const GROUPS: FoldTable = {
  name: '"group".groups',
  noun: 'group',
  columns: GROUP_COLUMNS,
  key: ['tenant', 'id'],
  tenant: 'tenant',
  stream: 'id',
};

const MEMBERS: FoldTable = {
  name: '"group".members',
  noun: 'member',
  parent: 'group',
  columns: { tenant: 'uuid', group_id: 'uuid', member: 'uuid', kind: '"char"' },
  key: ['group_id', 'member', 'tenant'],
  tenant: 'tenant',
  stream: 'group_id',
  part: ['member'],
  // Those of a group that is gone are deleted bit by bit.
  condition: 'NOT EXISTS (SELECT FROM "group".emptying e WHERE e.tenant = t.tenant AND e.group_id = t.group_id)',
};

/** SQL: the name of a group as it is claimed. */
export const claimOf = (group: string): string =>
  `coalesce(${group}.directory::text, 'local') || '/' || coalesce(${group}.name_key, ${group}.display_name_folded)`;

/** SQL: true if the holder of a claim exists and bears it. */
export const isBorne = (claim: string): string => `EXISTS (
  SELECT FROM "group".groups g WHERE g.tenant = ${claim}.tenant AND g.id = ${claim}.holder AND ${claimOf('g')} = ${claim}.value OFFSET 0)`;

/** A group with its members. */
interface GroupAndMembers {
  group: GroupState;
  /** By their ids. */
  readonly members: Map<string, MemberType>;
}

/** Makes the rows of groups and memberships from their events. */
export const groupFold = (): Fold<GroupAndMembers> => ({
  owner: 'group',
  noun: 'group',
  tables: [GROUPS, MEMBERS],
  claims: { name: '"group".claims', isBorne },
  begin: async (client, streams) => {
    const { rows } = await client.query<{ schemas: (TenantSchema & { tenant: string })[] | null }>(
      `SELECT ${schemasAsJson('= ANY ($1::uuid[])')} AS schemas`,
      [[...new Set(streams.map(({ tenant }) => tenant))]],
    );
    const definitions = definitionsByTenant(rows[0]!.schemas);
    return {
      evolve: (before, { type, data, stream, recorded_at }) => {
        const event = upcastGroup(type, data as Readonly<Record<string, unknown>>);
        const state = before ?? { group: null, members: new Map() };
        state.group = evolve(state.group, event, stream, recorded_at.toISOString());
        if (event.type === 'GroupMembersChanged') {
          for (const { value } of event.removed) state.members.delete(value);
          for (const { value, type: kind } of event.added) state.members.set(value, kind);
        }
        if (!state.group) state.members.clear();
        return state;
      },
      rowsOf: ({ tenant, stream }, state) =>
        state?.group
          ? {
              [GROUPS.name]: [groupRow(tenant, state.group, (definitions.get(tenant) ?? STANDARD).group)],
              [MEMBERS.name]: [...state.members].map(([member, type]) => ({
                tenant,
                group_id: stream,
                member,
                kind: type[0],
              })),
            }
          : {},
      claimsOf: (_id, state) =>
        state?.group ? [['displayName', nameKey(state.group.directory, state.group.resource)]] : [],
    };
  },
});
