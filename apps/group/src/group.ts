import {
  applyChanges,
  applyPatch,
  diffResource,
  isRejection,
  orRejection,
  preconditionFailed,
  readOnlyOf,
  rejection,
  tooLarge,
  unfitAsKey,
  uniqueKey,
  type Rejection,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { Conditions, DirectoryStatus, GroupCommand, GroupEvent, GroupSnapshot, StoredValue } from '#contracts';
import { membershipEvents, type MembersContext } from './member-moves.js';
import { splitOperations, type MemberChange } from './membership.js';

/** A group as the fold of its events, without its members, of which there may be very many; null = there is none. */
export type GroupState = {
  readonly id: string;
  /** The directory that owns it; null = a local group. */
  readonly directory: string | null;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly lastModified: string;
  /** Without `members`. */
  readonly resource: Resource;
  readonly memberCount: number;
} | null;
type Group = NonNullable<GroupState>;

/** A decision may look at this besides the group itself: what the batch has loaded, and what it has decided since. */
export interface GroupContext extends MembersContext {
  /** The directory whose client sends the command; null = an administrator does. */
  readonly directory: string | null;
  /** The attributes that groups of the tenant may have. */
  readonly definition: ResourceDefinition;
  /** Up to where a group may grow, without its members. */
  readonly maxResourceBytes: number;
  /** True if that directory is shown local groups. */
  readonly seesLocalGroups: boolean;
  /** True if that directory makes and changes groups. */
  readonly provisionsGroups: boolean;
  readonly nameOf: (directory: string) => string;
  /** Null = there is no such directory. */
  readonly statusOf: (directory: string) => DirectoryStatus | null;
  /** The group that bears a name in its directory, or among the local ones; null = none. */
  readonly bearerOf: (nameKey: string) => string | null;
}

/**
 * Returns the events that should happen to the group in `state`. Reads nothing but its arguments; [] means that nothing
 * changed. A DeleteGroup or LeaveGroups is also decided about each group in which the one that goes is a member.
 */
export const decide = (command: GroupCommand, state: GroupState, context: GroupContext): GroupEvent[] | Rejection => {
  const silenced = command.type === 'LeaveGroups' ? null : anInactiveDirectoryIsSilent(context);
  if (silenced) return silenced;
  if (context.directory !== null && !context.provisionsGroups)
    return rejection(
      'forbidden',
      `The setting provisionGroups of the directory "${context.nameOf(context.directory)}" is off: groups stay as they are. An administrator of Muster can switch it on.`,
    );
  switch (command.type) {
    case 'CreateGroup': {
      const { groupId, resource, members } = command;
      if (state) return rejection('uniqueness', `A group with the id ${groupId} exists already.`);
      return withMembers(
        tooLarge(context.definition, null, resource, context.maxResourceBytes) ??
          nameTaken(resource, groupId, context.directory, context) ?? [
            { type: 'GroupCreated', resource, directory: context.directory },
          ],
        { id: groupId, memberCount: 0 },
        [{ op: 'add', ids: members }],
        context,
      );
    }
    case 'PatchGroup': {
      const group = targetOf(command, state, context);
      if (isRejection(group)) return group;
      const split = orRejection(() => splitOperations(command.operations));
      if (isRejection(split)) return split;
      const after = orRejection(() =>
        applyPatch(context.definition, group.resource, split.attributes, readOnlyOf(context.definition, group)),
      );
      if (isRejection(after)) return after;
      return withMembers(changed(group, after, context), group, split.members, context);
    }
    case 'ReplaceGroup': {
      const group = targetOf(command, state, context);
      if (isRejection(group)) return group;
      const members = [{ op: 'replace', ids: command.members }] as const;
      return withMembers(changed(group, command.resource, context), group, members, context);
    }
    case 'DeleteGroup': {
      // A group in which it is a member, whoever owns that: nothing may point at a group that is gone.
      if (state && state.id !== command.groupId)
        return membershipEvents(state, [{ op: 'remove', ids: [command.groupId] }], context);
      const group = targetOf(command, state, context);
      return isRejection(group) ? group : [{ type: 'GroupDeleted' }];
    }
    case 'LeaveGroups':
      return state ? membershipEvents(state, [{ op: 'remove', ids: [command.memberId] }], context) : [];
    default:
      return unreachable(command);
  }
};

/**
 * Returns the state after an event that has happened. Never throws: history is a fact. `recordedAt` is ISO 8601, UTC.
 */
export const evolve = (state: GroupState, event: GroupEvent, id: string, recordedAt: string): GroupState => {
  if (event.type === 'GroupCreated') {
    const { directory, resource } = event;
    return { id, directory, version: 1, created: recordedAt, lastModified: recordedAt, resource, memberCount: 0 };
  }
  if (!state) return null;
  // The clock of the machine may go back; what a client is told does not.
  const next = {
    ...state,
    version: state.version + 1,
    lastModified: recordedAt > state.lastModified ? recordedAt : state.lastModified,
  };
  switch (event.type) {
    case 'GroupChanged':
      return { ...next, resource: applyChanges(state.resource, event.changes) };
    case 'GroupMembersChanged':
      return { ...next, memberCount: state.memberCount + event.added.length - event.removed.length };
    case 'GroupDeleted':
      return null;
    default:
      return unreachable(event);
  }
};

/** The group as an answer shows it. */
export const snapshotOf = (state: GroupState): GroupSnapshot | null => {
  if (!state) return null;
  const { directory: _owner, ...snapshot } = state;
  return snapshot;
};

/** The part of an answer that is kept: a resource is read where it is kept itself. */
export const storedAnswer = (answer: GroupSnapshot | null): StoredValue | null =>
  answer && { id: answer.id, version: answer.version };

/** A name as it is unique: among the groups of a directory, or among the local ones. */
export const nameKey = (directory: string | null, resource: Resource): string =>
  `${directory ?? 'local'}/${uniqueKey(String(resource.displayName))}`;

/** The events so far and those of the memberships, or what is wrong with either. */
const withMembers = (
  events: GroupEvent[] | Rejection,
  group: Pick<Group, 'id' | 'memberCount'>,
  changes: readonly MemberChange[],
  context: GroupContext,
): GroupEvent[] | Rejection => {
  if (isRejection(events)) return events;
  const moves = membershipEvents(group, changes, context);
  return isRejection(moves) ? moves : [...events, ...moves];
};

const changed = (group: Group, after: Resource, context: GroupContext): GroupEvent[] | Rejection => {
  const changes = diffResource(group.resource, after);
  if (Object.keys(changes).length === 0) return [];
  return (
    tooLarge(context.definition, group.resource, after, context.maxResourceBytes) ??
    nameTaken(after, group.id, group.directory, context) ?? [{ type: 'GroupChanged', changes }]
  );
};

/** The group that a command is about, if its sender may write it as the command asks. */
const targetOf = (
  command: { readonly type: GroupCommand['type']; readonly groupId: string } & Conditions,
  state: GroupState,
  context: GroupContext,
): Group | Rejection => {
  const group = writable(command, state, context);
  return isRejection(group) ? group : (preconditionFailed('group', command, group.version) ?? group);
};

const anInactiveDirectoryIsSilent = ({ directory, statusOf, nameOf }: GroupContext): Rejection | null => {
  const status = directory === null ? 'active' : statusOf(directory);
  // One that is gone was disconnected for longer than its commands live.
  return status === 'active' || status === null
    ? null
    : rejection('forbidden', `The directory "${nameOf(directory!)}" is ${status}.`);
};

/**
 * The group, if the sender owns it. Else notFound for a group that the sender does not see, and for one that it sees a
 * conflict that names the owner.
 */
const writable = (
  { type, groupId }: { readonly type: GroupCommand['type']; readonly groupId: string },
  state: GroupState,
  { directory, seesLocalGroups, nameOf, statusOf }: GroupContext,
): Group | Rejection => {
  if (state && state.directory === directory) return state;
  // Nobody else could delete it, and a directory that owns groups cannot be deleted.
  if (state?.directory && directory === null && type === 'DeleteGroup' && statusOf(state.directory) === 'disconnected')
    return state;
  if (!state || (directory !== null && !(state.directory === null && seesLocalGroups)))
    return rejection('notFound', `There is no group with the id ${groupId}.`);
  return rejection(
    'conflict',
    state.directory === null
      ? `The group ${groupId} is a local one: only administrators of Muster change it.`
      : `The group ${groupId} belongs to the directory "${nameOf(state.directory)}": only its identity provider changes it.`,
  );
};

const nameTaken = (
  resource: Resource,
  groupId: string,
  directory: string | null,
  context: GroupContext,
): Rejection | null => {
  const name = String(resource.displayName);
  // A local group comes from an administrator, and not through the parser of SCIM.
  const unfit = unfitAsKey('displayName', name);
  if (unfit) return unfit;
  const bearer = context.bearerOf(nameKey(directory, resource));
  return bearer === null || bearer === groupId
    ? null
    : rejection('uniqueness', `displayName ${name} is taken by the group with the id ${bearer}.`);
};

const unreachable = (value: never): never => {
  throw new Error(`unknown: ${JSON.stringify(value)}`);
};
