import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { INSTALLATION, KEY_SCOPES, type KeyScope } from '#contracts';
import { Rejected } from '#scim';
import { notToGive } from '../http/acting-key.js';
import { BY_ITSELF, type Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { Keys, type KeyView } from './keys.queries.js';

/** The key that npm start, npm run stack and docker-compose.yml make for the command line. */
export const COMMAND_LINE = 'command line';

export interface NewKey {
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly tenant: string | null;
  readonly expiresAt: string | null;
}

/** Makes and revokes keys of the admin API, by commands to their owner. */
@Injectable()
export class ChangedKeys {
  constructor(
    private readonly keys: Keys,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
  ) {}

  /** Returns the key itself, too: nobody can be shown it again. Throws Rejected. */
  async create(asked: Asked, wanted: NewKey): Promise<KeyView & { readonly key: string }> {
    const missing = notToGive(wanted.scopes, asked.key);
    if (missing.length > 0)
      throw new Rejected(
        'forbidden',
        `The key "${asked.key.name}" cannot give what it does not have: ${missing.join(', ')}. Use one that has it, or the bootstrap key.`,
      );
    if (wanted.tenant !== null) await this.tenants.idOf(wanted.tenant);
    const key = `muster_key_${asked.newSecret(wanted.name)}`;
    const id = await this.make(asked, wanted, key);
    return { ...(await this.keys.show(id)), key };
  }

  /** For good, within a second. Throws Rejected(notFound). */
  async revoke(asked: Asked, keyId: string): Promise<void> {
    const { id } = await this.keys.show(keyId);
    await this.commands.toDirectory(asked, INSTALLATION, { type: 'RevokeApiKey', keyId: id });
  }

  /**
   * Makes this the key of the command line, which may do everything, unless it has been before: then it is left as it
   * is, also when somebody has revoked it. One whose text was lost ends.
   */
  async forCommandLine(key: string): Promise<void> {
    const found = await this.keys.ofHashOrName(sha256(key), COMMAND_LINE);
    if (found.some(({ isOfHash }) => isOfHash)) return;
    for (const { id } of found) await this.revoke(BY_ITSELF, id);
    const made = { name: COMMAND_LINE, scopes: KEY_SCOPES, tenant: null, expiresAt: null };
    await this.make(BY_ITSELF, made, key).catch(async (error: unknown) => {
      // Another process of the admin API may have begun at the same time, with the same key.
      const now = await this.keys.ofHashOrName(sha256(key), COMMAND_LINE);
      if (!now.some(({ isOfHash }) => isOfHash)) throw error;
    });
  }

  private async make(asked: Asked, { tenant: tenantId, ...wanted }: NewKey, key: string): Promise<string> {
    const keyId = asked.newId();
    await this.commands.toDirectory(asked, INSTALLATION, {
      type: 'CreateApiKey',
      keyId,
      ...wanted,
      tenantId,
      hash: sha256(key),
    });
    return keyId;
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
