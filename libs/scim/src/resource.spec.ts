import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import type { Json } from './json.js';
import {
  applyChanges,
  diffResource,
  parseReplacement,
  parseResource,
  renderResource,
  type Resource,
} from './resource.js';
import { ENTERPRISE_USER_URN as E, USER, USER_URN } from './schema.js';
import { MAX_KEY_CHARACTERS, MAX_TEXT_CHARACTERS, MAX_VALUES_PER_ATTRIBUTE } from './value.js';

const parse = (body: unknown): Resource => parseResource(USER, body).resource;
const user = (rest: object): Resource => ({ userName: 'ada', active: true, ...rest }) as Resource;

/** Returns what is thrown; fails when nothing is. */
const rejection = (body: unknown): Rejected => {
  try {
    parse(body);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  return expect.unreachable('nothing was thrown');
};

describe('a user in the body of a PUT', () => {
  it('has the attributes that the body has, and no active of its own', () => {
    expect(
      parseReplacement(USER, {
        id: 'other',
        meta: {},
        userName: 'ada',
        title: null,
        groups: [{ value: 'g' }],
        password: 'p',
      }).resource,
    ).toEqual({ userName: 'ada' });
    expect(parseReplacement(USER, { userName: 'ada', active: 'False' }).resource).toEqual({
      userName: 'ada',
      active: false,
    });
  });

  it('needs what is required (RFC 7644 §3.5.1)', () => {
    expect(() => parseReplacement(USER, { active: true })).toThrow(/^userName is required/);
  });
});

describe('a user in the body of a POST', () => {
  it('is taken as Entra sends it', () => {
    expect(
      parseResource(USER, {
        schemas: [USER_URN, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User'],
        externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
        userName: 'Ada@Example.org',
        active: true,
        addresses: null,
        displayName: null,
        emails: [{ primary: true, type: 'work', value: 'Ada@Example.org' }],
        meta: { resourceType: 'User' },
        name: { formatted: 'Ada Lovelace', familyName: 'Lovelace', givenName: 'Ada' },
        roles: [],
        department: 'bob',
        manager: null,
        preferredLanguage: null,
        title: null,
        'urn:ietf:params:scim:schemas:extension:enterprise:2.0User': { employeeNumber: '7', manager: 'm' },
      }),
    ).toEqual({
      resource: {
        externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
        userName: 'Ada@Example.org',
        active: true,
        emails: [{ primary: true, type: 'work', value: 'Ada@Example.org' }],
        name: { formatted: 'Ada Lovelace', familyName: 'Lovelace', givenName: 'Ada' },
        [E]: { department: 'bob', employeeNumber: '7', manager: { value: 'm' } },
      },
      ignored: [],
    });
  });

  it.each<[string, object, object]>([
    ['"False" as a boolean', { active: 'False' }, { active: false }],
    ['"TRUE" as a boolean', { active: 'TRUE' }, { active: true }],
    ['"true" as a boolean', { active: 'true' }, { active: true }],
    [
      'a boolean inside a value',
      { emails: [{ value: 'a', primary: 'True' }] },
      { emails: [{ value: 'a', primary: true }] },
    ],
    ['active as true when it is absent', {}, { active: true }],
    ['active as true when it is null', { active: null }, { active: true }],
    ['null as absent', { title: null, name: null, emails: null }, {}],
    ['null inside an object as absent', { name: { givenName: null, familyName: 'L' } }, { name: { familyName: 'L' } }],
    ['null inside a list as absent', { emails: [null, { value: 'a' }] }, { emails: [{ value: 'a' }] }],
    ['an object of nothing as absent', { name: {}, [E]: {} }, {}],
    ['an object of nulls as absent', { name: { givenName: null } }, {}],
    ['an empty list as absent', { emails: [], roles: [] }, {}],
    ['an object in a list of one', { name: [{ givenName: 'A' }] }, { name: { givenName: 'A' } }],
    ['a manager as text', { [E]: { manager: 'm' } }, { [E]: { manager: { value: 'm' } } }],
    ['a manager as an object', { [E]: { manager: { value: 'm', $ref: null } } }, { [E]: { manager: { value: 'm' } } }],
    ['a manager in a list of one', { [E]: { manager: [{ value: 'm' }] } }, { [E]: { manager: { value: 'm' } } }],
    ['a manager of no name as absent', { [E]: { manager: '' } }, {}],
    [
      'no name of the manager, which is read-only',
      { [E]: { manager: { value: 'm', displayName: 'M' } } },
      { [E]: { manager: { value: 'm' } } },
    ],
    [
      'enterprise attributes without their URN',
      { department: 'D', manager: 'm', EmployeeNumber: '1' },
      { [E]: { department: 'D', manager: { value: 'm' }, employeeNumber: '1' } },
    ],
    [
      'what is under the URN before what is not',
      { department: 'flat', [E]: { department: 'D', division: 'V' } },
      { [E]: { department: 'D', division: 'V' } },
    ],
    [
      'what is under the URN before what follows',
      { [E]: { department: 'D' }, department: 'flat' },
      { [E]: { department: 'D' } },
    ],
    [
      'attributes after their URN',
      { [`${E}:department`]: 'D', [`${USER_URN}:title`]: 'T' },
      { [E]: { department: 'D' }, title: 'T' },
    ],
    ['attributes under the URN of the core', { [USER_URN]: { title: 'T' } }, { title: 'T' }],
    [
      'names in any case',
      { USERNAME: 'ada', Name: { GIVENNAME: 'A' }, [E.toUpperCase()]: { DEPARTMENT: 'D' } },
      { name: { givenName: 'A' }, [E]: { department: 'D' } },
    ],
    [
      'JSON text in the value of a role',
      { roles: [{ value: '{"id":"1","value":"Admin","display":"Administrator"}', type: 't' }] },
      { roles: [{ value: 'Admin', display: 'Administrator', type: 't' }] },
    ],
    ['a role whose name begins with a brace', { roles: [{ value: '{x' }] }, { roles: [{ value: '{x' }] }],
    [
      'JSON text elsewhere as text',
      { emails: [{ value: '{"value":"x"}' }], title: '{}' },
      { emails: [{ value: '{"value":"x"}' }], title: '{}' },
    ],
    ['no read-only attributes', { id: 'x', meta: { version: 'x' }, groups: [{ value: 'g' }] }, {}],
    ['no password', { password: 'secret' }, {}],
    ['no password after its URN', { [`${USER_URN}:password`]: 'secret' }, {}],
    [
      'values as they are sent',
      { displayName: ' Ada ', title: '', externalId: '' },
      { displayName: ' Ada ', title: '', externalId: '' },
    ],
    [
      'lists in their order',
      { emails: [{ value: 'z' }, { value: 'a' }, { value: 'm' }] },
      { emails: [{ value: 'z' }, { value: 'a' }, { value: 'm' }] },
    ],
    // RFC 7643 §2.4: the same type and value come once.
    [
      'the same e-mail twice',
      {
        emails: [
          { value: 'z', type: 'work', primary: true },
          { value: 'a' },
          { value: 'Z', type: 'Work', display: 'D', primary: false },
          { value: 'z' },
        ],
      },
      { emails: [{ value: 'Z', type: 'Work', primary: true, display: 'D' }, { value: 'a' }, { value: 'z' }] },
    ],
    [
      'the same primary role twice',
      {
        roles: [
          { value: 'User', primary: true },
          { value: 'user', primary: 'True' },
        ],
      },
      { roles: [{ value: 'user', primary: true }] },
    ],
    [
      'the same address twice',
      {
        addresses: [
          { type: 'work', region: 'R' },
          { region: 'R', type: 'work' },
          { type: 'home', region: 'R' },
        ],
      },
      {
        addresses: [
          { region: 'R', type: 'work' },
          { type: 'home', region: 'R' },
        ],
      },
    ],
    // One object for a list, a list of one for an object or a text, and what says that there is nothing.
    [
      'an object for a list',
      { emails: { value: 'a', type: 'work', primary: 'True' }, roles: { value: 'User' }, addresses: { region: 'R' } },
      {
        emails: [{ value: 'a', type: 'work', primary: true }],
        roles: [{ value: 'User' }],
        addresses: [{ region: 'R' }],
      },
    ],
    [
      'a list of one object for a text',
      {
        title: [{ $ref: null, value: 'T' }],
        active: [{ value: 'False' }],
        name: { givenName: [{ value: 'A' }] },
        nickName: [{ value: null }],
      },
      { title: 'T', active: false, name: { givenName: 'A' } },
    ],
    ['empty lists of PHP', { name: [], emails: [], addresses: [[]], [E]: [] }, {}],
    ['an extension in a list of one', { [E]: [{ department: 'D' }] }, { [E]: { department: 'D' } }],
    [
      'empty texts for what is no string',
      {
        name: '',
        emails: '',
        photos: [{ value: '', type: 'photo' }, ''],
        profileUrl: '',
        active: '',
        manager: '',
        [E]: '',
      },
      { photos: [{ type: 'photo' }] },
    ],
    [
      'an empty text as the value of a role',
      { roles: [{ primary: true, type: 'T', value: '' }] },
      { roles: [{ primary: true, type: 'T', value: '' }] },
    ],
    [
      'attributes after a dot behind the URN',
      { [`${E}.department`]: 'D', [`${USER_URN}.title`]: 'T', [`${E}:`]: { division: 'V' } },
      { [E]: { department: 'D', division: 'V' }, title: 'T' },
    ],
    ['schemas of null', { schemas: [null] }, {}],
    ['schemas of no text', { schemas: '' }, {}],
    ['no schemas at all', { schemas: null }, {}],
    ['schemas that are unknown', { schemas: ['urn:x'] }, {}],
    ['a certificate', { x509Certificates: [{ value: 'MIIDQzCC' }] }, { x509Certificates: [{ value: 'MIIDQzCC' }] }],
  ])('is taken with %s', (_title, body, expected) => {
    expect(parse({ userName: 'ada', ...body })).toEqual(user(expected));
  });

  it.each<[string, object, RegExp]>([
    ['no userName', { userName: undefined }, /^userName /],
    ['a userName of null', { userName: null }, /^userName /],
    ['an empty userName', { userName: '' }, /^userName /],
    ['a blank userName', { userName: ' \u00a0\t' }, /^userName /],
    ['a number as userName', { userName: 42 }, /^userName must be a string, not 42/],
    ['a list as userName', { userName: ['ada'] }, /^userName must be a string, not an array/],
    ['a text that is no boolean', { active: 'yes' }, /^active must be true or false, not "yes"/],
    ['a number as a boolean', { active: 1 }, /^active .*not 1/],
    ['a boolean as text', { title: true }, /^title .*not true/],
    ['an object as text', { title: {} }, /^title .*not an object/],
    ['a wrong part', { name: { givenName: 5 } }, /^name\.givenName .*not 5/],
    ['a text as an object', { name: 'Ada' }, /^name must be an object, not "Ada"/],
    ['two objects for one', { name: [{ givenName: 'A' }, { givenName: 'B' }] }, /^name .*not an array/],
    ['a list of one text as an object', { [E]: { manager: ['m'] } }, /:manager .*not an array/],
    ['two managers', { [E]: { manager: [{ value: 'a' }, { value: 'b' }] } }, /:manager /],
    ['a number as manager', { manager: 7 }, /^manager .*not 7/],
    // A request about who gets what must not be answered as if it had been understood.
    [
      'a role without any part that is known',
      { roles: [{ value: 'User' }, { id: '1', displayName: 'Admin' }] },
      /^Each of roles needs at least one of value, .* only "id", "displayName"/,
    ],
    ['a role of nothing', { roles: [{}] }, /^Each of roles needs .* has nothing/],
    ['roles below their name', { roles: { roles: [{ value: 'User' }] } }, /^Each of roles .* only "roles"/],
    ['an entitlement without any part that is known', { entitlements: [{ id: 1 }] }, /^Each of entitlements /],
    ['a text for a list', { emails: 'a' }, /^emails .*not "a"/],
    ['a list of texts', { roles: ['Admin'] }, /^roles .*not "Admin"/],
    ['a list in a list', { emails: [[{ value: 'a' }]] }, /^emails .*not an array/],
    ['a number as an e-mail', { emails: [{ value: 1 }] }, /^emails\.value .*not 1/],
    [
      'two primary e-mails',
      {
        emails: [
          { value: 'a', primary: true },
          { value: 'b', primary: 'True' },
        ],
      },
      /^emails .*primary/,
    ],
    [
      'a wrong type in an extension',
      { [E]: { department: 1 } },
      /^urn:ietf:params:scim:schemas:extension:enterprise:2\.0:User:department /,
    ],
    ['an extension that is no object', { [E]: 'x' }, /^urn:.*User must be an object/],
    ['schemas as text', { schemas: USER_URN }, /^schemas /],
    ['schemas of numbers', { schemas: [1] }, /^schemas /],
    ['a wrong type in the JSON text of a role', { roles: [{ value: '{"value":1}' }] }, /^roles\.value /],
    [
      'too many values',
      { emails: Array.from({ length: MAX_VALUES_PER_ATTRIBUTE + 1 }, () => ({ value: 'a' })) },
      /^emails has 1001 values; the limit is 1000/,
    ],
    [
      'too long a text',
      { title: 'x'.repeat(MAX_TEXT_CHARACTERS + 1) },
      /^title has 65537 characters; the limit is 65536/,
    ],
    [
      'too long a userName',
      { userName: 'x'.repeat(MAX_KEY_CHARACTERS + 1) },
      /^userName has 401 characters; the limit is 400/,
    ],
    ['too long an externalId', { externalId: 'x'.repeat(MAX_KEY_CHARACTERS + 1) }, /^externalId /],
    ['too long an e-mail', { emails: [{ value: 'x'.repeat(MAX_KEY_CHARACTERS + 1) }] }, /^emails\.value /],
    ['too long a name under the URN', { [USER_URN]: { userName: 'x'.repeat(MAX_KEY_CHARACTERS + 1) } }, /^userName /],
  ])('is refused with %s, naming it', (_title, body, detail) => {
    const { code, detail: said } = rejection({ userName: 'ada', ...body });
    expect(said).toMatch(detail);
    expect(code).toBe('invalidValue');
  });

  it.each([[null], ['text'], [[]], [5], [undefined]])('is refused when the body is %j', (body) => {
    expect(rejection(body).code).toBe('invalidSyntax');
  });

  it('may be as large as the limits say', () => {
    const values = Array.from({ length: MAX_VALUES_PER_ATTRIBUTE }, (_, index) => ({ value: `a${index}` }));
    expect(
      parse({ userName: 'x'.repeat(MAX_KEY_CHARACTERS), title: 'x'.repeat(MAX_TEXT_CHARACTERS), roles: values }).roles,
    ).toHaveLength(1_000);
  });

  it('hides no NUL character in the JSON text of a role, where it is escaped twice', () => {
    for (const hidden of ['\\u0000', '\\ud800']) {
      expect(rejection({ userName: 'ada', roles: [{ value: `{"value":"a${hidden}"}` }] }).code).toBe('invalidSyntax');
    }
    expect(
      rejection({ userName: 'ada', roles: [{ value: `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}` }] }).code,
    ).toBe('invalidSyntax');
  });

  it('loses unknown attributes, which are named', () => {
    const body = JSON.parse(
      `{"userName":"ada","nope":1,"name":{"nick":"x"},"emails":[{"foo":1,"value":"a"}],"${E}":{"bar":1},"urn:x:User":{"a":1},
        "__proto__":{"active":false},"constructor":1,"toString":"x"}`,
    ) as unknown;
    const { resource, ignored } = parseResource(USER, body);
    expect(resource).toEqual(user({ emails: [{ value: 'a' }] }));
    expect(ignored).toEqual([
      'nope',
      'name.nick',
      'emails.foo',
      `${E}:bar`,
      'urn:x:User',
      '__proto__',
      'constructor',
      'toString',
    ]);
    expect(Object.getPrototypeOf(resource)).toBe(Object.prototype);
  });

  it('repeats no more than a part of a wrong value, and never half of a character', () => {
    const { detail } = rejection({ userName: 'ada', active: `${'x'.repeat(99)}🙂${'x'.repeat(1_000)}` });
    expect(detail.length).toBeLessThan(200);
    expect(detail.isWellFormed()).toBe(true);
  });
});

const envelope = {
  id: 'the-id',
  created: '2026-01-01T00:00:00.000Z',
  lastModified: '2026-01-02T00:00:00.000Z',
  version: 3,
  location: 'https://x/Users/the-id',
};
const meta = {
  resourceType: 'User',
  created: envelope.created,
  lastModified: envelope.lastModified,
  location: envelope.location,
  version: 'W/"3"',
};

describe('a user in an answer', () => {
  it('has schemas, id, attributes and meta', () => {
    expect(renderResource(USER, user({ title: 'T' }), envelope)).toEqual({
      schemas: [USER_URN],
      id: 'the-id',
      userName: 'ada',
      active: true,
      title: 'T',
      meta,
    });
  });

  it('names the extension when it has attributes of it', () => {
    expect(renderResource(USER, user({ [E]: { department: 'D' } }), envelope)).toMatchObject({
      schemas: [USER_URN, E],
      [E]: { department: 'D' },
    });
  });

  it('is taken again, as the same, from the body of a POST', () => {
    const resource = user({
      emails: [{ value: 'a', type: 'work', primary: true }],
      [E]: { manager: { value: 'm', $ref: 'https://x' } },
    });
    expect(parseResource(USER, JSON.parse(JSON.stringify(renderResource(USER, resource, envelope))))).toEqual({
      resource,
      ignored: [],
    });
  });
});

const leaf = fc.oneof(fc.string(), fc.boolean());
const aResource = fc.dictionary(
  fc.constantFrom('userName', 'title', 'emails', 'name', E),
  fc.oneof(
    leaf,
    fc.array(fc.dictionary(fc.constantFrom('value', 'type'), leaf)),
    fc.dictionary(fc.constantFrom('a', 'b'), leaf),
  ),
  { noNullPrototype: true },
) as fc.Arbitrary<{ [name: string]: Json }>;

describe('the difference of two resources', () => {
  it('names what is new, changed and gone, an extension as a whole', () => {
    expect(
      diffResource(
        user({ title: 'T', name: { givenName: 'A' }, [E]: { department: 'D' } }),
        user({ nickName: 'N', [E]: { division: 'V' } }),
      ),
    ).toEqual({ title: null, name: null, nickName: 'N', [E]: { division: 'V' } });
  });

  it('is nothing when only the order of keys differs', () => {
    expect(diffResource({ name: { a: '1', b: '2' }, title: 'T' }, { title: 'T', name: { b: '2', a: '1' } })).toEqual(
      {},
    );
  });

  it('leads from the one to the other, and is nothing for the same', () => {
    fc.assert(
      fc.property(aResource, aResource, (before, after) => {
        const changes = diffResource(before, after);
        expect(applyChanges(before, JSON.parse(JSON.stringify(changes)) as typeof changes)).toEqual(after);
        expect(diffResource(before, structuredClone(before))).toEqual({});
        expect(diffResource(applyChanges(before, changes), after)).toEqual({});
      }),
    );
  });

  it('leaves what it is applied to as it was', () => {
    const before = Object.freeze(user({ title: 'T' }));
    expect(applyChanges(before, { title: null, nickName: 'N' })).toEqual(user({ nickName: 'N' }));
    expect(before).toEqual(user({ title: 'T' }));
  });
});
