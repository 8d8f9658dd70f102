import {
  definitionsByTenant,
  fold,
  foldedAttributes,
  isRejection,
  keyBeside,
  rejection,
  STANDARD,
  type Definitions,
  type Rejection,
  type ResourceDefinition,
} from '#scim';
import {
  GROUP_COMMAND_TYPES,
  GROUP_EVENT_TYPES,
  type DirectoryStatus,
  type GroupCommand,
  type GroupEvent,
  type Member,
  type MemberType,
  type SettingsReadBy,
} from '#contracts';
import type { Behaviour, Command, Decision, NewEvent, WorkingSet } from '#event-store';
import {
  loadSql,
  MAX_GROUPS_ABOVE,
  MAX_MEMBERS_LOADED,
  MAX_MEMBERSHIPS_ABOVE,
  touches,
  type LoadedGroups,
  type TenantGroup,
  type Touched,
} from './group-load.queries.js';
import { decide, evolve, nameKey, snapshotOf, storedAnswer, type GroupContext, type GroupState } from './group.js';
import { LEAVING_PARTS, Leaving } from './leaving.projection.js';

/** The columns of the projection and their types. */
export const GROUP_COLUMNS = {
  tenant: 'uuid',
  id: 'uuid',
  directory: 'uuid',
  version: 'int',
  created: 'timestamptz',
  last_modified: 'timestamptz',
  resource: 'jsonb',
  display_name_folded: 'text',
  name_key: 'text',
  external_id: 'text',
  folded: 'jsonb',
  member_count: 'int',
};
/** New members of one group: so many in one row that what is the same of all costs little. */
interface NewMembers {
  readonly tenant: string;
  readonly group_id: string;
  /** The first letter of what they are. */
  readonly kind: string;
  readonly members: readonly string[];
}
const MEMBERS_IN_ROW = 1_000;
const membersIn = (rows: readonly unknown[]): number =>
  (rows as readonly NewMembers[]).reduce((sum, { members }) => sum + members.length, 0);

/** Columns that never change in a row. */
const FIXED = ['tenant', 'id', 'directory', 'created'];
const columns = Object.keys(GROUP_COLUMNS);

/** The part of group in the transaction. */
export const groupBehaviour = (maxResourceBytes: number): Behaviour<GroupCommand> => ({
  owner: 'group',
  commandTypes: new Set(Object.values(GROUP_COMMAND_TYPES)),
  loadSql: (touched) => loadSql(touched as Touched),
  touches: (commands, wanted) => touches(commands, wanted as readonly TenantGroup[]),
  parts: [
    {
      name: 'upserted_groups',
      sql: (rows) => `
        INSERT INTO "group".groups (${columns.join(', ')})
        SELECT r.* FROM json_to_recordset(${rows}) AS r(${Object.entries(GROUP_COLUMNS)
          .map(([name, type]) => `${name} ${type}`)
          .join(', ')})
        ON CONFLICT (tenant, id) DO UPDATE SET
          ${columns
            .filter((name) => !FIXED.includes(name))
            .map((name) => `${name} = excluded.${name}`)
            .join(', ')}
        RETURNING 1`,
    },
    {
      // Its memberships go with it, by trigger.
      name: 'deleted_groups',
      sql: (rows) => `
        DELETE FROM "group".groups g USING json_to_recordset(${rows}) AS r(tenant uuid, id uuid)
        WHERE g.tenant = r.tenant AND g.id = r.id RETURNING 1`,
    },
    {
      name: 'upserted_group_claims',
      sql: (rows) => `
        INSERT INTO "group".claims SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, kind text, value text, holder uuid)
        ON CONFLICT (tenant, kind, value) DO UPDATE SET holder = excluded.holder RETURNING 1`,
    },
    {
      name: 'new_members',
      sql: (rows) => `
        INSERT INTO "group".members SELECT r.tenant, r.group_id, one.id::uuid, r.kind
        FROM json_to_recordset(${rows}) AS r(tenant uuid, group_id uuid, kind "char", members json)
        CROSS JOIN LATERAL json_array_elements_text(r.members) AS one(id) RETURNING 1`,
      written: membersIn,
    },
    {
      // Row by row: of what stands in lists in rows the planner expects so much that it reads all memberships of all
      // tenants for one.
      name: 'gone_members',
      sql: (rows) => `
        DELETE FROM "group".members m USING json_to_recordset(${rows}) AS r(tenant uuid, group_id uuid, member uuid)
        WHERE m.tenant = r.tenant AND m.group_id = r.group_id AND m.member = r.member RETURNING 1`,
    },
    ...LEAVING_PARTS,
  ],
  begin: (loaded, now, touched) =>
    new GroupWorkingSet(loaded as LoadedGroups, touched as Touched, now.toISOString(), maxResourceBytes),
});

