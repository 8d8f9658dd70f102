import { Rejected } from './error.js';
import { COMMON_ATTRIBUTES, GROUP_URN, USER_URN, type ResourceDefinition, type Schema } from './schema.js';

export const SCHEMA_URN = 'urn:ietf:params:scim:schemas:core:2.0:Schema';
const CORE_URNS: readonly string[] = [USER_URN, GROUP_URN];
export const RESOURCE_TYPE_URN = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';

/**
 * Common attributes are part of each core schema (RFC 7643 §3.1). §8.7 prints none of them, but Microsoft's gallery
 * test looks for this one.
 */
const SHOWN = COMMON_ATTRIBUTES.filter(({ name }) => name === 'externalId');

/** A schema as /Schemas shows it (RFC 7643 §7). Nothing in it is null: Entra refuses that. */
export const renderSchema = (schema: Schema, location: string): object => ({
  schemas: [SCHEMA_URN],
  ...schema,
  attributes: [...(CORE_URNS.includes(schema.id) ? SHOWN : []), ...schema.attributes],
  meta: { resourceType: 'Schema', location },
});

/** A resource type as /ResourceTypes shows it (RFC 7643 §6); its name is its id. */
export const renderResourceType = (
  { name, endpoint, schema, extensions }: ResourceDefinition,
  location: string,
): object => ({
  schemas: [RESOURCE_TYPE_URN],
  id: name,
  name,
  endpoint,
  description: schema.description,
  schema: schema.id,
  schemaExtensions: extensions.map(({ id }) => ({ schema: id, required: false })),
  meta: { resourceType: 'ResourceType', location },
});

/**
 * RFC 7644 §4: whoever filters what a service says about itself must not take the answer for a filtered one. Throws
 * Rejected.
 */
export const refuseFilter = (filter: string | undefined): void => {
  if (filter !== undefined) {
    throw new Rejected(
      'forbidden',
      'The description of the service cannot be filtered: leave filter out (RFC 7644 §4).',
    );
  }
};
