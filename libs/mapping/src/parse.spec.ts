import { describe, expect, it } from 'vitest';
import { USER } from '#scim';
import { compileExpression } from './compile.js';
import { ExpressionFault } from './fault.js';
import { MAX_EXPRESSION_CHARACTERS, MAX_EXPRESSION_DEPTH_LEVELS, parseExpression } from './parse.js';
import { anySources, scimSources } from './sources.js';
import { printExpression } from './syntax.js';

const faultOf = (read: () => unknown): ExpressionFault => {
  try {
    read();
  } catch (error) {
    if (error instanceof ExpressionFault) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
};
const compile = (text: string) => compileExpression(text, anySources(USER));
const nested = (levels: number): string => `${'ToLower('.repeat(levels)}[mail]${')'.repeat(levels)}`;

/** Each of these cannot be saved: the offset of the fault, its line and column, and a word of what is expected. */
const FAULTS: Readonly<Record<string, readonly [string, number, number, number, RegExp]>> = {
  'an expression is something': ['', 0, 1, 1, /a function, an \[attribute\]/],
  'one call or one value is all': ['ToLower([mail]) [sn]', 16, 1, 17, /the end/],
  'a call is closed': ['ToLower([mail]', 14, 1, 15, /"," or "\)"/],
  'a text is closed': ['Append([mail], "x)', 15, 1, 16, /a closing "/],
  'an attribute has a name': ['ToLower([])', 8, 1, 9, /an attribute such as \[mail\]/],
  'a bare word is no value': ['Append(mail, "x")', 7, 1, 8, /an \[attribute\]/],
  'single quotes are no quotes': ["ToLower('a')", 8, 1, 9, /a "text"/],
  'there is no index': ['Left(Split([a], "@")[0], 20)', 20, 1, 21, /"," or "\)"/],
  'there is no arithmetic': ['Left([a], InStr([a], "@")-1)', 25, 1, 26, /"," or "\)"/],
  'a comparison is a condition': ['Append([a] = "b", "c")', 11, 1, 12, /only as the condition of IIF/],
  'a condition stands first': ['IIF([a], [b] = "c", "d")', 13, 1, 14, /only as the condition of IIF/],
  'lines and columns are counted': ['Join(" ",\n  [a],\n  ?)', 19, 3, 3, /a function/],
  'the function exists': ['Join(" ",\n  Lower([a]))', 12, 2, 3, /name of a function/],
  'no argument is missing': ['Append([a])', 0, 1, 1, /Append\(source, suffix\)/],
  'no required one is skipped': ['Append(, "x")', 0, 1, 1, /Append\(source, suffix\)/],
  'none is too many': ['ToLower([a], "en-US", [b])', 22, 1, 23, /ToLower\(source, culture\?\)/],
  'keys have values': ['Switch([a], "x", "k")', 0, 1, 1, /key 1, value 1/],
  'Replace is called in one of its ways': ['Replace([a], "b")', 0, 1, 1, /oldValue and replacementValue/],
  'a pattern can be read': ['Replace([a], , "(b", , "", , )', 15, 1, 16, /a pattern of \.NET/],
  'a pattern refers to no group': ['Replace([a], , "(b)\\\\1", , "", , )', 15, 1, 16, /without references back/],
  'a group is in the pattern': ['Replace([a], , "(?<x>b)", "y", "", , )', 26, 1, 27, /name of a group/],
  'an interval is known': ['DateAdd("D", 1, Now())', 8, 1, 9, /"yyyy", "m", "d"/],
  'a count is a whole number': ['Left([a], "x")', 10, 1, 11, /one such as 1/],
  'a word is one of the options': ['InStr([a], "b", 1, UTF8)', 19, 1, 20, /vbTextCompare/],
  'a unique value is sought outermost': ['ToLower(SelectUniqueValue([a], [b]))', 8, 1, 9, /outermost/],
  'there are two rules for a unique value': ['SelectUniqueValue([a])', 0, 1, 1, /at least two/],
  'it is not too long': [`"${'a'.repeat(MAX_EXPRESSION_CHARACTERS)}"`, 10_000, 1, 10_001, /at most 10000/],
  'it is not too deep': [nested(MAX_EXPRESSION_DEPTH_LEVELS + 1), 519, 1, 520, /at most 64 levels/],
};

describe('an expression that cannot be saved says where, and what is expected', () => {
  it.each(Object.entries(FAULTS))('%s', (_rule, [text, offset, line, column, expected]) => {
    const { position, expected: said, detail } = faultOf(() => compile(text));
    expect(position).toEqual({ offset, line, column });
    expect(said).toMatch(expected);
    expect(detail).toContain(`at line ${line}, column ${column}`);
  });

  it('a source attribute has to exist where a schema tells which there are', () => {
    expect(faultOf(() => compileExpression('ToLower([mial])', scimSources(USER))).position.offset).toBe(8);
    expect(compileExpression('ToLower([mail])', scimSources(USER)).text).toBe('ToLower([mail])');
  });
});

describe('an expression is read', () => {
  it.each([
    ['blanks and line ends are free', ' Join ( ","\n,\t[a] , [b] ) ', 'Join(",", [a], [b])'],
    [
      'arguments may be left out, and those at the end are dropped',
      'Replace([a],"b",,,"c",,)',
      'Replace([a], "b", , , "c")',
    ],
    ['only quotes and backslashes are escaped', String.raw`Append("\"\\", "\+")`, String.raw`Append("\"\\", "\\+")`],
    ['numbers are decimal or hexadecimal', 'BitAnd(&Hf7, -1.5)', 'BitAnd(247, -1.5)'],
    ['large numbers are exact', 'DateFromNum(9223372036854775807)', 'DateFromNum(9223372036854775807)'],
    ['paths of SCIM are names', '[emails[type eq "work"].value]', '[emails[type eq "work"].value]'],
    ['a value alone is an expression', '"constant"', '"constant"'],
    ['at the limit it is read', nested(MAX_EXPRESSION_DEPTH_LEVELS), nested(MAX_EXPRESSION_DEPTH_LEVELS)],
  ])('%s', (_rule, text, printed) => {
    expect(printExpression(parseExpression(text))).toBe(printed);
  });
});
