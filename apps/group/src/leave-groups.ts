import { GROUP_COMMAND_TYPES, USER_EVENT_TYPES, type CommandData, type GroupCommand, type Message } from '#contracts';

/** An event of identity, as far as it matters here. */
interface Cause {
  readonly tenant: string;
  readonly type: string;
  readonly stream: string;
  /** ISO 8601, UTC. */
  readonly recordedAt: string;
  readonly correlationId: string;
}

/** Nobody waits for these: they are never too late. */
const NEVER = '9999-12-31T23:59:59.999Z';

/**
 * The command by which a deleted user leaves its groups; none for every other event. `id` is derived from the event.
 */
export const toLeaveGroups = (cause: Cause, id: string): readonly Message<CommandData<GroupCommand>>[] =>
  cause.type === USER_EVENT_TYPES.UserDeleted ? [toLeaveMore(cause, id)] : [];

/**
 * The command by which a user or group that is gone leaves those groups that it is still in. `id` is derived from the
 * command before.
 */
export const toLeaveMore = (
  { tenant, stream, recordedAt, correlationId }: Omit<Cause, 'type'>,
  id: string,
): Message<CommandData<GroupCommand>> => ({
  id,
  type: GROUP_COMMAND_TYPES.LeaveGroups,
  source: 'muster/group',
  subject: stream,
  time: recordedAt,
  tenant,
  directory: null,
  correlationId,
  causationId: null,
  data: { actor: 'group', expiresAt: NEVER, command: { type: 'LeaveGroups', memberId: stream } },
});
