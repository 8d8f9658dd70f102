import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected, type RejectionCode } from './error.js';
import {
  MAX_PATCH_OPERATIONS,
  MAX_PATCH_PATHS_CHARACTERS,
  parsePatch,
  touchesUserName,
  type PatchOperation,
} from './patch.js';
import { ENTERPRISE_USER_SCHEMA, ENTERPRISE_USER_URN as E, GROUP, USER, USER_URN } from './schema.js';
import { MAX_KEY_CHARACTERS } from './value.js';

const parse = (...Operations: unknown[]): PatchOperation[] => parsePatch(USER, { Operations }).operations;

const rejection = (body: unknown): Rejected => {
  try {
    parsePatch(USER, body);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  return expect.unreachable('nothing was thrown');
};

interface Taken {
  when: object;
  then: object[];
}
interface Refused {
  when: object;
  then: RejectionCode;
  because: RegExp;
}

describe('an operation', () => {
  it.each(
    Object.entries<Taken>({
      // Entra without and with aadOptscim062020.
      'a capital op and a boolean as text': {
        when: { op: 'Replace', path: 'active', value: 'False' },
        then: [{ op: 'replace', path: 'active', value: false }],
      },
      'a lower-case op and a boolean': {
        when: { op: 'replace', path: 'active', value: false },
        then: [{ op: 'replace', path: 'active', value: false }],
      },
      shouting: {
        when: { OP: 'ADD', PATH: 'DISPLAYNAME', VALUE: 'D' },
        then: [{ op: 'add', path: 'displayName', value: 'D' }],
      },
      'no path': {
        when: { op: 'Replace', value: { active: 'fAlSe', displayName: 'D' } },
        then: [
          { op: 'replace', path: 'active', value: false },
          { op: 'replace', path: 'displayName', value: 'D' },
        ],
      },
      'a path of null or blanks': {
        when: { op: 'replace', path: null, value: { title: 'T' } },
        then: [{ op: 'replace', path: 'title', value: 'T' }],
      },
      'a blank path': {
        when: { op: 'replace', path: ' ', value: { title: 'T' } },
        then: [{ op: 'replace', path: 'title', value: 'T' }],
      },
      'a dotted key': {
        when: { op: 'replace', value: { 'name.givenName': 'A' } },
        then: [{ op: 'replace', path: 'name.givenName', value: 'A' }],
      },
      'a flat URN key': {
        when: { op: 'replace', value: { [`${E}:department`]: 'D' } },
        then: [{ op: 'replace', path: `${E}:department`, value: 'D' }],
      },
      'a flat URN key with a part': {
        when: { op: 'add', value: { [`${E}:manager.value`]: 'm' } },
        then: [{ op: 'add', path: `${E}:manager.value`, value: 'm' }],
      },
      'an object under a URN': {
        when: { op: 'add', value: { [E]: { department: 'D', 'manager.value': 'm' } } },
        then: [
          { op: 'add', path: `${E}:department`, value: 'D' },
          { op: 'add', path: `${E}:manager.value`, value: 'm' },
        ],
      },
      'an object under the URN of the core': {
        when: { op: 'add', value: { [USER_URN]: { title: 'T' } } },
        then: [{ op: 'add', path: 'title', value: 'T' }],
      },
      'a path that is a URN': {
        when: { op: 'replace', path: E, value: { department: 'D' } },
        then: [{ op: 'replace', path: `${E}:department`, value: 'D' }],
      },
      'the misspelt URN': {
        when: { op: 'add', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department', value: 'D' },
        then: [{ op: 'add', path: `${E}:department`, value: 'D' }],
      },
      'a bracketed key': {
        when: { op: 'replace', value: { 'emails[type eq "work"].value': 'a@x' } },
        then: [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'a@x' }],
      },
      'a core attribute after its URN': {
        when: { op: 'add', path: `${USER_URN}:emails[type eq "work"].value`, value: 'a@x' },
        then: [{ op: 'add', path: 'emails[type eq "work"].value', value: 'a@x' }],
      },
      'names in any case': {
        when: { op: 'add', path: 'EMAILS[TYPE eq "work"].VALUE', value: 'a@x' },
        then: [{ op: 'add', path: 'emails[TYPE eq "work"].value', value: 'a@x' }],
      },
      'a bracket inside a filter': {
        when: { op: 'add', path: 'emails[type eq "a]"].value', value: 'a@x' },
        then: [{ op: 'add', path: 'emails[type eq "a]"].value', value: 'a@x' }],
      },
      // Managers.
      'a manager as text': {
        when: { op: 'Add', path: `${E}:manager`, value: 'm' },
        then: [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
      },
      'a manager as an object': {
        when: { op: 'Add', path: `${E}:manager`, value: { $ref: null, value: 'm' } },
        then: [{ op: 'add', path: `${E}:manager`, value: { $ref: null, value: 'm' } }],
      },
      'a manager in a list of one': {
        when: { op: 'Add', path: 'manager', value: [{ value: 'm' }] },
        then: [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
      },
      'a manager of no name': {
        when: { op: 'Replace', path: 'manager', value: '' },
        then: [{ op: 'remove', path: `${E}:manager` }],
      },
      'a manager with a name, which is read-only': {
        when: { op: 'add', path: 'manager', value: { value: 'm', displayName: 'M' } },
        then: [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
      },
      // Roles.
      'JSON text in a role': {
        when: { op: 'Add', path: 'roles', value: [{ value: '{"id":"1","value":"Admin","displayName":"A"}' }] },
        then: [{ op: 'add', path: 'roles', value: [{ value: 'Admin' }] }],
      },
      'JSON text behind a filter': {
        when: { op: 'Replace', path: 'roles[primary eq "True"].value', value: '{"value":"Admin","display":"A"}' },
        then: [{ op: 'add', path: 'roles[primary eq "True"]', value: { value: 'Admin', display: 'A' } }],
      },
      'a primary role': {
        when: { op: 'Add', path: 'roles[primary eq "True"].value', value: 'Admin' },
        then: [{ op: 'add', path: 'roles[primary eq "True"].value', value: 'Admin' }],
      },
      // Lists.
      'one value for a list': {
        when: { op: 'add', path: 'emails', value: { value: 'a@x' } },
        then: [{ op: 'add', path: 'emails', value: [{ value: 'a@x' }] }],
      },
      'an element in a list of one': {
        when: { op: 'add', path: 'emails[type eq "work"]', value: [{ value: 'a@x' }] },
        then: [{ op: 'add', path: 'emails[type eq "work"]', value: { value: 'a@x' } }],
      },
      'a boolean as text in a list': {
        when: { op: 'add', path: 'emails', value: [{ value: 'a', primary: 'True' }] },
        then: [{ op: 'add', path: 'emails', value: [{ value: 'a', primary: true }] }],
      },
      'an empty list to put in place': {
        when: { op: 'replace', path: 'emails', value: [] },
        then: [{ op: 'remove', path: 'emails' }],
      },
      'a list of nulls to put in place': {
        when: { op: 'replace', path: 'emails', value: [null] },
        then: [{ op: 'remove', path: 'emails' }],
      },
      'an empty list to add': { when: { op: 'add', path: 'emails', value: [] }, then: [] },
      ...Object.fromEntries(
        ['roles', 'entitlements', 'phoneNumbers', 'emails'].flatMap((path) =>
          [[{ value: null }], [{ $ref: null, value: null }], [null, { value: null }], { value: null }].flatMap(
            (value): [string, Taken][] => [
              [
                `${path} that are null, ${JSON.stringify(value)}, to put in place`,
                { when: { op: 'replace', path, value }, then: [{ op: 'remove', path }] },
              ],
              [
                `${path} that are null, ${JSON.stringify(value)}, without a path`,
                { when: { op: 'replace', value: { [path]: value } }, then: [{ op: 'remove', path }] },
              ],
              [
                `${path} that are null, ${JSON.stringify(value)}, to add`,
                { when: { op: 'add', path, value }, then: [] },
              ],
            ],
          ),
        ),
      ),
      'one null among values': {
        when: { op: 'replace', path: 'roles', value: [{ value: null }, { value: 'User' }] },
        then: [{ op: 'replace', path: 'roles', value: [{ value: 'User' }] }],
      },
      ...Object.fromEntries(
        ['phoneNumbers', 'roles', 'entitlements'].map((path): [string, Taken] => [
          `${path} that are null to remove`,
          { when: { op: 'remove', path, value: [{ value: null }] }, then: [] },
        ]),
      ),
      // Clients send these, which RFC 7644 does not foresee.
      'single quotes': {
        when: { op: 'replace', path: "emails[type eq 'work'].value", value: 'a@x' },
        then: [{ op: 'replace', path: "emails[type eq 'work'].value", value: 'a@x' }],
      },
      'a dot behind a URN': {
        when: { op: 'replace', path: `${E}.employeeNumber`, value: '5' },
        then: [{ op: 'replace', path: `${E}:employeeNumber`, value: '5' }],
      },
      'a dot behind a URN and a part': {
        when: { op: 'replace', path: `${E}.manager.value`, value: '5' },
        then: [{ op: 'replace', path: `${E}:manager.value`, value: '5' }],
      },
      'a dot behind the URN of the core and a filter': {
        when: { op: 'add', path: `${USER_URN}.emails[type eq "work"].value`, value: 'a@x' },
        then: [{ op: 'add', path: 'emails[type eq "work"].value', value: 'a@x' }],
      },
      'a dot behind a URN in a key': {
        when: { op: 'replace', value: { [`${E}.department`]: 'D' } },
        then: [{ op: 'replace', path: `${E}:department`, value: 'D' }],
      },
      'a colon behind a URN': {
        when: { op: 'replace', path: `${E}:`, value: { department: 'D' } },
        then: [{ op: 'replace', path: `${E}:department`, value: 'D' }],
      },
      'a colon behind a URN in a key': {
        when: { op: 'replace', value: { [`${E}:`]: { department: 'D' } } },
        then: [{ op: 'replace', path: `${E}:department`, value: 'D' }],
      },
      'a list of one object and no path': {
        when: { op: 'replace', value: [{ title: 'T' }] },
        then: [{ op: 'replace', path: 'title', value: 'T' }],
      },
      'an empty list and no path': { when: { op: 'replace', value: [] }, then: [] },
      'a list of one object under a URN': {
        when: { op: 'add', value: { [E]: [{ department: 'D' }] } },
        then: [{ op: 'add', path: `${E}:department`, value: 'D' }],
      },
      'a list of one object for a text': {
        when: { op: 'Replace', path: 'displayName', value: [{ $ref: null, value: 'D' }] },
        then: [{ op: 'replace', path: 'displayName', value: 'D' }],
      },
      'a list of one object for a part': {
        when: { op: 'Replace', path: 'name.givenName', value: [{ $ref: null, value: 'G' }] },
        then: [{ op: 'replace', path: 'name.givenName', value: 'G' }],
      },
      'a list of one object for active': {
        when: { op: 'Replace', path: 'active', value: [{ $ref: null, value: 'False' }] },
        then: [{ op: 'replace', path: 'active', value: false }],
      },
      'a list of one null for a text': {
        when: { op: 'Replace', path: 'title', value: [{ $ref: null, value: null }] },
        then: [{ op: 'remove', path: 'title' }],
      },
      'values below their name': {
        when: { op: 'add', path: 'emails', value: { emails: [{ value: 'a@x' }] } },
        then: [{ op: 'add', path: 'emails', value: [{ value: 'a@x' }] }],
      },
      'values below their name to remove': {
        when: { op: 'remove', path: 'roles', value: [{ Roles: { value: 'User' } }] },
        then: [{ op: 'remove', path: 'roles', value: [{ value: 'User' }] }],
      },
      'a filter of an object': {
        when: { op: 'remove', path: `${E}:manager[value eq "m"]` },
        then: [{ op: 'remove', path: `${E}:manager[value eq "m"]` }],
      },
      'a filter of an object and a part': {
        when: { op: 'replace', path: 'name[givenName eq "x"].familyName', value: 'y' },
        then: [{ op: 'replace', path: 'name[givenName eq "x"].familyName', value: 'y' }],
      },
      // An empty text is no value of anything but a string.
      'an empty text for an object': {
        when: { op: 'replace', path: 'name', value: '' },
        then: [{ op: 'remove', path: 'name' }],
      },
      'an empty text for a list': {
        when: { op: 'replace', path: 'emails', value: '' },
        then: [{ op: 'remove', path: 'emails' }],
      },
      'an empty text to add to a list': { when: { op: 'add', path: 'emails', value: '' }, then: [] },
      'an empty text for a reference': {
        when: { op: 'add', path: 'profileUrl', value: '' },
        then: [{ op: 'remove', path: 'profileUrl' }],
      },
      'an empty text for a mark': {
        when: { op: 'add', path: 'emails[type eq "work"].primary', value: '' },
        then: [{ op: 'remove', path: 'emails[type eq "work"].primary' }],
      },
      'an empty text for a part of an object': {
        when: { op: 'add', path: 'manager', value: { value: 'm', $ref: '' } },
        then: [{ op: 'add', path: `${E}:manager`, value: { value: 'm', $ref: null } }],
      },
      'an empty text for a string': {
        when: { op: 'replace', path: 'title', value: '' },
        then: [{ op: 'replace', path: 'title', value: '' }],
      },
      'an empty list for an extension to add': {
        when: { op: 'add', value: { [E]: [], title: 'T' } },
        then: [{ op: 'add', path: 'title', value: 'T' }],
      },
      'an empty list for the core': { when: { op: 'replace', value: { [USER_URN]: [] } }, then: [] },
      'an empty list for an extension': {
        when: { op: 'replace', path: E, value: [] },
        then: ENTERPRISE_USER_SCHEMA.attributes.map(({ name }) => ({ op: 'remove', path: `${E}:${name}` })),
      },
      'a list of nothing known to put in place': {
        when: { op: 'replace', path: 'emails', value: [{ foo: 1 }] },
        then: [],
      },
      'an object of nothing': { when: { op: 'replace', path: 'name', value: {} }, then: [] },
      // Removals.
      'a removal': { when: { op: 'Remove', path: 'title' }, then: [{ op: 'remove', path: 'title' }] },
      'a removal of null': {
        when: { op: 'Remove', path: 'title', value: null },
        then: [{ op: 'remove', path: 'title' }],
      },
      'a removal of a single value': {
        when: { op: 'Remove', path: 'manager', value: [{ value: 'm' }] },
        then: [{ op: 'remove', path: `${E}:manager` }],
      },
      'a removal of a part': {
        when: { op: 'remove', path: 'emails[type eq "work"].value', value: 'a@x' },
        then: [{ op: 'remove', path: 'emails[type eq "work"].value' }],
      },
      'a removal of listed values': {
        when: { op: 'Remove', path: 'emails', value: [{ $ref: null, value: 'a@x' }] },
        then: [{ op: 'remove', path: 'emails', value: [{ value: 'a@x' }] }],
      },
      'a removal of one listed value': {
        when: { op: 'Remove', path: 'emails', value: { value: 'a@x' } },
        then: [{ op: 'remove', path: 'emails', value: [{ value: 'a@x' }] }],
      },
      'a removal of no listed values': { when: { op: 'Remove', path: 'emails', value: [] }, then: [] },
      'a removal of an extension': {
        when: { op: 'remove', path: E },
        then: ['employeeNumber', 'costCenter', 'organization', 'division', 'department', 'manager'].map((name) => ({
          op: 'remove',
          path: `${E}:${name}`,
        })),
      },
      'null for a text': {
        when: { op: 'replace', path: 'title', value: null },
        then: [{ op: 'remove', path: 'title' }],
      },
      'null to add': { when: { op: 'add', value: { title: null } }, then: [{ op: 'remove', path: 'title' }] },
      'null for a part': {
        when: { op: 'replace', path: 'name', value: { givenName: null, familyName: 'L' } },
        then: [{ op: 'replace', path: 'name', value: { givenName: null, familyName: 'L' } }],
      },
      // These are dropped, or kept for later.
      'a password': { when: { op: 'replace', path: 'password', value: 'secret' }, then: [] },
      'a password without path': { when: { op: 'replace', value: { PASSWORD: 's' } }, then: [] },
      'a password under the URN': { when: { op: 'replace', value: { [USER_URN]: { password: 's' } } }, then: [] },
      'a password to remove': { when: { op: 'remove', path: 'password' }, then: [] },
      schemas: {
        when: { op: 'replace', value: { schemas: [USER_URN], title: 'T' } },
        then: [{ op: 'replace', path: 'title', value: 'T' }],
      },
      'schemas after the URN': { when: { op: 'replace', path: `${USER_URN}:schemas`, value: ['x'] }, then: [] },
      'the id': {
        when: { op: 'replace', value: { id: 'x', title: 'T' } },
        then: [
          { op: 'replace', path: 'id', value: 'x' },
          { op: 'replace', path: 'title', value: 'T' },
        ],
      },
      'values as they are sent': {
        when: { op: 'replace', path: 'title', value: ' ' },
        then: [{ op: 'replace', path: 'title', value: ' ' }],
      },
    }),
  )('is taken with %s', (_title, { when: operation, then: expected }) => {
    expect(parse(operation)).toEqual(expected);
  });

  it.each<[string, object, string]>([
    // In a value object, whatever they look like.
    ['part', { op: 'add', value: { 'name.nope': 1 } }, 'name.nope'],
    ['part of a value', { op: 'add', value: { 'emails[type eq "work"].nope': 1 } }, 'emails[type eq "work"].nope'],
    ['path with a filter', { op: 'add', value: { 'nope[type eq "x"].value': 1 } }, 'nope[type eq "x"].value'],
    ...[
      'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User',
      'urn:x/v1:User',
      'urn:x+y:User',
      '@odata.type',
      'odata.type@x',
      'a name with spaces',
      'a..b',
      '1',
      '$',
      '[',
      '-',
      'Ä',
    ].map((name): [string, object, string] => [
      `name ${name}`,
      { op: 'replace', value: { [name]: { tag: 'x' } } },
      name,
    ]),
    ['name with a space in an extension', { op: 'add', value: { [E]: { '@odata.type': 'x' } } }, `${E}:@odata.type`],
    ['name behind a URN', { op: 'add', path: E, value: { 'a b': 'x' } }, `${E}:a b`],
    // In a path, attributes of schemas that nobody knows.
    ...[
      'urn:x:2.0:User:nope[value eq "1"].y',
      'http://schemas.example.org/User:tag',
      'https://x.org/a b',
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:Users:nope',
    ].map((path): [string, object, string] => [`path ${path}`, { op: 'add', path, value: 'x' }, path]),
    [
      'extension',
      { op: 'add', path: 'urn:ietf:params:scim:schemas:extension:Custom:2.0:User:tag', value: 'x' },
      'urn:ietf:params:scim:schemas:extension:Custom:2.0:User:tag',
    ],
    ['extension by its URN', { op: 'add', value: { 'urn:x:2.0:User': { a: 1 } } }, 'urn:x:2.0:User'],
    ['attribute of a known extension', { op: 'add', value: { [E]: { nope: 1 } } }, `${E}:nope`],
    ['key', { op: 'add', value: { nope: 1 } }, 'nope'],
    ['attribute inside a value', { op: 'add', path: 'emails', value: [{ nope: 1 }] }, 'emails.nope'],
    ['attribute inside an object', { op: 'add', value: { name: { nope: 1 } } }, 'name.nope'],
    [
      'attribute named like a property of every object',
      { op: 'add', value: JSON.parse('{"__proto__":{"title":"x"}}') as object },
      '__proto__',
    ],
    ['constructor', { op: 'add', value: { constructor: 'x' } }, 'constructor'],
  ])('loses an unknown %s, which is named', (_title, operation, name) => {
    expect(parsePatch(USER, { Operations: [operation] })).toEqual({ operations: [], ignored: [name] });
  });

  it.each(
    Object.entries<Refused>({
      'no op': { when: { path: 'title', value: 'x' }, then: 'invalidSyntax', because: /Operation 1/ },
      'another op': { when: { op: 'move', path: 'title' }, then: 'invalidSyntax', because: /add, replace or remove/ },
      'an op that is no text': { when: { op: 1, path: 'title' }, then: 'invalidSyntax', because: /op/ },
      'a path that is no text': { when: { op: 'add', path: 1, value: 'x' }, then: 'invalidPath', because: /path/ },
      'a broken path': {
        when: { op: 'add', path: 'emails[type eq', value: 'x' },
        then: 'invalidPath',
        because: /cannot be read/,
      },
      'a path of words': {
        when: { op: 'add', path: 'foo bar', value: 'x' },
        then: 'invalidPath',
        because: /"foo bar"/,
      },
      'a path of dots': { when: { op: 'add', path: 'a..b', value: 'x' }, then: 'invalidPath', because: /a\.\.b/ },
      'text behind a bracket': {
        when: { op: 'add', path: 'emails[type eq "work"]value', value: 'x' },
        then: 'invalidPath',
        because: /cannot be read/,
      },
      'two brackets': {
        when: { op: 'add', path: 'emails[type eq "a"][type eq "b"]', value: { value: 'x' } },
        then: 'invalidPath',
        because: /filter/,
      },
      'an empty filter': {
        when: { op: 'add', path: 'emails[].value', value: 'x' },
        then: 'invalidPath',
        because: /filter/,
      },
      'a broken filter': {
        when: { op: 'add', path: 'emails[type eq].value', value: 'x' },
        then: 'invalidPath',
        because: /at character 8 .*emails\[type eq\]/,
      },
      'a filter on nothing known': {
        when: { op: 'add', path: 'emails[nope eq "x"].value', value: 'x' },
        then: 'invalidPath',
        because: /"nope"/,
      },
      'a NUL character in a filter': {
        when: { op: 'add', path: 'emails[type eq "\\u0000"].value', value: 'x' },
        then: 'invalidPath',
        because: /NUL/,
      },
      'a filter of a text': {
        when: { op: 'add', path: 'title[value eq "x"]', value: 'x' },
        then: 'invalidPath',
        because: /title/,
      },
      'a filter of an object of what is no part of it': {
        when: { op: 'add', path: 'name[value eq "x"]', value: {} },
        then: 'invalidPath',
        because: /"value"/,
      },
      // Nothing would be stored.
      ...Object.fromEntries(
        [
          'nope',
          'name.nope',
          'emails[type eq "work"].nope',
          'nope[type eq "x"].value',
          'constructor',
          `${E}:nope`,
          `${E}.nope`,
          `${USER_URN}:nope`,
          `${E}:manager.nope`,
          'manager.nope',
          'urn:ietf:params:scim:schemas:core:2.0:Group:members',
          '@odata.type',
          'emails.type.nope',
          '1',
          'Ä',
        ].map((path): [string, Refused] => [
          `the path ${path}, which names nothing`,
          { when: { op: 'add', path, value: 'x' }, then: 'invalidPath', because: /There is no attribute .*\/Schemas/ },
        ]),
      ),
      'a path to remove that names nothing': {
        when: { op: 'remove', path: 'nope' },
        then: 'invalidPath',
        because: /There is no attribute "nope"/,
      },
      // A request about who has what is not answered as done when nothing was understood.
      ...Object.fromEntries(
        (['add', 'replace', 'remove'] as const).flatMap((op) =>
          [
            ['a role by its displayName', [{ id: '1', displayName: 'Admin' }]],
            ['one of two roles by its id', [{ value: 'User' }, { id: '1' }]],
            ['a role of nothing', [{}]],
            ['an object of nothing known', { foo: 1 }],
            ['roles below another name', { members: [{ value: 'User' }] }],
            ['roles of null below their name', { roles: null }],
          ].map(([what, value]): [string, Refused] => [
            `${what as string} to ${op}`,
            { when: { op, path: 'roles', value }, then: 'invalidValue', because: /roles/ },
          ]),
        ),
      ),
      'an entitlement by its id': {
        when: { op: 'remove', path: 'entitlements', value: [{ id: '1' }] },
        then: 'invalidValue',
        because: /entitlements/,
      },
      'a role that a filter picks by nothing known': {
        when: { op: 'replace', path: 'roles[primary eq "True"]', value: { displayName: 'Admin' } },
        then: 'invalidValue',
        because: /roles/,
      },
      'a role by its displayName, without a path': {
        when: { op: 'replace', value: { roles: [{ displayName: 'Admin' }] } },
        then: 'invalidValue',
        because: /roles/,
      },
      'an e-mail by its id to remove': {
        when: { op: 'remove', path: 'emails', value: [{ id: '1' }] },
        then: 'invalidValue',
        because: /emails/,
      },
      'an empty text to remove from a list': {
        when: { op: 'remove', path: 'emails', value: '' },
        then: 'invalidValue',
        because: /emails/,
      },
      'active as an empty text': {
        when: { op: 'replace', path: 'active', value: '' },
        then: 'mutability',
        because: /^active /,
      },
      'active as a list of null': {
        when: { op: 'replace', path: 'active', value: [{ value: null }] },
        then: 'mutability',
        because: /^active /,
      },
      'typographic quotes': {
        when: { op: 'replace', path: 'emails[type eq ‘work’].value', value: 'x' },
        then: 'invalidPath',
        because: /"double quotes"/,
      },
      'a filter of a part': {
        when: { op: 'add', path: 'emails.value[type eq "x"]', value: {} },
        then: 'invalidPath',
        because: /emails\.value/,
      },
      'a bracketed key that is broken': {
        when: { op: 'add', value: { 'emails[type eq].value': 'x' } },
        then: 'invalidPath',
        because: /emails/,
      },
      'no value to add': { when: { op: 'add', path: 'title' }, then: 'invalidValue', because: /add of title/ },
      'no value to put': { when: { op: 'replace', path: 'title' }, then: 'invalidValue', because: /replace of title/ },
      'no path and no object': { when: { op: 'add', value: 'x' }, then: 'invalidValue', because: /Operation 1/ },
      'no path and no value': { when: { op: 'replace' }, then: 'invalidValue', because: /Operation 1/ },
      'a removal of everything': { when: { op: 'remove' }, then: 'noTarget', because: /path/ },
      'a removal of the core': { when: { op: 'remove', path: USER_URN }, then: 'noTarget', because: /core/ },
      'active as null': {
        when: { op: 'replace', path: 'active', value: null },
        then: 'mutability',
        because: /^active /,
      },
      'active as null in an object': {
        when: { op: 'add', value: { Active: null } },
        then: 'mutability',
        because: /^active /,
      },
      'no active': { when: { op: 'remove', path: 'active' }, then: 'mutability', because: /^active / },
      'active as other text': {
        when: { op: 'replace', path: 'active', value: 'no' },
        then: 'invalidValue',
        because: /^active .*"no"/,
      },
      'a number for a text': {
        when: { op: 'replace', path: 'displayName', value: 5 },
        then: 'invalidValue',
        because: /^displayName .*not 5/,
      },
      'a list for a text': {
        when: { op: 'replace', path: 'title', value: [{ value: 'x' }, { value: 'y' }] },
        then: 'invalidValue',
        because: /^title .*not an array/,
      },
      'a list of no text': {
        when: { op: 'replace', path: 'title', value: [{ id: 'x' }] },
        then: 'invalidValue',
        because: /^title .*not an array/,
      },
      'a text for a list': {
        when: { op: 'add', path: 'roles', value: 'Admin' },
        then: 'invalidValue',
        because: /^roles .*not "Admin"/,
      },
      'a list of texts': {
        when: { op: 'add', path: 'emails', value: ['a@x'] },
        then: 'invalidValue',
        because: /^emails .*not "a@x"/,
      },
      'a text for an element': {
        when: { op: 'add', path: 'emails[type eq "work"]', value: 'a@x' },
        then: 'invalidValue',
        because: /^emails .*not "a@x"/,
      },
      'two objects for an element': {
        when: { op: 'add', path: 'emails[type eq "work"]', value: [{}, {}] },
        then: 'invalidValue',
        because: /^emails /,
      },
      'a wrong part': {
        when: { op: 'add', path: 'emails[type eq "work"].primary', value: 'x' },
        then: 'invalidValue',
        because: /^emails\.primary /,
      },
      'a wrong part of an object': {
        when: { op: 'add', path: 'name', value: { givenName: 1 } },
        then: 'invalidValue',
        because: /^name\.givenName /,
      },
      'a text under a URN': { when: { op: 'add', value: { [E]: 'x' } }, then: 'invalidValue', because: /enterprise/ },
      'a removal of a wrong list': {
        when: { op: 'remove', path: 'emails', value: ['x'] },
        then: 'invalidValue',
        because: /^emails /,
      },
      'two primary values': {
        when: {
          op: 'add',
          path: 'emails',
          value: [
            { value: 'a', primary: true },
            { value: 'b', primary: true },
          ],
        },
        then: 'invalidValue',
        because: /primary/,
      },
      'too long a name': {
        when: { op: 'add', path: 'userName', value: 'x'.repeat(MAX_KEY_CHARACTERS + 1) },
        then: 'invalidValue',
        because: /^userName /,
      },
      'too long a work e-mail': {
        when: { op: 'add', path: 'emails[type eq "work"].value', value: 'x'.repeat(MAX_KEY_CHARACTERS + 1) },
        then: 'invalidValue',
        because: /^emails\.value /,
      },
      'a removal of the id': { when: { op: 'remove', path: 'id' }, then: 'mutability', because: /^id / },
    }),
  )('is refused with %s', (_title, { when: operation, then: code, because }) => {
    const error = rejection({ Operations: [operation] });
    expect(error.detail).toMatch(because);
    expect(error.code).toBe(code);
  });
});

describe('the body of a PATCH', () => {
  it.each([
    [{ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [{ op: 'remove', path: 'title' }] }],
    [{ operations: [{ op: 'remove', path: 'title' }] }],
    [{ OPERATIONS: [{ op: 'remove', path: 'title' }], schemas: null }],
  ])('is taken: %j', (body) => {
    expect(parsePatch(USER, body).operations).toEqual([{ op: 'remove', path: 'title' }]);
  });

  it.each<[unknown, RejectionCode]>([
    [null, 'invalidSyntax'],
    [[], 'invalidSyntax'],
    ['x', 'invalidSyntax'],
    [{}, 'invalidSyntax'],
    [{ Operations: { op: 'remove', path: 'title' } }, 'invalidSyntax'],
    [{ Operations: null }, 'invalidSyntax'],
    [{ Operations: ['x'] }, 'invalidSyntax'],
    [{ Operations: [null] }, 'invalidSyntax'],
    [{ schemas: 'x', Operations: [{ op: 'remove', path: 'title' }] }, 'invalidValue'],
  ])('is refused: %j', (body, code) => {
    expect(rejection(body).code).toBe(code);
  });

  it('may ask for nothing, and have schemas of null', () => {
    expect(parsePatch(USER, { schemas: [null], Operations: [] })).toEqual({ operations: [], ignored: [] });
  });

  it('keeps the order of its operations and says which one is wrong', () => {
    expect(
      parse(
        { op: 'add', path: 'title', value: 'a' },
        { op: 'remove', path: 'title' },
        { op: 'add', path: 'title', value: 'b' },
      ).map(({ op }) => op),
    ).toEqual(['add', 'remove', 'add']);
    expect(rejection({ Operations: [{ op: 'remove', path: 'title' }, { op: 'x' }] }).detail).toContain('Operation 2');
  });

  it('may make a limited number of changes, with or without paths', () => {
    const many = (count: number): object[] =>
      Array.from({ length: count }, () => ({ op: 'add', path: 'title', value: 'T' }));
    expect(parse(...many(MAX_PATCH_OPERATIONS))).toHaveLength(MAX_PATCH_OPERATIONS);
    expect(rejection({ Operations: many(MAX_PATCH_OPERATIONS + 1) })).toMatchObject({
      code: 'invalidValue',
      detail: expect.stringContaining('1000') as string,
    });
    const keys = Object.fromEntries(
      Array.from({ length: MAX_PATCH_OPERATIONS + 1 }, (_, index) => [`emails[type eq "${index}"].value`, 'x']),
    );
    expect(rejection({ Operations: [{ op: 'add', value: keys }] })).toMatchObject({
      code: 'invalidValue',
      detail: expect.stringContaining('1000') as string,
    });
  });

  it('may name so much in its paths together, in the operations, their keys, and below a URN', () => {
    const path = (index: number): string =>
      `emails[value eq "${'x'.repeat(490)}${String(index).padStart(4, '0')}"].type`;
    const rejected = {
      code: 'invalidPath',
      detail: expect.stringContaining(String(MAX_PATCH_PATHS_CHARACTERS)) as string,
    };
    const few = Math.floor(MAX_PATCH_PATHS_CHARACTERS / path(0).length);
    const paths = (count: number): string[] => Array.from({ length: count }, (_, index) => path(index));
    expect(parse(...paths(few).map((name) => ({ op: 'add', path: name, value: 'work' })))).toHaveLength(few);
    expect(
      rejection({ Operations: paths(few + 1).map((name) => ({ op: 'add', path: name, value: 'work' })) }),
    ).toMatchObject(rejected);
    const value = Object.fromEntries(paths(few + 1).map((name) => [name, 'work']));
    expect(rejection({ Operations: [{ op: 'add', value }] })).toMatchObject(rejected);
    expect(rejection({ Operations: [{ op: 'add', path: USER_URN, value }] })).toMatchObject(rejected);
  });

  it.each([[[{ value: null }]], [[{ $ref: null, value: null }]]])(
    'puts nobody in the place of members, and adds and removes nobody: %j',
    (value) => {
      const read = (op: string): unknown =>
        parsePatch(GROUP, { Operations: [{ op, path: 'members', value }] }).operations;
      expect(read('replace')).toEqual([{ op: 'remove', path: 'members' }]);
      expect(read('add')).toEqual([]);
      expect(read('remove')).toEqual([]);
    },
  );

  it('says which user names it may assign', () => {
    const operations = parse(
      { op: 'replace', path: 'userName', value: 'a' },
      { op: 'Add', value: { USERNAME: 'b' } },
      { op: 'add', path: `${USER_URN}:username`, value: 'c' },
      { op: 'add', value: { [USER_URN]: { userName: 'd' } } },
      { op: 'replace', path: 'displayName', value: 'e' },
      { op: 'remove', path: 'userName' },
      { op: 'add', path: 'roles', value: [{ value: 'userName' }] },
    );
    expect(touchesUserName(operations)).toEqual(['a', 'b', 'c', 'd']);
    expect(touchesUserName([{ op: 'add', path: `${USER_URN}:USERNAME`, value: 'e' }])).toEqual(['e']);
    expect(touchesUserName([{ op: 'add', path: 'urn:example:User:userName', value: 'of an extension' }])).toEqual([]);
  });
});

describe('any body', () => {
  const name = fc.constantFrom(
    'userName',
    'active',
    'emails',
    'name',
    'name.givenName',
    'emails[type eq "work"].value',
    'emails[type eq "work"]',
    'roles',
    'id',
    'password',
    E,
    `${E}:manager`,
    USER_URN,
    'emails[',
    'nope',
    '__proto__',
    'schemas',
    'value',
    'type',
    'primary',
    'meta',
    'groups',
    '',
    ' ',
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(null, true, 'True', 'x', 1, '', '{"value":"a"}', '{'),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(name, tie('json'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  const operation = fc.record(
    {
      op: fc.constantFrom<unknown>('Add', 'replace', 'REMOVE'),
      path: fc.oneof({ weight: 9, arbitrary: name }, json),
      value: json,
    },
    { requiredKeys: ['op'] },
  );
  const body = fc.oneof(
    { weight: 9, arbitrary: fc.record({ Operations: fc.array(operation, { minLength: 1, maxLength: 2 }) }) },
    json,
  );

  it('is taken as operations that survive JSON and are read again as themselves, or refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(body, (sent) => {
        let operations: PatchOperation[];
        try {
          ({ operations } = parsePatch(USER, sent));
        } catch (error) {
          expect(error).toBeInstanceOf(Rejected);
          return;
        }
        taken += operations.length;
        expect(JSON.parse(JSON.stringify(operations))).toEqual(operations);
        if (operations.length > 0) expect(parse(...operations)).toEqual(operations);
        expect(operations.some(({ path }) => path.includes('password') || path === 'schemas')).toBe(false);
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});
