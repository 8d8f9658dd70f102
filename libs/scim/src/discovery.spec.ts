import { describe, expect, it } from 'vitest';
import { refuseFilter, renderResourceType, renderSchema } from './discovery.js';
import {
  ENTERPRISE_USER_SCHEMA,
  ENTERPRISE_USER_URN,
  GROUP_SCHEMA,
  USER,
  USER_SCHEMA,
  USER_URN,
  type Attribute,
  type Schema,
} from './schema.js';

describe('discovery', () => {
  it('shows a schema as RFC 7643 §7 has it, and nothing that is null', () => {
    for (const schema of [USER_SCHEMA, ENTERPRISE_USER_SCHEMA]) {
      const shown = renderSchema(schema, 'https://x/Schemas/u');
      expect(shown).toMatchObject({
        schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
        id: schema.id,
        name: schema.name,
        meta: { resourceType: 'Schema', location: 'https://x/Schemas/u' },
      });
      expect(JSON.stringify(shown)).not.toContain('null');
      const check = (attribute: Attribute): void => {
        expect(Object.keys(attribute)).toEqual(
          expect.arrayContaining([
            'name',
            'type',
            'multiValued',
            'description',
            'required',
            'caseExact',
            'mutability',
            'returned',
            'uniqueness',
          ]),
        );
        expect(attribute.type === 'complex').toBe(attribute.subAttributes !== undefined);
        expect(attribute.type === 'reference').toBe(attribute.referenceTypes !== undefined);
        attribute.subAttributes?.forEach(check);
      };
      schema.attributes.forEach(check);
    }
  });

  it('shows externalId, which is part of each core schema, before its own attributes', () => {
    const namesOf = (schema: Schema): string[] =>
      (renderSchema(schema, 'x') as Schema).attributes.map(({ name }) => name);
    expect(namesOf(USER_SCHEMA).slice(0, 2)).toEqual(['externalId', 'userName']);
    expect(namesOf(GROUP_SCHEMA)).toEqual(['externalId', 'displayName', 'members']);
    expect(namesOf(ENTERPRISE_USER_SCHEMA)).not.toContain('externalId');
  });

  it('shows a resource type with its extensions, none of which a resource must have', () => {
    expect(renderResourceType(USER, 'https://x/ResourceTypes/User')).toEqual({
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
      id: 'User',
      name: 'User',
      endpoint: '/Users',
      description: 'User Account',
      schema: USER_URN,
      schemaExtensions: [{ schema: ENTERPRISE_USER_URN, required: false }],
      meta: { resourceType: 'ResourceType', location: 'https://x/ResourceTypes/User' },
    });
  });

  it('cannot be filtered', () => {
    expect(() => refuseFilter('name eq "User"')).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(() => refuseFilter('')).toThrow(expect.objectContaining({ code: 'forbidden' }));
    refuseFilter(undefined);
  });
});
