import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLogger, readConfig, uuidv7 } from '#runtime';
import { startServer, type Server } from '../../apps/all-in-one/src/server.module.js';
import { newDatabase, query } from '../support/postgres.js';

const dataDir = mkdtempSync(join(tmpdir(), 'muster-tenants-'));
let database: string;
let server: Server;

const start = async (): Promise<Server> =>
  startServer(Object.assign(readConfig({ DATA_DIR: dataDir }), { PORT: 0 }), database, createLogger('test'));

beforeAll(async () => {
  process.env.LOG_LEVEL = 'silent';
  database = await newDatabase();
  server = await start();
}, 120_000);

afterAll(async () => {
  await server?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

const request = async (token: string, method: string, path: string, body?: object): Promise<{ status: number; body: any }> => {
  const response = await fetch(`http://127.0.0.1:${server.port}/api/${path}`, {
    method, headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
};
const admin = (method: string, path: string, body?: object) => request(server.apiKey, method, `admin/${path}`, body);
const directoryOf = async (tenant: string, name: string): Promise<string> =>
  (await admin('POST', 'directories', { name, kind: 'scim', tenant })).body.token;

/** Two tenants with a directory each, and a second directory of the first tenant. */
const strangers = async (): Promise<{ mine: string; sibling: string; foreign: string }> => {
  const { body: a } = await admin('POST', 'tenants', { name: 'A' });
  const { body: b } = await admin('POST', 'tenants', { name: 'B' });
  return { mine: await directoryOf(a.id, 'A1'), sibling: await directoryOf(a.id, 'A2'), foreign: await directoryOf(b.id, 'B1') };
};

it('a tenant is made, listed and given a directory', async () => {
  const made = await admin('POST', 'tenants', { name: 'Branch office' });
  expect(made).toMatchObject({ status: 201, body: { name: 'Branch office', directories: 0 } });
  await directoryOf(made.body.id, 'Okta');
  expect((await admin('GET', 'tenants')).body).toContainEqual({ ...made.body, directories: 1 });
  expect((await admin('GET', 'directories')).body).toContainEqual(expect.objectContaining({ name: 'Okta', tenant: made.body.id }));
});

it('wrong input about tenants is told in one sentence', async () => {
  expect(await admin('POST', 'tenants', {})).toMatchObject({ status: 400, body: { detail: expect.stringContaining('name') } });
  expect(await admin('POST', 'directories', { name: 'x', tenant: 'nobody' })).toMatchObject({ status: 400, body: { detail: expect.stringContaining('tenant') } });
  const unknown = uuidv7();
  expect(await admin('POST', 'directories', { name: 'x', tenant: unknown })).toMatchObject({ status: 404, body: { detail: expect.stringContaining(unknown) } });
});

it('nothing of a tenant is read, found, changed or deleted with a token of another (I12)', async () => {
  const { mine, foreign } = await strangers();
  const { body: user } = await request(mine, 'POST', 'scim/v2/Users', { userName: 'ada@example.org', externalId: 'e1', emails: [{ type: 'work', value: 'ada@example.org' }] });
  for (const filter of ['userName eq "ada@example.org"', 'externalId eq "e1"', 'emails[type eq "work"].value eq "ada@example.org"', `id eq "${user.id}"`]) {
    expect((await request(foreign, 'GET', `scim/v2/Users?filter=${encodeURIComponent(filter)}`)).body.totalResults, filter).toBe(0);
  }
  expect((await request(foreign, 'GET', 'scim/v2/Users')).body.totalResults).toBe(0);
  expect((await request(foreign, 'GET', `scim/v2/Users/${user.id}`)).status).toBe(404);
  expect((await request(foreign, 'PATCH', `scim/v2/Users/${user.id}`, { Operations: [{ op: 'replace', path: 'title', value: 'x' }] })).status).toBe(404);
  expect((await request(foreign, 'DELETE', `scim/v2/Users/${user.id}`)).status).toBe(404);
  expect((await request(mine, 'GET', `scim/v2/Users/${user.id}`)).body).toEqual(user);
});

it('a user name is unique in its tenant, also between directories, and free in another (I7)', async () => {
  const { mine, sibling, foreign } = await strangers();
  const create = (token: string, userName: string) => request(token, 'POST', 'scim/v2/Users', { userName });
  expect((await create(mine, 'Straße')).status).toBe(201);
  expect((await create(sibling, 'STRAßE')).status).toBe(409);
  expect((await create(foreign, 'straße')).status).toBe(201);
});

it('a first start that was killed before it made its token is finished by the next start', async () => {
  await server.stop();
  await query(database, 'DELETE FROM admin.tokens');
  server = await start();
  expect(server.directory).toMatchObject({ name: 'Microsoft Entra ID', token: expect.stringMatching(/^muster_/) });
  expect((await request(server.directory.token!, 'GET', 'scim/v2/Users?count=1')).status).toBe(200);
}, 60_000);
