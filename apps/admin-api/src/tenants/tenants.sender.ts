import { Injectable } from '@nestjs/common';
import { Rejected, uniqueKey } from '#scim';
import type { TenantSettings } from '#contracts';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { OneAtATime } from '../http/one-at-a-time.guard.js';
import { Tenants, type TenantView } from './tenants.queries.js';

/** Makes tenants and changes them. */
@Injectable()
export class ChangedTenants {
  constructor(
    private readonly tenants: Tenants,
    private readonly commands: Commands,
    private readonly oneAtATime: OneAtATime,
  ) {}

  /** Throws Rejected(conflict) when there is one of this name. */
  create(asked: Asked, name: string): Promise<TenantView> {
    return this.oneAtATime.during('names of tenants', async () => {
      const id = asked.newId();
      // A request that is repeated has made it already.
      await this.requireFree(name, id);
      await this.commands.toDirectory(asked, id, { type: 'CreateTenant', tenantId: id, name });
      return this.tenants.show(id);
    });
  }

  /** Changes what is named, and leaves the rest. Throws Rejected: notFound, or conflict when another one has the name. */
  async change(
    asked: Asked,
    tenant: string,
    { name, ...settings }: { readonly name?: string } & Partial<TenantSettings>,
  ): Promise<TenantView> {
    const { id: tenantId } = await this.tenants.show(tenant);
    if (name !== undefined) {
      await this.oneAtATime.during('names of tenants', async () => {
        await this.requireFree(name, tenantId);
        await this.commands.toDirectory(asked, tenantId, { type: 'RenameTenant', tenantId, name });
      });
    }
    await this.commands.toDirectory(asked, tenantId, { type: 'ChangeTenant', tenantId, settings });
    return this.tenants.show(tenantId);
  }

  /** `mine` = the tenant that may have the name already. */
  private async requireFree(name: string, mine?: string): Promise<void> {
    const all = await this.tenants.all();
    const same = all.find((tenant) => tenant.id !== mine && uniqueKey(tenant.name) === uniqueKey(name));
    if (same)
      throw new Rejected(
        'conflict',
        `There is a tenant "${same.name}" already, with the id ${same.id}. Choose another name.`,
      );
  }
}
