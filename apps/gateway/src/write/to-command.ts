import {
  GROUP_COMMAND_TYPES,
  USER_COMMAND_TYPES,
  type CommandData,
  type GroupCommand,
  type Message,
  type UserCommand,
} from '#contracts';
import { Rejected, type Json, type Resource } from '#scim';
import type { Replay } from '../caller.js';

/** The parts of a message besides the command itself. Time and id are handed in. */
export interface CommandOrigin {
  readonly id: string;
  readonly correlationId: string;
  readonly tenant: string;
  readonly directory: string;
  readonly actor: string;
  readonly replay: Replay | null;
  readonly now: Date;
  readonly expiresAfterMs: number;
}

/** A command, its name on the wire, and the aggregate that it is about. */
export interface NamedCommand<Command> {
  readonly type: string;
  readonly subject: string;
  readonly command: Command;
}

export const ofUser = (command: UserCommand): NamedCommand<UserCommand> => ({
  type: USER_COMMAND_TYPES[command.type],
  subject: command.userId,
  command,
});

export const ofGroup = (command: GroupCommand): NamedCommand<GroupCommand> => ({
  type: GROUP_COMMAND_TYPES[command.type],
  subject: command.type === 'LeaveGroups' ? command.memberId : command.groupId,
  command,
});

/** The message that carries a command to its owner. */
export const toCommand = <Command>(
  { type, subject, command }: NamedCommand<Command>,
  origin: CommandOrigin,
): Message<CommandData<Command>> => ({
  id: origin.id,
  type,
  source: 'muster/gateway',
  subject,
  time: origin.now.toISOString(),
  tenant: origin.tenant,
  directory: origin.directory,
  correlationId: origin.correlationId,
  causationId: null,
  data: {
    actor: origin.actor,
    expiresAt: new Date(origin.now.getTime() + origin.expiresAfterMs).toISOString(),
    ...(origin.replay && ofReplay(origin.replay)),
    command,
  },
});

const ofReplay = ({ replayOf, by: { reason }, request, expiresAt }: Replay): Partial<CommandData<unknown>> => ({
  replayOf,
  expiresAt,
  ...(reason === undefined ? {} : { reason }),
  ...(request && { request }),
});

/**
 * Takes a group apart as a client sends it: memberships are no part of the group itself. Throws Rejected(invalidValue).
 */
export const membersOf = ({
  members,
  ...resource
}: Resource): { readonly resource: Resource; readonly members: string[] } => ({
  resource,
  members: [...new Set(((members ?? []) as Json[]).map(idOf))],
});

const idOf = (member: Json): string => {
  const id = (member as { readonly value?: Json }).value;
  if (typeof id !== 'string')
    throw new Rejected('invalidValue', 'Each of the members needs a value: the id of a user or of a group.');
  return id.toLowerCase();
};
