import { Inject, Injectable } from '@nestjs/common';
import {
  DIRECTORY_COMMAND_TYPES,
  GROUP_COMMAND_TYPES,
  USER_COMMAND_TYPES,
  type CommandData,
  type DirectoryCommand,
  type GroupCommand,
  type Message,
  type Owner,
  type RepeatableRequest,
  type UserCommand,
} from '#contracts';
import { LogUnavailable, type RequestReply } from '#log';
import { uuidv7 } from '#runtime';
import { Rejected } from '#scim';
import { OWNER_REQUESTS } from '../injected.js';
import type { Asked } from './asked.guard.js';

const COMMAND_TIMEOUT_MS = 10_000;
/** Each try lasts as long as a command is waited for. */
const MAX_ATTEMPTS = 6;

/** A command of an administrator, or, with a directory, of a program that acts for one. */
interface AdministratorsCommand {
  /** The name on the wire. */
  readonly type: string;
  /** The aggregate that it is about. */
  readonly subject: string;
  readonly tenant: string;
  readonly directory: string | null;
  readonly command: unknown;
}

/**
 * Sends commands to their owners and says what became of them. Each method throws Rejected, or LogUnavailable when
 * nobody can say.
 */
@Injectable()
export class Commands {
  constructor(@Inject(OWNER_REQUESTS) private readonly requestsTo: (owner: Owner) => RequestReply) {}

  async toDirectory(asked: Asked, tenant: string, command: DirectoryCommand): Promise<void> {
    const type = DIRECTORY_COMMAND_TYPES[command.type];
    await this.send(asked, 'directory', { type, subject: tenant, tenant, directory: null, command });
  }

  /** `directory`: the one through which it came; null = none. */
  toIdentity(asked: Asked, tenant: string, directory: string | null, command: UserCommand): Promise<unknown> {
    const type = USER_COMMAND_TYPES[command.type];
    return this.send(asked, 'identity', { type, subject: command.userId, tenant, directory, command });
  }

  async toGroup(asked: Asked, tenant: string, command: Exclude<GroupCommand, { type: 'LeaveGroups' }>): Promise<void> {
    const type = GROUP_COMMAND_TYPES[command.type];
    await this.send(asked, 'group', { type, subject: command.groupId, tenant, directory: null, command });
  }

  /** Records that somebody reads: nothing is made, and nothing is repeated. */
  async toAudit(
    reader: Pick<Asked, 'key' | 'correlationId' | 'concerns'>,
    reading: Omit<AdministratorsCommand, 'directory'>,
  ): Promise<void> {
    await this.send(reader, 'audit', { ...reading, directory: null });
  }

  private async send(
    { key, reason, repeatable, correlationId, concerns }: Omit<Asked, 'newId' | 'newSecret'>,
    owner: Owner,
    { type, subject, tenant, directory, command }: AdministratorsCommand,
  ): Promise<unknown> {
    // The last of several checks: whatever a route made of its ids, a key of one tenant changes nothing of another.
    if (key.tenant !== null && key.tenant !== tenant)
      throw new Rejected('notFound', 'There is no such thing in the tenant of this key.');
    concerns?.(tenant);
    const id = repeatable?.newCommandId() ?? uuidv7();
    const now = Date.now();
    const message: Message<CommandData<unknown>> = {
      id,
      type,
      source: 'muster/admin-api',
      subject,
      time: new Date(now).toISOString(),
      tenant,
      directory,
      correlationId: correlationId ?? id,
      causationId: null,
      data: {
        actor: key.actor,
        ...(reason === undefined ? {} : { reason }),
        ...(repeatable && { request: repeatable.request }),
        expiresAt: new Date(now + COMMAND_TIMEOUT_MS).toISOString(),
        command,
      },
    };
    const outcome = await this.requestsTo(owner).request(message);
    // The first request was under way in another process, or was given up here a moment ago.
    if (repeatable && outcome.request && !isSame(outcome.request, repeatable.request))
      throw new Rejected(
        'conflict',
        'Another request with this Idempotency-Key has just been carried out. Send this again to see what became of it.',
      );
    if (outcome.status === 'rejected') throw new Rejected(outcome.code, outcome.detail);
    return outcome.value;
  }
}

/** At a start, owners may begin after the admin API. Throws LogUnavailable when none of them answers in a minute. */
export const untilOwnersAnswer = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LogUnavailable) || attempt === MAX_ATTEMPTS) throw error;
    }
  }
};

const isSame = (a: RepeatableRequest, b: RepeatableRequest): boolean =>
  a.fingerprint === b.fingerprint && a.atMs === b.atMs;
