export type AttributeType =
  | 'string'
  | 'boolean'
  | 'decimal'
  | 'integer'
  | 'dateTime'
  | 'reference'
  | 'binary'
  | 'complex';

/** An attribute as RFC 7643 §7 describes it. */
export interface Attribute {
  readonly name: string;
  readonly type: AttributeType;
  readonly multiValued: boolean;
  readonly required: boolean;
  readonly caseExact: boolean;
  readonly mutability: 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly';
  readonly returned: 'always' | 'never' | 'default' | 'request';
  readonly uniqueness: 'none' | 'server' | 'global';
  readonly description: string;
  readonly canonicalValues?: readonly string[];
  readonly referenceTypes?: readonly string[];
  readonly subAttributes?: readonly Attribute[];
}

/** A schema as RFC 7643 §7 describes it; `id` is its URN. */
export interface Schema {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly attributes: readonly Attribute[];
}

/** A resource type: its core schema and the extensions that its resources may carry. */
export interface ResourceDefinition {
  readonly name: string;
  readonly endpoint: string;
  readonly schema: Schema;
  readonly extensions: readonly Schema[];
}

export const USER_URN = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE_USER_URN = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
/** One of Microsoft's own samples sends this instead of the enterprise URN. */
const MISSPELT_ENTERPRISE_USER_URN = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User';

/** Most attributes are like this. References and binaries are compared exactly (RFC 7643 §2.3.6, §2.3.7). */
const attribute = (
  name: string,
  type: AttributeType,
  description: string,
  rest: Partial<Attribute> = {},
): Attribute => ({
  name,
  type,
  multiValued: false,
  required: false,
  caseExact: type === 'reference' || type === 'binary',
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  description,
  ...rest,
});
const text = (name: string, description: string, rest: Partial<Attribute> = {}): Attribute =>
  attribute(name, 'string', description, rest);

/** RFC 7643 §2.4: the sub-attributes that every multi-valued complex attribute has. */
const plural = (name: string, description: string, canonicalValues: readonly string[], value: Attribute): Attribute =>
  attribute(name, 'complex', description, {
    multiValued: true,
    subAttributes: [
      value,
      text('display', 'A name for display'),
      text('type', 'What it is for', canonicalValues.length > 0 ? { canonicalValues } : {}),
      attribute('primary', 'boolean', 'Whether it is the preferred one'),
    ],
  });

/** RFC 7643 §3.1: attributes of every resource. */
export const COMMON_ATTRIBUTES: readonly Attribute[] = [
  attribute('schemas', 'reference', 'The schemas of the resource', {
    multiValued: true,
    required: true,
    returned: 'always',
  }),
  text('id', 'The id that this service gave', {
    caseExact: true,
    mutability: 'readOnly',
    returned: 'always',
    uniqueness: 'server',
  }),
  text('externalId', 'The id that the client gave', { caseExact: true }),
  attribute('meta', 'complex', 'Facts about the resource', {
    mutability: 'readOnly',
    subAttributes: [
      text('resourceType', 'The resource type', { caseExact: true, mutability: 'readOnly' }),
      attribute('created', 'dateTime', 'When it was made', { mutability: 'readOnly' }),
      attribute('lastModified', 'dateTime', 'When it was last changed', { mutability: 'readOnly' }),
      attribute('location', 'reference', 'Its URI', { mutability: 'readOnly' }),
      text('version', 'Its ETag', { caseExact: true, mutability: 'readOnly' }),
    ],
  }),
];

/** The values of roles, the least powerful first. */
export const WEB_ROLES = ['ReadOnly', 'User', 'Admin', 'EnterpriseAdmin'] as const;
export type WebRole = (typeof WEB_ROLES)[number];

