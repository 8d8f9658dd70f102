import { GROUP_COMMAND_TYPES, USER_EVENT_TYPES, type CommandData, type GroupCommand, type Message } from '#contracts';

/** An event of identity, as far as it matters here. */
interface Cause {
  readonly tenant: string;
  readonly type: string;
  readonly stream: string;
  readonly time: string;
  readonly correlationId: string;
}

/** Nobody waits for these: they are never too late. */
const NEVER = '9999-12-31T23:59:59.999Z';

/** The command by which a deleted user leaves its groups; null for every other event. `id` is derived from the event. */
export const toLeaveGroups = ({ tenant, type, stream, time, correlationId }: Cause, id: string): Message<CommandData<GroupCommand>> | null =>
  type !== USER_EVENT_TYPES.UserDeleted ? null : {
    id, type: GROUP_COMMAND_TYPES.LeaveGroups, source: 'muster/group', subject: stream, time, tenant, directory: null, correlationId,
    causationId: null, data: { actor: 'group', expiresAt: NEVER, command: { type: 'LeaveGroups', memberId: stream } },
  };
