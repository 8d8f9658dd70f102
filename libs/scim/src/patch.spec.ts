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
import { ENTERPRISE_USER_URN as E, GROUP, USER, USER_URN } from './schema.js';
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

describe('an operation', () => {
  it.each<[string, object, object[]]>([
    // Entra without and with aadOptscim062020.
    [
      'a capital op and a boolean as text',
      { op: 'Replace', path: 'active', value: 'False' },
      [{ op: 'replace', path: 'active', value: false }],
    ],
    [
      'a lower-case op and a boolean',
      { op: 'replace', path: 'active', value: false },
      [{ op: 'replace', path: 'active', value: false }],
    ],
    ['shouting', { OP: 'ADD', PATH: 'DISPLAYNAME', VALUE: 'D' }, [{ op: 'add', path: 'displayName', value: 'D' }]],
    [
      'no path',
      { op: 'Replace', value: { active: 'fAlSe', displayName: 'D' } },
      [
        { op: 'replace', path: 'active', value: false },
        { op: 'replace', path: 'displayName', value: 'D' },
      ],
    ],
    [
      'a path of null or blanks',
      { op: 'replace', path: null, value: { title: 'T' } },
      [{ op: 'replace', path: 'title', value: 'T' }],
    ],
    [
      'a blank path',
      { op: 'replace', path: ' ', value: { title: 'T' } },
      [{ op: 'replace', path: 'title', value: 'T' }],
    ],
    [
      'a dotted key',
      { op: 'replace', value: { 'name.givenName': 'A' } },
      [{ op: 'replace', path: 'name.givenName', value: 'A' }],
    ],
    [
      'a flat URN key',
      { op: 'replace', value: { [`${E}:department`]: 'D' } },
      [{ op: 'replace', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a flat URN key with a part',
      { op: 'add', value: { [`${E}:manager.value`]: 'm' } },
      [{ op: 'add', path: `${E}:manager.value`, value: 'm' }],
    ],
    [
      'an object under a URN',
      { op: 'add', value: { [E]: { department: 'D', 'manager.value': 'm' } } },
      [
        { op: 'add', path: `${E}:department`, value: 'D' },
        { op: 'add', path: `${E}:manager.value`, value: 'm' },
      ],
    ],
    [
      'an object under the URN of the core',
      { op: 'add', value: { [USER_URN]: { title: 'T' } } },
      [{ op: 'add', path: 'title', value: 'T' }],
    ],
    [
      'a path that is a URN',
      { op: 'replace', path: E, value: { department: 'D' } },
      [{ op: 'replace', path: `${E}:department`, value: 'D' }],
    ],
    [
      'the misspelt URN',
      { op: 'add', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department', value: 'D' },
      [{ op: 'add', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a bracketed key',
      { op: 'replace', value: { 'emails[type eq "work"].value': 'a@x' } },
      [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'a@x' }],
    ],
    [
      'a core attribute after its URN',
      { op: 'add', path: `${USER_URN}:emails[type eq "work"].value`, value: 'a@x' },
      [{ op: 'add', path: 'emails[type eq "work"].value', value: 'a@x' }],
    ],
    [
      'names in any case',
      { op: 'add', path: 'EMAILS[TYPE eq "work"].VALUE', value: 'a@x' },
      [{ op: 'add', path: 'emails[TYPE eq "work"].value', value: 'a@x' }],
    ],
    [
      'a bracket inside a filter',
      { op: 'add', path: 'emails[type eq "a]"].value', value: 'a@x' },
      [{ op: 'add', path: 'emails[type eq "a]"].value', value: 'a@x' }],
    ],
    // Managers.
    [
      'a manager as text',
      { op: 'Add', path: `${E}:manager`, value: 'm' },
      [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
    ],
    [
      'a manager as an object',
      { op: 'Add', path: `${E}:manager`, value: { $ref: null, value: 'm' } },
      [{ op: 'add', path: `${E}:manager`, value: { $ref: null, value: 'm' } }],
    ],
    [
      'a manager in a list of one',
      { op: 'Add', path: 'manager', value: [{ value: 'm' }] },
      [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
    ],
    ['a manager of no name', { op: 'Replace', path: 'manager', value: '' }, [{ op: 'remove', path: `${E}:manager` }]],
    [
      'a manager with a name, which is read-only',
      { op: 'add', path: 'manager', value: { value: 'm', displayName: 'M' } },
      [{ op: 'add', path: `${E}:manager`, value: { value: 'm' } }],
    ],
    // Roles.
    [
      'JSON text in a role',
      { op: 'Add', path: 'roles', value: [{ value: '{"id":"1","value":"Admin","displayName":"A"}' }] },
      [{ op: 'add', path: 'roles', value: [{ value: 'Admin' }] }],
    ],
    [
      'JSON text behind a filter',
      { op: 'Replace', path: 'roles[primary eq "True"].value', value: '{"value":"Admin","display":"A"}' },
      [{ op: 'add', path: 'roles[primary eq "True"]', value: { value: 'Admin', display: 'A' } }],
    ],
    [
      'a primary role',
      { op: 'Add', path: 'roles[primary eq "True"].value', value: 'Admin' },
      [{ op: 'add', path: 'roles[primary eq "True"].value', value: 'Admin' }],
    ],
    // Lists.
    [
      'one value for a list',
      { op: 'add', path: 'emails', value: { value: 'a@x' } },
      [{ op: 'add', path: 'emails', value: [{ value: 'a@x' }] }],
    ],
    [
      'an element in a list of one',
      { op: 'add', path: 'emails[type eq "work"]', value: [{ value: 'a@x' }] },
      [{ op: 'add', path: 'emails[type eq "work"]', value: { value: 'a@x' } }],
    ],
    [
      'a boolean as text in a list',
      { op: 'add', path: 'emails', value: [{ value: 'a', primary: 'True' }] },
      [{ op: 'add', path: 'emails', value: [{ value: 'a', primary: true }] }],
    ],
    ['an empty list to put in place', { op: 'replace', path: 'emails', value: [] }, [{ op: 'remove', path: 'emails' }]],
    [
      'a list of nulls to put in place',
      { op: 'replace', path: 'emails', value: [null] },
      [{ op: 'remove', path: 'emails' }],
    ],
    ['an empty list to add', { op: 'add', path: 'emails', value: [] }, []],
    ...['roles', 'entitlements', 'phoneNumbers', 'emails'].flatMap((path) =>
      [[{ value: null }], [{ $ref: null, value: null }], [null, { value: null }], { value: null }].flatMap(
        (value): [string, object, PatchOperation[]][] => [
          [
            `${path} that are null, ${JSON.stringify(value)}, to put in place`,
            { op: 'replace', path, value },
            [{ op: 'remove', path }],
          ],
          [
            `${path} that are null, ${JSON.stringify(value)}, without a path`,
            { op: 'replace', value: { [path]: value } },
            [{ op: 'remove', path }],
          ],
          [`${path} that are null, ${JSON.stringify(value)}, to add`, { op: 'add', path, value }, []],
        ],
      ),
    ),
    [
      'one null among values',
      { op: 'replace', path: 'roles', value: [{ value: null }, { value: 'User' }] },
      [{ op: 'replace', path: 'roles', value: [{ value: 'User' }] }],
    ],
    ...['phoneNumbers', 'roles', 'entitlements'].map((path): [string, object, PatchOperation[]] => [
      `${path} that are null to remove`,
      { op: 'remove', path, value: [{ value: null }] },
      [],
    ]),
    // Clients send these, which RFC 7644 does not foresee.
    [
      'single quotes',
      { op: 'replace', path: "emails[type eq 'work'].value", value: 'a@x' },
      [{ op: 'replace', path: "emails[type eq 'work'].value", value: 'a@x' }],
    ],
    [
      'a dot behind a URN',
      { op: 'replace', path: `${E}.employeeNumber`, value: '5' },
      [{ op: 'replace', path: `${E}:employeeNumber`, value: '5' }],
    ],
    [
      'a dot behind a URN and a part',
      { op: 'replace', path: `${E}.manager.value`, value: '5' },
      [{ op: 'replace', path: `${E}:manager.value`, value: '5' }],
    ],
    [
      'a dot behind the URN of the core and a filter',
      { op: 'add', path: `${USER_URN}.emails[type eq "work"].value`, value: 'a@x' },
      [{ op: 'add', path: 'emails[type eq "work"].value', value: 'a@x' }],
    ],
    [
      'a dot behind a URN in a key',
      { op: 'replace', value: { [`${E}.department`]: 'D' } },
      [{ op: 'replace', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a colon behind a URN',
      { op: 'replace', path: `${E}:`, value: { department: 'D' } },
      [{ op: 'replace', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a colon behind a URN in a key',
      { op: 'replace', value: { [`${E}:`]: { department: 'D' } } },
      [{ op: 'replace', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a list of one object and no path',
      { op: 'replace', value: [{ title: 'T' }] },
      [{ op: 'replace', path: 'title', value: 'T' }],
    ],
    ['an empty list and no path', { op: 'replace', value: [] }, []],
    [
      'a list of one object under a URN',
      { op: 'add', value: { [E]: [{ department: 'D' }] } },
      [{ op: 'add', path: `${E}:department`, value: 'D' }],
    ],
    [
      'a list of one object for a text',
      { op: 'Replace', path: 'displayName', value: [{ $ref: null, value: 'D' }] },
      [{ op: 'replace', path: 'displayName', value: 'D' }],
    ],
    [
      'a list of one object for a part',
      { op: 'Replace', path: 'name.givenName', value: [{ $ref: null, value: 'G' }] },
      [{ op: 'replace', path: 'name.givenName', value: 'G' }],
    ],
    [
      'a list of one object for active',
      { op: 'Replace', path: 'active', value: [{ $ref: null, value: 'False' }] },
      [{ op: 'replace', path: 'active', value: false }],
    ],
    [
      'a list of one null for a text',
      { op: 'Replace', path: 'title', value: [{ $ref: null, value: null }] },
      [{ op: 'remove', path: 'title' }],
    ],
    [
      'values below their name',
      { op: 'add', path: 'emails', value: { emails: [{ value: 'a@x' }] } },
      [{ op: 'add', path: 'emails', value: [{ value: 'a@x' }] }],
    ],
    [
      'values below their name to remove',
      { op: 'remove', path: 'roles', value: [{ Roles: { value: 'User' } }] },
      [{ op: 'remove', path: 'roles', value: [{ value: 'User' }] }],
    ],
    [
      'a filter of an object',
      { op: 'remove', path: `${E}:manager[value eq "m"]` },
      [{ op: 'remove', path: `${E}:manager[value eq "m"]` }],
    ],
    [
      'a filter of an object and a part',
      { op: 'replace', path: 'name[givenName eq "x"].familyName', value: 'y' },
      [{ op: 'replace', path: 'name[givenName eq "x"].familyName', value: 'y' }],
    ],
    // An empty text is no value of anything but a string.
    ['an empty text for an object', { op: 'replace', path: 'name', value: '' }, [{ op: 'remove', path: 'name' }]],
    ['an empty text for a list', { op: 'replace', path: 'emails', value: '' }, [{ op: 'remove', path: 'emails' }]],
    ['an empty text to add to a list', { op: 'add', path: 'emails', value: '' }, []],
    [
      'an empty text for a reference',
      { op: 'add', path: 'profileUrl', value: '' },
      [{ op: 'remove', path: 'profileUrl' }],
    ],
    [
      'an empty text for a mark',
      { op: 'add', path: 'emails[type eq "work"].primary', value: '' },
      [{ op: 'remove', path: 'emails[type eq "work"].primary' }],
    ],
    [
      'an empty text for a part of an object',
      { op: 'add', path: 'manager', value: { value: 'm', $ref: '' } },
      [{ op: 'add', path: `${E}:manager`, value: { value: 'm', $ref: null } }],
    ],
    [
      'an empty text for a string',
      { op: 'replace', path: 'title', value: '' },
      [{ op: 'replace', path: 'title', value: '' }],
    ],
    [
      'an empty list for an extension to add',
      { op: 'add', value: { [E]: [], title: 'T' } },
      [{ op: 'add', path: 'title', value: 'T' }],
    ],
    ['an empty list for the core', { op: 'replace', value: { [USER_URN]: [] } }, []],
    [
      'an empty list for an extension',
      { op: 'replace', path: E, value: [] },
      ['employeeNumber', 'costCenter', 'organization', 'division', 'department', 'manager'].map((name) => ({
        op: 'remove',
        path: `${E}:${name}`,
      })),
    ],
    ['a list of nothing known to put in place', { op: 'replace', path: 'emails', value: [{ foo: 1 }] }, []],
    ['an object of nothing', { op: 'replace', path: 'name', value: {} }, []],
    // Removals.
    ['a removal', { op: 'Remove', path: 'title' }, [{ op: 'remove', path: 'title' }]],
    ['a removal of null', { op: 'Remove', path: 'title', value: null }, [{ op: 'remove', path: 'title' }]],
    [
      'a removal of a single value',
      { op: 'Remove', path: 'manager', value: [{ value: 'm' }] },
      [{ op: 'remove', path: `${E}:manager` }],
    ],
    [
      'a removal of a part',
      { op: 'remove', path: 'emails[type eq "work"].value', value: 'a@x' },
      [{ op: 'remove', path: 'emails[type eq "work"].value' }],
    ],
    [
      'a removal of listed values',
      { op: 'Remove', path: 'emails', value: [{ $ref: null, value: 'a@x' }] },
      [{ op: 'remove', path: 'emails', value: [{ value: 'a@x' }] }],
    ],
    [
      'a removal of one listed value',
      { op: 'Remove', path: 'emails', value: { value: 'a@x' } },
      [{ op: 'remove', path: 'emails', value: [{ value: 'a@x' }] }],
    ],
    ['a removal of no listed values', { op: 'Remove', path: 'emails', value: [] }, []],
    [
      'a removal of an extension',
      { op: 'remove', path: E },
      ['employeeNumber', 'costCenter', 'organization', 'division', 'department', 'manager'].map((name) => ({
        op: 'remove',
        path: `${E}:${name}`,
      })),
    ],
    ['null for a text', { op: 'replace', path: 'title', value: null }, [{ op: 'remove', path: 'title' }]],
    ['null to add', { op: 'add', value: { title: null } }, [{ op: 'remove', path: 'title' }]],
    [
      'null for a part',
      { op: 'replace', path: 'name', value: { givenName: null, familyName: 'L' } },
      [{ op: 'replace', path: 'name', value: { givenName: null, familyName: 'L' } }],
    ],
    // These are dropped, or kept for later.
    ['a password', { op: 'replace', path: 'password', value: 'secret' }, []],
    ['a password without path', { op: 'replace', value: { PASSWORD: 's' } }, []],
    ['a password under the URN', { op: 'replace', value: { [USER_URN]: { password: 's' } } }, []],
    ['a password to remove', { op: 'remove', path: 'password' }, []],
    [
      'schemas',
      { op: 'replace', value: { schemas: [USER_URN], title: 'T' } },
      [{ op: 'replace', path: 'title', value: 'T' }],
    ],
    ['schemas after the URN', { op: 'replace', path: `${USER_URN}:schemas`, value: ['x'] }, []],
    [
      'the id',
      { op: 'replace', value: { id: 'x', title: 'T' } },
      [
        { op: 'replace', path: 'id', value: 'x' },
        { op: 'replace', path: 'title', value: 'T' },
      ],
    ],
    [
      'values as they are sent',
      { op: 'replace', path: 'title', value: ' ' },
      [{ op: 'replace', path: 'title', value: ' ' }],
    ],
  ])('is taken with %s', (_title, operation, expected) => {
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

  it.each<[string, object, RejectionCode, RegExp]>([
    ['no op', { path: 'title', value: 'x' }, 'invalidSyntax', /Operation 1/],
    ['another op', { op: 'move', path: 'title' }, 'invalidSyntax', /add, replace or remove/],
    ['an op that is no text', { op: 1, path: 'title' }, 'invalidSyntax', /op/],
    ['a path that is no text', { op: 'add', path: 1, value: 'x' }, 'invalidPath', /path/],
    ['a broken path', { op: 'add', path: 'emails[type eq', value: 'x' }, 'invalidPath', /cannot be read/],
    ['a path of words', { op: 'add', path: 'foo bar', value: 'x' }, 'invalidPath', /"foo bar"/],
    ['a path of dots', { op: 'add', path: 'a..b', value: 'x' }, 'invalidPath', /a\.\.b/],
    [
      'text behind a bracket',
      { op: 'add', path: 'emails[type eq "work"]value', value: 'x' },
      'invalidPath',
      /cannot be read/,
    ],
    [
      'two brackets',
      { op: 'add', path: 'emails[type eq "a"][type eq "b"]', value: { value: 'x' } },
      'invalidPath',
      /filter/,
    ],
    ['an empty filter', { op: 'add', path: 'emails[].value', value: 'x' }, 'invalidPath', /filter/],
    [
      'a broken filter',
      { op: 'add', path: 'emails[type eq].value', value: 'x' },
      'invalidPath',
      /at character 8 .*emails\[type eq\]/,
    ],
    [
      'a filter on nothing known',
      { op: 'add', path: 'emails[nope eq "x"].value', value: 'x' },
      'invalidPath',
      /"nope"/,
    ],
    [
      'a NUL character in a filter',
      { op: 'add', path: 'emails[type eq "\\u0000"].value', value: 'x' },
      'invalidPath',
      /NUL/,
    ],
    ['a filter of a text', { op: 'add', path: 'title[value eq "x"]', value: 'x' }, 'invalidPath', /title/],
    [
      'a filter of an object of what is no part of it',
      { op: 'add', path: 'name[value eq "x"]', value: {} },
      'invalidPath',
      /"value"/,
    ],
    // Nothing would be stored.
    ...[
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
    ].map((path): [string, object, RejectionCode, RegExp] => [
      `the path ${path}, which names nothing`,
      { op: 'add', path, value: 'x' },
      'invalidPath',
      /There is no attribute .*\/Schemas/,
    ]),
    [
      'a path to remove that names nothing',
      { op: 'remove', path: 'nope' },
      'invalidPath',
      /There is no attribute "nope"/,
    ],
    // A request about who has what is not answered as done when nothing was understood.
    ...(['add', 'replace', 'remove'] as const).flatMap((op) =>
      [
        ['a role by its displayName', [{ id: '1', displayName: 'Admin' }]],
        ['one of two roles by its id', [{ value: 'User' }, { id: '1' }]],
        ['a role of nothing', [{}]],
        ['an object of nothing known', { foo: 1 }],
        ['roles below another name', { members: [{ value: 'User' }] }],
        ['roles of null below their name', { roles: null }],
      ].map(([what, value]): [string, object, RejectionCode, RegExp] => [
        `${what as string} to ${op}`,
        { op, path: 'roles', value },
        'invalidValue',
        /roles/,
      ]),
    ),
    [
      'an entitlement by its id',
      { op: 'remove', path: 'entitlements', value: [{ id: '1' }] },
      'invalidValue',
      /entitlements/,
    ],
    [
      'a role that a filter picks by nothing known',
      { op: 'replace', path: 'roles[primary eq "True"]', value: { displayName: 'Admin' } },
      'invalidValue',
      /roles/,
    ],
    [
      'a role by its displayName, without a path',
      { op: 'replace', value: { roles: [{ displayName: 'Admin' }] } },
      'invalidValue',
      /roles/,
    ],
    ['an e-mail by its id to remove', { op: 'remove', path: 'emails', value: [{ id: '1' }] }, 'invalidValue', /emails/],
    ['an empty text to remove from a list', { op: 'remove', path: 'emails', value: '' }, 'invalidValue', /emails/],
    ['active as an empty text', { op: 'replace', path: 'active', value: '' }, 'mutability', /^active /],
    ['active as a list of null', { op: 'replace', path: 'active', value: [{ value: null }] }, 'mutability', /^active /],
    [
      'typographic quotes',
      { op: 'replace', path: 'emails[type eq ‘work’].value', value: 'x' },
      'invalidPath',
      /"double quotes"/,
    ],
    ['a filter of a part', { op: 'add', path: 'emails.value[type eq "x"]', value: {} }, 'invalidPath', /emails\.value/],
    ['a bracketed key that is broken', { op: 'add', value: { 'emails[type eq].value': 'x' } }, 'invalidPath', /emails/],
    ['no value to add', { op: 'add', path: 'title' }, 'invalidValue', /add of title/],
    ['no value to put', { op: 'replace', path: 'title' }, 'invalidValue', /replace of title/],
    ['no path and no object', { op: 'add', value: 'x' }, 'invalidValue', /Operation 1/],
    ['no path and no value', { op: 'replace' }, 'invalidValue', /Operation 1/],
    ['a removal of everything', { op: 'remove' }, 'noTarget', /path/],
    ['a removal of the core', { op: 'remove', path: USER_URN }, 'noTarget', /core/],
    ['active as null', { op: 'replace', path: 'active', value: null }, 'mutability', /^active /],
    ['active as null in an object', { op: 'add', value: { Active: null } }, 'mutability', /^active /],
    ['no active', { op: 'remove', path: 'active' }, 'mutability', /^active /],
    ['active as other text', { op: 'replace', path: 'active', value: 'no' }, 'invalidValue', /^active .*"no"/],
    ['a number for a text', { op: 'replace', path: 'displayName', value: 5 }, 'invalidValue', /^displayName .*not 5/],
    [
      'a list for a text',
      { op: 'replace', path: 'title', value: [{ value: 'x' }, { value: 'y' }] },
      'invalidValue',
      /^title .*not an array/,
    ],
    [
      'a list of no text',
      { op: 'replace', path: 'title', value: [{ id: 'x' }] },
      'invalidValue',
      /^title .*not an array/,
    ],
    ['a text for a list', { op: 'add', path: 'roles', value: 'Admin' }, 'invalidValue', /^roles .*not "Admin"/],
    ['a list of texts', { op: 'add', path: 'emails', value: ['a@x'] }, 'invalidValue', /^emails .*not "a@x"/],
    [
      'a text for an element',
      { op: 'add', path: 'emails[type eq "work"]', value: 'a@x' },
      'invalidValue',
      /^emails .*not "a@x"/,
    ],
    [
      'two objects for an element',
      { op: 'add', path: 'emails[type eq "work"]', value: [{}, {}] },
      'invalidValue',
      /^emails /,
    ],
    [
      'a wrong part',
      { op: 'add', path: 'emails[type eq "work"].primary', value: 'x' },
      'invalidValue',
      /^emails\.primary /,
    ],
    [
      'a wrong part of an object',
      { op: 'add', path: 'name', value: { givenName: 1 } },
      'invalidValue',
      /^name\.givenName /,
    ],
    ['a text under a URN', { op: 'add', value: { [E]: 'x' } }, 'invalidValue', /enterprise/],
    ['a removal of a wrong list', { op: 'remove', path: 'emails', value: ['x'] }, 'invalidValue', /^emails /],
    [
      'two primary values',
      {
        op: 'add',
        path: 'emails',
        value: [
          { value: 'a', primary: true },
          { value: 'b', primary: true },
        ],
      },
      'invalidValue',
      /primary/,
    ],
    [
      'too long a name',
      { op: 'add', path: 'userName', value: 'x'.repeat(MAX_KEY_CHARACTERS + 1) },
      'invalidValue',
      /^userName /,
    ],
    [
      'too long a work e-mail',
      { op: 'add', path: 'emails[type eq "work"].value', value: 'x'.repeat(MAX_KEY_CHARACTERS + 1) },
      'invalidValue',
      /^emails\.value /,
    ],
    ['a removal of the id', { op: 'remove', path: 'id' }, 'mutability', /^id /],
  ])('is refused with %s', (_title, operation, code, detail) => {
    const error = rejection({ Operations: [operation] });
    expect(error.detail).toMatch(detail);
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
