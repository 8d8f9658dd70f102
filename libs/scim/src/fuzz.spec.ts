import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Rejected } from './error.js';
import { MAX_FILTER_CHARACTERS, parseFilter } from './filter.js';
import { parseTarget } from './patch.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';

/** What filters and paths are made of, and what they should not be made of. */
const PIECES = [
  'userName', 'emails', 'name', 'active', 'meta.created', 'nope', E, 'urn:', '[', ']', '(', ')', 'eq', 'co', 'gt', 'and', 'or', 'not', 'pr', '"x"', '"', '.value',
  '.', ':', ' ', '\\', 'null', 'true', '1', '-', '"2026-01-01T00:00:00Z"', '\0', '\ud800', '😀', '__proto__', 'constructor', '$ref',
];
const anyText = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join(' ')),
  fc.string({ unit: fc.constantFrom(...PIECES), maxLength: 40 }), fc.string({ unit: 'binary' }),
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
    const at = Number(/ at character (\d+) of the (?:filter|path)|cannot be read at character (\d+)/.exec(detail)?.slice(1).find(Boolean));
    expect(at, detail).toBeGreaterThanOrEqual(1);
    expect(at, detail).toBeLessThanOrEqual(text.length + 1);
  }
};

it('any filter is read, or refused with the place where it is wrong', () => {
  fc.assert(fc.property(anyText, (text) => readOrRefuse('invalidFilter', (filter) => parseFilter(USER, filter), text)), { numRuns: 5_000 });
});

it('any path is read, or refused with the place where it is wrong', () => {
  fc.assert(fc.property(anyText, (text) => readOrRefuse('invalidPath', (path) => parseTarget(USER, path), text)), { numRuns: 5_000 });
});

/** Where a backtracking reader takes steps by the square of the length, or worse. */
const HOSTILE = ['"', '"\\', '\\"', '(', 'not (', '[', 'emails[', ' ', 'a', '.', ':', 'urn:', 'urn:a', 'a.', '""', 'id pr and ', 'id pr or ', '() ', 'id eq "', '-'];
const ENDS = ['', '"', '!', 'x', ' eq'];

// A reader that took the square of the length would need a hundred times the time that the run is given.
it('the longest texts that are looked at, of shapes that make readers go back, are read or refused', () => {
  for (const piece of HOSTILE) {
    for (const end of ENDS) {
      const text = piece.repeat(Math.floor((MAX_FILTER_CHARACTERS - end.length) / piece.length)) + end;
      for (let round = 0; round < 10; round++) {
        readOrRefuse('invalidFilter', (filter) => parseFilter(USER, filter), text);
        readOrRefuse('invalidPath', (path) => parseTarget(USER, path), text);
      }
      readOrRefuse('invalidPath', (path) => parseTarget(USER, path), `emails[${text}].value`);
    }
  }
}, 60_000);

it('a filter above the limit is not looked at', () => {
  expect(() => parseFilter(USER, '"'.repeat(1_000_000))).toThrow(`at character ${MAX_FILTER_CHARACTERS + 1} `);
});
