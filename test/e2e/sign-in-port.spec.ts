import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '#host';
import { createLogger, readConfig, uuidv7 } from '#runtime';
import { startServer, type Server } from '../../apps/muster/src/server.module.js';
import { startMuster } from '../support/muster.js';

const FORM = 'application/x-www-form-urlencoded';
const muster = startMuster();
let server: Server;
/** Both on the port of the gateway, as npm start has them. */
beforeAll(async () => {
  await muster.stop();
  const port = String(await freePort());
  const settings = { ...muster.environment, PORT: port, ADMIN_PORT: String(await freePort()) };
  server = await startServer(readConfig(settings), muster.database, createLogger('test'));
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await muster.start();
}, 60_000);

const send = async (
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method, headers, ...(body && { body }) });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
};
const authorization = (): { readonly authorization: string } => ({ authorization: `Bearer ${muster.token}` });

it('the sign-in and SCIM are on one port, and each answers in its own words', async () => {
  expect(server.signInPort).toBe(server.port);
  const token = `/oauth/v1/${server.directory.id}/token`;
  expect(await send('POST', token, 'grant_type=client_credentials', { 'content-type': FORM })).toMatchObject({
    status: 401,
    body: { error: 'invalid_client' },
  });
  expect(await send('POST', token, '{}', { 'content-type': 'application/json' })).toMatchObject({
    status: 400,
    body: { error: 'invalid_request' },
  });
  expect(await send('POST', token, 'x'.repeat(40_000), { 'content-type': FORM })).toMatchObject({
    status: 413,
    body: { error: 'invalid_request' },
  });
  expect(await send('GET', token)).toMatchObject({ status: 404, body: { error: 'invalid_request' } });
  expect(await send('GET', `/.well-known/oauth-authorization-server/oauth/v1/${uuidv7()}`)).toMatchObject({
    status: 404,
    body: { error: 'invalid_request' },
  });
  expect(await send('GET', `/.well-known/oauth-authorization-server/oauth/v1/${server.directory.id}`)).toMatchObject({
    status: 200,
    body: { issuer: expect.stringContaining(server.directory.id) },
  });
});

it('SCIM takes no form, and its bodies, media types and errors are what they were', async () => {
  const users = '/api/scim/v2/Users';
  const asForm = await send('POST', users, 'userName=ada', { ...authorization(), 'content-type': FORM });
  expect(asForm).toMatchObject({ status: 415, body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'] } });
  const made = await send('POST', users, '{"userName":"ada"}', {
    ...authorization(),
    'content-type': 'application/scim+json',
  });
  expect(made).toMatchObject({ status: 201, body: { userName: 'ada' } });
  expect(made.headers.get('content-type')).toBe('application/scim+json');
  expect(await send('POST', users, '{}', { 'content-type': 'application/json' })).toMatchObject({ status: 401 });
  for (const path of ['/api/scim/v2/Nothing', '/nothing'])
    expect(await send('GET', path, undefined, authorization()), path).toMatchObject({
      status: 404,
      body: { status: '404', detail: expect.stringContaining('SCIM') },
    });
});
