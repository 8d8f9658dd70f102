import { Body, Get, Post, Query } from '@nestjs/common';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { NUMBER, ID, objectOf, pageOf, TEXT } from '../http/shapes.js';
import { Tenants, type TenantView } from './tenants.queries.js';
import { NewTenants } from './tenants.sender.js';

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
  @Documented({ summary: 'List all tenants', query: PageQuery, answer: pageOf(TENANT) })
  list(@Query() query: unknown): Promise<Listed<TenantView>> {
    const read = (after: string | null, limit: number): Promise<TenantView[]> =>
      this.tenants.page(after ?? LEAST_ID, limit);
    return this.pages.list(['tenants'], checked(PageQuery, query), read, byId);
  }

  @Post()
  @Documented({ summary: 'Make a tenant', body: NewTenant, answer: TENANT })
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<TenantView> {
    return this.newTenants.create(asked, checked(NewTenant, body).name);
  }
}
