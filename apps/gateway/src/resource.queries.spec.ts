import type { Pool } from 'pg';
import { expect, it } from 'vitest';
import type { UserRow } from '#contracts';
import { Slots } from '#runtime';
import { parseSearch, STANDARD, USER } from '#scim';
import { ResourceQueries } from './resource.queries.js';
import { resourceTables } from './resource-tables.js';

const id = '01980000-0000-7000-8000-000000000001';
const at = '2026-01-01T00:00:00Z';

it.each([
  [{}, true], [{ attributes: 'userName,groups.display' }, true], [{ excludedAttributes: 'groups.type' }, true],
  [{ attributes: 'userName' }, false], [{ excludedAttributes: 'groups' }, false],
])('a page with %j looks up the groups of its users: %s', async (parameters, isLookedUp) => {
  const asked: unknown[] = [];
  const row = { id, version: 1, created: at, lastModified: at, resource: { userName: 'a' }, isMember: true };
  const query = async ({ name }: { name?: string }): Promise<object> => {
    asked.push(name);
    return { rows: name === 'groups-of-members' ? [] : [{ total: '1', fetched: 1, found: [{ row, key: null }] }] };
  };
  const users = new ResourceQueries<UserRow>({ query } as unknown as Pool, resourceTables('https://scim.example.org').users, {
    slots: new Slots({ maxRunning: 1, maxWaiting: 0, waitTimeoutMs: 1 }), maxPageBytes: 1_000,
  });
  const scope = { tenant: id, directory: id, seesUnmanaged: false, seesLocalGroups: false, definitions: STANDARD };
  const page = await users.page(scope, parseSearch(USER, parameters, { defaultCount: 100, maxCount: 100 }));
  expect(page.rows.map((user) => user.id)).toEqual([id]);
  expect(asked.includes('groups-of-members')).toBe(isLookedUp);
});
