import { Injectable } from '@nestjs/common';
import type { DirectoryKind, SettingChanges } from '#contracts';
import { isUuid, Pace } from '#runtime';
import { Rejected } from '#scim';
import { BY_ITSELF, type Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Schemas } from '../schemas/schemas.queries.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { ChangedTenants } from '../tenants/tenants.sender.js';
import { revealed, Tokens, type RevealedDirectory } from '../tokens/tokens.sender.js';
import { RoleGroups } from '../groups/role-groups.queries.js';
import { checkAttributes, namesAttributes } from './attribute-settings.js';
import { Directories, type DirectoryView } from './directories.queries.js';

const FIRST_TOKEN = 'Made with the directory';
const TOKEN_OF_CONNECTING = 'Made when the directory was connected again';
const TOKEN_OF_MOVING = 'Made when the directory moved to another identity provider';

/** Makes directories and changes them, by commands to their owner. */
@Injectable()
export class ChangedDirectories {
  constructor(
    private readonly directories: Directories,
    private readonly tokens: Tokens,
    private readonly tenants: Tenants,
    private readonly changedTenants: ChangedTenants,
    private readonly commands: Commands,
    private readonly schemas: Schemas,
    private readonly roleGroups: RoleGroups,
    private readonly pace: Pace,
  ) {}

  /**
   * Makes a directory and its first token, which is shown to the one who asked for it. Without a tenant: in the first
   * one. Throws Rejected.
   */
  async create(asked: Asked, name: string, kind: DirectoryKind, tenant?: string): Promise<RevealedDirectory> {
    const owner = await this.tenants.idOf(tenant);
    const directoryId = asked.newId();
    await this.commands.toDirectory(asked, owner, { type: 'CreateDirectory', directoryId, name, kind });
    return this.withNewToken(asked, owner, directoryId, FIRST_TOKEN);
  }

  /** Changes what is named, and leaves the rest. Throws Rejected. */
  async change(asked: Asked, directoryId: string, settings: SettingChanges): Promise<DirectoryView> {
    const { id, tenant, settings: before } = await this.directories.show(directoryId);
    const warnings = await this.warningsOf(tenant, settings);
    const { groupRoles } = settings;
    const changes = {
      ...(await this.withEntraTenant(asked, id, settings, before.entraTenantId)),
      ...(groupRoles ? { groupRoles: await this.roleGroups.named({ id, tenant }, groupRoles) } : {}),
    };
    await this.commands.toDirectory(asked, tenant, { type: 'ChangeDirectory', directoryId: id, settings: changes });
    const changed = await this.directories.show(id);
    return { ...changed, warnings: [...changed.warnings, ...warnings] };
  }

  /**
   * A long mapping keeps the thread for 100 ms: ten administrators who saved one again and again made each write of other
   * tenants take 2 s. Throws Rejected, or NoSlot.
   */
  private async warningsOf(tenant: string, settings: SettingChanges): Promise<readonly string[]> {
    if (!namesAttributes(settings)) return [];
    const schemas = await this.schemas.ofTenant(tenant);
    await this.pace.turn(tenant);
    return this.pace.during(tenant, () => checkAttributes(settings, schemas));
  }

  /** Throws Rejected: notFound, or a conflict with a directory of that name. */
  async rename(asked: Asked, directoryId: string, name: string): Promise<DirectoryView> {
    const { id, tenant } = await this.directories.show(directoryId);
    await this.commands.toDirectory(asked, tenant, { type: 'RenameDirectory', directoryId: id, name });
    return this.directories.show(id);
  }

  /** Throws Rejected: notFound, or a conflict that names the step that has to come before. */
  async setStatus(
    asked: Asked,
    directoryId: string,
    type: 'DisableDirectory' | 'EnableDirectory' | 'DisconnectDirectory',
  ): Promise<DirectoryView> {
    const { id, tenant } = await this.directories.show(directoryId);
    await this.commands.toDirectory(asked, tenant, { type, directoryId: id });
    return this.directories.show(id);
  }

