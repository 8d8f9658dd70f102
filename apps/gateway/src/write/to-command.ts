import {
  GROUP_COMMAND_TYPES,
  USER_COMMAND_TYPES,
  type CommandData,
  type Conditions,
  type GroupCommand,
  type Message,
  type UserCommand,
} from '#contracts';
import { quote, Rejected, type Json, type Resource } from '#scim';

/** The surroundings of a command, besides its content; time and id are handed in. */
export interface CommandOrigin {
  readonly id: string;
  readonly correlationId: string;
  readonly tenant: string;
  readonly directory: string;
  readonly actor: string;
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
    command,
  },
});

/**
 * A group as a client sends it, taken apart: memberships are no part of the group itself. Throws
 * Rejected(invalidValue).
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

/** The headers that a write depends on. */
export const preconditionsOf = ({
  'if-match': ifMatch,
  'if-none-match': ifNoneMatch,
}: Readonly<Record<string, string | string[] | undefined>>): {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
} => ({ ifMatch: ifMatch?.toString(), ifNoneMatch: ifNoneMatch?.toString() });

/** Under which versions a write is carried out, as its headers say. */
export const toConditions = ({
  ifMatch,
  ifNoneMatch,
}: {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}): Conditions => ({
  ifMatch: toVersions(ifMatch),
  ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: toVersions(ifNoneMatch, 'If-None-Match') ?? '*' }),
});

/**
 * RFC 9110 §13.1.2: what a POST is sent to, the list of all users or groups, is always there. Throws
 * Rejected(preconditionFailed).
 */
export const refuseIfNoneMatch = (ifNoneMatch: string | undefined): void => {
  if (ifNoneMatch?.trim() === '*') {
    throw new Rejected(
      'preconditionFailed',
      'If-None-Match: * asks that there be nothing at this path, and there is a list: leave that header out.',
    );
  }
};

/**
 * A client names the version that it has read, or a few; and each one takes more as a number in a command than as a
 * comma in a request.
 */
const MAX_VERSIONS = 100;
const MAX_VERSIONS_CHARACTERS = 2_000;

/**
 * The versions that an If-Match or If-None-Match header names (RFC 7644 §3.14, RFC 9110 §13.1); null = no header or
 * `*`.
 */
export const toVersions = (header: string | undefined, name = 'If-Match'): number[] | null => {
  if (header === undefined || header.trim() === '*') return null;
  const commas =
    header.length > MAX_VERSIONS_CHARACTERS ? MAX_VERSIONS : header.split(',', MAX_VERSIONS + 1).length - 1;
  if (commas >= MAX_VERSIONS)
    throw new Rejected(
      'invalidSyntax',
      `${name} must be a list of ${MAX_VERSIONS} ETags such as W/"3" at the most, not ${quote(header)}.`,
    );
  const versions = header.split(',').map((tag) => /^\s*(?:W\/)?"([1-9]\d{0,8})"\s*$/.exec(tag)?.[1]);
  if (versions.every((version) => version === undefined) && !header.includes('"')) {
    throw new Rejected('invalidSyntax', `${name} must be a list of ETags such as W/"3", not ${quote(header)}.`);
  }
  // A tag that we never gave out matches nothing.
  return versions.map((version) => (version === undefined ? -1 : Number(version)));
};

/** RFC 9110 §13.1.2: whether a client that sends If-None-Match has this version already. */
export const isNotModified = (ifNoneMatch: string | undefined, version: number): boolean =>
  ifNoneMatch !== undefined &&
  (ifNoneMatch.trim() === '*' || toVersions(ifNoneMatch, 'If-None-Match')?.includes(version) === true);
