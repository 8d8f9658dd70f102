import { comparisonsOf, isRejection, rejection, rememberingFold, valueMatcher, type Rejection } from '#scim';
import type { GroupEvent, Member, MemberType } from '#contracts';
import type { MemberChange } from './membership.js';

/** A decision about memberships may look at this. */
export interface MembersContext {
  /** The type of a member of the group; null = it is none. */
  readonly memberOf: (groupId: string, id: string) => MemberType | null;
  /** All members of the group; asked only where a command speaks of all. */
  readonly membersOf: (groupId: string) => readonly Member[];
  /** The type of what the tenant has under this id; null = nothing. */
  readonly typeOf: (id: string) => MemberType | null;
  /** Tells whether `groupId` contains `id`, directly or through other groups; a rejection where they are too many. */
  readonly contains: (groupId: string, id: string) => boolean | Rejection;
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
 * Returns the events that name exactly those who come and those who go, after all changes in their order. Rejects
 * (invalidValue) members whom the tenant does not have.
 */
export const membershipEvents = (
  { id, memberCount }: { readonly id: string; readonly memberCount: number },
  changes: readonly MemberChange[],
  context: MembersContext,
): GroupEvent[] | Rejection => {
  const moves = new Moves(id, context);
  const foldOnce = rememberingFold();
  let comparisons = 0;
  for (const change of changes) {
    let refused: Rejection | null = null;
    switch (change.op) {
      case 'add':
        refused = moves.add(change.ids);
        break;
      case 'remove':
        for (const one of change.ids) moves.remove(one);
        break;
      case 'replace': {
        const stays = new Set(change.ids);
        // Said before so many are looked at. Those who come back with a later operation would not have left, but nobody
        // sends that.
        if (memberCount - stays.size > MAX_MEMBERSHIP_CHANGES) return tooManyChanges(id);
        // If nothing else is asked, the current members need not be gathered: that is half of the work.
        if (changes.length === 1) {
          for (const { value } of context.membersOf(id)) if (!stays.has(value)) moves.remove(value);
        } else {
          for (const value of moves.all().keys()) if (!stays.has(value)) moves.remove(value);
        }
        refused = moves.add(change.ids);
        break;
      }
      case 'removeWhere': {
        if (memberCount > MAX_MEMBERS_COMPARED) {
          return rejection(
            'tooMany',
            `The group ${id} has more than ${MAX_MEMBERS_COMPARED} members: name those who leave by their ids, members[value eq "<id>"], in requests of up to ${MAX_MEMBERSHIP_CHANGES}.`,
          );
        }
        comparisons += moves.all().size * comparisonsOf(change.filter);
        if (comparisons > MAX_MEMBER_COMPARISONS) {
          return rejection(
            'invalidValue',
            `The filters on members make more than ${MAX_MEMBER_COMPARISONS} comparisons in this group: send fewer at once, or name members by their ids, members[value eq "<id>"].`,
          );
        }
        const isMeant = valueMatcher(change.filter, foldOnce);
        for (const [value, type] of moves.all()) if (isMeant({ value, type })) moves.remove(value);
        break;
      }
      default:
        return unreachable(change);
    }
    if (refused) return refused;
  }
  return moves.events();
};

/** Those who come to a group or go, as one operation after the other says it. */
class Moves {
  /** Those who come or go, or have, with what they were before and what they are now. */
  private readonly moves = new Map<string, { readonly before: MemberType | null; now: MemberType | null }>();
  /** All who are members now, once an operation has spoken of all: there may be many, and a thousand operations. */
  private everybody: Map<string, MemberType> | undefined;

  constructor(
    private readonly groupId: string,
    private readonly context: MembersContext,
  ) {}

  add(ids: readonly string[]): Rejection | null {
    for (const id of ids) {
      const move = this.moves.get(id);
      if (move ? move.now : this.context.memberOf(this.groupId, id)) continue;
      const now = typeOfNew(id, this.groupId, this.context);
      if (isRejection(now)) return now;
      if (move) move.now = now;
      else this.moves.set(id, { before: null, now });
      this.everybody?.set(id, now);
    }
    return null;
  }

  remove(id: string): void {
    const move = this.moves.get(id);
    const before = move ? move.now : this.context.memberOf(this.groupId, id);
    if (!before) return;
    if (move) move.now = null;
    else this.moves.set(id, { before, now: null });
    this.everybody?.delete(id);
  }

  all(): ReadonlyMap<string, MemberType> {
    if (this.everybody) return this.everybody;
    const all = new Map<string, MemberType>();
    for (const { value, type } of this.context.membersOf(this.groupId)) all.set(value, type);
    for (const [id, { now }] of this.moves) {
      if (now) all.set(id, now);
      else all.delete(id);
    }
    return (this.everybody = all);
  }

  events(): GroupEvent[] | Rejection {
    const events: GroupEvent[] = [];
    let [added, removed]: [Member[], Member[]] = [[], []];
    let moved = 0;
    for (const [value, { before, now }] of this.moves) {
      if ((before === null) === (now === null)) continue;
      if (now) added.push({ type: now, value });
      else removed.push({ type: before!, value });
      if (++moved > MAX_MEMBERSHIP_CHANGES) return tooManyChanges(this.groupId);
      if (added.length + removed.length < MAX_MEMBERS_PER_EVENT) continue;
      events.push({ type: 'GroupMembersChanged', added, removed });
      [added, removed] = [[], []];
    }
    if (added.length + removed.length > 0) events.push({ type: 'GroupMembersChanged', added, removed });
    return events;
  }
}

const tooManyChanges = (groupId: string): Rejection =>
  rejection(
    'tooMany',
    `More than ${MAX_MEMBERSHIP_CHANGES} members of the group ${groupId} would come or go at once. Remove them by their ids in several requests, or delete the group.`,
  );

const typeOfNew = (id: string, groupId: string, context: MembersContext): MemberType | Rejection => {
  const type = context.typeOf(id);
  if (!type) return rejection('invalidValue', `There is no user or group with the id ${id}, so it cannot be a member.`);
  if (type === 'User') return type;
  const isCircle = id === groupId || context.contains(id, groupId);
  if (isRejection(isCircle)) return isCircle;
  return isCircle
    ? rejection('invalidValue', `The group ${id} cannot be a member of ${groupId}: a group would contain itself.`)
    : type;
};

const unreachable = (value: never): never => {
  throw new Error(`unknown: ${JSON.stringify(value)}`);
};