  /**
   * Connects a directory that was disconnected, and makes a token, which is shown to the one who asked for it. One that
   * is connected stays as it is: its token is null. Throws Rejected.
   */
  async connect(asked: Asked, directoryId: string): Promise<RevealedDirectory> {
    const { id, tenant, tokens } = await this.directories.show(directoryId);
    await this.commands.toDirectory(asked, tenant, { type: 'ConnectDirectory', directoryId: id });
    // A connect that was killed before it made its token is finished by the next one.
    return tokens.some(({ status }) => status === 'active')
      ? revealed(await this.directories.show(id), null)
      : this.withNewToken(asked, tenant, id, TOKEN_OF_CONNECTING);
  }

  /**
   * Gives a directory to another identity provider. The tokens and OAuth clients of the old one are revoked, and the
   * new one gets a token, unless the directory is disconnected. Throws Rejected.
   */
  async move(asked: Asked, directoryId: string, kind: DirectoryKind): Promise<RevealedDirectory> {
    const { id, tenant, status } = await this.directories.show(directoryId);
    await this.commands.toDirectory(asked, tenant, { type: 'MoveDirectory', directoryId: id, kind });
    return status === 'disconnected'
      ? revealed(await this.directories.show(id), null)
      : this.withNewToken(asked, tenant, id, TOKEN_OF_MOVING);
  }

  /** Throws Rejected: notFound, or a conflict that says what is in the way. */
  async delete(asked: Asked, directoryId: string): Promise<void> {
    const { id, tenant } = await this.directories.show(directoryId);
    await this.commands.toDirectory(asked, tenant, { type: 'DeleteDirectory', directoryId: id });
  }

  /**
   * A tenant of Entra has one directory in the whole installation, because its tokens name no other; the owner of
   * directories sees one tenant at a time. Two who ask at the same moment meet the index of the database. Nothing proves
   * whose a tenant of Entra is, and the first directory that names it would keep its owner out, so that a key of one
   * tenant may name none. Throws Rejected: invalidValue, forbidden, conflict.
   */
  private async withEntraTenant(
    { key }: Asked,
    id: string,
    settings: SettingChanges,
    before: string,
  ): Promise<SettingChanges> {
    const entraTenantId = settings.entraTenantId?.toLowerCase();
    if (!entraTenantId) return settings;
    if (!isUuid(entraTenantId))
      throw new Rejected('invalidValue', 'entraTenantId must be the tenant id (a GUID) that Microsoft Entra ID shows.');
    if (key.tenant !== null && entraTenantId !== before) {
      throw new Rejected(
        'forbidden',
        `The key "${key.name}" is good for one tenant, and entraTenantId is given once in the whole installation: let an administrator who manages the installation set it, or use a token or a client instead.`,
      );
    }
    if (!(await this.directories.mayTakeEntraTenant(id, entraTenantId))) {
      throw new Rejected(
        'conflict',
        `Another directory takes the tokens of the tenant ${entraTenantId} of Microsoft Entra ID already. Let that one go first, or use a token or a client.`,
      );
    }
    return { ...settings, entraTenantId };
  }

  /**
   * A new installation gets a tenant, a directory and a token, so that there is something to connect to. A start that
   * was killed in between is finished by the next one. The token is null unless it was made just now. Throws
   * LogUnavailable when no owner of directories answers.
   */
  async firstStart(): Promise<{ readonly directory: RevealedDirectory; readonly isNew: boolean }> {
    const first = await this.directories.first();
    if (first && first.tokens.length > 0) return { directory: revealed(first, null), isNew: false };
    if (first)
      return { directory: await this.withNewToken(BY_ITSELF, first.tenant, first.id, FIRST_TOKEN), isNew: true };
    const tenant = (await this.tenants.all())[0] ?? (await this.changedTenants.create(BY_ITSELF, 'Default'));
    return { directory: await this.create(BY_ITSELF, 'Microsoft Entra ID', 'entra', tenant.id), isNew: true };
  }

  private async withNewToken(
    asked: Asked,
    tenant: string,
    directoryId: string,
    description: string,
  ): Promise<RevealedDirectory> {
    const { token } = await this.tokens.createIn(asked, tenant, directoryId, description, null);
    return revealed(await this.directories.show(directoryId), token);
  }
}
