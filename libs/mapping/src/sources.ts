import {
  attributeValue,
  ENTERPRISE_USER_URN,
  findPath,
  fold,
  isJsonObject,
  parseTarget,
  USER,
  valueMatcher,
  type Json,
  type JsonObject,
  type ResourceDefinition,
  type Target,
} from '#scim';
import type { Read, Sources } from './compile.js';
import type { Value } from './value.js';

/**
 * Entra's names of source attributes, and the SCIM paths at which their values arrive: Entra's default mapping, read
 * backwards. What it calls objectId comes as the externalId once an administrator maps it so; by default that is the
 * mailNickname.
 */
const ALIASES: { readonly [name: string]: string } = {
  userPrincipalName: 'userName',
  originalUserPrincipalName: 'userName',
  mail: 'emails[type eq "work"].value',
  otherMails: 'emails[type eq "other"].value',
  proxyAddresses: 'emails[type eq "other"].value',
  surname: 'name.familyName',
  givenName: 'name.givenName',
  jobTitle: 'title',
  physicalDeliveryOfficeName: 'addresses[type eq "work"].formatted',
  streetAddress: 'addresses[type eq "work"].streetAddress',
  city: 'addresses[type eq "work"].locality',
  state: 'addresses[type eq "work"].region',
  postalCode: 'addresses[type eq "work"].postalCode',
  country: 'addresses[type eq "work"].country',
  telephoneNumber: 'phoneNumbers[type eq "work"].value',
  mobile: 'phoneNumbers[type eq "mobile"].value',
  facsimileTelephoneNumber: 'phoneNumbers[type eq "fax"].value',
  mailNickname: 'externalId',
  objectId: 'externalId',
  employeeId: `${ENTERPRISE_USER_URN}:employeeNumber`,
  companyName: `${ENTERPRISE_USER_URN}:organization`,
  department: `${ENTERPRISE_USER_URN}:department`,
  manager: `${ENTERPRISE_USER_URN}:manager.value`,
  accountEnabled: 'active',
  appRoleAssignments: 'roles',
};
const PATHS: ReadonlyMap<string, string> = new Map(
  Object.entries(ALIASES).map(([name, path]) => [name.toLowerCase(), path]),
);

/** An extension attribute of a directory: `extension_<id of an application>_<name>`. */
const DIRECTORY_EXTENSION = /^extension_[\da-f]{32}_(\w+)$/i;

/** Reads what is at a target: one value, a list where there are several, null where there is none. */
export const readTarget = ({ path, filter }: Target): Read => {
  const part = path.subAttribute?.name;
  const matcher = filter && valueMatcher(filter, fold);
  const partOf = (value: Json): Value =>
    part === undefined ? value : isJsonObject(value) ? (value[part] ?? null) : null;
  return (attributes) => {
    const found = attributeValue(attributes, path);
    if (found === undefined || found === null) return null;
    if (!Array.isArray(found)) return matcher && !matcher(found) ? null : partOf(found);
    if (part === undefined && !matcher) return found as readonly Json[];
    const values: Value[] = [];
    for (const element of found as readonly Json[]) {
      if (matcher && !matcher(element)) continue;
      const value = partOf(element);
      if (value !== null) values.push(value);
    }
    return values.length > 1 ? values : (values[0] ?? null);
  };
};

/** A user is deprovisioned if it is not active; without a value it is (RFC 7643 §4.1.1). */
const isSoftDeleted: Read = ({ active }) => active === false;

/**
 * Source attributes of a resource as SCIM has it: names of Entra, paths of SCIM, and the attributes of a tenant's own
 * schemas, by their names alone where only one schema has them. So extensionAttribute1 is found where a schema has it.
 */
export const scimSources =
  (definition: ResourceDefinition): Sources =>
  (name) => {
    if (name.toLowerCase() === 'issoftdeleted') return isSoftDeleted;
    const target = findTarget(definition, PATHS.get(name.toLowerCase()) ?? name) ?? findOwn(definition, name);
    if (!target || target.path.attribute.returned === 'never') return undefined;
    return readTarget(target);
  };

const findTarget = (definition: ResourceDefinition, path: string): Target | undefined => {
  try {
    return parseTarget(definition, path);
  } catch {
    return undefined;
  }
};

const findOwn = (definition: ResourceDefinition, name: string): Target | undefined => {
  const plain = (DIRECTORY_EXTENSION.exec(name)?.[1] ?? name).toLowerCase();
  const found = definition.extensions.flatMap(({ id, attributes }) =>
    attributes
      .filter((attribute) => attribute.name.toLowerCase() === plain)
      .map((attribute) => `${id}:${attribute.name}`),
  );
  const path = found.length === 1 ? findPath(definition, found[0]!) : undefined;
  return path && { path, filter: null, text: found[0]! };
};

/**
 * Source attributes of any object, to try an expression: by their names, else as those of a resource. A name that is
 * spelt in another case is found where only one is like it. What is not there is null.
 */
export const anySources = (definition: ResourceDefinition = USER): Sources => {
  const ofResource = scimSources(definition);
  return (name) => {
    const lower = name.toLowerCase();
    const inResource = ofResource(name);
    return (attributes) => {
      if (Object.hasOwn(attributes, name)) return attributes[name]!;
      const alike = Object.keys(attributes).filter((key) => key.toLowerCase() === lower);
      if (alike.length === 1) return attributes[alike[0]!]!;
      return inResource && lower !== 'issoftdeleted' ? inResource(attributes) : softDeletedIn(attributes, lower);
    };
  };
};

/** Without the attribute active, nothing is known about it. */
const softDeletedIn = (attributes: JsonObject, name: string): Value =>
  name === 'issoftdeleted' && typeof attributes.active === 'boolean' ? !attributes.active : null;
