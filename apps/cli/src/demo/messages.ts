import { displayNameOf, type Person } from './people.js';

/**
 * The requests that Entra sends about a person. They are written out in Entra's words on purpose, without Muster's own
 * constants: a mistake there must not repeat itself here.
 */

export const DEPARTMENTS = ['Research', 'Sales', 'Finance', 'Legal', 'Operations'];
const TITLES = ['Engineer', 'Analyst', 'Director', 'Counsel', 'Planner'];

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

/**
 * POST /Users. Each tenth person comes in the older shape: a misspelt URN, department and manager beside the core
 * attributes.
 */
export const createBody = (person: Person): object => {
  const { index, givenName, familyName, upn, objectId } = person;
  const department = DEPARTMENTS[index % DEPARTMENTS.length];
  const core = {
    externalId: objectId,
    userName: upn,
    active: true,
    displayName: displayNameOf(person),
    title: TITLES[index % TITLES.length],
    emails: [{ primary: true, type: 'work', value: upn }],
    name: { formatted: displayNameOf(person), familyName, givenName },
    addresses: null,
    phoneNumbers: null,
    preferredLanguage: null,
    roles: [],
    meta: { resourceType: 'User' },
  };
  const schemas = (enterprise: string): string[] => ['urn:ietf:params:scim:schemas:core:2.0:User', enterprise];
  return index % 10 === 9
    ? {
        schemas: schemas('urn:ietf:params:scim:schemas:extension:enterprise:2.0User'),
        ...core,
        department,
        manager: null,
      }
    : {
        schemas: schemas(ENTERPRISE),
        ...core,
        [ENTERPRISE]: { department, employeeNumber: String(1000 + index), manager: null },
      };
};

/** The body of POST /Groups. Entra never sends members with it, and always a schema of Microsoft's own. */
export const groupBody = (displayName: string, objectId: string): object => ({
  schemas: [
    'urn:ietf:params:scim:schemas:core:2.0:Group',
    'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
  ],
  externalId: objectId,
  displayName,
  meta: { resourceType: 'Group' },
});

/** Entra's own dialect: a list of members, for adding and for removing. */
export const addMembers = (ids: readonly string[]): object => ({
  op: 'Add',
  path: 'members',
  value: ids.map((value) => ({ $ref: null, value })),
});
export const removeMembers = (ids: readonly string[]): object => ({ ...addMembers(ids), op: 'Remove' });
/** The dialect of `aadOptscim062020`. */
export const removeMember = (id: string): object => ({ op: 'remove', path: `members[value eq "${id}"]` });

/** PATCH of a user or a group. */
export const patchBody = (operations: readonly object[]): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations,
});

export const setUserName = (value: string): object => ({ op: 'Replace', path: 'userName', value });

/** A text in Entra's own dialect, a boolean in the other one. */
export const setActive = (value: 'True' | 'False' | boolean): object => ({
  op: typeof value === 'string' ? 'Replace' : 'replace',
  path: 'active',
  value,
});

/** Entra's own dialect: capital ops, a path each. */
export const changeInCapitals = (person: Person): object[] => [
  { op: 'Replace', path: 'title', value: TITLES[(person.index + 1) % TITLES.length] },
  { op: 'Replace', path: 'emails[type eq "work"].value', value: `mail.${person.upn}` },
  {
    op: 'Add',
    path: 'phoneNumbers[type eq "mobile"].value',
    value: `+1 555 01${String(person.index % 100).padStart(2, '0')}`,
  },
  { op: 'Add', path: `${ENTERPRISE}:department`, value: DEPARTMENTS[(person.index + 1) % DEPARTMENTS.length] },
];

/** The dialect of `aadOptscim062020`: lower-case ops, one object of dotted names and flat URNs without a path. */
export const changeInLowerCase = ({ givenName, index }: Person): object[] => [
  {
    op: 'replace',
    value: {
      displayName: `${givenName} Reed`,
      'name.familyName': 'Reed',
      [`${ENTERPRISE}:department`]: DEPARTMENTS[(index + 2) % DEPARTMENTS.length],
    },
  },
];

/** A manager comes as a text, an object, or a list of one. */
export const setManager = ({ index }: Person, managerId: string): object[] => {
  const value = [managerId, { value: managerId }, [{ value: managerId }]][index % 3];
  return [{ op: 'Add', path: `${ENTERPRISE}:manager`, value }];
};

/** The id of the manager in an answer. */
export const managerIn = (user: object): unknown =>
  (user as Record<string, { manager?: { value?: unknown } } | undefined>)[ENTERPRISE]?.manager?.value;
