import { describe, expect, it } from 'vitest';
import { definitionsOf, ENTERPRISE_USER_URN, Rejected, type Json, type Resource } from '#scim';
import { applyMapping, MAX_MAPPINGS, readMapping, type AttributeMapping, type Mapping, type When } from './mapping.js';

const GIVEN = { nowMs: Date.parse('2026-01-31T08:00:00Z'), randomBelow: () => 0 };
const ACME = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User';
const attribute = (name: string, type: string): object => ({ name, type, multiValued: false, mutability: 'readWrite' });
const DEFINITION = definitionsOf([
  {
    id: '1',
    version: 1,
    resourceType: 'User',
    schema: {
      id: ACME,
      name: 'Acme',
      description: '',
      attributes: [
        attribute('extensionAttribute1', 'string'),
        attribute('hireDate', 'dateTime'),
        attribute('floor', 'integer'),
      ] as never,
    },
  },
]).user;

const ADA: Resource = {
  userName: 'Ada@Example.com',
  active: true,
  name: { givenName: 'Ada', familyName: 'Byron' },
  title: 'Analyst',
  emails: [
    { type: 'home', value: 'ada@home.example' },
    { type: 'work', value: 'Ada@Work.example', primary: true },
  ],
  phoneNumbers: [{ type: 'mobile', value: '+44 20' }],
  addresses: [{ type: 'work', locality: 'London', country: 'GB' }],
  roles: [{ value: 'Admin', display: 'Administrators' }],
  externalId: 'ada',
  [ENTERPRISE_USER_URN]: { department: 'IT', employeeNumber: '7', manager: { value: '42' } },
  [ACME]: { extensionAttribute1: 'one' },
};

const line = (target: string, expression: string, when: When = 'always'): AttributeMapping => ({
  target,
  expression,
  when,
});
const read = (...lines: AttributeMapping[]): Mapping => {
  const result = readMapping(DEFINITION, lines);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  return result.mapping;
};
const apply = (lines: AttributeMapping[], operation: 'create' | 'update' = 'create', resource = ADA) =>
  applyMapping(read(...lines), operation === 'create' ? null : { userName: 'ada' }, resource, GIVEN);
const valueOf = (expression: string): Json | undefined => apply([line('nickName', expression)]).resource.nickName;

describe("Entra's names are those of SCIM paths", () => {
  it.each([
    ['[userPrincipalName]', 'Ada@Example.com'],
    ['[mail]', 'Ada@Work.example'],
    ['[MAIL]', 'Ada@Work.example'],
    ['[givenName]', 'Ada'],
    ['[surname]', 'Byron'],
    ['[jobTitle]', 'Analyst'],
    ['[mobile]', '+44 20'],
    ['[city]', 'London'],
    ['[objectId]', 'ada'],
    ['[mailNickname]', 'ada'],
    ['[department]', 'IT'],
    ['[employeeId]', '7'],
    ['[manager]', '42'],
    ['[accountEnabled]', 'True'],
    ['[IsSoftDeleted]', 'False'],
    ['SingleAppRoleAssignment([appRoleAssignments])', 'Admin'],
    ['[extensionAttribute1]', 'one'],
    ['[extension_0123456789abcdef0123456789abcdef_extensionAttribute1]', 'one'],
    ['[name.givenName]', 'Ada'],
    ['[emails[type eq "home"].value]', 'ada@home.example'],
    ['Join(";", [emails.value])', 'ada@home.example;Ada@Work.example'],
    [`[${ACME}:extensionAttribute1]`, 'one'],
    ['Coalesce([telephoneNumber], "none")', 'none'],
    ['CStr(Count([telephoneNumber]))', '0'],
  ])('%s', (expression, value) => {
    expect(valueOf(expression)).toBe(value);
  });
});

