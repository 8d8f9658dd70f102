import type { Pool } from 'pg';
import { expect, it } from 'vitest';
import type { UserRow } from '#contracts';
import { parseSearch, STANDARD, USER, type Search } from '#scim';
import { asRead, readingLimits } from '../../../../test/support/reading-limits.js';
import { ResourceQueries } from './resource.queries.js';
import { resourceTables } from './resource-tables.js';

const id = '01980000-0000-7000-8000-000000000001';
const at = '2026-01-01T00:00:00Z';

const reader = (query: (statement: { name?: string }) => Promise<object>): ResourceQueries<UserRow> =>
  new ResourceQueries<UserRow>(
    { query } as unknown as Pool,
    resourceTables('https://scim.example.org').users,
    readingLimits(1_000),
  );
const row = { id, version: 1, created: at, lastModified: at, resource: { userName: 'a' }, isMember: true };
const found = { rows: [{ total: '1', fetched: 1, tooMany: false, found: JSON.stringify(row), key: null }] };
const scope = { tenant: id, directory: id, seesUnmanaged: false, seesLocalGroups: false, definitions: STANDARD };
const searchFor = (parameters: object): Search =>
  parseSearch(USER, parameters as Record<string, unknown>, { defaultCount: 100, maxCount: 100 });

it('whose users are in too many groups for the time of a query, a page says what to ask for instead', async () => {
  const users = reader(async ({ name }) => {
    if (name === 'groups-of-members')
      throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
    return found;
  });
  await expect(users.page(scope, searchFor({}), asRead)).rejects.toMatchObject({
    code: 'tooMany',
    detail: expect.stringMatching(/count.*excludedAttributes=groups/),
  });
});

it('a write that is done shows no groups where they are too many to read, and its fault is not hidden where the database is away', async () => {
  const written = { ...row, lastModified: at, resource: { userName: 'a' } };
  const failing = (error: object): Promise<unknown> =>
    reader(async () => Promise.reject(Object.assign(new Error('no'), error))).written(scope, written, undefined);
  expect(await failing({ code: '57014' })).toBe(written);
  await expect(failing({ code: '57P01' })).rejects.toThrow('no');
});

it.each([
  [{}, true],
  [{ attributes: 'userName,groups.display' }, true],
  [{ excludedAttributes: 'groups.type' }, true],
  [{ attributes: 'userName' }, false],
  [{ excludedAttributes: 'groups' }, false],
])('a page with %j looks up the groups of its users: %s', async (parameters, isLookedUp) => {
  const asked: unknown[] = [];
  const users = reader(async ({ name }) => {
    asked.push(name);
    return name === 'groups-of-members' ? { rows: [] } : found;
  });
  const page = await users.page(scope, searchFor(parameters), asRead);
  expect(page.shown.map((user) => user.id)).toEqual([id]);
  expect(asked.includes('groups-of-members')).toBe(isLookedUp);
});

it('the resources of a page are read and shown in slices: what others ask for is done in between', async () => {
  const resources = [1, 2, 3].map((number) => ({
    ...found.rows[0],
    found: JSON.stringify({ ...row, isMember: false, resource: { userName: `user-${number}` } }),
    fetched: 3,
    total: '3',
  }));
  let [turn, isOver] = [0, false];
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const { shown } = await reader(async () => ({ rows: resources })).page(
    scope,
    searchFor({}),
    ({ resource: { userName } }) => {
      const endMs = performance.now() + 5;
      while (performance.now() < endMs);
      return { userName, turn };
    },
  );
  isOver = true;
  expect(shown.map(({ userName }) => userName)).toEqual(['user-1', 'user-2', 'user-3']);
  expect(new Set(shown.map((one) => one.turn)).size).toBe(3);
});
