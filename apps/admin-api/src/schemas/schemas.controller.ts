import { Body, Get, Param, Put, Query } from '@nestjs/common';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { EXTENDED_TYPES, type ExtendedType } from '#contracts';
import { Rejected, type Schema } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import { ID, NUMBER, OBJECT, objectOf, oneOf, pageOf } from '../http/shapes.js';
import { Schemas, type SchemaView } from './schemas.queries.js';
import { DefinedSchemas } from './schemas.sender.js';

class SchemasPage extends PageQuery {
  /** The id of a tenant; without it those of all tenants are listed. */
  @IsOptional() @IsUUID() tenant?: string;
}

class NewSchema {
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
  @IsIn(EXTENDED_TYPES) resourceType: ExtendedType = 'User';
}

const SCHEMA = objectOf<SchemaView>(
  { id: ID, tenant: ID, resourceType: oneOf(EXTENDED_TYPES), version: NUMBER, schema: OBJECT },
  'Schema',
);

/** The extension schemas of tenants. Its owner checks what is in one. */
@AdminController('schemas')
export class SchemasController {
  constructor(
    private readonly schemas: Schemas,
    private readonly defined: DefinedSchemas,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List the schemas that tenants have defined', query: SchemasPage, answer: pageOf(SCHEMA) })
  list(@Query() query: unknown): Promise<Listed<SchemaView>> {
    const page = checked(SchemasPage, query);
    const read = (after: string | null, limit: number): Promise<SchemaView[]> =>
      this.schemas.page(page.tenant, after ?? LEAST_ID, limit);
    return this.pages.list(['schemas', page.tenant ?? null], page, read, byId);
  }

  /** The body is a schema as /Schemas shows it (RFC 7643 §7), and beside it `tenant`, `resourceType` and `reason`. */
  @Put(':urn')
  @Needs('manage')
  @Documented({
    summary: 'Make a schema, or add attributes to the one of its URN',
    description: 'The body is a schema as `/Schemas` of SCIM shows it (RFC 7643 §7).',
    body: NewSchema,
    answer: SCHEMA,
  })
  define(@Param('urn') urn: string, @Body() body: unknown, @Asks() asked: Asked): Promise<SchemaView> {
    const { tenant, resourceType } = checked(NewSchema, body);
    const {
      tenant: _tenant,
      resourceType: _type,
      reason: _reason,
      id = urn,
      ...content
    } = (body ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof id !== 'string' || id.toLowerCase() !== urn.toLowerCase())
      throw new Rejected('invalidValue', `id must be ${urn}, as in the path, or be left out.`);
    return this.defined.define(asked, tenant, resourceType, { ...content, id: urn } as unknown as Schema);
  }
}
