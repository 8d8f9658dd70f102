import { Body, Get, Post, Query } from '@nestjs/common';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { Tenants, type TenantView } from './tenants.queries.js';
import { NewTenants } from './tenants.sender.js';

class NewTenant {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

@AdminController('tenants')
export class TenantsController {
  constructor(
    private readonly tenants: Tenants,
    private readonly newTenants: NewTenants,
    private readonly pages: Pages,
  ) {}

  @Get()
  list(@Query() query: unknown): Promise<Listed<TenantView>> {
    const read = (after: string | null, limit: number): Promise<TenantView[]> =>
      this.tenants.page(after ?? LEAST_ID, limit);
    return this.pages.list(['tenants'], checked(PageQuery, query), read, byId);
  }

  @Post()
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<TenantView> {
    return this.newTenants.create(asked, checked(NewTenant, body).name);
  }
}
