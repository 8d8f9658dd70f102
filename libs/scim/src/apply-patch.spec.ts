import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { applyPatch } from './apply-patch.js';
import { Rejected, type RejectionCode } from './error.js';
import type { Json } from './json.js';
import { parsePatch, type PatchOperation } from './patch.js';
import { diffResource, parseResource, renderResource, type Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';
import { MAX_VALUES_PER_ATTRIBUTE, NO_WEB_ROLE } from './value.js';

const ID = 'the-id';
const META = {
  resourceType: 'User',
  created: '2026-01-01T00:00:00.000Z',
  lastModified: '2026-01-02T00:00:00.000Z',
  version: 'W/"3"',
};
const work = { type: 'work', value: 'w@x', primary: true };
const home = { type: 'home', value: 'h@x' };
const office = { type: 'work', streetAddress: 'S 1', locality: 'Rome' };
const ada: Resource = {
  userName: 'ada',
  active: true,
  title: 'Dr',
  name: { givenName: 'Ada', familyName: 'L' },
  emails: [work, home],
  addresses: [office],
  roles: [{ value: 'a', primary: true }],
  [E]: { department: 'D', manager: { value: 'm', $ref: 'https://x/m' } },
};

/** Through JSON, as a command travels. */
const apply = (before: Resource, ...Operations: object[]): Resource =>
  applyPatch(
    USER,
    before,
    JSON.parse(JSON.stringify(parsePatch(USER, { Operations }).operations)) as PatchOperation[],
    { id: ID, meta: META },
  );

/** The attributes that an operation changes, with their new values; null = gone. */
const changes = (...operations: object[]): { [attribute: string]: Json | null } =>
  diffResource(ada, apply(ada, ...operations));

const rejection = (...operations: object[]): Rejected => {
  try {
    apply(ada, ...operations);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  return expect.unreachable('nothing was thrown');
};

const enterprise = (rest: object): { [urn: string]: Json } => ({ [E]: { ...(ada[E] as object), ...rest } as Json });

interface Refused {
  when: object;
  then: RejectionCode;
  because: RegExp;
}

describe('a PATCH', () => {
  it.each(
    Object.entries<{ when: object; then: object }>({
      // Single values.
      'replaces a text': { when: { op: 'replace', path: 'title', value: 'T' }, then: { title: 'T' } },
      'adds a text': { when: { op: 'add', path: 'nickName', value: 'N' }, then: { nickName: 'N' } },
      'adds over a text': { when: { op: 'add', path: 'title', value: 'T' }, then: { title: 'T' } },
      'replaces what is not there': { when: { op: 'replace', path: 'nickName', value: 'N' }, then: { nickName: 'N' } },
      'removes a text': { when: { op: 'remove', path: 'title' }, then: { title: null } },
      'removes by null': { when: { op: 'replace', path: 'title', value: null }, then: { title: null } },
      'removes what is not there': { when: { op: 'remove', path: 'nickName' }, then: {} },
      'archives by "False"': { when: { op: 'Replace', path: 'active', value: 'False' }, then: { active: false } },
      'archives by false': { when: { op: 'replace', path: 'active', value: false }, then: { active: false } },
      'archives without a path': { when: { op: 'replace', value: { active: 'FALSE' } }, then: { active: false } },
      'archives by an add': { when: { op: 'Add', path: 'active', value: 'false' }, then: { active: false } },
      renames: { when: { op: 'replace', path: 'userName', value: 'Ada' }, then: { userName: 'Ada' } },
      'changes several attributes': {
        when: { op: 'replace', value: { title: 'T', 'name.givenName': 'B', [`${E}:department`]: 'X', nope: 1 } },
        then: { title: 'T', name: { givenName: 'B', familyName: 'L' }, ...enterprise({ department: 'X' }) },
      },
      // Objects: what is not named stays.
      'replaces a part': {
        when: { op: 'replace', path: 'name.givenName', value: 'B' },
        then: { name: { givenName: 'B', familyName: 'L' } },
      },
      'adds a part': {
        when: { op: 'add', path: 'name.middleName', value: 'K' },
        then: { name: { givenName: 'Ada', familyName: 'L', middleName: 'K' } },
      },
      'adds parts': {
        when: { op: 'add', path: 'name', value: { middleName: 'K' } },
        then: { name: { givenName: 'Ada', familyName: 'L', middleName: 'K' } },
      },
      'replaces parts': {
        when: { op: 'replace', path: 'name', value: { givenName: 'B' } },
        then: { name: { givenName: 'B', familyName: 'L' } },
      },
      'removes a part by null': {
        when: { op: 'replace', value: { name: { givenName: null, familyName: 'M' } } },
        then: { name: { familyName: 'M' } },
      },
      'removes a part': { when: { op: 'remove', path: 'name.givenName' }, then: { name: { familyName: 'L' } } },
      'removes the last parts': {
        when: { op: 'add', path: 'name', value: { givenName: null, familyName: null } },
        then: { name: null },
      },
      'removes an object': { when: { op: 'remove', path: 'name' }, then: { name: null } },
      'removes an object for which a filter is true': {
        when: { op: 'remove', path: 'manager[value eq "m"]' },
        then: { [E]: { department: 'D' } },
      },
      'leaves an object for which it is not': { when: { op: 'remove', path: 'manager[value eq "other"]' }, then: {} },
      'leaves an object that is not there': {
        when: { op: 'remove', path: `${E}:manager[value eq "m"].$ref` },
        then: enterprise({ manager: { value: 'm' } }),
      },
      'replaces a part where a filter is true': {
        when: { op: 'replace', path: 'name[givenName eq "ADA" and familyName pr].middleName', value: 'K' },
        then: { name: { givenName: 'Ada', familyName: 'L', middleName: 'K' } },
      },
      'replaces the parts that are given where a filter is true': {
        when: { op: 'replace', path: 'name[givenName eq "Ada"]', value: { familyName: 'M' } },
        then: { name: { givenName: 'Ada', familyName: 'M' } },
      },
      'leaves a role that has gone already': { when: { op: 'remove', path: 'roles[value eq "gone"]' }, then: {} },
      'removes a role by JSON text': {
        when: { op: 'remove', path: 'roles', value: [{ value: '{"id":"1","value":"A"}' }] },
        then: { roles: null },
      },
      'leaves a listed role of a type that has gone already': {
        when: { op: 'remove', path: 'roles', value: [{ value: 'gone', type: 'x' }] },
        then: {},
      },
      'leaves a listed role that has gone already': {
        when: { op: 'remove', path: 'roles', value: [{ value: 'gone' }] },
        then: {},
      },
      'clears an object by an empty list': { when: { op: 'replace', path: 'name', value: [] }, then: { name: null } },
      // Extensions and managers.
      'replaces in an extension': {
        when: { op: 'replace', path: `${E}:department`, value: 'X' },
        then: enterprise({ department: 'X' }),
      },
      'adds to an extension': {
        when: { op: 'add', path: E, value: { costCenter: '7' } },
        then: enterprise({ costCenter: '7' }),
      },
      'removes from an extension': { when: { op: 'remove', path: `${E}:manager` }, then: { [E]: { department: 'D' } } },
      'removes an extension': { when: { op: 'remove', path: E }, then: { [E]: null } },
      'replaces the manager by text': {
        when: { op: 'Replace', path: `${E}:manager`, value: 'n' },
        then: enterprise({ manager: { value: 'n' } }),
      },
      'replaces the manager by a list': {
        when: { op: 'Add', path: `${E}:manager`, value: [{ $ref: 'https://x/n', value: 'n' }] },
        then: enterprise({ manager: { $ref: 'https://x/n', value: 'n' } }),
      },
      'replaces the value of the manager': {
        when: { op: 'Replace', path: `${E}:manager.value`, value: 'n' },
        then: enterprise({ manager: { value: 'n' } }),
      },
      'keeps the reference of the same manager': {
        when: { op: 'Replace', path: `${E}:manager`, value: 'm' },
        then: {},
      },
      'removes the value of the manager': {
        when: { op: 'remove', path: 'manager.value' },
        then: { [E]: { department: 'D' } },
      },
      // A path filter.
      'replaces a part of a value': {
        when: { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' },
        then: { emails: [{ ...work, value: 'n@x' }, home] },
      },
      'adds a part of a value': {
        when: { op: 'Add', path: 'emails[type eq "home"].display', value: 'H' },
        then: { emails: [work, { ...home, display: 'H' }] },
      },
      'folds the filter': {
        when: { op: 'replace', path: 'emails[type eq "WORK"].value', value: 'n@x' },
        then: { emails: [{ ...work, value: 'n@x' }, home] },
      },
      'adds parts to a value': {
        when: { op: 'add', path: 'emails[type eq "home"]', value: { display: 'H' } },
        then: { emails: [work, { ...home, display: 'H' }] },
      },
      'replaces a value, which stays the one of that filter': {
        when: { op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n@x' } },
        then: { emails: [{ type: 'work', value: 'n@x' }, home] },
      },
      'replaces every value that matches': {
        when: { op: 'replace', path: 'emails[value ew "@x"].display', value: 'X' },
        then: {
          emails: [
            { ...work, display: 'X' },
            { ...home, display: 'X' },
          ],
        },
      },
      'replaces a primary role': {
        when: { op: 'Replace', path: 'roles[primary eq "True"].value', value: 'b' },
        then: { roles: [{ value: 'b', primary: true }] },
      },
      'replaces a primary role by JSON text': {
        when: { op: 'Add', path: 'roles[primary eq "True"].value', value: '{"value":"b","display":"B"}' },
        then: { roles: [{ value: 'b', display: 'B', primary: true }] },
      },
      'removes values': { when: { op: 'remove', path: 'emails[type eq "home"]' }, then: { emails: [work] } },
      'removes no values': { when: { op: 'remove', path: 'emails[type eq "other"]' }, then: {} },
      'removes a part of no values': { when: { op: 'remove', path: 'emails[type eq "other"].value' }, then: {} },
      'removes a part of a value': {
        when: { op: 'remove', path: 'addresses[type eq "work"].locality' },
        then: { addresses: [{ type: 'work', streetAddress: 'S 1' }] },
      },
      'removes a value with its last part': {
        when: { op: 'Remove', path: 'emails[type eq "work"].value' },
        then: { emails: [home] },
      },
      'removes the last value': { when: { op: 'remove', path: 'roles[value eq "a"]' }, then: { roles: null } },
      'removes by null behind a filter': {
        when: { op: 'replace', path: 'emails[type eq "work"].value', value: null },
        then: { emails: [home] },
      },
      // A filter that matches nothing creates the element.
      'creates an e-mail': {
        when: { op: 'Add', path: 'emails[type eq "other"].value', value: 'o@x' },
        then: { emails: [work, home, { type: 'other', value: 'o@x' }] },
      },
      'creates the first phone number': {
        when: { op: 'Replace', path: 'phoneNumbers[type eq "mobile"].value', value: '1' },
        then: { phoneNumbers: [{ type: 'mobile', value: '1' }] },
      },
      'creates an address': {
        when: { op: 'Add', path: 'addresses[type eq "home"].streetAddress', value: 'S 2' },
        then: { addresses: [office, { type: 'home', streetAddress: 'S 2' }] },
      },
      'creates what the whole filter says': {
        when: { op: 'add', path: 'emails[type eq "other" and primary eq "false"].value', value: 'o' },
        then: { emails: [work, home, { type: 'other', primary: false, value: 'o' }] },
      },
      'creates an element by an object': {
        when: { op: 'replace', path: 'ims[type eq "xmpp"]', value: { value: 'i' } },
        then: { ims: [{ type: 'xmpp', value: 'i' }] },
      },
      'creates an element without a filter': {
        when: { op: 'add', path: 'ims.value', value: 'i' },
        then: { ims: [{ value: 'i' }] },
      },
      'creates what a negation asks': {
        when: { op: 'add', path: 'ims[not (type eq "x")].value', value: 'i' },
        then: { ims: [{ value: 'i' }] },
      },
      'creates a primary role': {
        when: { op: 'add', path: 'entitlements[primary eq "True"].value', value: 'e' },
        then: { entitlements: [{ primary: true, value: 'e' }] },
      },
      // Lists.
      'adds a value': {
        when: { op: 'add', path: 'emails', value: [{ value: 'o@x' }] },
        then: { emails: [work, home, { value: 'o@x' }] },
      },
      'adds one value that is no list': {
        when: { op: 'add', path: 'emails', value: { value: 'o@x' } },
        then: { emails: [work, home, { value: 'o@x' }] },
      },
      'adds what is there only once': { when: { op: 'add', path: 'emails', value: [home] }, then: {} },
      'adds an address that is there only once': {
        when: { op: 'add', path: 'addresses', value: [{ locality: 'Rome', type: 'work', streetAddress: 'S 1' }] },
        then: {},
      },
      'adds a value only once that comes twice': {
        when: { op: 'add', path: 'ims', value: [{ value: 'i' }, { value: 'i' }] },
        then: { ims: [{ value: 'i' }] },
      },
      'adds parts to a value of the same type': {
        when: { op: 'add', path: 'emails', value: [{ type: 'HOME', value: 'H@x', display: 'H' }] },
        then: { emails: [work, { type: 'HOME', value: 'H@x', display: 'H' }] },
      },
      'adds a known value of another type': {
        when: { op: 'add', path: 'emails', value: [{ type: 'home', value: 'w@x' }] },
        then: { emails: [work, home, { type: 'home', value: 'w@x' }] },
      },
      'replaces a list': { when: { op: 'replace', path: 'emails', value: [home] }, then: { emails: [home] } },
      'replaces a list by itself': { when: { op: 'replace', path: 'emails', value: [work, home] }, then: {} },
      'replaces a list by another order': {
        when: { op: 'replace', path: 'emails', value: [home, work] },
        then: { emails: [home, work] },
      },
      'clears a list': { when: { op: 'replace', path: 'emails', value: [] }, then: { emails: null } },
      'removes a list': { when: { op: 'remove', path: 'emails' }, then: { emails: null } },
      'removes a list by null': { when: { op: 'replace', value: { emails: null } }, then: { emails: null } },
      'replaces a part of all values': {
        when: { op: 'replace', path: 'emails.display', value: 'X' },
        then: {
          emails: [
            { ...work, display: 'X' },
            { ...home, display: 'X' },
          ],
        },
      },
      // Removal by a list of values: only these.
      'removes listed values': {
        when: { op: 'Remove', path: 'emails', value: [{ $ref: null, value: 'h@x' }] },
        then: { emails: [work] },
      },
      'removes listed values in any case': {
        when: { op: 'Remove', path: 'emails', value: [{ value: 'H@X' }] },
        then: { emails: [work] },
      },
      'removes listed values of that type': {
        when: { op: 'Remove', path: 'emails', value: [{ value: 'h@x', type: 'home' }] },
        then: { emails: [work] },
      },
      'removes no values of another type': {
        when: { op: 'Remove', path: 'emails', value: [{ value: 'h@x', type: 'work' }] },
        then: {},
      },
      'removes no value that is not listed': {
        when: { op: 'Remove', path: 'emails', value: [{ value: 'x@x' }] },
        then: {},
      },
      'removes nobody for a list of nobody': { when: { op: 'Remove', path: 'emails', value: [] }, then: {} },
      'removes no address that is not described': {
        when: { op: 'Remove', path: 'addresses', value: [{ type: 'home' }] },
        then: {},
      },
      'removes a described address': {
        when: { op: 'Remove', path: 'addresses', value: [{ type: 'work', locality: 'Rome' }] },
        then: { addresses: null },
      },
      'removes all that are listed': {
        when: { op: 'Remove', path: 'emails', value: [{ value: 'h@x' }, { value: 'w@x' }] },
        then: { emails: null },
      },
      // RFC 7644 §3.5.2: one primary value.
      'moves the mark to an added value': {
        when: { op: 'add', path: 'emails', value: [{ value: 'o', primary: true }] },
        then: { emails: [{ ...work, primary: false }, home, { value: 'o', primary: true }] },
      },
      'moves the mark to a changed value': {
        when: { op: 'replace', path: 'emails[type eq "home"].primary', value: 'True' },
        then: {
          emails: [
            { ...work, primary: false },
            { ...home, primary: true },
          ],
        },
      },
      'moves the mark to a created value': {
        when: { op: 'add', path: 'emails[type eq "other"]', value: { value: 'o', primary: true } },
        then: { emails: [{ ...work, primary: false }, home, { type: 'other', value: 'o', primary: true }] },
      },
      'moves the mark to one of several': {
        when: { op: 'replace', path: 'emails.primary', value: true },
        then: {
          emails: [
            { ...work, primary: false },
            { ...home, primary: true },
          ],
        },
      },
      'leaves the mark where it is': {
        when: { op: 'add', path: 'emails[type eq "home"].display', value: 'x' },
        then: { emails: [work, { ...home, display: 'x' }] },
      },
      // These change nothing.
      'takes the id as it is': { when: { op: 'replace', value: { id: ID, title: 'T' } }, then: { title: 'T' } },
      'takes all that is read-only as it is': {
        when: {
          op: 'replace',
          value: {
            id: ID,
            meta: { ...META, location: `https://a.proxy/scim/Users/${ID}` },
            groups: [],
            'meta.version': META.version,
            title: 'T',
          },
        },
        then: { title: 'T' },
      },
      'drops a password': { when: { op: 'replace', path: 'password', value: 'x' }, then: {} },
      'drops unknown attributes': { when: { op: 'replace', value: { nope: 'x' } }, then: {} },
      'drops attributes of schemas that nobody knows': {
        when: { op: 'replace', path: 'urn:x:2.0:User:nope', value: 'x' },
        then: {},
      },
      'sees what is the same': { when: { op: 'replace', path: 'active', value: 'True' }, then: {} },
      'sees the same object': {
        when: { op: 'replace', path: 'name', value: { familyName: 'L', givenName: 'Ada' } },
        then: {},
      },
    }),
  )('%s', (_title, { when: operation, then: expected }) => {
    expect(changes(operation)).toEqual(expected);
  });

  it('gives the mark to the value that asks for it, also when the former holder is sent along', () => {
    const [w, h] = [
      { type: 'work', value: 'w@x' },
      { type: 'home', value: 'h@x' },
    ];
    expect(
      changes(
        { op: 'add', path: 'emails', value: [{ ...h, primary: true }] },
        { op: 'add', path: 'emails', value: [{ ...w, primary: true }, h] },
      ),
    ).toEqual({
      emails: [
        { ...w, primary: true },
        { ...h, primary: false },
      ],
    });
  });

  it('applies its operations in their order', () => {
    expect(changes({ op: 'remove', path: 'emails' }, { op: 'add', path: 'emails', value: [home] })).toEqual({
      emails: [home],
    });
    expect(changes({ op: 'add', path: 'emails', value: [home] }, { op: 'remove', path: 'emails' })).toEqual({
      emails: null,
    });
    expect(changes({ op: 'add', path: 'title', value: 'a' }, { op: 'replace', path: 'title', value: 'Dr' })).toEqual(
      {},
    );
    expect(
      changes(
        { op: 'Add', path: 'emails[type eq "other"].value', value: 'o' },
        { op: 'Add', path: 'emails[type eq "other"].display', value: 'O' },
      ),
    ).toEqual({ emails: [work, home, { type: 'other', value: 'o', display: 'O' }] });
  });

  it.each(
    Object.entries<Refused>({
      'another meta': {
        when: { op: 'replace', value: { meta: { version: 'x' } } },
        then: 'mutability',
        because: /^meta /,
      },
      'meta of which one part is another': {
        when: { op: 'replace', path: 'meta', value: { ...META, created: '2001-01-01T00:00:00Z' } },
        then: 'mutability',
        because: /^meta /,
      },
      'another part of meta': {
        when: { op: 'replace', path: 'meta.created', value: '2001-01-01T00:00:00Z' },
        then: 'mutability',
        because: /^meta.created /,
      },
      'the location of another user': {
        when: { op: 'add', path: 'meta.location', value: 'https://x/Users/another' },
        then: 'mutability',
        because: /^meta.location /,
      },
      'a group': {
        when: { op: 'add', path: 'groups', value: [{ value: 'g' }] },
        then: 'mutability',
        because: /^groups /,
      },
      ...Object.fromEntries(
        [{}, { id: 'g' }, { groups: [{ value: 'g' }] }, [{}]].map((value): [string, Refused] => [
          `a group of which nothing is understood, ${JSON.stringify(value)}`,
          { when: { op: 'add', path: 'groups', value }, then: 'mutability', because: /^groups / },
        ]),
      ),
      // A condition on a single object.
      'a manager that is another': {
        when: { op: 'replace', path: 'manager[value eq "other"].value', value: 'x' },
        then: 'noTarget',
        because: /does not match/,
      },
      'a name that is not there, by what does not say what it would be': {
        when: { op: 'add', path: `manager[not (value eq "m")]`, value: { value: 'x' } },
        then: 'noTarget',
        because: /does not match/,
      },
      // A request that takes a role away has to hit one.
      'a role by a display that none has': {
        when: { op: 'remove', path: 'roles', value: [{ display: 'a' }] },
        then: 'noTarget',
        because: /value eq/,
      },
      'a role by its value and a type that it has not': {
        when: { op: 'remove', path: 'roles', value: [{ value: 'A', type: 'x' }] },
        then: 'noTarget',
        because: /value eq/,
      },
      'one of two by a type that it has not': {
        when: { op: 'remove', path: 'roles', value: [{ value: 'gone' }, { value: 'a', type: 'x' }] },
        then: 'noTarget',
        because: /value eq/,
      },
      'a role by JSON text without a value': {
        when: { op: 'remove', path: 'roles', value: [{ value: '{"displayName":"a"}' }] },
        then: 'noTarget',
        because: /value eq/,
      },
      'a role by a filter that picks none': {
        when: { op: 'remove', path: 'roles[display eq "a"]' },
        then: 'noTarget',
        because: /value eq/,
      },
      'a part of a role by a filter that picks none': {
        when: { op: 'remove', path: 'roles[type eq "a"].value' },
        then: 'noTarget',
        because: /value eq/,
      },
      'no id': { when: { op: 'replace', path: 'id', value: null }, then: 'mutability', because: /^id / },
      'another id': { when: { op: 'replace', path: 'id', value: 'x' }, then: 'mutability', because: /^id / },
      'another id in an object': { when: { op: 'replace', value: { id: 'x' } }, then: 'mutability', because: /^id / },
      'the name of the manager': {
        when: { op: 'replace', path: `${E}:manager.displayName`, value: 'M' },
        then: 'mutability',
        because: /displayName/,
      },
      'no userName': { when: { op: 'remove', path: 'userName' }, then: 'mutability', because: /^userName / },
      'userName null': {
        when: { op: 'replace', path: 'userName', value: null },
        then: 'mutability',
        because: /^userName /,
      },
      'a blank userName': {
        when: { op: 'replace', path: 'userName', value: ' ' },
        then: 'invalidValue',
        because: /^userName /,
      },
      'a filter that does not say what it looks for': {
        when: { op: 'add', path: 'emails[value co "z"].display', value: 'x' },
        then: 'noTarget',
        because: /emails\[value co "z"\]/,
      },
      'a filter that says two things': {
        when: { op: 'add', path: 'emails[type eq "a" and type eq "b"].value', value: 'x' },
        then: 'noTarget',
        because: /emails/,
      },
      'a filter of alternatives': {
        when: { op: 'add', path: 'ims[type eq "a" or type eq "b"].value', value: 'x' },
        then: 'noTarget',
        because: /ims/,
      },
    }),
  )('is refused with %s', (_title, { when: operation, then: code, because }) => {
    const error = rejection(operation);
    expect(error.code).toBe(code);
    expect(error.detail).toMatch(because);
  });

  it('does all or nothing', () => {
    const before = structuredClone(ada);
    expect(
      rejection(
        { op: 'replace', path: 'title', value: 'T' },
        { op: 'remove', path: 'emails' },
        { op: 'replace', path: 'id', value: 'x' },
      ).code,
    ).toBe('mutability');
    expect(ada).toEqual(before);
  });

  it('cannot make a list longer than it may be', () => {
    const values = (from: number, count: number): object[] =>
      Array.from({ length: count }, (_, index) => ({ value: String(from + index) }));
    const full = apply(ada, { op: 'add', path: 'ims', value: values(0, MAX_VALUES_PER_ATTRIBUTE) });
    expect(apply(full, { op: 'add', path: 'ims', value: values(0, 1) })).toBe(full);
    const oneMore = { op: 'add', path: 'ims', value: values(MAX_VALUES_PER_ATTRIBUTE, 1) };
    expect(() => apply(full, oneMore)).toThrow(/ims has 1001 values/);
    expect(() => apply(full, { op: 'add', path: 'ims[value eq "new"].type', value: 'x' })).toThrow(/1001 values/);
  });

  it('never stores a password or schemas, even if an operation says so', () => {
    for (const path of ['password', 'schemas']) {
      expect(applyPatch(USER, ada, [{ op: 'add', path, value: 'x' }], { id: ID })).toBe(ada);
    }
    expect(() => applyPatch(USER, ada, [{ op: 'add', path: 'nope', value: 'x' }], { id: ID })).toThrow(Rejected);
  });

  it('stores nothing that a POST would refuse, wherever an operation comes from', () => {
    const patch = (path: string, value: Json): Resource =>
      applyPatch(USER, ada, [{ op: 'replace', path, value }], { id: ID });
    expect(patch('ACTIVE', 'False').active).toBe(false);
    expect(() => patch('active', 'perhaps')).toThrow(/^active /);
    expect(() => patch('emails', [{ value: 1 }])).toThrow(/^emails\.value /);
    expect(() => patch('id', ['x'])).toThrow(/^id /);
    expect(() => applyPatch(USER, ada, [{ op: 'remove', path: 'id' }], { id: ID })).toThrow(/^id /);
  });

  it('adds to a list of texts what is not there', () => {
    const tags = { ...USER.schema.attributes.find(({ name }) => name === 'title')!, name: 'tags', multiValued: true };
    const definition = { ...USER, schema: { ...USER.schema, attributes: [...USER.schema.attributes, tags] } };
    const before = { userName: 'ada', tags: ['a'] };
    const patch = (...Operations: object[]): Json | undefined =>
      applyPatch(definition, before, parsePatch(definition, { Operations }).operations, { id: ID }).tags;
    expect(patch({ op: 'add', path: 'tags', value: ['a', 'b'] })).toEqual(['a', 'b']);
    expect(patch({ op: 'remove', path: 'tags', value: ['b'] })).toEqual(['a']);
    expect(patch({ op: 'remove', path: 'tags', value: ['a'] })).toBeUndefined();
    expect(patch({ op: 'replace', path: 'tags', value: ['c'] })).toEqual(['c']);
  });

  it('returns the resource itself when nothing changed, and shares what stayed', () => {
    expect(
      apply(ada, { op: 'replace', path: 'active', value: 'True' }, { op: 'add', path: 'emails', value: [home] }),
    ).toBe(ada);
    const after = apply(ada, { op: 'add', path: 'emails[type eq "home"].display', value: 'H' });
    expect(after.roles).toBe(ada.roles);
    expect(after[E]).toBe(ada[E]);
    expect((after.emails as readonly Json[])[0]).toBe(work);
  });
});

describe('what a PATCH costs', () => {
  const thousand = {
    userName: 'x',
    emails: Array.from({ length: 1_000 }, (_, index) => ({ value: `u${index}@x.org`, display: 'é'.repeat(50) })),
  };
  const code = (before: Resource, ...operations: object[]): unknown => {
    try {
      apply(before, ...operations);
    } catch (error) {
      return (error as Rejected).detail;
    }
    return undefined;
  };
  const times = (count: number, operation: object): object[] => Array.from({ length: count }, () => operation);
  const chain = Array.from({ length: 40 }, () => 'display co "q"').join(' or ');

  it.each<[string, object[]]>([
    ['many filters', times(1_000, { op: 'replace', path: 'emails[value eq "u1@x.org"].display', value: 'x' })],
    ['long filters', times(10, { op: 'replace', path: `emails[${chain} or value sw "u1"].display`, value: 'x' })],
    [
      'filters in brackets',
      times(10, { op: 'replace', path: `emails[not (not (${chain}) and type eq "work")].display`, value: 'x' }),
    ],
    [
      'values without keys to remove',
      times(50, {
        op: 'remove',
        path: 'emails',
        value: Array.from({ length: 100 }, (_, index) => ({ display: `q${index}` })),
      }),
    ],
    ['many marks', times(1_000, { op: 'replace', path: 'emails.primary', value: true })],
    [
      'many marks that move',
      times(1_000, { op: 'add', path: 'emails', value: [{ value: 'u1@x.org', primary: true }] }),
    ],
  ])('is limited: %s about many values', (_name, operations) => {
    expect(code(thousand, ...operations)).toMatch(/look at more than 3000000 characters .* at emails.*: send fewer/);
    // About a few values they may be asked.
    expect(code({ ...thousand, emails: thousand.emails.slice(0, 2) }, ...operations) ?? '').not.toMatch(
      /look at more than/,
    );
  });

  it('operations that name their values look at these alone: a thousand about a thousand e-mails are carried out', () => {
    const emails = Array.from({ length: 1_000 }, (_, index) => ({ value: `u${index}@x.example`, type: 'work' }));
    const before = { userName: 'x', emails };
    const each = (op: string, value: (email: { readonly value: string }) => object): object[] =>
      emails.map((email) => ({ op, path: 'emails', value: [value(email)] }));
    expect(apply(before, ...each('add', (email) => email))).toBe(before);
    expect(apply(before, ...each('remove', (email) => email)).emails).toBeUndefined();
    expect(apply(before, ...each('remove', ({ value }) => ({ value: value.toUpperCase() }))).emails).toBeUndefined();
    const shown = apply(before, ...each('add', (email) => ({ ...email, display: 'é' }))).emails;
    expect(shown).toEqual(emails.map((email) => ({ ...email, display: 'é' })));
  });

  it('each text is folded once a request, however many filters it is held against', () => {
    const marks = `a${'\u0301'.repeat(15)}${'\u0316'.repeat(15)}`.repeat(1_000);
    const emails = [{ type: 'work', value: 'x@x.example', display: marks }];
    const operations = Array.from({ length: 20 }, (_, index) => ({
      op: 'replace',
      path: `emails[display sw "b${index}" or type pr].type`,
      value: 'work',
    }));
    const folds = vi.spyOn(String.prototype, 'normalize');
    try {
      apply({ userName: 'x', emails }, ...operations);
      expect(folds.mock.contexts.filter((text) => String(text).length > 30_000)).toHaveLength(1);
    } finally {
      folds.mockRestore();
    }
  });

  it('is limited for filters on one long object as well', () => {
    const long = { userName: 'x', name: { formatted: 'é'.repeat(60_000) } };
    const path = `name[${chain.replaceAll('display', 'formatted')} or formatted pr].givenName`;
    expect(code(long, ...times(10, { op: 'replace', path, value: 'x' }))).toMatch(
      /look at more than 3000000 characters .* at name/,
    );
    expect(code(long, ...times(1, { op: 'replace', path, value: 'x' }))).toBeUndefined();
  });
});

const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
};

describe('any PATCH', () => {
  const text = fc.constantFrom('w@x', 'h@x', 'W@X', 'z', '', 'true');
  const email = fc.dictionary(fc.constantFrom('value', 'type', 'display'), text, { noNullPrototype: true });
  const marked = fc
    .record({ email, primary: fc.option(fc.boolean()) })
    .map(({ email: parts, primary }) => ({ ...parts, ...(primary === null ? {} : { primary }) }));
  const path = fc.constantFrom(
    'title',
    'active',
    'emails',
    'emails[type eq "work"].value',
    'emails[value eq "z"]',
    'emails[primary eq true].display',
    'emails.type',
    'name',
    'name.givenName',
    E,
    `${E}:manager`,
    'manager.value',
    'addresses[type eq "home"].locality',
    'roles',
  );
  const value = fc.oneof(
    text,
    fc.boolean(),
    fc.constant(null),
    marked,
    fc.array(marked, { maxLength: 3 }),
    fc.record({ givenName: text }),
    fc.record({ manager: text, department: text }),
  );
  const operation = fc.record(
    { op: fc.constantFrom('add', 'Replace', 'remove'), path, value },
    { requiredKeys: ['op', 'path'] },
  );

  it('leaves its input alone, keeps at most one new primary value, and gives what a POST would give', () => {
    freeze(ada);
    let applied = 0;
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 4 }), (operations) => {
        let after: Resource;
        try {
          after = apply(ada, ...operations);
        } catch (error) {
          if (!(error instanceof Rejected)) throw error;
          return;
        }
        applied++;
        const emails = (after.emails ?? []) as readonly Resource[];
        expect(emails.filter(({ primary }) => primary === true).length).toBeLessThanOrEqual(1);
        const shown = renderResource(USER, after, { id: ID, created: '', lastModified: '', version: 1, location: '' });
        const { resource, ignored } = parseResource(USER, JSON.parse(JSON.stringify(shown)));
        expect(resource).toEqual(after);
        expect(ignored.filter((name) => name !== NO_WEB_ROLE)).toEqual([]);
        if (Object.keys(diffResource(ada, after)).length === 0) expect(after).toEqual(ada);
      }),
      { numRuns: 3_000 },
    );
    expect(applied).toBeGreaterThan(300);
  });

  it('that replaces is the same the second time', () => {
    const replace = fc.record({
      op: fc.constant('replace'),
      path: fc.constantFrom('title', 'emails', 'name', `${E}:manager`, 'emails[type eq "work"].value'),
      value,
    });
    fc.assert(
      fc.property(replace, (one) => {
        let after: Resource;
        try {
          after = apply(ada, one);
        } catch (error) {
          if (!(error instanceof Rejected)) throw error;
          return;
        }
        expect(apply(after, one)).toBe(after);
      }),
    );
  });
});
