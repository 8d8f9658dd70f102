import { USER_COMMAND_TYPES, type CommandData, type Message, type UserCommand } from '#contracts';
import { quote, Rejected } from '#scim';

/** What surrounds a command besides its content; time and id are handed in. */
export interface CommandOrigin {
  readonly id: string;
  readonly correlationId: string;
  readonly tenant: string;
  readonly directory: string;
  readonly actor: string;
  readonly now: Date;
  readonly expiresAfterMs: number;
}

/** The message that carries a user command to its owner. */
export const toCommand = (command: UserCommand, origin: CommandOrigin): Message<CommandData<UserCommand>> => ({
  id: origin.id,
  type: USER_COMMAND_TYPES[command.type],
  source: 'muster/gateway',
  subject: command.userId,
  time: origin.now.toISOString(),
  tenant: origin.tenant,
  directory: origin.directory,
  correlationId: origin.correlationId,
  causationId: null,
  data: { actor: origin.actor, expiresAt: new Date(origin.now.getTime() + origin.expiresAfterMs).toISOString(), command },
});

/** The versions that an If-Match or If-None-Match header names (RFC 7644 §3.14, RFC 9110 §13.1); null = no header or `*`. */
export const toVersions = (header: string | undefined, name = 'If-Match'): number[] | null => {
  if (header === undefined || header.trim() === '*') return null;
  const versions = header.split(',').map((tag) => /^\s*(?:W\/)?"([1-9]\d{0,8})"\s*$/.exec(tag)?.[1]);
  if (versions.every((version) => version === undefined) && !header.includes('"')) {
    throw new Rejected('invalidSyntax', `${name} must be a list of ETags such as W/"3", not ${quote(header)}.`);
  }
  // A tag that we never gave out matches nothing.
  return versions.map((version) => (version === undefined ? -1 : Number(version)));
};
