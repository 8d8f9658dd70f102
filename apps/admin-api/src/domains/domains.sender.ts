import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { VerifiedBy } from '#contracts';
import { Rejected } from '#scim';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { OneAtATime } from '../http/one-at-a-time.guard.js';
import { DNS_SERVERS } from '../injected.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { domainNamed, requireRecord } from './dns.queries.js';
import { Domains, type DomainView } from './domains.queries.js';

/** Adds, verifies and removes e-mail domains of tenants. This process has the network: it asks DNS, and the owner is told. */
@Injectable()
export class ChangedDomains {
  constructor(
    private readonly domains: Domains,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
    private readonly oneAtATime: OneAtATime,
    @Inject(DNS_SERVERS) private readonly dnsServers: readonly string[],
  ) {}

  /** Without a tenant: in the first one. Throws Rejected. */
  async add(asked: Asked, name: string, tenant?: string): Promise<DomainView> {
    const named = domainNamed(name);
    const owner = await this.tenants.idOf(tenant);
    const domainId = asked.newId();
    const record = `muster-verification=${randomBytes(16).toString('hex')}`;
    await this.commands.toDirectory(asked, owner, { type: 'AddDomain', domainId, ...named, record });
    return this.domains.show(domainId);
  }

  /** Looks for the record in DNS. Throws Rejected. */
  async verify(asked: Asked, id: string): Promise<DomainView> {
    const domain = await this.domains.show(id);
    if (domain.verifiedBy === null) await requireRecord(domain, this.dnsServers);
    return this.verified(asked, domain, 'dns');
  }

  /** An administrator says that the domain is the tenant's. Throws Rejected. */
  async confirm(asked: Asked, id: string): Promise<DomainView> {
    return this.verified(asked, await this.domains.show(id), 'administrator');
  }

  /** Throws Rejected(notFound). */
  async remove(asked: Asked, id: string): Promise<void> {
    const { tenant, id: domainId } = await this.domains.show(id);
    await this.commands.toDirectory(asked, tenant, { type: 'RemoveDomain', domainId });
  }

  private verified(asked: Asked, domain: DomainView, by: VerifiedBy): Promise<DomainView> {
    return this.oneAtATime.during('verified domains', async () => {
      if (await this.domains.isVerifiedElsewhere(domain)) {
        throw new Rejected(
          'conflict',
          `${domain.name} is verified in another tenant of this installation, and an e-mail domain belongs to one. It has to be removed there first.`,
        );
      }
      const { tenant, id: domainId } = domain;
      await this.commands.toDirectory(asked, tenant, { type: 'VerifyDomain', domainId, by });
      return this.domains.show(domainId);
    });
  }
}
