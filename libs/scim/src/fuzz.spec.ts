import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_READ_MS, readMs } from '../../../test/support/cpu-time.js';
import { applyPatch } from './apply-patch.js';
import { Rejected } from './error.js';
import { MAX_FILTER_CHARACTERS, parseFilter } from './filter.js';
import { MAX_PATCH_PATHS_CHARACTERS, parsePatch, parseTarget, type PatchOperation } from './patch.js';
import { parseResource, type Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';
import { parseSearchRequest } from './search.js';
import { MAX_SELECTION_CHARACTERS, parseSelection } from './selection.js';
import { MAX_TEXT_CHARACTERS } from './value.js';

/** Filters and paths are made of these, and should not be made of some of them. */
const PIECES = [
  'userName',
  'emails',
  'name',
  'active',
  'meta.created',
  'nope',
  E,
  'urn:',
  '[',
  ']',
  '(',
  ')',
  'eq',
  'co',
  'gt',
  'and',
  'or',
  'not',
  'pr',
  '"x"',
  '"',
  '.value',
  '.',
  ':',
  ' ',
  '\\',
  'null',
  'true',
  '1',
  '-',
  '"2026-01-01T00:00:00Z"',
  '\0',
  '\ud800',
  '😀',
  '__proto__',
  'constructor',
  '$ref',
];
const anyText = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join(' ')),
  fc.string({ unit: fc.constantFrom(...PIECES), maxLength: 40 }),
  fc.string({ unit: 'binary' }),
);

/** Throws when the text is neither read nor refused in good order. */
const readOrRefuse = (code: string, read: (text: string) => unknown, text: string): void => {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(Rejected);
    const { code: given, detail } = error as Rejected;
    expect(given).toBe(code);
    // Postgres, where refused requests are going to be kept, takes no half of a surrogate pair.
    expect(detail.isWellFormed()).toBe(true);
    const at = Number(
      / at character (\d+) of the (?:filter|path)|cannot be read at character (\d+)/
        .exec(detail)
        ?.slice(1)
        .find(Boolean),
    );
    expect(at, detail).toBeGreaterThanOrEqual(1);
    expect(at, detail).toBeLessThanOrEqual(text.length + 1);
  }
};

it('any filter is read, or refused with the place where it is wrong', () => {
  fc.assert(
    fc.property(anyText, (text) => readOrRefuse('invalidFilter', (filter) => parseFilter(USER, filter), text)),
    { numRuns: 5_000 },
  );
});

it('any path is read, or refused with the place where it is wrong', () => {
  fc.assert(
    fc.property(anyText, (text) => readOrRefuse('invalidPath', (path) => parseTarget(USER, path), text)),
    { numRuns: 5_000 },
  );
});

/** Texts for which a backtracking reader takes steps by the square of the length, or worse. */
const HOSTILE = [
  '"',
  '"\\',
  '\\"',
  '(',
  'not (',
  '[',
  'emails[',
  ' ',
  'a',
  '.',
  ':',
  ',',
  'urn:',
  'urn:a',
  'a.',
  '""',
  '() ',
  'id eq "',
  '-',
  '1',
  '\\u0041',
  '"\\u00e9" ',
  '\u2028',
  'e\u0301',
  'İ',
  '😀',
  'id pr and ',
  'id pr or ',
  'not (id pr) or ',
  'emails[type pr] and ',
  'emails[type eq "work"].value eq "x" or ',
  'id eq 1e',
  `${E}:department pr and `,
  'userName,',
  `${E}:`,
  '\u0301',
  '\u0316\u0301',
  'a\u0301\u0316\u0301\u0316',
  '\u0345',
  '\uac00\u11a8',
  '[[',
  '][',
  '\u200b\u0301',
  '\u034f\u0316\u0301',
  'a\u0301\u200b',
  '\u034f',
];
const ENDS = ['', '"', '!', 'x', ' eq', 'id pr'];
/** As a body, of MAX_BODY_BYTES, could hold them. */
const BODY_CHARACTERS = 1_000_000;
const refusable = (read: () => unknown) => (): void => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(Rejected);
  }
};
const filled = (piece: string, end: string, characters: number): string =>
  piece.repeat(Math.floor((characters - end.length) / piece.length)) + end;