describe('a mapping writes', () => {
  it('into values that a filter picks, and makes those that are not there', () => {
    const { resource } = apply([
      line('emails[type eq "work"].value', 'ToLower([mail])'),
      line('phoneNumbers[type eq "work"].value', '"+1"'),
    ]);
    expect(resource.emails).toEqual([
      { type: 'home', value: 'ada@home.example' },
      { type: 'work', value: 'ada@work.example', primary: true },
    ]);
    expect(resource.phoneNumbers).toEqual([
      { type: 'mobile', value: '+44 20' },
      { type: 'work', value: '+1' },
    ]);
  });

  it('values as the type of their target has them', () => {
    const { resource } = apply([
      line('active', 'Not([accountEnabled])'),
      line(`${ACME}:hireDate`, 'CDate("2026-01-02+01:00")'),
      line(`${ACME}:floor`, '"3"'),
      line('nickName', 'Len([surname])'),
      line('roles', 'AppRoleAssignmentsComplex([appRoleAssignments])'),
    ]);
    expect(resource).toMatchObject({
      active: false,
      [ACME]: { hireDate: '2026-01-01T23:00:00Z', floor: 3, extensionAttribute1: 'one' },
      nickName: '5',
      roles: [{ value: 'Admin', display: 'Administrators', primary: false, type: 'WindowsAzureActiveDirectoryRole' }],
    });
  });

  it('on create, on update, always, or where nothing came in', () => {
    const lines = [
      line('nickName', '"created"', 'create'),
      line('nickName', '"updated"', 'update'),
      line('title', '"absent"', 'absent'),
      line('locale', '"absent"', 'absent'),
      line('timezone', '"always"'),
    ];
    const shown = (operation: 'create' | 'update') => {
      const { resource, written } = apply(lines, operation);
      const { nickName, title, locale, timezone } = resource;
      return { nickName, title, locale, timezone, by: written.map(({ index }) => index) };
    };
    const both = { title: 'Analyst', locale: 'absent', timezone: 'always' };
    expect(shown('create')).toEqual({ nickName: 'created', ...both, by: [0, 3, 4] });
    expect(shown('update')).toEqual({ nickName: 'updated', ...both, by: [1, 3, 4] });
  });

  it('on create only: an update leaves what is there, whatever came in', () => {
    const current: Resource = {
      ...ADA,
      userName: 'ada1',
      title: 'Countess',
      emails: [{ type: 'work', value: 'ada1@x.example' }],
    };
    const lines = [
      line('userName', 'Append([mailNickname], "1")', 'create'),
      line('emails[type eq "work"].value', '[mail]', 'create'),
      line('title', '"made"', 'create'),
      line('title', '"changed"', 'update'),
      line('nickName', '"made"', 'create'),
      line('locale', 'IgnoreFlowIfNullOrEmpty([timezone])'),
    ];
    const { resource } = applyMapping(read(...lines), { ...current, locale: 'de' }, { ...ADA, nickName: 'Ada' }, GIVEN);
    expect(resource).toMatchObject({ userName: 'ada1', title: 'changed', nickName: 'Ada', locale: 'de' });
    expect(resource.emails).toContainEqual({ type: 'work', value: 'ada1@x.example', primary: true });
  });

  it('from what came in, never from what another line wrote', () => {
    const { resource } = apply([line('title', '"changed"'), line('nickName', '[title]')]);
    expect(resource).toMatchObject({ title: 'changed', nickName: 'Analyst' });
  });

  it('nothing where the value is null or left out, and says which line wrote what', () => {
    const { resource, written } = apply([
      line('title', '[locale]'),
      line('nickName', 'IgnoreFlowIfNullOrEmpty([locale])'),
      line('displayName', 'Redact("secret")'),
      line('locale', '""'),
    ]);
    expect(resource).toEqual({ ...ADA, displayName: 'secret', locale: '' });
    expect(written).toEqual([
      { target: 'displayName', index: 2, isRedacted: true },
      { target: 'locale', index: 3, isRedacted: false },
    ]);
  });

  it('nothing at all where an expression leaves the object as it is', () => {
    const { resource, isIgnored } = apply([
      line('title', '"x"'),
      line('nickName', 'IIF("a"="a", IgnoreObjectFlow, "")'),
    ]);
    expect(isIgnored).toBe(true);
    expect(resource).toBe(ADA);
  });

  it('nothing that leaves a required attribute blank', () => {
    expect(() => apply([line('userName', '" "')])).toThrow(/userName is required/);
  });

  it('no more than one evaluation may take, with all of its lines', () => {
    const long = { ...ADA, nickName: 'a'.repeat(20_000) };
    const lines = ['title', 'locale', 'timezone', 'userType', 'displayName', 'name.formatted'].map((target) =>
      line(target, 'Replace([nickName], , "a{1,3}b|c", , "", , )'),
    );
    expect(apply(lines.slice(0, 1), 'create', long).resource.title).toHaveLength(20_000);
    expect(() => apply(lines, 'create', long)).toThrow(/Line \d of the mapping.* takes too much work/);
  });

  it('and leaves the resource that it was given as it was', () => {
    const before = structuredClone(ADA);
    apply([line('title', '"x"'), line('name.givenName', '"y"'), line(`${ACME}:floor`, '1')]);
    expect(ADA).toEqual(before);
    expect(applyMapping(read(), null, ADA, GIVEN).resource).toBe(ADA);
  });

  it.each([
    ['a result that there is not', 'nickName', 'CStr(CDate("soon"))', /Line 1 of the mapping, to nickName: CDate: /],
    ['a value that does not fit', 'active', '"perhaps"', /Line 1 of the mapping, to active: active must be/],
    ['a character that no database takes', 'nickName', 'ConvertFromBase64("AAA=", UTF8)', /to nickName: .*NUL/],
    ['no number', `${ACME}:floor`, '"high"', /to urn:.*floor: /],
  ])('and refuses %s by naming line and target', (_case, target, expression, message) => {
    expect(() => apply([line(target, expression)])).toThrow(Rejected);
    expect(() => apply([line(target, expression)])).toThrow(message);
  });
});

