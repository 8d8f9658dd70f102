import { Body, Controller, Get, Param, Put, Query, UseFilters, UseGuards } from '@nestjs/common';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { EXTENDED_TYPES, type ExtendedType } from '#contracts';
import { Rejected, type Schema } from '#scim';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { RejectedFilter } from '../http/rejected.filter.js';
import { Schemas, type SchemaView } from './schemas.queries.js';
import { DefinedSchemas } from './schemas.sender.js';

class WhichTenant {
  /** The id of a tenant; without it all of them are listed, and the first one is written. */
  @IsOptional() @IsUUID() tenant?: string;
}

class NewSchema extends WhichTenant {
  @IsIn(EXTENDED_TYPES) resourceType: ExtendedType = 'User';
}

/** The extension schemas of tenants. Its owner checks what is in one. */
@Controller('api/admin/schemas')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class SchemasController {
  constructor(
    private readonly schemas: Schemas,
    private readonly defined: DefinedSchemas,
  ) {}

  @Get()
  list(@Query() query: unknown): Promise<SchemaView[]> {
    return this.schemas.list(checked(WhichTenant, query).tenant);
  }

  /** The body is a schema as /Schemas shows it (RFC 7643 §7), and beside it `tenant` and `resourceType`. */
  @Put(':urn')
  define(@Param('urn') urn: string, @Body() body: unknown): Promise<SchemaView> {
    const { tenant, resourceType } = checked(NewSchema, body);
    const {
      tenant: _tenant,
      resourceType: _type,
      id = urn,
      ...content
    } = (body ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof id !== 'string' || id.toLowerCase() !== urn.toLowerCase())
      throw new Rejected('invalidValue', `id must be ${urn}, as in the path, or be left out.`);
    return this.defined.define(tenant, resourceType, { ...content, id: urn } as unknown as Schema);
  }
}
