import {
  findSchema,
  fold,
  GROUP,
  isEqual,
  isRejection,
  orRejection,
  Rejected,
  rejection,
  USER,
  type Attribute,
  type AttributeType,
  type Json,
  type Rejection,
  type Schema,
} from '#scim';
import { EXTENDED_TYPES, type ExtendedType } from '#contracts';
import type { Aggregate, CommandOf, Decided, Known, State, World } from './aggregate.js';
import { hasTenant } from './tenant.js';

/** An extension schema of a tenant: the fold of its events. */
export interface SchemaState extends State {
  readonly kind: 'schema';
  readonly resourceType: ExtendedType;
  readonly schema: Schema;
}

export const MAX_SCHEMAS_PER_TENANT = 10;
export const MAX_ATTRIBUTES_PER_SCHEMA = 100;
/** Sub-attributes of one complex attribute. */
export const MAX_PARTS_PER_ATTRIBUTE = 50;
const MAX_VALUES_PER_LIST = 200;
/** Lengths in UTF-16 units. A whole schema, as JSON: services read those of a tenant with each batch and each token. */
export const MAX_SCHEMA_CHARACTERS = 50_000;
export const MAX_URN_CHARACTERS = 200;
export const MAX_NAME_CHARACTERS = 64;
const MAX_VALUE_CHARACTERS = 200;

const TYPES: readonly AttributeType[] = [
  'string',
  'boolean',
  'decimal',
  'integer',
  'dateTime',
  'reference',
  'binary',
  'complex',
];

/** RFC 8141 §2, without what has a meaning in the path of a PATCH or a filter: brackets, quotes, commas, spaces. */
const URN = /^urn:[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9](:[\w.-]+)+$/;
/** RFC 7643 §2.1, ATTRNAME. */
const NAME = /^[a-z][\w$-]*$/i;
const STANDARD_URNS = [USER, GROUP].flatMap(({ schema, extensions }) => [schema.id, ...extensions.map(({ id }) => id)]);

export const schema: Aggregate<SchemaState, 'DefineSchema', 'SchemaDefined' | 'SchemaChanged'> = {
  kind: 'schema',
  table: 'schemas',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    version: 'int',
    created: 'timestamptz',
    urn: 'text',
    urn_folded: 'text',
    resource_type: 'text',
    schema: 'json',
  },
  changing: ['version', 'schema'],
  unique: [['tenant', 'urn_folded']],
  commands: ['DefineSchema'],
  events: ['SchemaDefined', 'SchemaChanged'],
  // `schemaId` is the id that a new one gets: one that is there already is found by its URN.
  streamOf: (command, world) => schemaNamed(command.schema, world)?.id ?? command.schemaId,
  decide: (command, state, world) => {
    if (!hasTenant(world)) return rejection('notFound', 'There is no such tenant.');
    if (!state && world.get(command.schemaId)) return rejection('conflict', `The id ${command.schemaId} is taken.`);
    const known = world.all(schema).map((one) => one.state);
    return defineSchema(
      command,
      state,
      known.filter((one) => one !== state).map((one) => one.schema),
    );
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'SchemaChanged') return state && { ...state, version: state.version + 1, schema: event.schema };
    const { resourceType, schema: defined } = event;
    return { kind: 'schema', version: 1, created: recordedAt, resourceType, schema: defined };
  },
  rowOf: ({ schema: { id: urn }, schema: defined, resourceType }) => ({
    urn,
    urn_folded: fold(urn),
    resource_type: resourceType,
    schema: defined,
  }),
  stateOf: ({ resource_type: resourceType, schema: defined }) =>
    ({ resourceType, schema: defined }) as Omit<SchemaState, keyof State>,
};

/** A URN is compared without its case (RFC 8141 §3.1). */
const schemaNamed = (named: { readonly id?: unknown } | null, world: World): Known<SchemaState> | undefined => {
  const urn = typeof named?.id === 'string' ? fold(named.id) : null;
  return world.all(schema).find(({ state }) => fold(state.schema.id) === urn);
};

/**
 * Returns the events that should happen to the schema in `state`, null = there is none of this URN; `others` are the
 * tenant's other ones. [] means that nothing changed. A rejection is an invalidValue that names what is wrong, or a
 * conflict with values that may be stored.
 */