/** RFC 7643 §4.1. */
export const USER_SCHEMA: Schema = {
  id: USER_URN,
  name: 'User',
  description: 'User Account',
  attributes: [
    text('userName', 'The unique name with which the user signs in', { required: true, uniqueness: 'server' }),
    attribute('name', 'complex', 'The parts of the name', {
      subAttributes: [
        text('formatted', 'The full name'),
        text('familyName', 'Family name'),
        text('givenName', 'Given name'),
        text('middleName', 'Middle names'),
        text('honorificPrefix', 'Titles before the name'),
        text('honorificSuffix', 'Titles after the name'),
      ],
    }),
    text('displayName', 'The name for display'),
    text('nickName', 'The casual name'),
    attribute('profileUrl', 'reference', 'A page about the user', { referenceTypes: ['external'] }),
    text('title', 'The job title'),
    text('userType', 'The relation to the organisation'),
    text('preferredLanguage', 'The preferred language (RFC 9110 §12.5.4)'),
    text('locale', 'The locale (RFC 5646)'),
    text('timezone', 'The time zone (IANA)'),
    // Not required, as RFC 7643 §8.7.1 has it: it may be left out of a POST or PUT, and clients that validate by
    // /Schemas do leave it out.
    attribute(
      'active',
      'boolean',
      'Whether the user may act; false archives the user. A user that is created without it may act',
    ),
    text('password', 'Never stored', { mutability: 'writeOnly', returned: 'never' }),
    plural('emails', 'E-mail addresses', ['work', 'home', 'other'], text('value', 'The address')),
    plural(
      'phoneNumbers',
      'Phone numbers',
      ['work', 'home', 'mobile', 'fax', 'pager', 'other'],
      text('value', 'The number'),
    ),
    plural(
      'ims',
      'Instant messaging addresses',
      ['aim', 'gtalk', 'icq', 'xmpp', 'msn', 'skype', 'qq', 'yahoo'],
      text('value', 'The address'),
    ),
    plural(
      'photos',
      'Photos',
      ['photo', 'thumbnail'],
      attribute('value', 'reference', 'The URI', { referenceTypes: ['external'] }),
    ),
    attribute('addresses', 'complex', 'Postal addresses', {
      multiValued: true,
      subAttributes: [
        text('formatted', 'The full address'),
        text('streetAddress', 'Street and number'),
        text('locality', 'City'),
        text('region', 'State or region'),
        text('postalCode', 'Postal code'),
        text('country', 'Country (ISO 3166-1 alpha-2)'),
        text('type', 'What it is for', { canonicalValues: ['work', 'home', 'other'] }),
        attribute('primary', 'boolean', 'Whether it is the preferred one'),
      ],
    }),
    attribute('groups', 'complex', 'The groups of the user', {
      multiValued: true,
      mutability: 'readOnly',
      subAttributes: [
        text('value', 'The id of the group', { mutability: 'readOnly' }),
        attribute('$ref', 'reference', 'The URI of the group', { mutability: 'readOnly', referenceTypes: ['Group'] }),
        text('display', 'Its name', { mutability: 'readOnly' }),
        text('type', 'direct or indirect', { mutability: 'readOnly', canonicalValues: ['direct', 'indirect'] }),
      ],
    }),
    plural('entitlements', 'Entitlements', [], text('value', 'The entitlement')),
    plural(
      'roles',
      'What the user may do in the web; none = only sign in to applications. The most powerful one counts; any other value is kept and gives nothing',
      [],
      text(
        'value',
        'ReadOnly looks; User also changes what is his own; Admin also changes what is of others; EnterpriseAdmin also changes how it is all set up',
        { canonicalValues: WEB_ROLES },
      ),
    ),
    plural('x509Certificates', 'Certificates', [], attribute('value', 'binary', 'The certificate, DER, base64')),
  ],
};

/** RFC 7643 §4.3. */
export const ENTERPRISE_USER_SCHEMA: Schema = {
  id: ENTERPRISE_USER_URN,
  name: 'EnterpriseUser',
  description: 'Enterprise User',
  attributes: [
    text('employeeNumber', 'The number of the employee'),
    text('costCenter', 'The cost centre'),
    text('organization', 'The organisation'),
    text('division', 'The division'),
    text('department', 'The department'),
    attribute('manager', 'complex', 'The manager', {
      subAttributes: [
        // An id, and ids are compared exactly (RFC 7643 §3.1), although §8.7.1 prints false here.
        text('value', 'The id of the manager', { caseExact: true }),
        attribute('$ref', 'reference', 'The URI of the manager', { referenceTypes: ['User'] }),
        text('displayName', 'The name of the manager', { mutability: 'readOnly' }),
      ],
    }),
  ],
};

/** RFC 7643 §4.1 with the extension of §4.3. */
export const USER: ResourceDefinition = {
  name: 'User',
  endpoint: '/Users',
  schema: USER_SCHEMA,
  extensions: [ENTERPRISE_USER_SCHEMA],
};

export const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group';

