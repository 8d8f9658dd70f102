import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import {
  MAX_FILTER_CHARACTERS,
  MAX_FILTER_DEPTH_LEVELS,
  parseFilter,
  parseScope,
  parseValueFilter,
  type Filter,
} from './filter.js';
import { ENTERPRISE_USER_URN as E, findPath, pathName, USER, USER_URN, type AttributePath } from './schema.js';

/**
 * The tree with all its brackets: `((title pr) and (not (active eq true)))`; parts inside brackets have their whole
 * names.
 */
const show = (filter: Filter): string => {
  switch (filter.kind) {
    case 'compare':
      return `${pathName(filter.path)} ${filter.operator} ${JSON.stringify(filter.value)}`;
    case 'present':
      return `${pathName(filter.path)} pr`;
    case 'and':
    case 'or':
      return `(${show(filter.left)} ${filter.kind} ${show(filter.right)})`;
    case 'not':
      return `not (${show(filter.filter)})`;
    case 'valuePath':
      return `${pathName(filter.path)}[${show(filter.filter)}]`;
  }
};

const rejection = (text: string, parse = parseFilter): Rejected => {
  try {
    parse(USER, text);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  return expect.unreachable(`${text} was taken`);
};

describe('a filter', () => {
  it.each([
    // Entra asks these.
    ['userName eq "ada@example.org"', 'userName eq "ada@example.org"'],
    ['externalId eq "0a21f0f2"', 'externalId eq "0a21f0f2"'],
    ['externalId eq 0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef', 'externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"'],
    ['externalId eq 12345', 'externalId eq "12345"'],
    ['emails[type eq "work"].value eq "a@x"', 'emails[(emails.type eq "work" and emails.value eq "a@x")]'],
    ['emails[type eq "work" and value eq "a@x"]', 'emails[(emails.type eq "work" and emails.value eq "a@x")]'],
    ['id eq "1" and manager eq "2"', `(id eq "1" and ${E}:manager.value eq "2")`],
    ['manager eq "2" and id eq "1"', `(${E}:manager.value eq "2" and id eq "1")`],
    ['roles[primary eq "True"]', 'roles[roles.primary eq true]'],
    // RFC 7644 §3.4.2.2 prints these, in figure 3 and its table of examples.
    ['userName Eq "john"', 'userName eq "john"'],
    ['Username eq "john"', 'userName eq "john"'],
    ['name.familyName co "O\'Malley"', 'name.familyName co "O\'Malley"'],
    ['title pr', 'title pr'],
    [`${USER_URN}:userName sw "J"`, 'userName sw "J"'],
    ['meta.lastModified gt "2011-05-13T04:42:34Z"', 'meta.lastModified gt "2011-05-13T04:42:34Z"'],
    ['meta.lastModified le "2011-05-13T04:42:34Z"', 'meta.lastModified le "2011-05-13T04:42:34Z"'],
    ['title pr and userType eq "Employee"', '(title pr and userType eq "Employee")'],
    ['title pr or userType eq "Intern"', '(title pr or userType eq "Intern")'],
    [`schemas eq "${E}"`, `schemas eq "${E}"`],
    [
      'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
      '(userType eq "Employee" and (emails.value co "example.com" or emails.value co "example.org"))',
    ],
    [
      'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
      '(userType ne "Employee" and not ((emails.value co "example.com" or emails.value co "example.org")))',
    ],
    ['userType eq "Employee" and (emails.type eq "work")', '(userType eq "Employee" and emails.type eq "work")'],
    [
      'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
      '(emails[(emails.type eq "work" and emails.value co "@example.com")] or ' +
        'ims[(ims.type eq "xmpp" and ims.value co "@foo.com")])',
    ],
    // Precedence: not before and before or; from left to right.
    ['title pr or active pr and id pr', '(title pr or (active pr and id pr))'],
    ['title pr and active pr or id pr', '((title pr and active pr) or id pr)'],
    ['(title pr or active pr) and id pr', '((title pr or active pr) and id pr)'],
    ['not (title pr) and id pr', '(not (title pr) and id pr)'],
    ['NOT(title pr)OR id pr', '(not (title pr) or id pr)'],
    ['title pr or active pr or id pr', '((title pr or active pr) or id pr)'],
    ['emails[not (type eq "work") or value pr]', 'emails[(not (emails.type eq "work") or emails.value pr)]'],
    // Operands.
    ['active eq true', 'active eq true'],
    ['active eq "True"', 'active eq true'],
    ['active ne FALSE', 'active ne false'],
    ['title eq null', 'title eq null'],
    ['title eq "null"', 'title eq "null"'],
    ['title eq "\\u00e4\\"\\\\"', 'title eq "ä\\"\\\\"'],
    ['title eq ""', 'title eq ""'],
    ['title eq "true"', 'title eq "true"'],
    ['title eq "a) or (b] and"', 'title eq "a) or (b] and"'],
    ['title eq and', 'title eq "and"'],
    ['title eq pr and id pr', '(title eq "pr" and id pr)'],
    ['  title   eq\t"x"  ', 'title eq "x"'],
    ['((title pr))', 'title pr'],
    // Single quotes, which RFC 7644 does not know and several clients write; a quote inside is written twice, or with a
    // backslash.
    ["userName eq 'ada'", 'userName eq "ada"'],
    ["title eq 'O''Brien'", 'title eq "O\'Brien"'],
    ["title eq 'O\\'Brien'", 'title eq "O\'Brien"'],
    ['title eq "O\'Brien\'"', 'title eq "O\'Brien\'"'],
    ["title eq O'Brien", 'title eq "O\'Brien"'],
    ["title eq ''", 'title eq ""'],
    ["title eq '''x'''", 'title eq "\'x\'"'],
    [`title eq 'say "hi" \\"you\\" \\\\'`, 'title eq "say \\"hi\\" \\"you\\" \\\\"'],
    ["title eq 'a) or (b] and \\u00e4'", 'title eq "a) or (b] and ä"'],
    ["emails[type eq 'work'].value eq 'a@x'", 'emails[(emails.type eq "work" and emails.value eq "a@x")]'],
    ["not (title co 'x') and active eq 'True'", '(not (title co "x") and active eq true)'],
    ["meta.created gt '2011-05-13T04:42:34Z'", 'meta.created gt "2011-05-13T04:42:34Z"'],
    // A value path that is compared stands for its value.
    ['emails[type eq "work"] eq "a@x"', 'emails[(emails.type eq "work" and emails.value eq "a@x")]'],
    [
      'emails[type eq "work"] co "@x" and title pr',
      '(emails[(emails.type eq "work" and emails.value co "@x")] and title pr)',
    ],
    ['emails[type eq "work"] pr or title pr', '(emails[(emails.type eq "work" and emails pr)] or title pr)'],
    ['emails[type eq "work"] and title pr', '(emails[emails.type eq "work"] and title pr)'],
    // An empty text is no value of another type than a string.
    ['meta.created eq ""', 'meta.created eq null'],
    ['active ne ""', 'active ne null'],
    ['profileUrl eq ""', 'profileUrl eq null'],
    // A dot behind a URN is as good as a colon.
    [`${E}.department eq "D"`, `${E}:department eq "D"`],
    [`${E}.manager.value eq "m"`, `${E}:manager.value eq "m"`],
    [`${USER_URN}.userName eq "a"`, 'userName eq "a"'],
    [`${USER_URN}.emails[type eq "work"].value eq "a"`, 'emails[(emails.type eq "work" and emails.value eq "a")]'],
    // URNs and names.
    [`${E}:department eq "D"`, `${E}:department eq "D"`],
    [`${E.toUpperCase()}:MANAGER.VALUE eq "m"`, `${E}:manager.value eq "m"`],
    ['department eq "D"', `${E}:department eq "D"`],
    ['manager.$ref pr', `${E}:manager.$ref pr`],
    ['emails pr', 'emails pr'],
    ['name[givenName eq "Ada"]', 'name[name.givenName eq "Ada"]'],
    ['emails[type eq "work"].value pr', 'emails[(emails.type eq "work" and emails.value pr)]'],
  ])('%s reads as %s', (text, tree) => {
    expect(show(parseFilter(USER, text))).toBe(tree);
  });

  it.each<[string, number, RegExp]>([
    ['', 1, /attribute/],
    ['   ', 4, /attribute/],
    ['userName', 9, /operator/],
    ['userName eq', 12, /value/],
    ['userName is "x"', 10, /operator.*"is"/],
    ['userName eq "x" userName', 17, /"and"/],
    ['userName eq "x" and', 20, /attribute/],
    ['userName eq "x" xor id pr', 17, /"xor"/],
    ['and', 1, /attribute/],
    ['(userName eq "x"', 17, /"\)"/],
    ['userName eq "x")', 16, /"\)"/],
    ["userName eq 'x", 13, /not closed/],
    ["userName eq 'O'Brien'", 16, /"double quotes"/],
    ["userName eq 'O'Brien x", 16, /"and"/],
    ['userName eq \'x"', 13, /not closed/],
    ["userName eq ''' and", 15, /not closed/],
    ['userName eq ‘x’', 13, /"double quotes"/],
    ['userName eq “x”', 13, /"double quotes"/],
    ['userName eq `x`', 13, /"double quotes"/],
    ["userName eq x'", 13, /"double quotes"/],
    ['userName eq x’', 13, /"double quotes"/],
    ["userName eq'x'", 10, /"double quotes"/],
    ["'userName' eq 'x'", 1, /attribute/],
    ['addresses[type eq "work"] eq "x"', 27, /addresses/],
    ['emails[type eq "work"] is "x"', 24, /"is"/],
    [`${E}.nope eq "x"`, 1, /nope/],
    ['meta.created gt "2011-02-30T00:00:00Z"', 17, /dateTime/],
    ['meta.created gt ""', 17, /dateTime/],
    ['userName eq "x', 13, /not closed/],
    ['userName eq "\\x"', 13, /JSON string/],
    ['userName eq "a\nb"', 13, /JSON string/],
    ['userName eq (', 13, /value/],
    ['"userName" eq "x"', 1, /attribute/],
    ['not userName pr', 5, /"\("/],
    ['nope eq "x"', 1, /"nope"/],
    ['title pr and __proto__ pr', 14, /"__proto__"/],
    ['name.nope eq "x"', 1, /"name\.nope"/],
    ['emails[nope eq "x"]', 8, /"nope"/],
    ['emails[type eq "work"', 22, /"\]"/],
    ['emails[]', 8, /attribute/],
    ['emails[type eq "work"].nope eq "x"', 23, /"nope"/],
    ['emails[type eq "work"]value eq "x"', 23, /"value"/],
    ['emails[emails[type eq "x"]]', 8, /"emails"/],
    ['emails.value[type eq "x"]', 13, /"\["/],
    ['userName[value eq "x"]', 10, /"value"/],
    ['name eq "x"', 6, /name/],
    ['addresses co "x"', 11, /addresses/],
    ['meta eq "x"', 6, /meta/],
    ['active eq 5', 11, /active/],
    ['active eq yes', 11, /active/],
    ['active gt true', 8, /active/],
    ['active co "t"', 8, /active/],
    ['x509Certificates ge "x"', 18, /value/],
    ['title eq true', 10, /title/],
    ['title gt null', 7, /title/],
    ['title co null', 7, /title/],
    ['meta.created gt "yesterday"', 17, /dateTime/],
    ['meta.created eq 2011', 17, /dateTime/],
    ['password eq "x"', 1, /password/],
    ['password pr', 1, /password/],
    ['userName eq "\\u0000"', 13, /NUL/],
    ['userName eq "\\ud800"', 13, /surrogate/],
    ['userName eq a\0', 13, /NUL/],
    ['userName eq "\ud800"', 13, /surrogate/],
  ])('%j is refused at character %i', (text, at, reason) => {
    const { code, detail } = rejection(text);
    expect(code).toBe('invalidFilter');
    expect(detail).toContain(`at character ${at} of`);
    expect(detail).toMatch(reason);
  });

  it('is refused above its limits, without overflowing the stack', () => {
    const nested = (levels: number): string => `${'('.repeat(levels)}id pr${')'.repeat(levels)}`;
    expect(show(parseFilter(USER, nested(MAX_FILTER_DEPTH_LEVELS)))).toBe('id pr');
    expect(rejection(nested(MAX_FILTER_DEPTH_LEVELS + 1)).detail).toContain(
      `at character ${MAX_FILTER_DEPTH_LEVELS + 1} `,
    );
    expect(rejection('not ('.repeat(1_600)).code).toBe('invalidFilter');
    expect(rejection('('.repeat(1_000_000)).detail).toContain('longer than 8192 characters');
    const flat = 'id pr or '.repeat(900);
    expect(() => parseFilter(USER, `${flat}id pr`)).not.toThrow();
    expect(rejection(`title eq "${'x'.repeat(MAX_FILTER_CHARACTERS)}"`).detail).toContain(
      'longer than 8192 characters',
    );
    const pairs = '() '.repeat(20);
    expect(rejection(pairs).code).toBe('invalidFilter');
    expect(() => parseFilter(USER, Array.from({ length: 40 }, () => '(id pr)').join(' and '))).not.toThrow();
  });

  it('in the brackets of a path names the parts of its attribute', () => {
    const emails = findPath(USER, 'emails')!;
    expect(show(parseValueFilter(emails, 'type eq "work" and PRIMARY eq true'))).toBe(
      '(emails.type eq "work" and emails.primary eq true)',
    );
    expect(() => parseValueFilter(emails, 'userName eq "x"')).toThrow(/"userName"/);
    expect(() => parseValueFilter(emails, 'value[type eq "x"]')).toThrow(/operator/);
  });
});

const path = (name: string): AttributePath => findPath(USER, name)!;
const words = fc
  .string({ unit: 'grapheme', maxLength: 8 })
  .filter((text) => !text.includes('\0') && text.isWellFormed());
const textPath = fc.constantFrom('userName', 'name.givenName', 'emails.value', `${E}:department`, 'id').map(path);
const comparison: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({
    kind: fc.constant('compare'),
    path: textPath,
    operator: fc.constantFrom('eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'),
    value: words,
  }),
  fc.record({
    kind: fc.constant('compare'),
    path: fc.constant(path('active')),
    operator: fc.constantFrom('eq', 'ne'),
    value: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('present'), path: textPath }),
);
const { filter: anyFilter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    comparison,
    fc.record({ kind: fc.constantFrom('and', 'or'), left: tie('filter'), right: tie('filter') }),
    fc.record({ kind: fc.constant('not'), filter: tie('filter') }),
  ) as fc.Arbitrary<Filter>,
}));

