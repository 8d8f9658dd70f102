import { Injectable } from '@nestjs/common';
import type { DirectoryKind, SettingChanges } from '#contracts';
import { LogUnavailable } from '#log';
import { BY_ITSELF, type Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Schemas } from '../schemas/schemas.queries.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { NewTenants } from '../tenants/tenants.sender.js';
import { Tokens, type RevealedDirectory } from '../tokens/tokens.sender.js';
import { Directories, type DirectoryView } from './directories.queries.js';
import { checkMapping } from './mapping.js';

const FIRST_TOKEN = 'Made with the directory';
/** Each try lasts as long as a command is waited for: the owner of directories may start after the admin API. */
const MAX_ATTEMPTS = 6;

/** Makes directories and changes them, by commands to their owner. */
@Injectable()
export class ChangedDirectories {
  constructor(
    private readonly directories: Directories,
    private readonly tokens: Tokens,
    private readonly tenants: Tenants,
    private readonly newTenants: NewTenants,
    private readonly commands: Commands,
    private readonly schemas: Schemas,
  ) {}

  /**
   * Makes a directory and its first token, which is shown to the one who asked for it. Without a tenant: in the first
   * one. Throws Rejected.
   */
  async create(asked: Asked, name: string, kind: DirectoryKind, tenant?: string): Promise<RevealedDirectory> {
    const owner = await this.tenants.idOf(tenant);
    const directoryId = asked.newId();
    await this.commands.toDirectory(asked, owner, { type: 'CreateDirectory', directoryId, name, kind });
    return this.withNewToken(asked, owner, directoryId);
  }

  /** Changes what is named, and leaves the rest. Throws Rejected. */
  async change(asked: Asked, directoryId: string, settings: SettingChanges): Promise<DirectoryView> {
    const { id, tenant } = await this.directories.show(directoryId);
    const { attributeMapping } = settings;
    const warnings = attributeMapping ? checkMapping(attributeMapping, await this.schemas.ofTenant(tenant)) : [];
    await this.commands.toDirectory(asked, tenant, { type: 'ChangeDirectory', directoryId: id, settings });
    const changed = await this.directories.show(id);
    return { ...changed, warnings: [...changed.warnings, ...warnings] };
  }

  /**
   * A new installation gets a tenant, a directory and a token, so that there is something to connect to. A start that
   * was killed in between is finished by the next one. The token is null unless it was made just now. Throws
   * LogUnavailable when no owner of directories answers.
   */
  async firstStart(): Promise<{ readonly directory: RevealedDirectory; readonly isNew: boolean }> {
    for (let attempt = 1; ; attempt++) {
      try {
        const first = await this.directories.first();
        if (first && first.tokens.length > 0)
          return { directory: { ...first, token: null, tokenExpiresAt: null }, isNew: false };
        if (first) return { directory: await this.withNewToken(BY_ITSELF, first.tenant, first.id), isNew: true };
        const tenant = (await this.tenants.all())[0] ?? (await this.newTenants.create(BY_ITSELF, 'Default'));
        return { directory: await this.create(BY_ITSELF, 'Microsoft Entra ID', 'entra', tenant.id), isNew: true };
      } catch (error) {
        if (!(error instanceof LogUnavailable) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  private async withNewToken(asked: Asked, tenant: string, directoryId: string): Promise<RevealedDirectory> {
    const { token } = await this.tokens.createIn(asked, tenant, directoryId, FIRST_TOKEN, null);
    return { ...(await this.directories.show(directoryId)), token, tokenExpiresAt: null };
  }
}