describe.each(HOSTILE)('nothing takes more than 50 ms, however often it says %j:', (piece) => {
  const limits = { defaultCount: 100, maxCount: 1_000 };
  const patch =
    (...Operations: object[]) =>
    (): unknown =>
      parsePatch(USER, { Operations });
  const [thousand, each] = [Array.from({ length: 1_000 }, (_, index) => index), BODY_CHARACTERS / 1_000];

  it.each<[string, (text: (characters: number) => string) => (() => unknown)[]]>([
    [
      'a filter',
      (text) => [() => parseFilter(USER, text(MAX_FILTER_CHARACTERS)), () => parseFilter(USER, text(BODY_CHARACTERS))],
    ],
    [
      'a path',
      (text) =>
        [MAX_FILTER_CHARACTERS, MAX_PATCH_PATHS_CHARACTERS, BODY_CHARACTERS].flatMap((characters) => [
          () => parseTarget(USER, text(characters)),
          () => parseTarget(USER, `emails[${text(characters)}].value`),
          () => parseTarget(USER, `emails[type eq "${text(characters)}`),
        ]),
    ],
    [
      'a list of attributes',
      (text) =>
        [MAX_SELECTION_CHARACTERS, BODY_CHARACTERS].flatMap((characters) => [
          () => parseSelection(USER, text(characters)),
          () => parseSearchRequest(USER, { excludedAttributes: text(characters).split(' ') }, limits),
        ]),
    ],
    [
      'sortBy',
      (text) => [
        () => parseSearchRequest(USER, { sortBy: text(BODY_CHARACTERS), sortOrder: 'descending' }, limits),
        () => parseSearchRequest(USER, { sortOrder: text(BODY_CHARACTERS) }, limits),
      ],
    ],
    [
      'a PATCH',
      (text) => [
        patch({ op: 'replace', path: text(BODY_CHARACTERS), value: 'x' }),
        patch({ op: 'add', value: { [text(BODY_CHARACTERS)]: 'x' } }),
        patch(
          ...thousand.map((index) => ({
            op: 'add',
            path: `emails[${text(each)} or type eq "${index}"].value`,
            value: 'x',
          })),
        ),
        patch(...thousand.map((index) => ({ op: 'add', path: `nope${index}[${text(each)}]`, value: 'x' }))),
        patch({ op: 'add', value: Object.fromEntries(thousand.map((index) => [`${index}${text(each)}`, 'x'])) }),
        patch({
          op: 'add',
          path: E,
          value: Object.fromEntries(thousand.map((index) => [`${text(each)}${index}`, 'x'])),
        }),
        patch(...thousand.map(() => ({ op: 'add', path: 'roles', value: [{ value: `{${text(each)}` }] }))),
      ],
    ],
  ])(
    '%s',
    (_name, reads) => {
      for (const end of ['', '"', ' eq']) {
        for (const [index, read] of reads((characters) => filled(piece, end, characters)).entries()) {
          expect(readMs(refusable(read)), `${index} ending in ${JSON.stringify(end)}`).toBeLessThanOrEqual(MAX_READ_MS);
        }
      }
    },
    60_000,
  );
});

it('the longest texts that are looked at are read, or refused with the place where they are wrong', () => {
  for (const piece of HOSTILE) {
    for (const end of ENDS) {
      const text = filled(piece, end, MAX_FILTER_CHARACTERS);
      readOrRefuse('invalidFilter', (filter) => parseFilter(USER, filter), text);
      readOrRefuse('invalidPath', (path) => parseTarget(USER, path), text);
      readOrRefuse('invalidPath', (path) => parseTarget(USER, path), `emails[${text}].value`);
    }
  }
}, 60_000);

it('a filter above the limit is not looked at', () => {
  expect(() => parseFilter(USER, '"'.repeat(1_000_000))).toThrow(`at character ${MAX_FILTER_CHARACTERS + 1} `);
});

const marks = (characters: number): string => `a${'\u0301'.repeat(characters / 2)}${'\u0316'.repeat(characters / 2)}`;

it('a text that stacks more than 30 combining marks is refused wherever it may come to be compared', () => {
  const text = marks(64);
  expect(() => parseFilter(USER, `userName eq "${text}"`)).toThrow('stacks more than 30 combining marks');
  expect(() => parseResource(USER, { userName: text })).toThrow('userName stacks more than 30 combining marks');
  expect(() => parseResource(USER, { userName: 'x', roles: [{ value: JSON.stringify({ value: text }) }] })).toThrow(
    'combining marks',
  );
  expect(() =>
    parsePatch(USER, { Operations: [{ op: 'add', path: `emails[value eq "${text}"].type`, value: 'work' }] }),
  ).toThrow('combining marks');
  expect(() => parsePatch(USER, { Operations: [{ op: 'add', path: 'nickName', value: text }] })).toThrow(
    'combining marks',
  );
  const parted = `${marks(30)}\u200b${'\u0301'.repeat(30)}`;
  expect(() => parseFilter(USER, `userName eq "${parted}"`)).toThrow('stacks more than 30 combining marks');
  expect(() => parseResource(USER, { userName: parted })).toThrow('userName stacks more than 30 combining marks');
  expect(parseResource(USER, { userName: marks(30) }).resource.userName).toBe(marks(30));
});