describe('any filter', () => {
  it('is read as the tree that was written', () => {
    fc.assert(
      fc.property(anyFilter, (filter) => {
        expect(parseFilter(USER, show(filter))).toEqual(filter);
      }),
    );
  });
});

describe('a scope', () => {
  it.each([['department eq "Sales" and emails[type eq "work"].value pr'], ['active eq true or externalId pr']])(
    'is a filter on what an identity provider writes: %s',
    (text) => {
      expect(show(parseScope(USER, text))).toBe(show(parseFilter(USER, text)));
    },
  );

  it.each([
    [
      'groups.value eq "1"',
      /^Expected an attribute that the identity provider writes, not "groups.value", at character 1 /,
    ],
    ['title pr and meta.created gt "2026-01-01T00:00:00Z"', /not "meta.created", at character 14 /],
    ['id eq "1"', /not "id", at character 1 /],
    ['schemas eq "urn:x"', /not "schemas", at character 1 /],
    ['manager.displayName eq "Ada"', /not "manager.displayName", at character 1 /],
    ['password eq "x"', /^password cannot be asked for, at character 1 /],
    ['departmnt eq "Sales"', /^There is no attribute named "departmnt", at character 1 /],
    ['department eq', /^Expected a value, not the end, at character 14 /],
    [' ', /^Expected an attribute, not the end, at character 2 /],
    [Array(41).fill('title pr').join(' or '), /^More than 40 comparisons, at character 487 /],
  ])('is refused with the place and with what is expected: %s', (text, detail) => {
    const { code, detail: told } = rejection(text, parseScope);
    expect(code).toBe('invalidFilter');
    expect(told).toMatch(detail);
  });
});
