import { expect, it } from 'vitest';
import { Rejected } from './error.js';
import { LIST_RESPONSE_URN, listResponse, parsePaging } from './list.js';

const limits = { defaultCount: 100, maxCount: 1_000 };

it.each<[string | undefined, string | undefined, number, number]>([
  [undefined, undefined, 1, 100],
  ['1', '10', 1, 10],
  ['0', '0', 1, 0],
  ['-5', '-1', 1, 0],
  ['11', '5000', 11, 1_000],
  ['', '', 1, 100],
  ['999999999999', '10', 999_999_999_999, 10],
])('startIndex %j and count %j ask for %i and %i', (startIndex, count, from, length) => {
  expect(parsePaging(startIndex, count, limits)).toEqual({ startIndex: from, count: length });
});

it.each([
  ['x', undefined, 'startIndex'],
  [undefined, '1.5', 'count'],
  ['1e3', undefined, 'startIndex'],
  [undefined, '9'.repeat(30), 'count'],
])('startIndex %j and count %j are refused, naming %s', (startIndex, count, name) => {
  expect(() => parsePaging(startIndex, count, limits)).toThrow(Rejected);
  expect(() => parsePaging(startIndex, count, limits)).toThrow(name);
});

it('shows a page, and no hit as a list of nothing', () => {
  expect(listResponse([{ id: 'a' }], 7, { startIndex: 3 }, 1)).toEqual({
    schemas: [LIST_RESPONSE_URN],
    totalResults: 7,
    startIndex: 3,
    itemsPerPage: 1,
    Resources: [{ id: 'a' }],
  });
  expect(listResponse([], 0, { startIndex: 1 }, 0)).toMatchObject({ totalResults: 0, Resources: [] });
  expect(listResponse([{ id: 'a' }], 7, { nextCursor: 'c' }, 1)).toEqual({
    schemas: [LIST_RESPONSE_URN],
    totalResults: 7,
    nextCursor: 'c',
    itemsPerPage: 1,
    Resources: [{ id: 'a' }],
  });
});
