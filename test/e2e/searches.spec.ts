import type pg from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { GATEWAY_POOL } from '../../apps/gateway/src/injected.js';
import { startMuster, type Answer } from '../support/muster.js';

/** These tests say what slow searches may hold up, and what not. */
const CONNECTIONS = 6;
const SEARCHES = 3;
/** Searches that run for one tenant: the last slot is for others. */
const RUNNING = 2;
/** One more than a look-up takes. */
const SHARED_BY = 101;
const muster = startMuster({
  settings: {
    DATABASE_POOL_CONNECTIONS: String(CONNECTIONS),
    MAX_SEARCHES_AT_ONCE: String(SEARCHES),
    MAX_WAITING_SEARCHES: '1',
    // Nothing here is ended by time; each request looks its token up.
    QUERY_TIMEOUT_MS: '600000',
    SEARCH_WAIT_TIMEOUT_MS: '600000',
    TOKEN_CACHE_MS: '0',
  },
});
const { scim: request } = muster;
const find = (filter: string): Promise<Answer> => request('GET', `/Users?${new URLSearchParams({ filter })}`);

it('a statement may take so long and no longer', async () => {
  const { rows } = await muster.server.app.get<pg.Pool>(GATEWAY_POOL).query('SHOW statement_timeout');
  expect(rows).toEqual([{ statement_timeout: '10min' }]);
});

describe('while slow searches take all that searches of one tenant may take', () => {
  /** The folded copy of a user stands still: every search that compares it waits for a lock that the test holds. */
  const LOCK = 4711;
  const slow = ['displayName co "a"', 'title pr or nickName eq "x"', 'displayName ne "b"'];
  let searches: Promise<Answer>[];
  let ids: Record<string, string>;

  beforeAll(async () => {
    ids = {};
    for (const userName of ['ada', 'zoe']) {
      const created = await request('POST', '/Users', {
        userName,
        displayName: userName,
        externalId: `e-${userName}`,
        emails: [{ type: 'work', value: `${userName}@x.org` }],
      });
      ids[userName] = created.body.id;
    }
    const Operations = Array.from({ length: SHARED_BY }, (_, index) => ({
      method: 'POST',
      path: '/Users',
      bulkId: `${index}`,
      data: { userName: `shares-${index}`, emails: [{ type: 'work', value: 'shared@x.org' }] },
    }));
    expect((await request('POST', '/Bulk', { Operations })).status).toBe(200);
    const view = "SELECT pg_get_viewdef('identity.users_v1'::regclass) AS sql";
    const { rows: views } = await muster.owner.query<{ sql: string }>(view);
    const standing = views[0]!.sql.replace(
      /^ +folded(,?)$/m,
      "CASE user_name_folded WHEN 'zoe' THEN identity.when_let(folded) ELSE folded END AS folded$1",
    );
    await muster.owner.query(`
      CREATE FUNCTION identity.when_let(folded jsonb) RETURNS jsonb STABLE LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(${LOCK});
        RETURN folded;
      END $$;
      GRANT EXECUTE ON FUNCTION identity.when_let TO PUBLIC;
      CREATE OR REPLACE VIEW identity.users_v1 AS ${standing};
      SELECT pg_advisory_lock(${LOCK});`);
    searches = slow.map(find);
    await vi.waitFor(
      async () => {
        const { rows } = await muster.owner.query(
          'SELECT 1 FROM pg_locks WHERE NOT granted AND objid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
          [LOCK],
        );
        expect(rows).toHaveLength(RUNNING);
      },
      { timeout: 60_000 },
    );
  }, 90_000);

  it.each([
    'userName eq "ada"',
    'externalId eq "e-ada"',
    'emails[type eq "work"].value eq "ada@x.org"',
    'userName eq "ada" and displayName co "d"',
    'active eq true and emails[type eq "work"].value eq "ada@x.org"',
  ])('whoever is looked up is found: %s', async (filter) => {
    expect((await find(filter)).body).toMatchObject({ totalResults: 1, Resources: [{ id: ids.ada }] });
  });

  it('users are read, made, changed and deleted', async () => {
    expect((await request('GET', `/Users/${ids.ada}`)).status).toBe(200);
    expect((await find(`id eq "${ids.ada}" and manager eq "nobody"`)).body.totalResults).toBe(0);
    const { body } = await request('POST', '/Users', { userName: 'eve' });
    expect(
      (await request('PATCH', `/Users/${body.id}`, { Operations: [{ op: 'replace', path: 'title', value: 'Dr' }] }))
        .status,
    ).toBe(200);
    expect((await request('DELETE', `/Users/${body.id}`)).status).toBe(204);
  });

  it.each([
    '/Users?filter=title%20pr',
    '/Users',
    '/Users?sortBy=title',
    '/Users?filter=not%20(userName%20eq%20%22ada%22)',
    '/Users?filter=userName%20eq%20%22ada%22%20or%20title%20pr',
    // Values that are looked up, but shared by many.
    ...[
      'emails[type eq "work"].value eq "shared@x.org"',
      'emails[type eq "work"].value eq "shared@x.org" and (title eq "x" or nickName pr)',
    ].map((filter) => `/Users?${new URLSearchParams({ filter })}`),
  ])('one search too many is told to come again: %s', async (path) => {
    const answer = await request('GET', path);
    expect(answer).toMatchObject({
      status: 429,
      body: {
        status: '429',
        detail: expect.stringMatching(/again later.*userName eq.*MAX_SEARCHES_AT_ONCE/) as unknown,
      },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('another tenant lists, searches and looks up at once', async () => {
    const { scim } = await muster.newDirectory('Somebody else');
    expect((await scim('POST', '/Users', { userName: 'other', title: 'Dr' })).status).toBe(201);
    for (const path of [
      '/Users',
      '/Users?sortBy=title',
      '/Users?filter=title%20pr',
      '/Users?filter=externalId%20eq%20%22x%22',
      '/Groups',
    ]) {
      expect((await scim('GET', path)).status, path).toBe(200);
    }
  });

  it('all that began or waited are answered in the end', async () => {
    await muster.owner.query(`SELECT pg_advisory_unlock(${LOCK})`);
    expect((await Promise.all(searches)).map(({ status, body }) => [status, body.totalResults])).toEqual([
      [200, 1],
      [200, 0],
      [200, 2 + SHARED_BY],
    ]);
    expect((await find('title pr')).status).toBe(200);
    expect((await find('emails[type eq "work"].value eq "shared@x.org" and userName ew "7"')).body.totalResults).toBe(
      10,
    );
  });
});
