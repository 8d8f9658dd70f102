import { expect, it, vi } from 'vitest';
import { startMuster } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

/** A request that takes long goes on only as long as its token is good and its client is there. */
const BASE = '/api/scim/v2';
const CACHE_MS = 500;
const muster = startMuster({
  settings: { COMMAND_EXPIRES_AFTER_MS: '100000', QUERY_TIMEOUT_MS: '100000', TOKEN_CACHE_MS: String(CACHE_MS) },
});

/** Makes a token, and says how it is revoked; resolved when no request is let in with it any more. */
const newToken = async (): Promise<{ readonly token: string; readonly revoke: () => Promise<void> }> => {
  const {
    body: { id, token },
  } = await muster.admin('POST', `/directories/${muster.server.directory.id}/tokens`, { description: 'revoked soon' });
  const isRefused = async (): Promise<void> =>
    expect((await muster.scim('GET', '/Schemas', undefined, { authorization: `Bearer ${token}` })).status).toBe(401);
  return {
    token,
    revoke: async () => {
      expect((await muster.admin('DELETE', `/tokens/${id}`)).status).toBe(204);
      await vi.waitFor(isRefused, { timeout: 20_000, interval: CACHE_MS / 5 });
    },
  };
};
const waiting = (count: number): Promise<void> =>
  vi.waitFor(
    async () => {
      const { rows } = await muster.owner.query(
        `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'identity.outcomes'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      expect(rows.length).toBeGreaterThanOrEqual(count);
    },
    { timeout: 20_000 },
  );

it('a bulk request begins no further operation, and says so for each that is left', async () => {
  const { token, revoke } = await newToken();
  const Operations = Array.from({ length: 200 }, (_, index) => ({
    method: 'POST',
    path: '/Users',
    bulkId: `${index}`,
    data: { userName: `bulk-${index}` },
  }));
  await muster.owner.query('BEGIN; LOCK identity.outcomes IN ACCESS EXCLUSIVE MODE');
  const answered = muster.scim('POST', '/Bulk', { Operations }, { authorization: `Bearer ${token}` });
  try {
    await waiting(1);
    await revoke();
  } finally {
    await muster.owner.query('COMMIT');
  }
  const { status, body } = await answered;
  const codes = (body.Operations as { status: string }[]).map((operation) => operation.status);
  const done = codes.filter((code) => code === '201').length;
  expect([status, codes.length, done > 0, done <= 50, codes.slice(done).every((code) => code === '401')]).toEqual([
    200,
    200,
    true,
    true,
    true,
  ]);
  expect(body.Operations.at(-1).response.detail).toMatch(/not attempted.*revoked/);
  expect((await muster.scim('GET', '/Users?filter=userName%20sw%20%22bulk-%22&count=0')).body.totalResults).toBe(done);
}, 60_000);

it('a request whose body comes slowly is refused when it is whole', async () => {
  const { token, revoke } = await newToken();
  const body = '{"userName":"slow-body"}';
  const slow = new RawConnection(muster.server.port);
  slow.send(
    requestHead(`POST ${BASE}/Users`, token, [
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      'Expect: 100-continue',
    ]),
  );
  // Its token has been accepted.
  expect((await slow.answer()).status).toBe(100);
  slow.send(body.slice(0, 5));
  await revoke();
  expect((await slow.send(body.slice(5)).answer()).status).toBe(401);
  slow.close();
  expect((await muster.scim('GET', '/Users?filter=userName%20eq%20%22slow-body%22')).body.totalResults).toBe(0);
}, 60_000);

it('a search that takes long shows nothing', async () => {
  const { token, revoke } = await newToken();
  expect((await muster.scim('POST', '/Users', { userName: 'looked-for', title: 'Dr' })).status).toBe(201);
  await muster.owner.query('BEGIN; LOCK identity.users IN ACCESS EXCLUSIVE MODE');
  const found = muster.scim('GET', '/Users?filter=title%20pr', undefined, { authorization: `Bearer ${token}` });
  try {
    await vi.waitFor(
      async () => {
        const { rows } = await muster.owner.query(
          `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'identity.users'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        expect(rows.length).toBeGreaterThan(0);
      },
      { timeout: 20_000 },
    );
    await revoke();
  } finally {
    await muster.owner.query('COMMIT');
  }
  const { status, body } = await found;
  expect([status, body.Resources]).toEqual([401, undefined]);
}, 60_000);

it('a bulk request whose client hangs up begins no further operation', async () => {
  const bulk = (name: string): string =>
    JSON.stringify({
      Operations: Array.from({ length: 200 }, (_, index) => ({
        method: 'POST',
        path: '/Users',
        bulkId: `${index}`,
        data: { userName: `${name}-${index}` },
      })),
    });
  const count = async (name: string): Promise<number> =>
    (await muster.scim('GET', `/Users?filter=${encodeURIComponent(`userName sw "${name}-"`)}&count=0`)).body
      .totalResults;
  const left = new RawConnection(muster.server.port);
  await muster.owner.query('BEGIN; LOCK identity.outcomes IN ACCESS EXCLUSIVE MODE');
  try {
    left.send(
      `${requestHead(`POST ${BASE}/Bulk`, muster.token, ['Content-Type: application/json', `Content-Length: ${bulk('left').length}`])}${bulk('left')}`,
    );
    await waiting(1);
    left.close();
  } finally {
    await muster.owner.query('COMMIT');
  }
  // Another one of the same length takes as long as the one that was left would have taken.
  expect((await muster.scim('POST', '/Bulk', bulk('stayed'))).status).toBe(200);
  expect([await count('stayed'), (await count('left')) <= 50]).toEqual([200, true]);
}, 60_000);
