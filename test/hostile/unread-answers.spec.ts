import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startMuster, type Directory } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

/** Clients that ask and do not read. */
const BASE = '/api/scim/v2';
/** The limit is less than one of the lists here, of which one alone is let in. */
const PER_TENANT = 5_000_000;
const muster = startMuster({
  settings: {
    SEND_TIMEOUT_MS: '2000',
    MAX_UNSENT_BYTES_PER_TENANT: String(PER_TENANT),
    MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT: '16000000',
    MAX_PAGE_BYTES: '8000000',
    MAX_RESOURCE_BYTES: '1000000',
  },
});
let attacker: Directory;
let neighbour: Directory;

beforeAll(async () => {
  [attacker, neighbour] = (await Promise.all(['Attacker', 'Neighbour'].map((name) => muster.newDirectory(name)))) as [
    Directory,
    Directory,
  ];
  for (let index = 0; index < 16; index++) {
    const entitlements = Array.from({ length: 8 }, (_, at) => ({
      value: String(at),
      display: `${index}é`.repeat(20_000),
    }));
    expect((await attacker.scim('POST', '/Users', { userName: `large-${index}`, entitlements })).status).toBe(201);
  }
}, 120_000);

const open: RawConnection[] = [];
afterEach(() => {
  for (const made of open.splice(0)) made.close();
});

/** A connection that reads nothing, and the end of it in the server. */
const unread = async (
  bytes: string,
): Promise<{ readonly client: RawConnection; readonly closed: Promise<unknown>; readonly socket: Socket }> => {
  const accepted = once(muster.server.app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
  const client = new RawConnection(muster.server.port);
  open.push(client);
  client.socket.pause();
  client.send(bytes);
  const [socket] = await accepted;
  return { client, closed: new Promise((resolve) => socket.once('close', resolve)), socket };
};
const LIST = (): string => requestHead(`GET ${BASE}/Users?count=1000`, attacker.token);
const isServed = async (): Promise<void> => {
  expect((await neighbour.scim('GET', '/Users')).status).toBe(200);
  expect((await neighbour.scim('GET', '/Schemas')).status).toBe(200);
};

it('a connection whose client does not read is closed, and what it was sent is forgotten; another tenant does not notice', async () => {
  const all: Awaited<ReturnType<typeof unread>>[] = [];
  for (let count = 0; count < 4; count++) all.push(await unread(LIST()));
  await vi.waitFor(async () => expect((await attacker.scim('GET', '/Users?count=1')).status).toBe(429), {
    timeout: 20_000,
  });
  const refused = await attacker.scim('POST', '/Users', { userName: 'refused' });
  expect([refused.status, refused.headers.get('retry-after'), refused.body.detail]).toEqual([
    429,
    '1',
    expect.stringMatching(/do not read.*MAX_UNSENT_BYTES/),
  ]);
  await isServed();
  const stuck = await vi.waitFor(
    () => {
      const found = all.filter(({ socket }) => socket.writableLength > 0);
      expect(found.length).toBeGreaterThan(0);
      return found;
    },
    { timeout: 30_000 },
  );
  await Promise.all(stuck.map(({ closed }) => closed));
  expect((await attacker.scim('GET', '/Users?count=1')).status).toBe(200);
  await isServed();
}, 60_000);

it('as are many requests on one connection', async () => {
  const { closed } = await unread(LIST().repeat(600));
  await isServed();
  await closed;
  expect((await attacker.scim('GET', '/Users?count=1')).status).toBe(200);
}, 60_000);

it('a connection on which nothing is asked, or not all of it, is closed', async () => {
  const all = [await unread(''), await unread('GET / HTTP/1.1\r\nHost: scim')];
  await Promise.all(all.map(({ closed }) => closed));
}, 60_000);

it('a connection on which nothing is sent because the answer takes long is left open', async () => {
  const body = '{"userName":"takes-long"}';
  await muster.owner.query('BEGIN; LOCK identity.outcomes IN ACCESS EXCLUSIVE MODE');
  const { client, socket } = await unread(
    requestHead(`POST ${BASE}/Users`, neighbour.token, [
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ]) + body,
  );
  const late = new Promise<string>((resolve, reject) => {
    socket.once('timeout', () => resolve('nothing went through for that long'));
    socket.once('close', () => reject(new Error('it was closed')));
  });
  try {
    await late;
  } finally {
    await muster.owner.query('COMMIT');
  }
  client.socket.resume();
  expect((await client.answer()).status).toBe(201);
}, 60_000);
