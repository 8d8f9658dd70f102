import { Body, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { IsBoolean, IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength, ValidateIf } from 'class-validator';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked, isGiven } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { BOOLEAN, ID, NUMBER, objectOf, pageOf, TEXT } from '../http/shapes.js';
import { Tenants, type TenantView } from './tenants.queries.js';
import { ChangedTenants } from './tenants.sender.js';

class TenantsPage extends PageQuery {
  /** The id of a tenant: it alone is listed. */
  @IsOptional() @IsUUID() tenant?: string;
}

class NewTenant {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

class TenantChanges {
  @ValidateIf(isGiven) @IsString() @IsNotEmpty() @MaxLength(200) name?: string;
  /** Whether administrators may see tokens again after they were made. */
  @ValidateIf(isGiven) @IsBoolean() revealTokens?: boolean;
}

const TENANT = objectOf<TenantView>({ id: ID, name: TEXT, directories: NUMBER, revealTokens: BOOLEAN }, 'Tenant');

@AdminController('tenants')
export class TenantsController {
  constructor(
    private readonly tenants: Tenants,
    private readonly changed: ChangedTenants,
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
    return this.changed.create(asked, checked(NewTenant, body).name);
  }

  @Get(':id')
  @Needs('read')
  @Documented({ summary: 'Show a tenant', answer: TENANT })
  show(@Param('id') id: string): Promise<TenantView> {
    return this.tenants.show(id);
  }

  @Patch(':id')
  @Needs('manage', 'installation')
  @Documented({ summary: 'Rename a tenant, or change its settings', body: TenantChanges, answer: TENANT })
  change(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<TenantView> {
    const { name, revealTokens } = checked(TenantChanges, body);
    return this.changed.change(asked, id, {
      ...(name === undefined ? {} : { name }),
      ...(revealTokens === undefined ? {} : { revealTokens }),
    });
  }
}
