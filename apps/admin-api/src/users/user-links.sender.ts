import { Injectable } from '@nestjs/common';
import type { AttributeChanges, LoginType, RecordedSignIn, SignIn, UserSnapshot } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { Directories } from '../directories/directories.queries.js';
import { StreamEvents } from '../events/stream-events.queries.js';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';

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
    private readonly commands: Commands,
    private readonly directories: Directories,
    private readonly events: StreamEvents,
  ) {}

  /** Without a directory: through the first one that the key may see. Throws Rejected. */
  async recordSignIn(asked: Asked, directoryId: string | undefined, seen: SeenAtSignIn): Promise<RecordedSignIn> {
    const { id, tenant } = await this.directories.show(directoryId, asked.key.tenant);
    return (await this.commands.toIdentity(asked, tenant, id, {
      type: 'RecordSignIn',
      userId: asked.newId(),
      ...seen,
    })) as RecordedSignIn;
  }

  /** `signIn` null = from its directory. Throws Rejected. Returns the version that the user has now. */
  async unlink(asked: Asked, userId: string, signIn: SignIn | null): Promise<number> {
    const user = (await this.commands.toIdentity(asked, await this.tenantOf(userId), null, {
      type: 'UnlinkUser',
      userId,
      signIn,
    })) as UserSnapshot;
    return user.version;
  }

  /** Throws Rejected. Returns the version that the user has now. */
  async transfer(asked: Asked, userId: string, directoryId: string): Promise<number> {
    const user = (await this.commands.toIdentity(asked, await this.tenantOf(userId), null, {
      type: 'TransferUser',
      userId,
      directoryId,
    })) as UserSnapshot;
    return user.version;
  }

  /** Throws Rejected. */
  async archive(asked: Asked, userId: string): Promise<void> {
    await this.commands.toIdentity(asked, await this.tenantOf(userId), null, { type: 'ArchiveUser', userId });
  }

  /** Throws Rejected. */
  async restore(asked: Asked, userId: string): Promise<void> {
    await this.commands.toIdentity(asked, await this.tenantOf(userId), null, { type: 'RestoreUser', userId });
  }

  /** Throws Rejected that names the attribute which is not the administrators'. Returns the version of the user. */
  async setAttributes(asked: Asked, userId: string, changes: AttributeChanges): Promise<number> {
    const user = (await this.commands.toIdentity(asked, await this.tenantOf(userId), null, {
      type: 'SetAttributes',
      userId,
      changes,
    })) as UserSnapshot;
    return user.version;
  }

  private async tenantOf(userId: string): Promise<string> {
    const [first] = isUuid(userId) ? await this.events.page('user', userId, 0, 1) : [];
    if (!first) throw new Rejected('notFound', `There is no user with the id ${userId}.`);
    return first.tenant;
  }
}