export const defineSchema = (
  command: CommandOf<'DefineSchema'>,
  state: SchemaState | null,
  others: readonly Schema[],
): Decided => {
  const { resourceType } = command;
  if (!EXTENDED_TYPES.includes(resourceType))
    return rejection('invalidValue', `resourceType must be ${EXTENDED_TYPES.join(' or ')}.`);
  const schema = orRejection(() => parseSchema(command.schema));
  if (isRejection(schema)) return schema;
  if (!state) {
    const refused = urnTaken(schema.id, others);
    if (refused) return refused;
    if (others.length >= MAX_SCHEMAS_PER_TENANT) {
      return rejection(
        'conflict',
        `The tenant has ${others.length} schemas, and that is the limit: add attributes to one of them.`,
      );
    }
    return [{ type: 'SchemaDefined', resourceType, schema }];
  }
  if (resourceType !== state.resourceType) {
    return rejection(
      'conflict',
      `${state.schema.id} extends ${state.resourceType} and cannot come to extend ${resourceType}: define a schema with another URN.`,
    );
  }
  const refused = valuesLost(state.schema.attributes, schema.attributes, `${state.schema.id}:`);
  if (refused) return refused;
  // Values are stored below the URN as it was spelt first.
  const next = { ...schema, id: state.schema.id };
  return isEqual(next as unknown as Json, state.schema as unknown as Json)
    ? []
    : [{ type: 'SchemaChanged', schema: next }];
};

/** A schema as an administrator writes it down (RFC 7643 §7), what is left out added. Throws Rejected(invalidValue). */
export const parseSchema = (given: unknown): Schema => {
  const { id, name, description = '', attributes, ...rest } = objectOf(given, 'The schema');
  for (const key of Object.keys(rest))
    if (key !== 'schemas' && key !== 'meta') throw wrong(`A schema has no property ${key}.`);
  const schema = {
    id: urnOf(id),
    name: textOf(name, 'name', MAX_NAME_CHARACTERS),
    description: descriptionOf(description, 'description'),
    attributes: attributesOf(attributes, 'attributes', MAX_ATTRIBUTES_PER_SCHEMA, false),
  };
  const characters = JSON.stringify(schema).length;
  if (characters > MAX_SCHEMA_CHARACTERS)
    throw wrong(`The schema has ${characters} characters as JSON; the limit is ${MAX_SCHEMA_CHARACTERS}.`);
  return schema;
};

const urnOf = (id: unknown): string => {
  const urn = textOf(id, 'The URN', MAX_URN_CHARACTERS);
  if (!URN.test(urn)) {
    throw wrong(
      `${urn} cannot be the URN of a schema: it must look like urn:example:params:hr:1.0:User, of letters, digits, "_", "-" and "." between colons.`,
    );
  }
  return urn;
};

/** Rejects a URN that is taken, or with which a path could be read in two ways. */
const urnTaken = (urn: string, others: readonly Schema[]): Rejection | null => {
  const lower = urn.toLowerCase();
  const isOfScim =
    lower.startsWith('urn:ietf:params:scim:') && !lower.startsWith('urn:ietf:params:scim:schemas:extension:');
  if (isOfScim || findSchema(USER, urn) || findSchema(GROUP, urn))
    return rejection('invalidValue', `${urn} belongs to the standard: take a URN of your own.`);
  // `urn:a:b:c`, and `urn:a:b.c`, which some clients write, would be an attribute of `urn:a:b` and a schema.
  const near = [...STANDARD_URNS, ...others.map(({ id }) => id)].find((known) => {
    const other = known.toLowerCase();
    return [':', '.'].some((mark) => lower.startsWith(`${other}${mark}`) || other.startsWith(`${lower}${mark}`));
  });
  return near === undefined
    ? null
    : rejection(
        'invalidValue',
        `${urn} and the schema ${near} cannot be told apart in paths, because one begins with the other: take another URN.`,
      );
};

const attributesOf = (given: unknown, path: string, limit: number, isPart: boolean): Attribute[] => {
  const attributes = listOf(given, path, limit).map((one) => attributeOf(one, path, isPart));
  if (attributes.length === 0) throw wrong(`${path} must name at least one attribute.`);
  const names = new Set<string>();
  for (const { name } of attributes) {
    if (names.has(name.toLowerCase()))
      throw wrong(`${path} has two attributes named ${name}: the case of a name does not count.`);
    names.add(name.toLowerCase());
  }
  return attributes;
};

/** A schema may say these of an attribute, but cannot choose them; each with its reason. */
const FIXED = {
  required: [false, 'users that are there already do not have it, and clients that do not send it would be refused'],
  mutability: ['readWrite', 'it is clients who write it, and they may write it again'],
  returned: ['default', 'clients choose what they see with attributes and excludedAttributes'],
  uniqueness: ['none', 'values are not compared with those of others'],
} as const;

