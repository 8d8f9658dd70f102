import type { Pool } from 'pg';
import { expect, it } from 'vitest';
import type { UserRow } from '#contracts';
import { parseSearch, STANDARD, USER, type Search } from '#scim';
import { readingLimits } from '../../../test/support/reading-limits.js';
import { ResourceQueries } from './resource.queries.js';
import { resourceTables } from './resource-tables.js';

const id = '01980000-0000-7000-8000-000000000001';
const at = '2026-01-01T00:00:00Z';

const reader = (query: (statement: { name?: string }) => Promise<object>): ResourceQueries<UserRow> =>
  new ResourceQueries<UserRow>({ query } as unknown as Pool, resourceTables('https://scim.example.org').users, readingLimits(1_000));
const row = { id, version: 1, created: at, lastModified: at, resource: { userName: 'a' }, isMember: true };
const found = { rows: [{ total: '1', fetched: 1, found: [{ row, key: null }] }] };
const scope = { tenant: id, directory: id, seesUnmanaged: false, seesLocalGroups: false, definitions: STANDARD };
const searchFor = (parameters: object): Search => parseSearch(USER, parameters as Record<string, unknown>, { defaultCount: 100, maxCount: 100 });

it('whose users are in too many groups for the time of a query, a page says what to ask for instead', async () => {
  const users = reader(async ({ name }) => {
    if (name === 'groups-of-members') throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
    return found;
  });
  await expect(users.page(scope, searchFor({}))).rejects.toMatchObject({ code: 'tooMany', detail: expect.stringMatching(/count.*excludedAttributes=groups/) });
});

it('a write that is done shows no groups where they are too many to read, and its fault is not hidden where the database is away', async () => {
  const written = { ...row, lastModified: at, resource: { userName: 'a' } };
  const failing = (error: object): Promise<unknown> => reader(async () => Promise.reject(Object.assign(new Error('no'), error))).written(scope, written, undefined);
  expect(await failing({ code: '57014' })).toBe(written);
  await expect(failing({ code: '57P01' })).rejects.toThrow('no');
});

it.each([
  [{}, true], [{ attributes: 'userName,groups.display' }, true], [{ excludedAttributes: 'groups.type' }, true],
  [{ attributes: 'userName' }, false], [{ excludedAttributes: 'groups' }, false],
])('a page with %j looks up the groups of its users: %s', async (parameters, isLookedUp) => {
  const asked: unknown[] = [];
  const users = reader(async ({ name }) => {
    asked.push(name);
    return name === 'groups-of-members' ? { rows: [] } : found;
  });
  const page = await users.page(scope, searchFor(parameters));
  expect(page.rows.map((user) => user.id)).toEqual([id]);
  expect(asked.includes('groups-of-members')).toBe(isLookedUp);
});
