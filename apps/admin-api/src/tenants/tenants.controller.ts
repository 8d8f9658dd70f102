import { Body, Controller, Get, Post, UseFilters, UseGuards } from '@nestjs/common';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { RejectedFilter } from '../http/rejected.filter.js';
import { Tenants, type TenantView } from './tenants.queries.js';
import { NewTenants } from './tenants.sender.js';

class NewTenant {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

@Controller('api/admin/tenants')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class TenantsController {
  constructor(
    private readonly tenants: Tenants,
    private readonly newTenants: NewTenants,
  ) {}

  @Get()
  list(): Promise<TenantView[]> {
    return this.tenants.list();
  }

  @Post()
  create(@Body() body: unknown): Promise<TenantView> {
    return this.newTenants.create(checked(NewTenant, body).name);
  }
}
