import { GROUP, isRejection, type Rejection } from '#scim';
import type { DirectoryStatus, GroupCommand, GroupEvent, Member, MemberType, Outcome } from '#contracts';
import { decide, evolve, nameKey, snapshotOf, type GroupContext, type GroupState } from '../../apps/group/src/group.js';

type Group = NonNullable<GroupState>;

/** The events of one group. */
interface Happened {
  readonly id: string;
  readonly events: readonly GroupEvent[];
}

/** One tenant, decided by the pure code alone: whatever a decision asks for is found by looking at everything. */
export class GroupWorld {
  readonly users = new Set<string>();
  readonly groups = new Map<string, Group>();
  /** Group → its members. */
  readonly members = new Map<string, Map<string, MemberType>>();

  /** `seeing` are the directories that are shown local groups. */
  constructor(
    users: readonly string[],
    private readonly seeing: readonly string[] = [],
    private readonly now = '2026-01-01T00:00:00.000Z',
    private readonly statuses: Readonly<Record<string, DirectoryStatus>> = {},
  ) {
    this.users = new Set(users);
  }

  context(sender: string | null): GroupContext {
    return {
      directory: sender,
      definition: GROUP,
      maxResourceBytes: 262_144,
      seesLocalGroups: sender !== null && this.seeing.includes(sender),
      provisionsGroups: true,
      nameOf: (id) => `Directory ${id}`,
      statusOf: (id) => this.statuses[id] ?? 'active',
      bearerOf: (key) =>
        [...this.groups.values()].find(({ directory, resource }) => nameKey(directory, resource) === key)?.id ?? null,
      memberOf: (groupId, id) => this.members.get(groupId)?.get(id) ?? null,
      membersOf: (groupId) => this.membersOf(groupId),
      typeOf: (id) => (this.groups.has(id) ? 'Group' : this.users.has(id) ? 'User' : null),
      contains: (groupId, id) => this.contains(groupId, id),
    };
  }

  membersOf(groupId: string): Member[] {
    return [...(this.members.get(groupId) ?? [])].map(([value, type]) => ({ type, value }));
  }

  /** Tells whether `groupId` contains `id`, directly or through other groups. */
  contains(groupId: string, id: string): boolean {
    return this.membersOf(groupId).some(
      ({ type, value }) => value === id || (type === 'Group' && this.contains(value, id)),
    );
  }

  /** The events that would happen. */
  decide(sender: string | null, command: GroupCommand): Happened[] | Rejection {
    const leaver =
      command.type === 'LeaveGroups' ? command.memberId : command.type === 'DeleteGroup' ? command.groupId : null;
    const left = [...this.members].filter(([, members]) => leaver !== null && members.has(leaver)).map(([id]) => id);
    const happened: Happened[] = [];
    for (const id of command.type === 'LeaveGroups' ? left : [command.groupId, ...left]) {
      const events = decide(command, this.groups.get(id) ?? null, this.context(sender));
      if (isRejection(events)) return events;
      happened.push({ id, events });
    }
    return happened;
  }

  send(sender: string | null, command: GroupCommand): { happened: readonly Happened[]; outcome: Outcome } {
    const happened = this.decide(sender, command);
    if (isRejection(happened)) return { happened: [], outcome: happened };
    for (const { id, events } of happened) this.apply(id, events);
    const state = command.type === 'LeaveGroups' ? null : (this.groups.get(command.groupId) ?? null);
    return { happened, outcome: { status: 'done', value: snapshotOf(state) } };
  }

  apply(id: string, events: readonly GroupEvent[]): void {
    for (const event of events) {
      const after = evolve(this.groups.get(id) ?? null, event, id, this.now);
      if (after) this.groups.set(id, after);
      else this.groups.delete(id);
      const members = this.members.get(id) ?? new Map<string, MemberType>();
      if (event.type === 'GroupMembersChanged') {
        for (const { value } of event.removed) members.delete(value);
        for (const { value, type } of event.added) members.set(value, type);
      }
      if (after) this.members.set(id, members);
      else this.members.delete(id);
    }
  }
}
