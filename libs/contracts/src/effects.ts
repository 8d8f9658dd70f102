import type { GroupEvent } from './group.js';
import type { UserEvent } from './user.js';

/** Effects of a command on a user or group: of several events the first one here says most. */
export const EFFECTS = [
  'create',
  'delete',
  'link',
  'disable',
  'enable',
  'change members',
  'add members',
  'remove members',
  'update',
] as const;
/** `nothing`: all of it was so already. */
export type Effect = (typeof EFFECTS)[number] | 'nothing';

const BY_EVENT: { readonly [type in (UserEvent | GroupEvent)['type']]?: Effect } = {
  UserCreated: 'create',
  GroupCreated: 'create',
  UserDeleted: 'delete',
  UserWithdrawn: 'delete',
  GroupDeleted: 'delete',
  UserLinked: 'link',
  UserDeactivated: 'disable',
  UserReactivated: 'enable',
};
const KNOWN: ReadonlySet<unknown> = new Set([...EFFECTS, 'nothing']);

export const isEffect = (value: unknown): value is Effect => KNOWN.has(value);

/** The effect of a command by the events that it caused; those of other owners count as an update. */
export const effectOf = (events: readonly unknown[]): Effect => {
  const effects = new Set(events.map(ofEvent));
  return EFFECTS.find((effect) => effects.has(effect)) ?? 'nothing';
};

const ofEvent = (event: unknown): Effect => {
  const known = event as UserEvent | GroupEvent;
  if (known.type !== 'GroupMembersChanged') return BY_EVENT[known.type] ?? 'update';
  return known.removed.length === 0 ? 'add members' : known.added.length === 0 ? 'remove members' : 'change members';
};
