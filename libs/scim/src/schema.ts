export type AttributeType = 'string' | 'boolean' | 'decimal' | 'integer' | 'dateTime' | 'reference' | 'binary' | 'complex';

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
/** What one of Microsoft's own samples sends instead of the enterprise URN. */
const MISSPELT_ENTERPRISE_USER_URN = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User';

const attribute = (name: string, type: AttributeType, description: string, rest: Partial<Attribute> = {}): Attribute => ({
  name, type, multiValued: false, required: false, caseExact: type === 'reference' || type === 'binary' || type === 'dateTime',
  mutability: 'readWrite', returned: 'default', uniqueness: 'none', description, ...rest,
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
  attribute('schemas', 'reference', 'The schemas of the resource', { multiValued: true, required: true, returned: 'always' }),
  text('id', 'The id that this service gave', { caseExact: true, mutability: 'readOnly', returned: 'always', uniqueness: 'server' }),
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

/** RFC 7643 §4.1. */
export const USER_SCHEMA: Schema = {
  id: USER_URN,
  name: 'User',
  description: 'User Account',
  attributes: [
    text('userName', 'The unique name with which the user signs in', { required: true, uniqueness: 'server' }),
    attribute('name', 'complex', 'The parts of the name', {
      subAttributes: [
        text('formatted', 'The full name'), text('familyName', 'Family name'), text('givenName', 'Given name'),
        text('middleName', 'Middle names'), text('honorificPrefix', 'Titles before the name'),
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
    attribute('active', 'boolean', 'Whether the user may act; false archives the user'),
    text('password', 'Never stored', { mutability: 'writeOnly', returned: 'never' }),
    plural('emails', 'E-mail addresses', ['work', 'home', 'other'], text('value', 'The address')),
    plural('phoneNumbers', 'Phone numbers', ['work', 'home', 'mobile', 'fax', 'pager', 'other'], text('value', 'The number')),
    plural('ims', 'Instant messaging addresses', [], text('value', 'The address')),
    plural('photos', 'Photos', ['photo', 'thumbnail'], attribute('value', 'reference', 'The URI', { referenceTypes: ['external'] })),
    attribute('addresses', 'complex', 'Postal addresses', {
      multiValued: true,
      subAttributes: [
        text('formatted', 'The full address'), text('streetAddress', 'Street and number'), text('locality', 'City'),
        text('region', 'State or region'), text('postalCode', 'Postal code'), text('country', 'Country (ISO 3166-1 alpha-2)'),
        text('type', 'What it is for', { canonicalValues: ['work', 'home', 'other'] }),
        attribute('primary', 'boolean', 'Whether it is the preferred one'),
      ],
    }),
    attribute('groups', 'complex', 'The groups of the user', {
      multiValued: true, mutability: 'readOnly',
      subAttributes: [
        text('value', 'The id of the group', { mutability: 'readOnly' }),
        attribute('$ref', 'reference', 'The URI of the group', { mutability: 'readOnly', referenceTypes: ['Group'] }),
        text('display', 'Its name', { mutability: 'readOnly' }),
        text('type', 'direct or indirect', { mutability: 'readOnly', canonicalValues: ['direct', 'indirect'] }),
      ],
    }),
    plural('entitlements', 'Entitlements', [], text('value', 'The entitlement')),
    plural('roles', 'Roles', [], text('value', 'The role')),
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
        text('value', 'The id of the manager', { caseExact: true }),
        attribute('$ref', 'reference', 'The URI of the manager', { referenceTypes: ['User'] }),
        text('displayName', 'The name of the manager', { mutability: 'readOnly' }),
      ],
    }),
  ],
};

export const USER: ResourceDefinition = {
  name: 'User', endpoint: '/Users', schema: USER_SCHEMA, extensions: [ENTERPRISE_USER_SCHEMA],
};

/** An attribute and the schema that it was found in; `extension` = it lives under that schema's URN. */
export interface FoundAttribute {
  readonly attribute: Attribute;
  readonly schema: string;
  readonly extension: boolean;
}

/** Look-up tables of one resource type. Maps, so that `__proto__` is a name like any other. */
interface Lookup {
  readonly core: ReadonlyMap<string, FoundAttribute>;
  readonly flat: ReadonlyMap<string, FoundAttribute>;
  /** URN in lower case → the attributes below it. */
  readonly schemas: ReadonlyMap<string, { readonly id: string; readonly extension: boolean; readonly attributes: ReadonlyMap<string, FoundAttribute> }>;
}

const lookups = new WeakMap<ResourceDefinition, Lookup>();

const lookupOf = (definition: ResourceDefinition): Lookup => {
  const known = lookups.get(definition);
  if (known) return known;
  const index = (attributes: readonly Attribute[], schema: string, extension: boolean): Map<string, FoundAttribute> =>
    new Map(attributes.map((found) => [found.name.toLowerCase(), { attribute: found, schema, extension }]));
  const core = index([...COMMON_ATTRIBUTES, ...definition.schema.attributes], definition.schema.id, false);
  const schemas: Map<string, { id: string; extension: boolean; attributes: Map<string, FoundAttribute> }> = new Map();
  schemas.set(definition.schema.id.toLowerCase(), { id: definition.schema.id, extension: false, attributes: core });
  const flat = new Map<string, FoundAttribute>();
  for (const extension of definition.extensions) {
    const attributes = index(extension.attributes, extension.id, true);
    schemas.set(extension.id.toLowerCase(), { id: extension.id, extension: true, attributes });
    if (extension.id === ENTERPRISE_USER_URN) {
      schemas.set(MISSPELT_ENTERPRISE_USER_URN.toLowerCase(), { id: extension.id, extension: true, attributes });
      for (const [name, found] of attributes) if (!core.has(name)) flat.set(name, found);
    }
  }
  const lookup = { core, flat, schemas };
  lookups.set(definition, lookup);
  return lookup;
};

/** A schema of the resource type by its URN, in any case. */
export const findSchema = (
  definition: ResourceDefinition, urn: string,
): { readonly id: string; readonly extension: boolean; readonly attributes: ReadonlyMap<string, FoundAttribute> } | undefined =>
  lookupOf(definition).schemas.get(urn.toLowerCase());

/**
 * An attribute by its name, in any case (RFC 7643 §2.1): plain, after its URN, or — as Entra's samples send it — an enterprise
 * attribute without its URN.
 */
export const findAttribute = (definition: ResourceDefinition, name: string): FoundAttribute | undefined => {
  const { core, flat, schemas } = lookupOf(definition);
  const lower = name.toLowerCase();
  const found = core.get(lower) ?? flat.get(lower);
  if (found || !lower.startsWith('urn:')) return found;
  const colon = lower.lastIndexOf(':');
  return schemas.get(lower.slice(0, colon))?.attributes.get(lower.slice(colon + 1));
};

export const findSubAttribute = (parent: Attribute, name: string): Attribute | undefined =>
  parent.subAttributes?.find((sub) => sub.name.toLowerCase() === name.toLowerCase());