interface Known {
  readonly tenant: string;
  readonly state: GroupState;
  /** True if it has a row in the database. */
  readonly stored: boolean;
  readonly changed: boolean;
}

interface Membership {
  /** The type in the database; null = there is no such membership. */
  readonly stored: MemberType | null;
  now: MemberType | null;
}

/**
 * The groups and memberships that one batch touches, as they become while its commands are decided one after the other.
 */
class GroupWorkingSet implements WorkingSet<GroupCommand> {
  /** Groups whose own groups were not loaded, and to which a group is to be added. */
  readonly wanted: TenantGroup[] = [];
  private readonly groups = new Map<string, Known>();
  /** Tenant and name → who bears it. */
  private readonly bearers = new Map<string, string | null>();
  private readonly claims = new Map<
    string,
    { tenant: string; kind: 'displayName'; value: string; holder: string | null }
  >();
  /** Tenant and group → its members, as far as they are known. */
  private readonly members = new Map<string, Map<string, Membership>>();
  /** Groups whose own groups, and theirs, are known; of a tenant that has too many of them, none is. */
  private readonly climbed: ReadonlySet<string>;
  private readonly tooHigh = new Set<string>();
  /**
   * Tenant and member → the groups that it is known to be in, of groups and of those who leave: of others, of whom
   * there may be very many, nobody asks.
   */
  private readonly groupsOf = new Map<string, Set<string>>();
  /** Tenant → what it has under an id. */
  private readonly types = new Map<string, Map<string, MemberType>>();
  private readonly leaving: Leaving;
  private readonly directories: ReadonlyMap<
    string,
    SettingsReadBy<'group'> & { readonly name: string; readonly status: DirectoryStatus }
  >;
  /** Definitions by tenant, where a tenant has schemas of its own. */
  private readonly definitions: ReadonlyMap<string, Definitions>;

  constructor(
    loaded: LoadedGroups,
    private readonly touched: Touched,
    private readonly now: string,
    private readonly maxResourceBytes: number,
  ) {
    for (const { tenant, last_modified, member_count, ...row } of loaded.groups ?? []) {
      const state: GroupState = {
        ...row,
        created: new Date(row.created).toISOString(),
        lastModified: new Date(last_modified).toISOString(),
        memberCount: member_count,
      };
      this.groups.set(`${tenant}/${row.id}`, { tenant, state, stored: true, changed: false });
    }
    for (const { tenant, value, holder } of loaded.claims ?? []) this.bearers.set(`${tenant}/${value}`, holder);
    this.leaving = new Leaving(touched.leavers, loaded.left);
    for (const { tenant, group, users, groups } of loaded.present ?? []) {
      this.keep(tenant, group, 'User', users);
      this.keep(tenant, group, 'Group', groups);
    }
    if (touched.commands > 1 && touched.whole.length > 0 && isAboveLoaded(loaded.present, touched.whole))
      throw ONE_BY_ONE;
    for (const { tenant, member, users, groups } of loaded.left ?? []) {
      for (const id of users ?? []) this.keep(tenant, id, 'User', [member]);
      for (const id of groups ?? []) this.keep(tenant, id, 'Group', [member]);
    }
    this.climbed = new Set(touched.climbing.map(({ tenant, id }) => `${tenant}/${id}`));
    for (const { tenant, member, groups } of loaded.above ?? []) {
      if (member === null) this.tooHigh.add(tenant);
      else for (const group of groups ?? []) this.keep(tenant, group, 'Group', [member]);
    }
    for (const { tenant, users, groups } of loaded.known ?? []) {
      const types = this.types.get(tenant) ?? new Map<string, MemberType>();
      this.types.set(tenant, types);
      for (const id of users ?? []) types.set(id, 'User');
      for (const id of groups ?? []) types.set(id, 'Group');
    }
    this.directories = new Map(
      (loaded.directories ?? []).map(({ tenant, id, ...directory }) => [`${tenant}/${id}`, directory]),
    );
    this.definitions = definitionsByTenant(loaded.schemas);
  }