/** RFC 7643 §4.2. */
export const GROUP_SCHEMA: Schema = {
  id: GROUP_URN,
  name: 'Group',
  description: 'Group',
  attributes: [
    text('displayName', 'The name, unique among the groups of a directory', { required: true, uniqueness: 'server' }),
    attribute('members', 'complex', 'The members: users, and groups', {
      multiValued: true,
      subAttributes: [
        // Written in any case, an id names the same member: it is found in any case too (RFC 7643 §8.7.1).
        text('value', 'The id of the member', { required: true, mutability: 'immutable' }),
        attribute('$ref', 'reference', 'The URI of the member', {
          mutability: 'immutable',
          referenceTypes: ['User', 'Group'],
        }),
        text('type', 'What the member is', { mutability: 'immutable', canonicalValues: ['User', 'Group'] }),
        text('display', 'The name of the member, where the client sees it', { mutability: 'readOnly' }),
      ],
    }),
  ],
};

export const GROUP: ResourceDefinition = { name: 'Group', endpoint: '/Groups', schema: GROUP_SCHEMA, extensions: [] };

/** An extension that a tenant has defined. `id` and `version` together stand for exactly this content. */
export interface TenantSchema {
  readonly id: string;
  readonly version: number;
  /** The name of the resource type that it extends. */
  readonly resourceType: string;
  readonly schema: Schema;
}

/** The resource types as a tenant has them. */
export interface Definitions {
  readonly user: ResourceDefinition;
  readonly group: ResourceDefinition;
}

export const STANDARD: Definitions = { user: USER, group: GROUP };

/** Made of the schemas of one tenant; kept, so that the look-up tables of each are built once. */
const definitions = new Map<string, Definitions>();
const MAX_KEPT_DEFINITIONS = 1_000;

/**
 * The resource types with the extensions of one tenant, the oldest first. The same schemas, in any order, give the same
 * object.
 */
export const definitionsOf = (given: readonly TenantSchema[] | null | undefined): Definitions => {
  if (!given || given.length === 0) return STANDARD;
  // Ids are UUIDv7.
  const schemas = given.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const key = schemas.map(({ id, version }) => `${id}@${version}`).join();
  const known = definitions.get(key);
  if (known) return known;
  const extended = (definition: ResourceDefinition): ResourceDefinition => {
    const own = schemas.filter(({ resourceType }) => resourceType === definition.name).map(({ schema }) => schema);
    return own.length === 0 ? definition : { ...definition, extensions: [...definition.extensions, ...own] };
  };
  if (definitions.size >= MAX_KEPT_DEFINITIONS) definitions.delete(definitions.keys().next().value!);
  const made = { user: extended(USER), group: extended(GROUP) };
  definitions.set(key, made);
  return made;
};

/** Those of several tenants, by tenant; whoever is not in it has the standard ones. */
export const definitionsByTenant = (
  given: readonly (TenantSchema & { readonly tenant: string })[] | null,
): ReadonlyMap<string, Definitions> =>
  new Map(
    [...Map.groupBy(given ?? [], ({ tenant }) => tenant)].map(([tenant, schemas]) => [tenant, definitionsOf(schemas)]),
  );

/** An attribute and the schema that it was found in; `extension` = its value lives under that schema's URN. */
export interface FoundAttribute {
  readonly attribute: Attribute;
  /** The URN of the schema. */
  readonly schema: string;
  readonly extension: boolean;
}

/** `name.givenName`: an attribute, perhaps one of its parts. */
export interface AttributePath extends FoundAttribute {
  readonly subAttribute?: Attribute;
}

/** A schema of a resource type, its attributes by their names in lower case. */
export interface FoundSchema {
  readonly id: string;
  readonly extension: boolean;
  readonly attributes: ReadonlyMap<string, FoundAttribute>;
}

/** Look-up tables of one resource type, keys in lower case. Maps, so that `__proto__` is a name like any other. */
interface Lookup {
  /**
   * Attributes that may be named without a URN: core and common attributes, and enterprise attributes that the core has
   * not.
   */
  readonly plain: ReadonlyMap<string, FoundAttribute>;
  readonly schemas: ReadonlyMap<string, FoundSchema>;
}

const lookups = new WeakMap<ResourceDefinition, Lookup>();

const lookupOf = (definition: ResourceDefinition): Lookup => {
  let lookup = lookups.get(definition);
  if (!lookup) lookups.set(definition, (lookup = buildLookup(definition)));
  return lookup;
};