it.each([
  ['one run of marks', marks(MAX_TEXT_CHARACTERS - 2)],
  ['as many as may stand on a letter, again and again', marks(30).repeat(2_000)],
  ['letters with an accent', 'é'.repeat(MAX_TEXT_CHARACTERS)],
  ['capital letters', 'İ'.repeat(MAX_TEXT_CHARACTERS)],
  ['syllables', '\u1100\u1161\u11a8'.repeat(20_000)],
])('values of %s are read within 50 ms each', (_name, text) => {
  expect(readMs(refusable(() => parseResource(USER, { userName: 'x', nickName: text })))).toBeLessThanOrEqual(
    MAX_READ_MS,
  );
});

describe('one PATCH, whatever the values and the filters are, takes no more than 50 ms:', () => {
  const stored = (texts: readonly string[]): Resource => ({
    userName: 'x',
    active: true,
    emails: texts.map((value, at) => ({ type: 'work', value: `${at}`, display: value })),
  });
  const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);
  /** So often a filter may ask for a text of this length. */
  const asking = (text: string): string => {
    const term = `display co "${text}" or `;
    return `emails[${term.repeat(Math.min(30, Math.floor((MAX_FILTER_CHARACTERS - 30) / term.length)))}type pr].type`;
  };
  const long = (piece: string): string => piece.repeat(MAX_TEXT_CHARACTERS / piece.length);
  const applied = (resource: Resource, operations: readonly PatchOperation[]) =>
    refusable(() => applyPatch(USER, resource, operations, {}));

  it.each<[string, Resource, (index: number) => PatchOperation]>([
    [
      'of which all values get another type',
      stored(numbers(1_000)),
      (index) => ({ op: 'replace', path: 'emails.type', value: index % 2 ? 'work' : 'home' }),
    ],
    [
      'that adds to a thousand values each of them with a mark',
      stored(numbers(1_000)),
      (index) => ({ op: 'add', path: 'emails', value: [{ type: 'work', value: `${index}`, primary: true }] }),
    ],
    [
      'that replaces a thousand values by others',
      stored([]),
      (index) => ({
        op: 'replace',
        path: 'emails',
        value: numbers(1_000).map((value) => ({ value: `${index}${value}` })),
      }),
    ],
    [
      'that describes what goes',
      stored(numbers(1_000)),
      (index) => ({ op: 'remove', path: 'emails', value: [{ display: `x${index}` }] }),
    ],
    [
      'that removes what it adds',
      stored(numbers(1_000)),
      (index) => ({ op: index % 2 ? 'add' : 'remove', path: 'emails', value: [{ value: `${index >> 1}` }] }),
    ],
  ])(
    '%s',
    (_name, resource, operation) => {
      const operations = Array.from({ length: 1_000 }, (_, index) => operation(index));
      expect(readMs(applied(resource, operations))).toBeLessThanOrEqual(MAX_READ_MS);
    },
    60_000,
  );

  it.each<[string, Resource, string]>([
    ['a hundred comparisons with letters that have an accent', stored([long('É')]), 'é!'.repeat(20)],
    ['a hundred comparisons with marks', stored([marks(30).repeat(2_000)]), `${marks(30)}!`],
    ['what was stored before marks were limited', stored([marks(MAX_TEXT_CHARACTERS - 2)]), 'é!'],
    ['a needle that is nearly everywhere', stored([long('a')]), `${'a'.repeat(2_000)}b${'a'.repeat(2_000)}`],
    ['short needles that are nearly everywhere', stored([long('a')]), `${'a'.repeat(14)}b${'a'.repeat(14)}`],
    ['a needle of pairs', stored([long('ab')]), `b${'ab'.repeat(1_000)}a${'ab'.repeat(1_000)}`],
    ['a thousand values', stored(Array.from({ length: 1_000 }, () => 'É'.repeat(200))), 'é!'.repeat(20)],
  ])(
    '%s',
    (_name, resource, needle) => {
      const operations = Array.from(
        { length: 100 },
        () => ({ op: 'replace', path: asking(needle), value: 'work' }) as const,
      );
      expect(readMs(applied(resource, operations))).toBeLessThanOrEqual(MAX_READ_MS);
    },
    60_000,
  );
});
