import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { VERIFICATIONS } from '#contracts';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { ID, MOMENT, nullable, objectOf, oneOf, pageOf, TEXT } from '../http/shapes.js';
import { domainNamed } from './dns.queries.js';
import { Domains, type DomainView } from './domains.queries.js';
import { ChangedDomains } from './domains.sender.js';

class NewDomain {
  /** As it stands behind the @ of an e-mail. */
  @IsString() @IsNotEmpty() @MaxLength(253) name!: string;
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
}

class DomainsQuery extends PageQuery {
  /** The id of a tenant; without it domains of all. */
  @IsOptional() @IsUUID() tenant?: string;
  @IsOptional() @IsString() @MaxLength(253) name?: string;
}

const DOMAIN = objectOf<DomainView>(
  {
    id: ID,
    tenant: ID,
    name: TEXT,
    dnsName: TEXT,
    status: oneOf(['pending', 'verified']),
    verifiedBy: nullable(oneOf(VERIFICATIONS)),
    verifiedAt: nullable(MOMENT),
    created: MOMENT,
    record: objectOf<DomainView['record']>({ type: oneOf(['TXT']), name: TEXT, value: TEXT }),
  },
  'Domain',
);

/** E-mail domains of tenants: a match by e-mail needs that the domain is verified. */
@AdminController('domains')
export class DomainsController {
  constructor(
    private readonly domains: Domains,
    private readonly changed: ChangedDomains,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List e-mail domains', query: DomainsQuery, answer: pageOf(DOMAIN) })
  list(@Query() query: unknown): Promise<Listed<DomainView>> {
    const asked = checked(DomainsQuery, query);
    const tenant = asked.tenant ?? null;
    const dnsName = asked.name === undefined || asked.name === null ? null : domainNamed(asked.name).name;
    const read = (after: string | null, limit: number): Promise<DomainView[]> =>
      this.domains.page(tenant, dnsName, after ?? LEAST_ID, limit);
    return this.pages.list(['domains', tenant, dnsName], asked, read, byId);
  }

  @Get(':id')
  @Needs('read')
  @Documented({ summary: 'Show an e-mail domain', answer: DOMAIN })
  show(@Param('id') id: string): Promise<DomainView> {
    return this.domains.show(id);
  }

  @Post()
  @Needs('manage')
  @Documented({ summary: 'Add an e-mail domain of a tenant', body: NewDomain, answer: DOMAIN })
  add(@Body() body: unknown, @Asks() asked: Asked): Promise<DomainView> {
    const { name, tenant } = checked(NewDomain, body);
    return this.changed.add(asked, name, tenant);
  }

  /** Looks for the TXT record in DNS. */
  @Post(':id/verify')
  @HttpCode(200)
  @Needs('manage')
  @Documented({ summary: 'Look for the TXT record that verifies a domain', answer: DOMAIN })
  verify(@Param('id') id: string, @Asks() asked: Asked): Promise<DomainView> {
    return this.changed.verify(asked, id);
  }

  /** For where DNS cannot be asked: an administrator says that the domain is the tenant's. */
  @Post(':id/confirm')
  @HttpCode(200)
  @Needs('manage', 'installation')
  @Documented({ summary: 'Say that a domain is the tenant’s, where DNS cannot be asked', answer: DOMAIN })
  confirm(@Param('id') id: string, @Asks() asked: Asked): Promise<DomainView> {
    return this.changed.confirm(asked, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @Needs('manage')
  @Documented({ summary: 'Remove a domain: people are no longer found by its e-mails', answer: null })
  remove(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.changed.remove(asked, id);
  }
}