const buildLookup = ({ schema, extensions }: ResourceDefinition): Lookup => {
  const index = (attributes: readonly Attribute[], urn: string, extension: boolean): FoundSchema => ({
    id: urn,
    extension,
    attributes: new Map(
      attributes.map((found) => [found.name.toLowerCase(), { attribute: found, schema: urn, extension }]),
    ),
  });
  const core = index([...COMMON_ATTRIBUTES, ...schema.attributes], schema.id, false);
  const plain = new Map(core.attributes);
  const schemas = new Map([[core.id.toLowerCase(), core]]);
  for (const { id, attributes } of extensions) {
    const extension = index(attributes, id, true);
    schemas.set(id.toLowerCase(), extension);
    if (id !== ENTERPRISE_USER_URN) continue;
    schemas.set(MISSPELT_ENTERPRISE_USER_URN.toLowerCase(), extension);
    for (const [name, found] of extension.attributes) if (!plain.has(name)) plain.set(name, found);
  }
  return { plain, schemas };
};

/**
 * A schema of the resource type by its URN, in any case. UnboundID's client writes a colon behind it, with nothing to
 * follow.
 */
export const findSchema = (definition: ResourceDefinition, urn: string): FoundSchema | undefined => {
  // Next to all names are those of attributes.
  if (!urn.includes(':')) return undefined;
  const { schemas } = lookupOf(definition);
  const lower = urn.toLowerCase();
  return (
    schemas.get(lower) ?? (lower.endsWith(':') || lower.endsWith('.') ? schemas.get(lower.slice(0, -1)) : undefined)
  );
};

/** Tells whether a path begins with the URN of a schema that is known here, be it that of another resource type. */
export const beginsWithSchema = (definition: ResourceDefinition, path: string): boolean => {
  const lower = path.toLowerCase();
  return [definition, USER, GROUP].some((type) =>
    [...lookupOf(type).schemas.keys()].some(
      (urn) => lower.startsWith(urn) && (lower.length === urn.length || ':.['.includes(lower[urn.length]!)),
    ),
  );
};

/**
 * An attribute by its name, in any case (RFC 7643 §2.1): plain, after its URN (RFC 7644 §3.10), or, as Entra's samples
 * send it, an enterprise attribute without its URN. Apache Syncope, clients of WSO2 and Microsoft's inbound
 * provisioning write a dot behind the URN.
 */
export const findAttribute = (definition: ResourceDefinition, name: string): FoundAttribute | undefined => {
  const { plain, schemas } = lookupOf(definition);
  const lower = name.toLowerCase();
  if (!lower.startsWith('urn:')) return plain.get(lower);
  const after = (mark: number): FoundAttribute | undefined =>
    mark < 0 ? undefined : schemas.get(lower.slice(0, mark))?.attributes.get(lower.slice(mark + 1));
  return after(lower.lastIndexOf(':')) ?? after(lower.lastIndexOf('.'));
};

const subAttributes = new WeakMap<Attribute, ReadonlyMap<string, Attribute>>();

/** A part of a complex attribute by its name, in any case. */
export const findSubAttribute = (parent: Attribute, name: string): Attribute | undefined => {
  let index = subAttributes.get(parent);
  if (!index) {
    // Names as they are spelt come first: they are what nearly every client sends.
    index = new Map(
      (parent.subAttributes ?? []).flatMap((sub) => [
        [sub.name, sub],
        [sub.name.toLowerCase(), sub],
      ]),
    );
    subAttributes.set(parent, index);
  }
  return index.get(name) ?? index.get(name.toLowerCase());
};

/** `name.givenName`, `urn:…:User:manager.value`; undefined when there is no such attribute. */
export const findPath = (definition: ResourceDefinition, text: string): AttributePath | undefined => {
  const whole = findAttribute(definition, text);
  if (whole) return whole;
  // A URN has dots of its own: only the last one may part attribute and sub-attribute.
  const dot = text.lastIndexOf('.');
  const parent = dot > 0 ? findAttribute(definition, text.slice(0, dot)) : undefined;
  const subAttribute = parent && findSubAttribute(parent.attribute, text.slice(dot + 1));
  return parent && subAttribute ? { ...parent, subAttribute } : undefined;
};

/**
 * The value that an absent attribute is taken for where it is compared; undefined: for none. RFC 7643 §2.4 says it of
 * `primary`; a user may act unless somebody says no.
 */
export const assumedOf = ({ attribute, subAttribute, extension }: AttributePath): boolean | undefined => {
  if (subAttribute)
    return attribute.multiValued && subAttribute.type === 'boolean' && subAttribute.name === 'primary'
      ? false
      : undefined;
  return attribute.name === 'active' && !extension ? true : undefined;
};

/** The canonical text of a path: what findPath finds again. */
export const pathName = ({ attribute: { name }, subAttribute, schema, extension }: AttributePath): string =>
  `${extension ? `${schema}:` : ''}${name}${subAttribute ? `.${subAttribute.name}` : ''}`;
