import {
  applyChanges,
  applyPatch,
  comparisonsOf,
  diffResource,
  GROUP,
  Rejected,
  rememberingFold,
  requireSize,
  requireUniqueKey,
  uniqueKey,
  valueMatcher,
  type JsonObject,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { Conditions, GroupCommand, GroupEvent, GroupSnapshot, Member, MemberType, StoredValue } from '#contracts';
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
export interface GroupContext {
  /** The directory whose client sends the command; null = an administrator does. */
  readonly directory: string | null;
  /** The attributes that groups of the tenant may have. */
  readonly definition: ResourceDefinition;
  /** Up to where a group may grow, without its members. */
  readonly maxResourceBytes: number;
  /** Whether that directory is shown local groups. */
  readonly seesLocalGroups: boolean;
  readonly nameOf: (directory: string) => string;
  /** The group that bears a name in its directory, or among the local ones; null = none. */
  readonly bearerOf: (nameKey: string) => string | null;
  /** The type of a member of the group; null = it is none. */
  readonly memberOf: (groupId: string, id: string) => MemberType | null;
  /** All members of the group; asked only where a command speaks of all. */
  readonly membersOf: (groupId: string) => readonly Member[];
  /** The type of what the tenant has under this id; null = nothing. */
  readonly typeOf: (id: string) => MemberType | null;
  /** Whether `groupId` contains `id`, directly or through other groups. */
  readonly contains: (groupId: string, id: string) => boolean;
}

/**
 * Memberships that one command changes: so many take half a second of the lane, for which all tenants of its partition
 * wait. A request cannot name more (MAX_MEMBERS_PER_REQUEST), and an identity provider sends a few hundred; only a list
 * that leaves out more members than that can meet it.
 */
export const MAX_MEMBERSHIP_CHANGES = 20_000;
/** Members of a group that filters are held against; fewer than MAX_MEMBERS_LOADED. */
const MAX_MEMBERS_COMPARED = 2 * MAX_MEMBERSHIP_CHANGES;
/** Memberships in one event: no message becomes too large for a log. */
export const MAX_MEMBERS_PER_EVENT = 1_000;
/**
 * Comparisons of members with the filters of one PATCH. Nine hundred filters of eight comparisons stopped the service
 * for half a minute in a group of 5,000; this is 20 ms.
 */
export const MAX_MEMBER_COMPARISONS = 250_000;

/**
 * Returns the events that should happen to the group in `state`. Reads nothing but its arguments; [] means that nothing
 * changed. Throws Rejected. A DeleteGroup or LeaveGroups is also decided about each group in which the one that goes is
 * a member.
 */
export const decide = (command: GroupCommand, state: GroupState, context: GroupContext): GroupEvent[] => {
  switch (command.type) {
    case 'CreateGroup': {
      if (state) throw new Rejected('uniqueness', `A group with the id ${command.groupId} exists already.`);
      const { groupId, resource, members } = command;
      requireSize(context.definition, null, resource, context.maxResourceBytes);
      requireFreeName(resource, groupId, context.directory, context);
      return [
        { type: 'GroupCreated', resource, directory: context.directory },
        ...membershipEvents({ id: groupId, memberCount: 0 }, [{ op: 'add', ids: members }], context),
      ];
    }
    case 'PatchGroup': {
      const group = writable(command.groupId, state, context);
      requireMatch(command, group.version);
      const { attributes, members } = splitOperations(command.operations);
      const after = applyPatch(context.definition, group.resource, attributes, readOnlyOf(group));
      return [...changed(group, after, context), ...membershipEvents(group, members, context)];
    }
    case 'ReplaceGroup': {
      const group = writable(command.groupId, state, context);
      requireMatch(command, group.version);
      return [
        ...changed(group, command.resource, context),
        ...membershipEvents(group, [{ op: 'replace', ids: command.members }], context),
      ];
    }
    case 'DeleteGroup': {
      // A group in which it is a member, whoever owns that: nothing may point at a group that is gone.
      if (state && state.id !== command.groupId)
        return membershipEvents(state, [{ op: 'remove', ids: [command.groupId] }], context);
      const group = writable(command.groupId, state, context);
      requireMatch(command, group.version);
      return [{ type: 'GroupDeleted' }];
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

const changed = (group: Group, after: Resource, context: GroupContext): GroupEvent[] => {
  const changes = diffResource(group.resource, after);
  if (Object.keys(changes).length === 0) return [];
  requireSize(context.definition, group.resource, after, context.maxResourceBytes);
  requireFreeName(after, group.id, group.directory, context);
  return [{ type: 'GroupChanged', changes }];
};

/**
 * Exactly who comes and who goes, after all changes in their order. Throws Rejected(invalidValue) for whom the tenant
 * does not have.
 */
const membershipEvents = (
  { id: groupId, memberCount }: Pick<Group, 'id' | 'memberCount'>,
  changes: readonly MemberChange[],
  context: GroupContext,
): GroupEvent[] => {
  /** Those who come or go, or have, with what they were before and what they are now. */
  const moves = new Map<string, { readonly before: MemberType | null; now: MemberType | null }>();
  /** All who are members now, once an operation has spoken of all: there may be many, and a thousand operations. */
  let everybody: Map<string, MemberType> | undefined;
  let comparisons = 0;
  const foldOnce = rememberingFold();
  const add = (id: string): void => {
    const move = moves.get(id);
    if (move ? move.now : context.memberOf(groupId, id)) return;
    const now = typeOfNew(id, groupId, context);
    if (move) move.now = now;
    else moves.set(id, { before: null, now });
    everybody?.set(id, now);
  };
  const remove = (id: string): void => {
    const move = moves.get(id);
    const before = move ? move.now : context.memberOf(groupId, id);
    if (!before) return;
    if (move) move.now = null;
    else moves.set(id, { before, now: null });
    everybody?.delete(id);
  };
  const all = (): Map<string, MemberType> => {
    if (everybody) return everybody;
    everybody = new Map();
    for (const { value, type } of context.membersOf(groupId)) everybody.set(value, type);
    for (const [id, { now }] of moves) {
      if (now) everybody.set(id, now);
      else everybody.delete(id);
    }
    return everybody;
  };
  for (const change of changes) {
    switch (change.op) {
      case 'add':
        change.ids.forEach(add);
        break;
      case 'remove':
        change.ids.forEach(remove);
        break;
      case 'replace': {
        const stays = new Set(change.ids);
        // Said before so many are looked at. Those who come back with a later operation would not have left, but nobody
        // sends that.
        if (memberCount - stays.size > MAX_MEMBERSHIP_CHANGES) throw tooManyChanges(groupId);
        // Where nothing else is asked, those who are members need not be gathered: that is half of the work.
        if (changes.length === 1) context.membersOf(groupId).forEach(({ value }) => stays.has(value) || remove(value));
        else for (const value of all().keys()) if (!stays.has(value)) remove(value);
        change.ids.forEach(add);
        break;
      }
      case 'removeWhere': {
        if (memberCount > MAX_MEMBERS_COMPARED) {
          throw new Rejected(
            'tooMany',
            `The group ${groupId} has more than ${MAX_MEMBERS_COMPARED} members: name those who leave by their ids, members[value eq "<id>"], in requests of up to ${MAX_MEMBERSHIP_CHANGES}.`,
          );
        }
        comparisons += all().size * comparisonsOf(change.filter);
        if (comparisons > MAX_MEMBER_COMPARISONS) {
          throw new Rejected(
            'invalidValue',
            `The filters on members make more than ${MAX_MEMBER_COMPARISONS} comparisons in this group: send fewer at once, or name members by their ids, members[value eq "<id>"].`,
          );
        }
        const isMeant = valueMatcher(change.filter, foldOnce);
        for (const [value, type] of all()) if (isMeant({ value, type })) remove(value);
        break;
      }
      default:
        unreachable(change);
    }
  }
  const events: GroupEvent[] = [];
  let [added, removed]: [Member[], Member[]] = [[], []];
  let moved = 0;
  for (const [value, { before, now }] of moves) {
    if ((before === null) === (now === null)) continue;
    if (now) added.push({ type: now, value });
    else removed.push({ type: before!, value });
    if (++moved > MAX_MEMBERSHIP_CHANGES) throw tooManyChanges(groupId);
    if (added.length + removed.length < MAX_MEMBERS_PER_EVENT) continue;
    events.push({ type: 'GroupMembersChanged', added, removed });
    [added, removed] = [[], []];
  }
  if (added.length + removed.length > 0) events.push({ type: 'GroupMembersChanged', added, removed });
  return events;
};

const tooManyChanges = (groupId: string): Rejected =>
  new Rejected(
    'tooMany',
    `More than ${MAX_MEMBERSHIP_CHANGES} members of the group ${groupId} would come or go at once. Remove them by their ids in several requests, or delete the group.`,
  );

const typeOfNew = (id: string, groupId: string, context: GroupContext): MemberType => {
  const type = context.typeOf(id);
  if (!type)
    throw new Rejected('invalidValue', `There is no user or group with the id ${id}, so it cannot be a member.`);
  if (type === 'Group' && (id === groupId || context.contains(id, groupId))) {
    throw new Rejected(
      'invalidValue',
      `The group ${id} cannot be a member of ${groupId}: a group would contain itself.`,
    );
  }
  return type;
};

/**
 * The group, if the sender owns it. Throws Rejected: notFound for what it does not see, conflict naming the owner of
 * what it sees.
 */
const writable = (groupId: string, state: GroupState, { directory, seesLocalGroups, nameOf }: GroupContext): Group => {
  if (state && state.directory === directory) return state;
  if (!state || (directory !== null && !(state.directory === null && seesLocalGroups))) throw notFound(groupId);
  throw new Rejected(
    'conflict',
    state.directory === null
      ? `The group ${groupId} is a local one: only administrators of Muster change it.`
      : `The group ${groupId} belongs to the directory "${nameOf(state.directory)}": only its identity provider changes it.`,
  );
};

const notFound = (groupId: string): Rejected => new Rejected('notFound', `There is no group with the id ${groupId}.`);

const requireFreeName = (
  resource: Resource,
  groupId: string,
  directory: string | null,
  context: GroupContext,
): void => {
  // A local group comes from an administrator, and not through the parser of SCIM.
  requireUniqueKey('displayName', String(resource.displayName));
  const bearer = context.bearerOf(nameKey(directory, resource));
  if (bearer !== null && bearer !== groupId) {
    const name = String(resource.displayName);
    throw new Rejected('uniqueness', `displayName ${name} is taken by the group with the id ${bearer}.`);
  }
};

/**
 * RFC 7644 §3.14, RFC 9110 §13.1: a write is refused with 412 when its If-Match does not name the current version, or
 * its If-None-Match does.
 */
const requireMatch = ({ ifMatch, ifNoneMatch }: Conditions, version: number): void => {
  if (ifMatch && !ifMatch.includes(version)) {
    throw new Rejected('preconditionFailed', `The group has changed meanwhile: its version is W/"${version}".`);
  }
  if (ifNoneMatch === '*' || ifNoneMatch?.includes(version)) {
    throw new Rejected(
      'preconditionFailed',
      `There is such a group, its version is W/"${version}", and If-None-Match asks for none: leave that header out.`,
    );
  }
};

/** Attributes that a client may send back in a PATCH, because it was shown them, but never change. */
const readOnlyOf = ({ id, created, lastModified, version }: Group): JsonObject => ({
  id,
  meta: { resourceType: GROUP.name, created, lastModified, version: `W/"${version}"` },
});

const unreachable = (value: never): never => {
  throw new Error(`unknown: ${JSON.stringify(value)}`);
};
