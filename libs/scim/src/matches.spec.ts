import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFilter, parseValueFilter } from './filter.js';
import { compareTexts, matches, valueMatcher } from './matches.js';
import type { Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, findPath, USER } from './schema.js';

const ada: Resource = {
  id: 'AbC',
  userName: 'Ada@X.org',
  externalId: 'Ext',
  active: true,
  name: { familyName: 'Lovelace' },
  nickName: '',
  emails: [
    { type: 'work', value: 'ada@x.org', primary: true },
    { type: 'home', value: 'h@y.org' },
  ],
  displayName: 'ΑΔΑΣ',
  photos: [{ value: 'https://X' }],
  [E]: { department: 'R&D', manager: { value: 'm1' } },
  meta: { created: '2026-01-01T00:00:00Z', lastModified: '2026-01-02T01:00:00.500+01:00' },
};

describe('a filter of a resource', () => {
  it.each<[string, boolean]>([
    // Case: by the schema, with the one folding function.
    ['userName eq "ada@x.ORG"', true],
    ['userName eq "ada@x"', false],
    ['externalId eq "ext"', false],
    ['externalId eq Ext', true],
    ['id eq "abc"', false],
    ['id eq "AbC"', true],
    ['displayName eq "αδας"', true],
    ['photos.value eq "https://x"', false],
    ['manager eq "M1"', false],
    ['manager eq "m1"', true],
    [`${E}:manager.value eq "m1"`, true],
    [`${E}:department eq "r&d"`, true],
    // Operators.
    ['userName co "DA@"', true],
    ['userName sw "ADA"', true],
    ['userName ew ".ORG"', true],
    ['userName sw "da"', false],
    ['userName ew "ada"', false],
    ['userName co "q"', false],
    ['userName gt "ADA@W"', true],
    ['userName gt "ada@x.org"', false],
    ['userName ge "ada@x.org"', true],
    ['userName lt "b"', true],
    ['userName le "ada@x.org"', true],
    ['userName lt "ada@x.org"', false],
    ['userName le "a"', false],
    ['userName ge "b"', false],
    ['userName ne "x"', true],
    ['userName ne "ADA@x.org"', false],
    ['active eq true', true],
    ['active eq "False"', false],
    ['active ne false', true],
    ['active ne true', false],
    // Values that are not there.
    ['title eq "x"', false],
    ['title ne "x"', true],
    ['title eq null', true],
    ['title ne null', false],
    ['userName eq null', false],
    ['userName ne null', true],
    ['title pr', false],
    ['title co ""', false],
    ['title gt "a"', false],
    ['nickName pr', false],
    ['nickName eq ""', true],
    ['emails.display eq null', true],
    ['locale lt "z"', false],
    // RFC 7643 §2.4: primary that is not specified is false. It is not there all the same.
    ['emails[primary eq false].type eq "home"', true],
    ['emails[primary eq false and type eq "work"]', false],
    ['emails.primary eq false', true],
    ['emails[primary ne true].type eq "home"', true],
    ['emails[primary ne false].type eq "home"', false],
    ['emails[not (primary eq false)].type eq "work"', true],
    ['photos.primary eq false', true],
    ['photos.primary ne false', false],
    ['roles.primary eq false', false],
    ['roles.primary ne false', true],
    ['photos.primary pr', false],
    // Presence.
    ['userName pr', true],
    ['active pr', true],
    ['name pr', true],
    ['name.familyName pr', true],
    ['name.givenName pr', false],
    ['emails pr', true],
    ['roles pr', false],
    [`${E}:manager pr`, true],
    ['costCenter pr', false],
    // Several values: any will do, but a value path asks one value for everything.
    ['emails eq "h@y.org"', true],
    ['emails.value ew "y.org"', true],
    ['emails.type eq "work" and emails.value eq "h@y.org"', true],
    ['emails[type eq "work" and value eq "h@y.org"]', false],
    ['emails[type eq "work"].value eq "ADA@x.org"', true],
    ['emails[type eq "home"].value eq "ada@x.org"', false],
    ['emails[type eq "work" and value co "x.org"]', true],
    ['emails[type eq "other" or value eq "h@y.org"]', true],
    ['emails[not (type eq "work")]', true],
    ['emails[not (type pr)]', false],
    ['emails.type ne "work"', true],
    ['not (emails.type eq "work")', false],
    ['emails[primary eq "True"].value eq "ada@x.org"', true],
    ['emails[primary eq null].type eq "home"', true],
    ['roles[value eq "x"]', false],
    ['emails[display pr]', false],
    ['name[familyName eq "lovelace"]', true],
    ['emails[value ne "ada@x.org" and type ne "home"]', false],
    // Instants, not texts.
    ['meta.created eq "2026-01-01T01:00:00+01:00"', true],
    ['meta.created eq "2026-01-01T00:00:00"', true],
    ['meta.created lt "2026-01-01T00:00:00.001Z"', true],
    ['meta.lastModified gt "2026-01-02T00:30:00Z"', false],
    ['meta.lastModified ge "2026-01-02T00:00:00.5Z"', true],
    ['meta.created sw "2026-01"', true],
    ['meta.created ne "2026-01-01T01:00:00+01:00"', false],
    // Logic.
    ['not (active eq true)', false],
    ['name.familyName sw "love" and title pr', false],
    ['name.familyName sw "love" or title pr', true],
    ['title pr or active eq true and userName pr', true],
    ['(title pr or active eq true) and title pr', false],
    ['id eq "AbC" and manager eq "m1"', true],
    ['manager eq "m2" and id eq "AbC"', false],
    ['title pr and userName pr', false],
  ])('%s is %s', (text, expected) => {
    expect(matches(parseFilter(USER, text), ada)).toBe(expected);
  });
});

it('a user of whom nothing else is known may act', () => {
  const { active: _unknown, ...nobody } = ada;
  const asked = [
    'active eq true',
    'active ne false',
    'active eq false',
    'active ne true',
    'active eq null',
    'active pr',
  ];
  expect(asked.map((text) => matches(parseFilter(USER, text), nobody))).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
});

it.each<[string, string, number]>([
  ['', 'a', -1],
  ['a', '', 1],
  ['a', 'a', 0],
  ['a', 'b', -1],
  ['ab', 'a', 1],
  // UTF-16 would put these the other way round.
  ['\uffff', '😀', -1],
  ['x😀', 'x\ue000', 1],
  ['😀', '😁', -1],
  ['\ud7ff', '😀', -1],
  ['𐐀', '😀', -1],
])('texts are ordered by code points: %j and %j give %i', (left, right, sign) => {
  expect(Math.sign(compareTexts(left, right))).toBe(sign);
  expect(Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right)))).toBe(sign);
});

it('asks one value of an attribute', () => {
  const emails = findPath(USER, 'emails')!;
  const isMeant = valueMatcher(parseValueFilter(emails, 'type eq "WORK" and value pr'));
  expect(isMeant({ type: 'work', value: 'x' })).toBe(true);
  expect(isMeant({ type: 'work' })).toBe(false);
  expect(isMeant('work')).toBe(false);
});

it('co finds a part of any length, as String.includes does', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 120 });
  fc.assert(
    fc.property(
      texts,
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 33, maxLength: 60 }),
      texts,
      fc.boolean(),
      (before, part, after, isThere) => {
        const text = isThere ? before + part + after : before + after;
        expect(matches(parseFilter(USER, `nickName co "${part}"`), { nickName: text })).toBe(text.includes(part));
      },
    ),
    { numRuns: 2_000 },
  );
});
