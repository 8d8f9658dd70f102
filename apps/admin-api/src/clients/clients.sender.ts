import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Federation } from '#contracts';
import { Directories } from '../directories/directories.queries.js';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Clients, type ClientView } from './clients.queries.js';

/** A secret as it is shown once: only its hash is kept. */
export interface NewSecret {
  readonly description: string;
  /** ISO 8601; null = never. */
  readonly expiresAt: string | null;
}

/** A client with a secret that was made just now; null = it has none. */
export interface NewClientView extends ClientView {
  readonly secret: string | null;
}

/** Makes clients of OAuth 2.0 and changes them, by commands to their owner. */
@Injectable()
export class ChangedClients {
  constructor(
    private readonly directories: Directories,
    private readonly clients: Clients,
    private readonly commands: Commands,
  ) {}

  /** With a first secret, unless the tokens of another issuer prove who the client is. Throws Rejected. */
  async create(
    asked: Asked,
    directoryId: string | undefined,
    name: string,
    federation: Federation | null,
    first: NewSecret,
  ): Promise<NewClientView> {
    const { id: directory, tenant } = await this.directories.show(directoryId);
    const clientId = asked.newId();
    await this.commands.toDirectory(asked, tenant, {
      type: 'CreateClient',
      clientId,
      directoryId: directory,
      name,
      federation,
    });
    const secret = federation ? null : (await this.makeSecret(asked, tenant, clientId, first)).secret;
    return { ...(await this.clients.show(directory, clientId)), secret };
  }

  /** Throws Rejected. */
  async addSecret(
    asked: Asked,
    directoryId: string | undefined,
    idOrName: string,
    made: NewSecret,
  ): Promise<{ readonly id: string; readonly secret: string }> {
    const { id: directory, tenant } = await this.directories.show(directoryId);
    const { id } = await this.clients.show(directory, idOrName);
    return this.makeSecret(asked, tenant, id, made);
  }

  /** It is useless at once for further access tokens; those that were given with it go on. Throws Rejected. */
  async removeSecret(asked: Asked, directoryId: string | undefined, idOrName: string, secretId: string): Promise<void> {
    const { id: directory, tenant } = await this.directories.show(directoryId);
    const { id: clientId } = await this.clients.show(directory, idOrName);
    await this.commands.toDirectory(asked, tenant, { type: 'RemoveClientSecret', clientId, secretId });
  }

  /** Its access tokens are useless within a second, too. Throws Rejected. */
  async revoke(asked: Asked, directoryId: string | undefined, idOrName: string): Promise<void> {
    const { id: directory, tenant } = await this.directories.show(directoryId);
    const { id: clientId } = await this.clients.show(directory, idOrName);
    await this.commands.toDirectory(asked, tenant, { type: 'RevokeClient', clientId });
  }

  private async makeSecret(
    asked: Asked,
    tenant: string,
    clientId: string,
    { description, expiresAt }: NewSecret,
  ): Promise<{ readonly id: string; readonly secret: string }> {
    const secretId = asked.newId();
    // 256 random bits: nobody finds them by trying, so a fast hash does.
    const secret = `muster_secret_${asked.newSecret(secretId)}`;
    const hash = createHash('sha256').update(secret).digest('hex');
    await this.commands.toDirectory(asked, tenant, {
      type: 'AddClientSecret',
      clientId,
      secretId,
      description,
      hash,
      expiresAt,
    });
    return { id: secretId, secret };
  }
}
