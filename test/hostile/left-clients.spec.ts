import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { RequestLimits } from '../../apps/gateway/src/http/request-limits.guard.js';
import { ResourceQueries } from '../../apps/gateway/src/read/resource.queries.js';
import { startMuster, type Directory } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

/** Clients that leave before their answer. */
const BASE = '/api/scim/v2';
/** Two connections to Postgres are the fewest: a new installation starts with them, too. */
const lines: string[] = [];
const muster = startMuster({
  lines,
  settings: {
    MAX_UNSENT_BYTES_PER_TENANT: '400000',
    MAX_RECEIVED_BYTES_PER_TENANT: '400000',
    MAX_RESOURCE_BYTES: '300000',
    DATABASE_POOL_CONNECTIONS: '2',
  },
});
const long = (many: number): unknown[] =>
  Array.from({ length: many }, (_, at) => ({ value: String(at), display: 'x'.repeat(40_000) }));
let directory: Directory;
let groupId: string;
let userId: string;

beforeAll(async () => {
  directory = await muster.newDirectory('Leaves');
  // Two of them: a list is then sent in pieces.
  await directory.scim('POST', '/Users', { userName: 'also-large', entitlements: long(4) });
  const created = await directory.scim('POST', '/Users', { userName: 'large', entitlements: long(4) });
  expect(created.status).toBe(201);
  userId = created.body.id as string;
  const group = await directory.scim('POST', '/Groups', { displayName: 'left', members: [{ value: userId }] });
  expect(group.status).toBe(201);
  groupId = group.body.id as string;
}, 120_000);

/** A client that leaves is no fault of the server: it could fill the log otherwise. */
afterEach(() => expect(lines.filter((line) => line.includes('request failed'))).toEqual([]));

/** Bytes that are held for all tenants, of bodies and of answers. */
const held = (): unknown => {
  const { held: counted } = muster.server.app.get(RequestLimits) as unknown as {
    held: Record<'bodies' | 'answers', { total: number }>;
  };
  return [counted.bodies.total, counted.answers.total];
};
const leave = async (bytes: string): Promise<void> => {
  const accepted = once(muster.server.app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
  const client = new RawConnection(muster.server.port);
  const [socket] = await accepted;
  const asked = once(muster.server.app.getHttpServer() as Server, 'request');
  const gone = once(socket, 'close');
  client.send(bytes);
  await asked;
  client.close();
  await gone;
};
/** Nothing is held any more. Answers with content say that what waited before them is over. */
const isGivenBack = (): Promise<void> =>
  vi.waitFor(
    async () => {
      expect((await directory.scim('GET', '/Users?count=1')).status).toBe(200);
      expect(
        (
          await directory.scim('PATCH', `/Users/${userId}?x=/.search`, {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
            Operations: [{ op: 'replace', path: 'title', value: 'here' }],
          })
        ).status,
      ).toBeLessThan(300);
      expect(held()).toEqual([0, 0]);
    },
    { timeout: 20_000 },
  );
const withBody = (path: string, content: object): string => {
  const body = JSON.stringify(content);
  return (
    requestHead(`POST ${BASE}/${path}`, directory.token, [
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ]) + body
  );
};
const post = (userName: string): string => withBody('Users', { userName, entitlements: long(1) });
const chunked = (): string =>
  `${requestHead(`POST ${BASE}/Users`, directory.token, ['Content-Type: application/json', 'Transfer-Encoding: chunked'])}ea60\r\n${'z'.repeat(60_000)}\r\n`;

it.each([
  ['a list', () => requestHead(`GET ${BASE}/Users?count=10`, directory.token)],
  ['lists in a row on one connection', () => requestHead(`GET ${BASE}/Users?count=10`, directory.token).repeat(5)],
  ['a search', () => withBody('Users/.search', { count: 10 })],
  ['a write', (index: number) => post(`leaves-${index}`)],
  [
    'a body of a known length that does not end',
    () =>
      requestHead(`POST ${BASE}/Users`, directory.token, ['Content-Type: application/json', 'Content-Length: 90000']) +
      '{',
  ],
  ['a body of pieces that does not end', chunked],
  ['a group', () => requestHead(`GET ${BASE}/Groups/${groupId}`, directory.token)],
] as const)(
  '%s whose client leaves first holds nothing',
  async (_name, bytesOf) => {
    await muster.owner.query(
      'BEGIN; LOCK identity.users, identity.outcomes, "group".groups, directory.tokens IN ACCESS EXCLUSIVE MODE',
    );
    try {
      for (let index = 0; index < 12; index++) await leave(bytesOf(index));
    } finally {
      await muster.owner.query('ROLLBACK');
    }
    await isGivenBack();
  },
  60_000,
);

it('searches that wait for their turn are not begun when their clients have left', async () => {
  const begun = vi.spyOn(ResourceQueries.prototype as unknown as { several(): Promise<unknown> }, 'several');
  await muster.owner.query('BEGIN; LOCK identity.users IN ACCESS EXCLUSIVE MODE');
  try {
    for (let index = 0; index < 12; index++) await leave(withBody('Users/.search', { filter: 'title pr' }));
  } finally {
    await muster.owner.query('ROLLBACK');
  }
  await isGivenBack();
  // A search that a client waits for comes after all that came before it.
  const { status } = await directory.scim('POST', '/Users/.search', { filter: 'title pr' });
  expect([status, begun.mock.calls.length]).toEqual([200, 2]);
  begun.mockRestore();
}, 60_000);

const WITH_MEMBERS: readonly (readonly [string, () => string])[] = [
  ['a group', () => `/Groups/${groupId}`],
  ['a list of groups', () => '/Groups?count=10'],
];
it.each(WITH_MEMBERS)(
  '%s that is sent while its members are read is counted, and is forgotten when its client leaves',
  async (_name, pathOf) => {
    await muster.owner.query('BEGIN; LOCK "group".members IN ACCESS EXCLUSIVE MODE');
    try {
      const client = new RawConnection(muster.server.port);
      client.send(requestHead(`GET ${BASE}${pathOf()}`, directory.token));
      await vi.waitFor(
        () => expect(held()).toEqual([0, expect.toSatisfy((bytes: number) => bytes > 0, 'more than none')]),
        { timeout: 20_000 },
      );
      client.close();
      await vi.waitFor(() => expect(held()).toEqual([0, 0]), { timeout: 20_000 });
    } finally {
      await muster.owner.query('ROLLBACK');
    }
    await isGivenBack();
  },
  60_000,
);
