import { Body, Get, Post, Query } from '@nestjs/common';
import { IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { NUMBER, ID, objectOf, pageOf, TEXT } from '../http/shapes.js';
import { Tenants, type TenantView } from './tenants.queries.js';
import { NewTenants } from './tenants.sender.js';

class TenantsPage extends PageQuery {
  /** The id of a tenant: it alone is listed. */
  @IsOptional() @IsUUID() tenant?: string;
}

class NewTenant {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

const TENANT = objectOf<TenantView>({ id: ID, name: TEXT, directories: NUMBER }, 'Tenant');

@AdminController('tenants')
export class TenantsController {
  constructor(
    private readonly tenants: Tenants,
    private readonly newTenants: NewTenants,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List all tenants', query: TenantsPage, answer: pageOf(TENANT) })
  list(@Query() query: unknown): Promise<Listed<TenantView>> {
    const page = checked(TenantsPage, query);
    const read = (after: string | null, limit: number): Promise<TenantView[]> =>
      this.tenants.page(page.tenant, after ?? LEAST_ID, limit);
    return this.pages.list(['tenants', page.tenant ?? null], page, read, byId);
  }

  @Post()
  @Needs('manage', 'installation')
  @Documented({ summary: 'Make a tenant', body: NewTenant, answer: TENANT })
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<TenantView> {
    return this.newTenants.create(asked, checked(NewTenant, body).name);
  }
}
