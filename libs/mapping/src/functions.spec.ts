import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile.js';
import { ExpressionFault } from './fault.js';
import { anySources } from './sources.js';

const evaluate = (expression: string, attributes = {}): unknown => {
  const result = compileExpression(expression, anySources()).evaluate(attributes, {
    nowMs: Date.parse('2026-01-31T08:00:00.250Z'),
    randomBelow: (limit) => limit - 1,
  });
  return result.kind === 'value' ? result.value : result;
};

/** Rules that Microsoft's examples leave open, each with a case of what was chosen. */
const CHOICES: Readonly<Record<string, readonly [string, unknown]>> = {
  'weeks begin on Sunday': [
    'Join(",", DateDiff("ww", "2026-01-31", "2026-02-01"), DateDiff("ww", "2026-02-01", "2026-02-07"))',
    '1,0',
  ],
  'days are elapsed ones, and the rest is dropped': [
    'DateDiff("d", "2026-01-02T12:00:00Z", "2026-01-01T13:00:00Z")',
    0,
  ],
  'years are those of the calendar': ['DateAdd("yyyy", -1, CDate("2024-02-29T01:02:03Z"))', '2/28/2023 1:02:03 AM'],
  'months go back over the year': ['DateAdd("m", -2, "2026-01-31")', '11/30/2025 12:00:00 AM'],
  'the time of an offset is printed as it was written': [
    'FormatDateTime("2026-01-31+08:00", , "yyyy-MM-ddzzz", "dd.MM.yyyy HH:mm zzz")',
    '31.01.2026 00:00 +08:00',
  ],
  'or in UTC, by a style': [
    'FormatDateTime("2026-01-31+08:00", "AdjustToUniversal, AllowLeadingWhite", "yyyy-MM-ddzzz", "dd.MM.yyyy HH:mm")',
    '30.01.2026 16:00',
  ],
  'names of months and days': [
    'FormatDateTime("Feb 1, 26", , "MMM d, yy", "dddd, d MMMM yyyy \'at\' hh\\\\h")',
    'Sunday, 1 February 2026 at 12h',
  ],
  'what a format leaves out is of today': [
    'FormatDateTime("10:30 PM", , "hh:mm tt", "yyyy-MM-ddTHH:mm:ss.fff")',
    '2026-01-31T22:30:00.000',
  ],
  'the year is that of today': ['FormatDateTime("15/08", , "dd/MM", "yyyy-M-d")', '2026-8-15'],
  'the text Now is of the second': ['Now()', '1/31/2026 8:00:00 AM'],
  'file times are exact': ['NumFromDate("9999-12-31T23:59:59.999Z")', '2650467743999990000'],
  'null is as "" in a condition': ['IIF([gone] = "", "empty", "there")', 'empty'],
  'numbers are compared as numbers': ['IIF("10" > 9, "yes", "no")', 'yes'],
  'other texts are compared letter by letter': ['IIF("b" > "a", IIF("a" = "A", "same", "other"), "")', 'other'],
  'ids beyond the numbers of JavaScript differ': [
    'IIF("9007199254740993" = "9007199254740992", "same", "other")',
    'other',
  ],
  'a condition may be a text': ['IIF("TRUE", 1, 2)', 1],
  'keys of Switch differ in case, and the first one counts': ['Switch("a", "", "A", 1, "a", 2, "a", 3)', 2],
  'Coalesce passes over null alone': ['Coalesce([gone], "", "x")', ''],
  'a list counts as its first value': ['ToUpper([list])', 'A'],
  'Append takes null for nothing': ['Append([gone], "x")', 'x'],
  'and two of them are null': ['Append([gone], [gone])', null],
  'Join leaves out what is empty, but no blank': ['Join("-", [gone], "", " ", [list])', ' -a-b'],
  'Mid ends at the end': ['Mid("abc", 2, 9)', 'bc'],
  'Mid behind the end is empty': ['Mid("abc", 4, 1)', ''],
  'Mid before the beginning is all': ['Mid("abc", 0, 1)', 'abc'],
  'half a character is none': ['Left("😀", 1)', ''],
  'Word without a delimiter is empty': ['Word("abc", 1, "@")', ''],
  'Word counts empty words': ['Word("a,,b", 3, ",")', 'b'],
  'InStr differs in case': ['InStr("aBc", "b")', 0],
  'InStr may ignore it': ['InStr("aBc", "b", , vbTextCompare)', 2],
  'PCase begins a word behind an apostrophe': ['PCase("o\'connor-smith and sons")', "O'Connor-Smith And Sons"],
  'PCase takes the separators that are given': ['PCase("o\'connor-smith", "-")', "O'connor-Smith"],
  'the invariant culture keeps ß': ['ToUpper("straße")', 'STRAßE'],
  'others have their own rules': ['ToUpper("i", "tr-TR")', 'İ'],
  'letters with marks behind them are letters with marks': ['NormalizeDiacritics("Zoe\u0308 đ")', 'Zoe đ'],
  'Split trims, and keeps empty parts': ['Split("a, ,b", ",")', ['a', '', 'b']],
  'Trim takes each value': ['Trim([blanks])', ['a', 'b']],
  'Contains finds the first value': ['Contains([list], "B", CaseInsensitive)', 2],
  'Count of nothing is 0': ['Count([gone])', 0],
  'a part of a distinguished name': ['DNComponent("CN=Sales\\\\, EMEA,OU=x", 1)', 'Sales, EMEA'],
  'a security identifier': [
    'StringFromSid("AQUAAAAAAAUVAAAAoGXPfnhLm1/nfIdwAQIAAA==")',
    'S-1-5-21-2127521184-1604012920-1887927527-513',
  ],
  'a replacement in all matches, of the group alone': ['Replace("a1 b2", , "[a-z](?<n>\\\\d)", "n", "#", , )', 'a# b#'],
  'the second attribute without a match, as it is': ['Replace([gone], , "(?<n>\\\\d)", "n", , "none", )', 'none'],
  'a Guid is random, of version 4': ['Guid()', 'ffffffff-ffff-4fff-bfff-ffffffffffff'],
  'a random text avoids characters': ['RandomString(4, 1, 0, 0, 1, "9z")', expect.stringMatching(/^[0-8a-y]{4}$/)],
};

