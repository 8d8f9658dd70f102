import type { CommandData, Message } from '#contracts';
import type { RequestReply } from '#log';
import { uuidv7 } from '#runtime';
import { Rejected } from '#scim';

const COMMAND_TIMEOUT_MS = 10_000;

/** A command of an administrator, or, with a directory, of who acts for one. */
export interface AdministratorsCommand<Command> {
  /** The name on the wire. */
  readonly type: string;
  /** The aggregate that it is about. */
  readonly subject: string;
  readonly tenant: string;
  readonly directory: string | null;
  readonly command: Command;
}

/** Sends a command to its owner and says what became of it. Throws Rejected, or LogUnavailable when nobody can say. */
export const sendCommand = async <Command>(
  owner: RequestReply,
  { type, subject, tenant, directory, command }: AdministratorsCommand<Command>,
): Promise<unknown> => {
  const id = uuidv7();
  const now = Date.now();
  const message: Message<CommandData<Command>> = {
    id,
    type,
    source: 'muster/admin',
    subject,
    time: new Date(now).toISOString(),
    tenant,
    directory,
    correlationId: id,
    causationId: null,
    data: { actor: 'admin', expiresAt: new Date(now + COMMAND_TIMEOUT_MS).toISOString(), command },
  };
  const outcome = await owner.request(message);
  if (outcome.status === 'rejected') throw new Rejected(outcome.code, outcome.detail);
  return outcome.value;
};