  decide(asked: Command<GroupCommand>): Decision<GroupEvent> | Rejection {
    const { tenant, directory, command } = asked;
    const context = this.context(tenant, directory);
    // All are decided before any is applied: a command that is refused has changed nothing.
    const decided: { readonly id: string; readonly made: readonly GroupEvent[] }[] = [];
    for (const id of this.concerned(tenant, command)) {
      const made = decide(command, this.groups.get(`${tenant}/${id}`)?.state ?? null, context);
      if (isRejection(made)) return made;
      decided.push({ id, made });
    }
    const events = decided.flatMap(({ id, made }) => this.apply(tenant, id, made));
    this.leaving.goOn(asked);
    const state =
      command.type === 'LeaveGroups' ? null : (this.groups.get(`${tenant}/${command.groupId}`)?.state ?? null);
    const answer = snapshotOf(state);
    return {
      events,
      outcome: { status: 'done', value: answer },
      stored: { status: 'done', value: storedAnswer(answer) },
    };
  }

  buried(command: Command<GroupCommand>): void {
    this.leaving.buried(command);
  }

  rows(): Record<string, readonly unknown[]> {
    const changed = [...this.groups.values()].filter((group) => group.changed);
    return {
      upserted_groups: changed.flatMap(({ tenant, state }) =>
        state ? [groupRow(tenant, state, this.definitionOf(tenant))] : [],
      ),
      deleted_groups: [...this.groups].flatMap(([key, { tenant, state, stored }]) =>
        stored && !state ? [{ tenant, id: key.slice(tenant.length + 1) }] : [],
      ),
      upserted_group_claims: [...this.claims.values()],
      ...this.memberRows(),
      ...this.leaving.rows(),
    };
  }

  /** Members that come and go in groups that still exist. */
  private memberRows(): { readonly new_members: readonly NewMembers[]; readonly gone_members: readonly unknown[] } {
    const come: NewMembers[] = [];
    const gone: unknown[] = [];
    for (const [key, members] of this.members) {
      const { tenant, state } = this.groups.get(key) ?? { tenant: '', state: null };
      if (!state) continue;
      const lists: Record<MemberType, string[]> = { User: [], Group: [] };
      for (const [member, { stored, now }] of members) {
        if (stored === now) continue;
        if (now) lists[now].push(member);
        else gone.push({ tenant, group_id: state.id, member });
      }
      for (const [type, ids] of Object.entries(lists)) {
        for (let at = 0; at < ids.length; at += MEMBERS_IN_ROW)
          come.push({ tenant, group_id: state.id, kind: type[0]!, members: ids.slice(at, at + MEMBERS_IN_ROW) });
      }
    }
    return { new_members: come, gone_members: gone };
  }

  private definitionOf(tenant: string): ResourceDefinition {
    return (this.definitions.get(tenant) ?? STANDARD).group;
  }