/** Attributes for which an expression has no result, and what is said. */
const FAULTS: Readonly<Record<string, readonly [string, RegExp]>> = {
  'no date': ['CDate("2026-02-30")', /CDate: The text is no date/],
  'a date that is null': ['DateAdd("d", 1, [gone])', /DateAdd: There is no date/],
  'a text that is not as the format says': [
    'FormatDateTime("7:00:00 AM", , "hh:mm:ss tt", "HH")',
    /not as inputFormat says/,
  ],
  'a date that .NET lacks': ['DateAdd("yyyy", 9000, "2026-01-31")', /no such date/],
  'an index behind the end': ['Item([list], 3)', /list has 2 values/],
  'an index of 0': ['Item([list], 0)', /list has 2 values/],
  'a condition that is none': ['IIF("perhaps", 1, 2)', /neither true nor false/],
  'bits of a text': ['BitAnd("a", 1)', /no whole number/],
  'two roles where one may be': ['SingleAppRoleAssignment([list])', /2 roles/],
  'an interval that is computed': ['DateAdd([list], 1, Now())', /no such interval/],
  'a pattern that is computed': ['Replace("a", , Append("(", ""), , "b")', /A group is not closed/],
  'a culture that only has the shape of one': ['ToLower("a", Append("en", "-12"))', /no such culture/],
  'a random text that cannot be': ['RandomString(3, 2, 2, 0, 0)', /length does not fit/],
  'what an expression refuses itself': ['Error("no department")', /refuses: no department/],
};
const ATTRIBUTES = { list: ['a', 'b'], blanks: [' a', 'b '] };

describe('what is not documented', () => {
  it.each(Object.entries(CHOICES))('%s', (_rule, [expression, result]) => {
    expect(evaluate(expression, ATTRIBUTES)).toEqual(result);
  });
});

describe('there is no result for', () => {
  it.each(Object.entries(FAULTS))('%s', (_rule, [expression, message]) => {
    expect(() => evaluate(expression, ATTRIBUTES)).toThrow(ExpressionFault);
    expect(() => evaluate(expression, ATTRIBUTES)).toThrow(message);
  });
});