describe('a mapping is saved only if', () => {
  const cases: Readonly<Record<string, readonly [unknown, object]>> = {
    'it is a list': [{}, { field: null, detail: expect.stringMatching(/must be a list/) }],
    'it is not too long': [
      Array(MAX_MAPPINGS + 1).fill({}),
      { field: null, detail: expect.stringMatching(/limit is 200/) },
    ],
    'it is not too long in all': [
      Array.from({ length: 10 }, () => line('title', `"${'a'.repeat(9_000)}"`)),
      { field: null, detail: expect.stringMatching(/90020 characters together; the limit is 65536/) },
    ],
    'each line is an object': [['x'], { field: null, detail: expect.stringMatching(/must be an object/) }],
    'its targets exist': [
      [line('nickname.x', '"a"')],
      { field: 'target', detail: expect.stringMatching(/no attribute/) },
    ],
    'their filters can be read': [[line('emails[type eq].value', '"a"')], { field: 'target' }],
    'others may write them': [
      [line('groups', '"a"')],
      { field: 'target', detail: expect.stringMatching(/only the service/) },
    ],
    'none of them is an id': [[line('id', '"a"')], { field: 'target' }],
    'none of them is a password': [[line('password', '"a"')], { field: 'target' }],
    'none of them is written twice': [
      [line('title', '"a"', 'create'), line('TITLE', '"b"', 'absent')],
      { index: 1, field: 'target', detail: expect.stringMatching(/Line 1 writes title at the same time/) },
    ],
    'it is known when a line writes': [[{ ...line('title', '"a"'), when: 'never' }], { field: 'when' }],
    'its expressions are texts': [[{ target: 'title' }], { field: 'expression' }],
    'its expressions can be read': [
      [line('title', '"a"'), line('nickName', 'Join(",",\n [mial])')],
      { index: 1, field: 'expression', position: { offset: 11, line: 2, column: 2 }, expected: expect.any(String) },
    ],
  };
  it.each(Object.entries(cases))('%s', (_rule, [list, fault]) => {
    expect(readMapping(DEFINITION, list)).toEqual({ faults: [expect.objectContaining(fault)] });
  });

  it('and all faults are told at once', () => {
    const result = readMapping(DEFINITION, [line('id', 'Nothing()'), line('title', '(')]);
    expect('faults' in result && result.faults.map(({ index, field }) => `${index} ${field}`)).toEqual([
      '0 target',
      '0 expression',
      '1 expression',
    ]);
  });

  it('with a warning where each update would change the value', () => {
    const lines = [line('title', 'Guid()'), line('nickName', 'Guid()', 'create')];
    expect(read(...lines).warnings).toEqual([
      { index: 0, field: 'when', detail: expect.stringMatching(/Guid gives another value each time.* title/) },
    ]);
  });
});
