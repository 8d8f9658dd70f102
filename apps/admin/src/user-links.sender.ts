import { Inject, Injectable } from '@nestjs/common';
import {
  USER_COMMAND_TYPES,
  type LoginType,
  type RecordedSignIn,
  type SignIn,
  type UserCommand,
  type UserSnapshot,
} from '#contracts';
import type { RequestReply } from '#log';
import { isUuid, uuidv7 } from '#runtime';
import { Rejected } from '#scim';
import { sendCommand } from './commands.sender.js';
import { Directories } from './directories.queries.js';
import { StreamEvents } from './stream-events.queries.js';

export const IDENTITY_REQUESTS = Symbol('RequestReply from admin to identity');

/** The person of a sign-in. */
export interface SeenAtSignIn {
  readonly loginType: LoginType;
  readonly providerId: string;
  readonly upn: string;
  readonly email: string | null;
  readonly displayName: string | null;
}

/**
 * An administrator, or a sign-in, changes whose a user is. Identity owns users: it is told, and says what became of it.
 */
@Injectable()
export class UserLinks {
  constructor(
    @Inject(IDENTITY_REQUESTS) private readonly identity: RequestReply,
    private readonly directories: Directories,
    private readonly events: StreamEvents,
  ) {}

  /** Without a directory: through the first one. Throws Rejected. */
  async recordSignIn(directoryId: string | undefined, seen: SeenAtSignIn): Promise<RecordedSignIn> {
    const { id, tenant } = await this.directories.show(directoryId);
    return (await this.send(tenant, id, { type: 'RecordSignIn', userId: uuidv7(), ...seen })) as RecordedSignIn;
  }

  /** `signIn` null = from its directory. Throws Rejected. Returns the version that the user has now. */
  async unlink(userId: string, signIn: SignIn | null): Promise<number> {
    const user = (await this.send(await this.tenantOf(userId), null, {
      type: 'UnlinkUser',
      userId,
      signIn,
    })) as UserSnapshot;
    return user.version;
  }

  /** Throws Rejected. Returns the version that the user has now. */
  async transfer(userId: string, directoryId: string): Promise<number> {
    const user = (await this.send(await this.tenantOf(userId), null, {
      type: 'TransferUser',
      userId,
      directoryId,
    })) as UserSnapshot;
    return user.version;
  }

  private async tenantOf(userId: string): Promise<string> {
    const [first] = isUuid(userId) ? await this.events.page('user', userId, 0, 1) : [];
    if (!first) throw new Rejected('notFound', `There is no user with the id ${userId}.`);
    return first.tenant;
  }

  private send(tenant: string, directory: string | null, command: UserCommand): Promise<unknown> {
    return sendCommand(this.identity, {
      type: USER_COMMAND_TYPES[command.type],
      subject: command.userId,
      tenant,
      directory,
      command,
    });
  }
}