  private context(tenant: string, directory: string | null): GroupContext {
    const types = this.types.get(tenant);
    // A decision asks for thousands of members of one group, one after the other, and for the members of none that is
    // made meanwhile.
    let [askedGroup, members]: [string, ReadonlyMap<string, Membership>] = ['', NOBODY];
    return {
      directory,
      definition: this.definitionOf(tenant),
      maxResourceBytes: this.maxResourceBytes,
      seesLocalGroups: directory !== null && this.directories.get(`${tenant}/${directory}`)?.offerLocalGroups === true,
      provisionsGroups: directory !== null && this.directories.get(`${tenant}/${directory}`)?.provisionGroups !== false,
      nameOf: (id) => this.directories.get(`${tenant}/${id}`)?.name ?? id,
      statusOf: (id) => this.directories.get(`${tenant}/${id}`)?.status ?? null,
      bearerOf: (key) => this.bearers.get(`${tenant}/${key}`) ?? null,
      memberOf: (groupId, id) => {
        if (groupId !== askedGroup)
          [askedGroup, members] = [groupId, this.members.get(`${tenant}/${groupId}`) ?? NOBODY];
        return members.get(id)?.now ?? null;
      },
      membersOf: (groupId) => {
        const all: Member[] = [];
        for (const [value, { now: type }] of this.members.get(`${tenant}/${groupId}`) ?? [])
          if (type) all.push({ type, value });
        return all;
      },
      typeOf: (id) => {
        const type = types?.get(id) ?? null;
        if (type === 'User') return type;
        // A group that came or went in this batch.
        const group = this.groups.get(`${tenant}/${id}`);
        return group ? (group.state ? 'Group' : null) : type;
      },
      contains: (groupId, id) => this.contains(tenant, groupId, id),
    };
  }

  /**
   * Walks up from `id`: groups have few groups, and may have very many members. Rejects where they have too many.
   * Memberships that the batch added before were asked about here, so that all above them is known too.
   */
  private contains(tenant: string, groupId: string, id: string): boolean | Rejection {
    // A group that is made in this batch is in none but those of this batch.
    if (this.groups.get(`${tenant}/${id}`)?.stored && !this.climbed.has(`${tenant}/${id}`)) {
      this.wanted.push({ tenant, id });
      return false;
    }
    if (this.tooHigh.has(tenant))
      return tooHigh(id, this.touched.climbing.filter((climbing) => climbing.tenant === tenant).length > 1);
    const seen = new Set([id]);
    for (const one of seen) {
      for (const parent of this.groupsOf.get(`${tenant}/${one}`) ?? []) {
        if (parent === groupId) return true;
        seen.add(parent);
      }
    }
    return false;
  }

  /**
   * The groups about which a command has to be decided: the one that it names, and those that somebody leaves with it.
   */
  private concerned(tenant: string, command: GroupCommand): readonly string[] {
    switch (command.type) {
      case 'LeaveGroups':
        return this.groupsWith(tenant, command.memberId);
      case 'DeleteGroup':
        return [command.groupId, ...this.groupsWith(tenant, command.groupId)];
      default:
        return [command.groupId];
    }
  }

  private groupsWith(tenant: string, member: string): readonly string[] {
    return [...(this.groupsOf.get(`${tenant}/${member}`) ?? [])];
  }

  private apply(tenant: string, id: string, events: readonly GroupEvent[]): NewEvent<GroupEvent>[] {
    const key = `${tenant}/${id}`;
    const known = this.groups.get(key);
    const before = known?.state ?? null;
    let state = before;
    let version = before?.version ?? 0;
    const recorded = events.map((event): NewEvent<GroupEvent> => {
      state = evolve(state, event, id, this.now);
      version++;
      if (event.type === 'GroupMembersChanged') {
        this.move(tenant, id, event.removed, false);
        this.move(tenant, id, event.added, true);
      }
      return {
        stream: id,
        version,
        type: GROUP_EVENT_TYPES[event.type],
        event,
        stored: { data: event, personal: null },
      };
    });
    if (events.length === 0) return recorded;
    this.groups.set(key, { tenant, state, stored: known?.stored ?? false, changed: true });
    this.rename(tenant, before, state);
    if (!state) {
      for (const member of this.members.get(key)?.keys() ?? []) this.groupsOf.get(`${tenant}/${member}`)?.delete(id);
      this.members.delete(key);
    }
    return recorded;
  }

