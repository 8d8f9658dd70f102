import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import { matches, parseFilter } from './filter.js';
import { fold } from './fold.js';
import type { Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';

const ada: Resource = {
  id: 'AbC', userName: 'Ada@X.org', externalId: 'Ext', active: true, name: { familyName: 'Lovelace' },
  emails: [{ type: 'work', value: 'ada@x.org' }, { type: 'home', value: 'h@y.org' }], [E]: { department: 'R&D', manager: { value: 'm1' } },
};

describe('a filter', () => {
  it.each<[string, boolean]>([
    ['userName eq "ada@x.ORG"', true], ['USERNAME EQ "ada@x.org"', true], ['externalId eq "ext"', false], ['externalId eq Ext', true],
    ['id eq "abc"', false], ['emails[type eq "work"].value eq "ADA@x.org"', true], ['emails[type eq "home"].value eq "ada@x.org"', false],
    ['emails[type eq "work" and value co "x.org"]', true], ['emails.value ew "y.org"', true], ['emails eq "h@y.org"', true],
    ['not (active eq true)', false], ['active eq "True"', true], ['name.familyName sw "love" and title pr', false],
    ['name.familyName sw "love" or title pr', true], ['title pr or active eq true and userName pr', true],
    [`${E}:department eq "r&d"`, true], [`${E}:manager.value eq "m1"`, true], ['title ne "x"', true], ['title eq null', true],
  ])('%s is %s', (text, expected) => {
    expect(matches(parseFilter(USER, text), ada)).toBe(expected);
  });

  it.each(['', 'userName', 'userName eq', 'userName is "x"', 'nope eq "x"', '(userName eq "x"', 'userName eq "x', 'userName eq "x" and', 'emails[type eq "work"', 'active eq 5',
    `${'('.repeat(5_000)}userName pr`])('%s is refused with the place', (text) => {
    expect(() => parseFilter(USER, text)).toThrow(/at character \d+|longer/);
  });

  it('never breaks the parser, whatever comes', () => {
    const words = fc.constantFrom('userName', 'emails', '[', ']', '(', ')', 'eq', 'and', 'or', 'not', 'pr', '"x"', '"', '.value', ' ', '\\', 'null', 'urn:', '\u0000');
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        try {
          parseFilter(USER, parts.join(' '));
        } catch (error) {
          expect((error as Rejected).code).toBe('invalidFilter');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('folding', () => {
  it('equates cases and nothing else', () => {
    expect(fold('ÄDA')).toBe(fold('äda'));
    expect(fold('ΟΔΟΣ')).toBe(fold('οδος'));
    expect(fold('e\u0301')).toBe(fold('É'));
    expect(fold('ısmail')).not.toBe(fold('ismail'));
    expect(fold('straße')).not.toBe(fold('strasse'));
  });

  it('is idempotent', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(fold(fold(text))).toBe(fold(text));
    }), { numRuns: 5_000 });
  });
});
