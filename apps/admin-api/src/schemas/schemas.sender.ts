import { Injectable } from '@nestjs/common';
import type { ExtendedType } from '#contracts';
import type { Schema } from '#scim';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { Tenants } from '../tenants/tenants.queries.js';
import { Schemas, type SchemaView } from './schemas.queries.js';

/** Defines the extension schemas of tenants, by commands to their owner, which checks them. */
@Injectable()
export class DefinedSchemas {
  constructor(
    private readonly schemas: Schemas,
    private readonly tenants: Tenants,
    private readonly commands: Commands,
  ) {}

  /** Makes the schema or extends the one of this URN. Without a tenant: of the first one. Throws Rejected. */
  async define(
    asked: Asked,
    tenant: string | undefined,
    resourceType: ExtendedType,
    schema: Schema,
  ): Promise<SchemaView> {
    const owner = await this.tenants.idOf(tenant);
    await this.commands.toDirectory(asked, owner, {
      type: 'DefineSchema',
      schemaId: asked.newId(),
      resourceType,
      schema,
    });
    return (await this.schemas.ofUrn(owner, schema.id))!;
  }
}
