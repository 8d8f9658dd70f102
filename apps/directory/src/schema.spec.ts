import { describe, expect, it } from 'vitest';
import { ENTERPRISE_USER_URN, orRejection, USER_URN, type Rejection, type Schema } from '#scim';
import type { DirectoryEvent, ExtendedType } from '#contracts';
import { accepted, refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';
import {
  defineSchema,
  MAX_ATTRIBUTES_PER_SCHEMA,
  MAX_SCHEMA_CHARACTERS,
  MAX_SCHEMAS_PER_TENANT,
  MAX_URN_CHARACTERS,
  parseSchema,
  schema as schemas,
  type SchemaState,
} from './schema.js';

const URN = 'urn:example:hr:2.0:User';
const whole = {
  type: 'string',
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  description: '',
} as const;
const schema = (attributes: readonly object[] = [{ name: 'badge', type: 'string' }], rest: object = {}): Schema =>
  ({ id: URN, name: 'HR', attributes, ...rest }) as unknown as Schema;
const define = (
  wanted: Schema,
  state: SchemaState | null = null,
  otherSchemas: readonly Schema[] = [],
  resourceType: ExtendedType = 'User',
): Decided =>
  defineSchema({ type: 'DefineSchema', schemaId: 'new', resourceType, schema: wanted }, state, otherSchemas);
const rejection = (attempt: () => unknown): Rejection => refused(orRejection(attempt));

describe('a new schema', () => {
  it('has what RFC 7643 §2.2 says of attributes where nothing is said', () => {
    expect(define(schema())).toEqual([
      {
        type: 'SchemaDefined',
        resourceType: 'User',
        schema: { id: URN, name: 'HR', description: '', attributes: [{ ...whole, name: 'badge' }] },
      },
    ]);
  });

  it('keeps what is said, and of types without a case what RFC 7643 §2.3 says', () => {
    const parsed = parseSchema(
      schema(
        [
          { name: 'level', type: 'integer', caseExact: true },
          { name: 'page', type: 'reference', referenceTypes: ['external'] },
          {
            name: 'desks',
            type: 'complex',
            multiValued: true,
            description: 'Where',
            subAttributes: [{ name: 'floor', type: 'decimal' }],
          },
          {
            name: 'badge',
            type: 'string',
            caseExact: true,
            canonicalValues: ['A'],
            required: false,
            mutability: 'readWrite',
            returned: 'default',
            uniqueness: 'none',
          },
        ],
        { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'], meta: {} },
      ),
    );
    expect(parsed.attributes).toEqual([
      { ...whole, name: 'level', type: 'integer' },
      { ...whole, name: 'page', type: 'reference', caseExact: true, referenceTypes: ['external'] },
      {
        ...whole,
        name: 'desks',
        type: 'complex',
        multiValued: true,
        description: 'Where',
        subAttributes: [{ ...whole, name: 'floor', type: 'decimal' }],
      },
      { ...whole, name: 'badge', caseExact: true, canonicalValues: ['A'] },
    ]);
    expect(parseSchema(parsed)).toEqual(parsed);
  });

  it('belongs to a tenant that exists', () => {
    const command = { type: 'DefineSchema', schemaId: 's', resourceType: 'User', schema: schema() } as const;
    expect(rejection(() => decide(command, worldAfter({})).events).code).toBe('notFound');
  });

  const attribute = (rest: object): object => ({ name: 'badge', type: 'string', ...rest });
  const of = (rest: object): Schema => schema([attribute(rest)]);
  it.each<[string, Schema, RegExp]>([
    ['no object', null as unknown as Schema, /object/],
    ['no name', schema([attribute({})], { name: ' ' }), /^name/],
    ['an unknown property', schema([attribute({})], { owner: 'x' }), /owner/],
    ['no attributes', schema([]), /attributes .*at least one/],
    ['attributes that are no list', schema({} as unknown as object[]), /attributes .*array/],
    ['an attribute that is none', schema(['badge' as unknown as object]), /attributes .*object/],
    ['no URN', schema([attribute({})], { id: 7 }), /URN/],
    ...[
      'http://example.org/hr',
      'urn:example',
      'urn:example:',
      'urn:a:b',
      'urn:example:a b',
      'urn:example:a[b]',
      'urn:example:a"b',
      'urn:example:a/b',
      'urn:example::b',
      'urn:example:ä',
      'URN:example:hr',
    ].map((id): [string, Schema, RegExp] => [`the URN ${id}`, schema([attribute({})], { id }), /cannot be the URN/]),
    [
      'a URN that is too long',
      schema([attribute({})], { id: `urn:example:${'x'.repeat(MAX_URN_CHARACTERS)}` }),
      /limit is 200/,
    ],
    ...[
      USER_URN,
      USER_URN.replace('User', 'USER'),
      ENTERPRISE_USER_URN,
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0User',
      'urn:ietf:params:scim:api:x',
    ].map((id): [string, Schema, RegExp] => [`the standard's ${id}`, schema([attribute({})], { id }), /standard/]),
    ['a URN below another', schema([attribute({})], { id: `${ENTERPRISE_USER_URN}:hr` }), /told apart/],
    ['a URN below another, behind a dot', schema([attribute({})], { id: `${ENTERPRISE_USER_URN}.hr` }), /told apart/],
    [
      'a URN above another',
      schema([attribute({})], { id: 'urn:ietf:params:scim:schemas:extension:enterprise' }),
      /told apart/,
    ],
    ...['1st', '$ref', '_x', 'a b', 'a.b', 'a:b', '', 'ä', 'constructor', 'toString', '__proto__', 'x'.repeat(65)].map(
      (name): [string, Schema, RegExp] => [`the name ${name}`, of({ name }), /name/],
    ),
    ['two attributes of one name', schema([attribute({}), attribute({ name: 'BADGE' })]), /two attributes named BADGE/],
    ['no type', of({ type: undefined }), /type of badge .*string/],
    ['an unknown type', of({ type: 'date' }), /type of badge .*dateTime/],
    ['a text for true', of({ multiValued: 'true' }), /multiValued of badge/],
    ['a number for true', of({ caseExact: 1 }), /caseExact of badge/],
    ['a required attribute', of({ required: true }), /required of badge must be false: users that are there already/],
    ['a read-only attribute', of({ mutability: 'readOnly' }), /mutability of badge must be readWrite/],
    ['one that is never shown', of({ returned: 'never' }), /returned of badge/],
    ['a unique one', of({ uniqueness: 'server' }), /uniqueness of badge/],
    ['a misspelt property', of({ multivalued: true }), /badge has the property multivalued/],
    [
      'a property that every object has',
      of(JSON.parse('{"toString": 1}') as object),
      /badge has the property toString/,
    ],
    ['parts of a simple attribute', of({ subAttributes: [attribute({})] }), /no complex attribute/],
    ['a complex attribute without parts', of({ type: 'complex' }), /subAttributes of badge/],
    [
      'a complex part',
      of({ type: 'complex', subAttributes: [{ name: 'x', type: 'complex', subAttributes: [attribute({})] }] }),
      /x is a sub-attribute/,
    ],
    [
      'several values in a part',
      of({ type: 'complex', subAttributes: [attribute({ multiValued: true })] }),
      /sub-attribute/,
    ],
    ['types of what is no reference', of({ referenceTypes: ['User'] }), /no reference/],
    ['values that are no texts', of({ canonicalValues: [1] }), /canonicalValues of badge/],
    [
      'too many attributes',
      schema(Array.from({ length: MAX_ATTRIBUTES_PER_SCHEMA + 1 }, (_, index) => attribute({ name: `a${index}` }))),
      /101 elements; the limit is 100/,
    ],
    ['too much of everything', of({ description: 'x'.repeat(MAX_SCHEMA_CHARACTERS) }), /limit is 50000/],
  ])('is refused with %s', (_what, wanted, detail) => {
    expect(rejection(() => define(wanted))).toMatchObject({
      code: 'invalidValue',
      detail: expect.stringMatching(detail),
    });
  });

  it('extends users or groups', () => {
    expect(define(schema(), null, [], 'Group')).toMatchObject([{ resourceType: 'Group' }]);
    expect(rejection(() => define(schema(), null, [], 'Device' as ExtendedType)).detail).toMatch(/User or Group/);
  });

  it('is told apart from the other schemas of the tenant, of which there are few', () => {
    expect(rejection(() => define(schema(), null, [schema([], { id: 'urn:example:hr' })])).detail).toMatch(
      /told apart/,
    );
    const others = Array.from({ length: MAX_SCHEMAS_PER_TENANT }, (_, index) =>
      schema([], { id: `urn:example:other${index}` }),
    );
    expect(rejection(() => define(schema(), null, others))).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(/10 schemas/),
    });
    expect(define(schema(), null, others.slice(1))).toHaveLength(1);
  });
});