const attributeOf = (given: unknown, parent: string, isPart: boolean): Attribute => {
  const {
    name: givenName,
    type,
    multiValued = false,
    caseExact = false,
    description = '',
    canonicalValues,
    referenceTypes,
    subAttributes,
    ...rest
  } = objectOf(given, `Each of ${parent}`);
  const name = textOf(givenName, `The name of each of ${parent}`, MAX_NAME_CHARACTERS);
  if (!NAME.test(name))
    throw wrong(
      `${name} cannot be the name of an attribute: it must begin with a letter and have letters, digits, "_", "-" and "$" (RFC 7643 §2.1).`,
    );
  // Every object of JavaScript has these.
  if (name in {}) throw wrong(`${name} cannot be the name of an attribute: take another one.`);
  for (const [key, value] of Object.entries(rest)) {
    if (!Object.hasOwn(FIXED, key)) throw wrong(`${name} has the property ${key}, which no attribute has.`);
    const [only, reason] = FIXED[key as keyof typeof FIXED];
    if (value !== only) throw wrong(`${key} of ${name} must be ${only}: ${reason}.`);
  }
  const known = TYPES.find((one) => one === type);
  if (!known) throw wrong(`type of ${name} must be one of ${TYPES.join(', ')}.`);
  const isMultiValued = booleanOf(multiValued, `multiValued of ${name}`);
  const isCaseExact = booleanOf(caseExact, `caseExact of ${name}`);
  if (isPart && known === 'complex') throw wrong(`${name} is a sub-attribute and cannot be complex (RFC 7643 §2.3.8).`);
  if (isPart && isMultiValued)
    throw wrong(`${name} is a sub-attribute and cannot be multiValued: make the attribute above it multiValued.`);
  if (
    known !== 'complex' &&
    subAttributes !== undefined &&
    !(Array.isArray(subAttributes) && subAttributes.length === 0)
  ) {
    throw wrong(`${name} is no complex attribute and cannot have subAttributes.`);
  }
  if (known !== 'reference' && referenceTypes !== undefined)
    throw wrong(`${name} is no reference and cannot have referenceTypes.`);
  return {
    name,
    type: known,
    multiValued: isMultiValued,
    required: false,
    // RFC 7643 §2.3.6, §2.3.7: these are compared exactly; in the other types there is no case.
    caseExact: known === 'string' ? isCaseExact : known === 'reference' || known === 'binary',
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none',
    description: descriptionOf(description, `description of ${name}`),
    ...(canonicalValues === undefined
      ? {}
      : { canonicalValues: textsOf(canonicalValues, `canonicalValues of ${name}`) }),
    ...(referenceTypes === undefined ? {} : { referenceTypes: textsOf(referenceTypes, `referenceTypes of ${name}`) }),
    ...(known === 'complex'
      ? { subAttributes: attributesOf(subAttributes, `subAttributes of ${name}`, MAX_PARTS_PER_ATTRIBUTE, true) }
      : {}),
  };
};

/** Attributes may come, and descriptions may change; rejects the change of anything by which values are stored. */
const valuesLost = (before: readonly Attribute[], after: readonly Attribute[], prefix: string): Rejection | null => {
  for (const old of before) {
    const path = `${prefix}${old.name}`;
    const now = after.find(({ name }) => name === old.name);
    if (!now)
      return rejection(
        'conflict',
        `${path} cannot be removed or renamed: there may be values of it. Define another attribute beside it.`,
      );
    for (const what of ['type', 'multiValued', 'caseExact'] as const) {
      if (now[what] !== old[what]) {
        return rejection(
          'conflict',
          `${what} of ${path} is ${old[what]} and cannot become ${now[what]}: there may be values of it. Define another attribute beside it.`,
        );
      }
    }
    const refused = valuesLost(old.subAttributes ?? [], now.subAttributes ?? [], `${path}.`);
    if (refused) return refused;
  }
  return null;
};

const objectOf = (value: unknown, what: string): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${what} must be an object.`);
  return value as Readonly<Record<string, unknown>>;
};

const listOf = (value: unknown, what: string, limit: number): readonly unknown[] => {
  if (!Array.isArray(value)) throw wrong(`${what} must be an array.`);
  if (value.length > limit) throw wrong(`${what} has ${value.length} elements; the limit is ${limit}.`);
  return value;
};

const textsOf = (value: unknown, what: string): string[] =>
  listOf(value, what, MAX_VALUES_PER_LIST).map((one) => textOf(one, `Each of ${what}`, MAX_VALUE_CHARACTERS));

const textOf = (value: unknown, what: string, limit: number): string => {
  if (typeof value !== 'string' || value.trim() === '') throw wrong(`${what} must be a text that is not blank.`);
  if (value.length > limit) throw wrong(`${what} has ${value.length} characters; the limit is ${limit}.`);
  return value;
};

/** It has no limit but that of the whole schema. */
const descriptionOf = (value: unknown, what: string): string => {
  if (typeof value !== 'string') throw wrong(`${what} must be a text.`);
  return value;
};

const booleanOf = (value: unknown, what: string): boolean => {
  if (typeof value !== 'boolean') throw wrong(`${what} must be true or false.`);
  return value;
};

const wrong = (detail: string): Rejected => new Rejected('invalidValue', detail);