  /** A name that went is free for the next command of the batch, one that came is taken. */
  private rename(tenant: string, before: GroupState, after: GroupState): void {
    const [old, name] = [
      before && nameKey(before.directory, before.resource),
      after && nameKey(after.directory, after.resource),
    ];
    if (old === name) return;
    const claim = (value: string | null, holder: string | null): void => {
      if (value === null) return;
      this.bearers.set(`${tenant}/${value}`, holder);
      this.claims.set(`${tenant}/${value}`, { tenant, kind: 'displayName', value, holder });
    };
    claim(old, null);
    claim(name, after?.id ?? null);
  }

  /** Members that the database has. */
  private keep(tenant: string, group: string, type: MemberType, ids: readonly string[] | null): void {
    if (!ids) return;
    const members = this.knownIn(tenant, group);
    for (const id of ids) {
      members.set(id, { stored: type, now: type });
      this.track(tenant, group, { type, value: id }, true);
    }
  }

  private move(tenant: string, group: string, moving: readonly Member[], isComing: boolean): void {
    const members = this.knownIn(tenant, group);
    for (const member of moving) {
      const now = isComing ? member.type : null;
      const known = members.get(member.value);
      if (known) known.now = now;
      else members.set(member.value, { stored: null, now });
      this.track(tenant, group, member, isComing);
    }
  }

  private track(tenant: string, group: string, { type, value }: Member, isIn: boolean): void {
    if (type === 'User' && this.leaving.isEmpty) return;
    const key = `${tenant}/${value}`;
    if (type === 'User' && !this.leaving.has(key)) return;
    const groups = this.groupsOf.get(key) ?? new Set<string>();
    this.groupsOf.set(key, groups);
    if (isIn) groups.add(group);
    else groups.delete(group);
  }

  private knownIn(tenant: string, group: string): Map<string, Membership> {
    const key = `${tenant}/${group}`;
    let members = this.members.get(key);
    if (!members) this.members.set(key, (members = new Map()));
    return members;
  }
}

const NOBODY: ReadonlyMap<string, Membership> = new Map();

/** SQLSTATE program_limit_exceeded: the batch is halved. */
const ONE_BY_ONE = Object.assign(
  new Error(`the groups that are to be replaced have more than ${MAX_MEMBERS_LOADED} members together`),
  { code: '54000' },
);

const isAboveLoaded = (present: LoadedGroups['present'], whole: Touched['whole']): boolean => {
  const asked = new Set(whole.map(({ tenant, group }) => `${tenant}/${group}`));
  const loaded = (present ?? []).filter(({ tenant, group }) => asked.has(`${tenant}/${group}`));
  return (
    loaded.reduce((sum, { users, groups }) => sum + (users?.length ?? 0) + (groups?.length ?? 0), 0) >
    MAX_MEMBERS_LOADED
  );
};

/** If several changes come together, perhaps none of them alone is too much. */
const tooHigh = (id: string, isOneOfSeveral: boolean): Rejection => {
  const most = `${MAX_GROUPS_ABOVE} groups, directly and through others, or through more than ${MAX_MEMBERSHIPS_ABOVE} memberships of groups`;
  return isOneOfSeveral
    ? rejection(
        'tooManyRequests',
        `The groups to which groups are being added at the same time are in more than ${most}: send one of these changes after the other.`,
      )
    : rejection(
        'invalidValue',
        `No further group can become a member of ${id}, because ${id} is in more than ${most}. Take it out of some of them first.`,
      );
};

/** The row of the projection: the fold of the events, but for the memberships, which are rows of their own. */
export const groupRow = (
  tenant: string,
  state: NonNullable<GroupState>,
  definition: ResourceDefinition,
): Record<string, unknown> => {
  const name = String(state.resource.displayName);
  const nameFolded = fold(name);
  return {
    tenant,
    id: state.id,
    directory: state.directory,
    version: state.version,
    created: state.created,
    last_modified: state.lastModified,
    resource: state.resource,
    display_name_folded: nameFolded,
    name_key: keyBeside(name, nameFolded),
    external_id: state.resource.externalId ?? null,
    folded: foldedAttributes(definition, state.resource),
    member_count: state.memberCount,
  };
};
