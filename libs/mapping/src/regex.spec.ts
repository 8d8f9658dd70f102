import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from './regex-program.js';
import { PatternFault } from './regex-syntax.js';
import { groupText, readSubstitution, Regex, substitute } from './regex.js';

const NOTHING = (): void => undefined;
const replaced = (pattern: string, text: string, by: string): string => {
  const regex = new Regex(pattern);
  const substitution = readSubstitution(regex, by);
  let [made, at] = ['', 0];
  for (const match of regex.findAll(text, NOTHING)) {
    made += text.slice(at, match[0]) + substitute(substitution, text, match);
    at = match[1]!;
  }
  return made + text.slice(at);
};
const stepsOf = (pattern: string, text: string): number => {
  let sum = 0;
  new Regex(pattern).find(text, 0, (steps) => (sum += steps));
  return sum;
};

describe('patterns are those of .NET', () => {
  it.each([
    ['names of groups', String.raw`(?<first>\w+) (?<last>\w+)`, 'Ada Byron', '${last}, ${first}', 'Byron, Ada'],
    ['groups with names are numbered behind the others', '(?<b>b)(c)', 'bc', '$1$2', 'cb'],
    ['what names no group is a literal', 'a', 'a', '$3 ${x} $$ $&', '$3 ${x} $ a'],
    ['lazy repetitions', '^.*?,', 'a,b,c', '', 'b,c'],
    ['lookahead', '^.*?,(?=(?:CN|OU|DC)=)', 'CN=a,b,OU=c', '', 'OU=c'],
    ['negative lookahead', 'a(?!b)', 'abac', 'x', 'abxc'],
    ['lookbehind', String.raw`(?<=\()[^)]*`, 'a (b)', 'c', 'a (c)'],
    ['negative lookbehind', '(?<!a)b', 'abb', 'x', 'abx'],
    ['options inside', '(?i)ADA', 'Ada ada', 'x', 'x x'],
    ['options of a group', '(?i:a)b', 'AbAB', 'x', 'xAB'],
    ['the last line break is behind $', 'a$', 'a\n', 'x', 'x\n'],
    ['lines, with an option', '(?m)^', 'a\nb', '-', '-a\n-b'],
    ['sets with a hyphen at the end', String.raw`[()\s-]+`, '(1) 2-3', '', '123'],
    ['a set may begin with a bracket', '[]x]', 'a]x', '', 'a'],
    ['sets less another set', '[a-z-[aeiou]]', 'muster', '', 'ue'],
    ['digits of all scripts', String.raw`\d`, '1٣', 'n', 'nn'],
    ['letters of all scripts', String.raw`\w`, 'éж', 'n', 'nn'],
    ['categories', String.raw`\p{Lu}`, 'aÄB', '', 'a'],
    ['escaped punctuation', String.raw`[\:\;\=\,\<\>]`, 'a:b;c=d,e<f>', '', 'abcdef'],
    ['braces that hold no number', 'a{x}', 'a{x}', 'b', 'b'],
    ['counted repetitions', '^.{2,3}', 'abcdef', '', 'def'],
    ['a match of nothing at the end adds nothing', '(.*?)(?<id>.{0,8})$', '0000000012345', '${id}', '00012345'],
    ['word boundaries', String.raw`\bst\b`, 'st first', 'St', 'St first'],
    ['a repetition of what may be empty ends', '(a*)*b', 'aab', 'x', 'x'],
  ])('%s', (_rule, pattern, text, by, result) => {
    expect(replaced(pattern, text, by)).toBe(result);
  });

  it.each(['(', ')', '[', 'a**', '*a', String.raw`\1`, String.raw`(a)\k<x>`, '(?>a)', String.raw`\p{Greek}`, '[b-a]'])(
    'refuses %s with its place',
    (pattern) => {
      const fault = ((): unknown => {
        try {
          return compilePattern(pattern);
        } catch (error) {
          return error;
        }
      })();
      expect(fault).toBeInstanceOf(PatternFault);
      expect((fault as PatternFault).at).toBeLessThanOrEqual(pattern.length);
    },
  );

  it.each(['((a{1000}){1000}){1000}', '(?:(?:(?:){9999}){9999}){9999}', `${'('.repeat(40)}a${')'.repeat(40)}`])(
    'refuses %s, which is too large',
    (pattern) => {
      expect(() => compilePattern(pattern)).toThrow(PatternFault);
    },
  );

  it('gives every group of a match', () => {
    const match = new Regex('(a)|(b)').find('b', 0, NOTHING)!;
    expect([0, 1, 2].map((group) => groupText('b', match, group))).toEqual(['b', '', 'b']);
    // A group keeps nothing of a choice that failed later.
    expect(groupText('ac', new Regex('(?:(a)b|ac)').find('ac', 0, NOTHING)!, 1)).toBe('');
  });
});

describe('a text of twice the length takes twice the steps, whatever the pattern', () => {
  it.each([
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '(a*)*b',
    '(.*a){12}$',
    '(?:a?){50}a{50}$',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    String.raw`^(\w+\s?)*$`,
  ])('%s', (pattern) => {
    const [once, twice] = [400, 800].map((length) => stepsOf(pattern, `${'a'.repeat(length)}!`));
    expect(twice! / once!).toBeLessThan(2.1);
    expect(twice!).toBeLessThan(400_000);
  });
});

/** Patterns that .NET and JavaScript understand in the same way. */
const patterns = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '^', '$', String.raw`\b`, 'ab'),
    fc.tuple(tie('node'), tie('node')).map(([one, other]) => one + other),
    fc.tuple(tie('node'), tie('node')).map(([one, other]) => `(?:${one}|${other})`),
    fc
      .tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}'), fc.constantFrom('', '?'))
      // The engines differ in repetitions of what is empty: each of these takes something.
      .map(([node, count, lazy]) => `([ab]${node})${count}${lazy}`),
    fc
      .tuple(tie('node'), fc.constantFrom('?=', '?!', '?<=', '?<!'))
      .map(([node, look]) => `(${look}${node.replaceAll(/\((?!\?)/g, '(?:')})`),
  ),
})).node;

it('finds what the engine of JavaScript finds', () => {
  fc.assert(
    fc.property(patterns, fc.stringMatching(/^[abc]{0,12}$/), (pattern, text) => {
      const ours = new Regex(pattern).findAll(text, NOTHING).map((match) => [match[0], match[1]]);
      const theirs = [...text.matchAll(new RegExp(pattern, 'g'))].map((match) => [
        match.index,
        match.index + match[0].length,
      ]);
      expect(ours).toEqual(theirs);
    }),
    { numRuns: 3_000 },
  );
});