describe('a schema that is there', () => {
  const desks = (parts: readonly object[]): object => ({
    name: 'desks',
    type: 'complex',
    multiValued: true,
    subAttributes: parts,
  });
  const [defined] = accepted(
    define(schema([{ name: 'badge', type: 'string' }, desks([{ name: 'floor', type: 'integer' }])])),
  );
  const state = stateAfter(defined as DirectoryEvent) as SchemaState;
  const now = (...attributes: readonly object[]): Decided => define(schema(attributes), state);
  const [badge, floor] = [
    { name: 'badge', type: 'string' },
    { name: 'floor', type: 'integer' },
  ];

  it('is unchanged by what it is already', () => {
    expect(now(badge, desks([floor]))).toEqual([]);
  });

  it('gets attributes, parts, descriptions, names and suggested values', () => {
    const [event] = accepted(
      now({ ...badge, description: 'New', canonicalValues: ['A'] }, desks([floor, { name: 'side', type: 'string' }]), {
        name: 'level',
        type: 'integer',
      }),
    );
    expect(event).toMatchObject({
      type: 'SchemaChanged',
      schema: { attributes: [{ description: 'New' }, { subAttributes: [{}, { name: 'side' }] }, { name: 'level' }] },
    });
    expect(schemas.evolve(state, event as never, 'later')).toMatchObject({
      version: 2,
      schema: { attributes: { length: 3 } },
    });
    expect(define(schema([badge, desks([floor])], { name: 'People' }), state)).toHaveLength(1);
  });

  it('keeps the URN as it was spelt first, because values are stored below it', () => {
    expect(define(schema([badge, desks([floor])], { id: URN.toUpperCase().replace('URN', 'urn') }), state)).toEqual([]);
  });

  it.each<[string, readonly object[], RegExp]>([
    ['an attribute removed', [badge], /urn:example:hr:2\.0:User:desks cannot be removed/],
    ['a part removed', [badge, desks([{ name: 'side', type: 'string' }])], /desks\.floor cannot be removed/],
    [
      'an attribute spelt differently',
      [{ ...badge, name: 'Badge' }, desks([floor])],
      /badge cannot be removed or renamed/,
    ],
    [
      'another type',
      [{ ...badge, type: 'integer' }, desks([floor])],
      /type of .*badge is string and cannot become integer: there may be values/,
    ],
    ['another number of values', [{ ...badge, multiValued: true }, desks([floor])], /multiValued of .*badge/],
    ['another case', [{ ...badge, caseExact: true }, desks([floor])], /caseExact of .*badge/],
    ['another type of a part', [badge, desks([{ ...floor, type: 'decimal' }])], /type of .*desks\.floor/],
  ])('is not changed to one with %s', (_what, attributes, detail) => {
    expect(rejection(() => now(...attributes))).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(detail),
    });
  });

  it('goes on extending what it extends', () => {
    expect(rejection(() => define(schema([badge, desks([floor])]), state, [], 'Group')).code).toBe('conflict');
  });
});
