import { Rejected } from './error.js';
import type { ResourceDefinition, Schema } from './schema.js';

export const SCHEMA_URN = 'urn:ietf:params:scim:schemas:core:2.0:Schema';
export const RESOURCE_TYPE_URN = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';

/** A schema as /Schemas shows it (RFC 7643 §7). Nothing in it is null: Entra refuses that. */
export const renderSchema = (schema: Schema, location: string): object => ({
  schemas: [SCHEMA_URN], ...schema, meta: { resourceType: 'Schema', location },
});

/** A resource type as /ResourceTypes shows it (RFC 7643 §6); its name is its id. */
export const renderResourceType = ({ name, endpoint, schema, extensions }: ResourceDefinition, location: string): object => ({
  schemas: [RESOURCE_TYPE_URN], id: name, name, endpoint, description: schema.description, schema: schema.id,
  schemaExtensions: extensions.map(({ id }) => ({ schema: id, required: false })),
  meta: { resourceType: 'ResourceType', location },
});

/** RFC 7644 §4: whoever filters what a service says about itself must not take the answer for a filtered one. Throws Rejected. */
export const refuseFilter = (filter: string | undefined): void => {
  if (filter !== undefined) {
    throw new Rejected('forbidden', 'What the service says about itself cannot be filtered: leave filter out (RFC 7644 §4).');
  }
};
