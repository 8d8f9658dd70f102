import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { freePort } from '#host';
import { createLogger, readConfig } from '#runtime';
import { startServer } from '../../apps/muster/src/server.module.js';
import { startMuster } from '../support/muster.js';

const muster = startMuster();

interface Got {
  readonly status: number;
  readonly body: string;
}
/** Sends a path as it is written: nothing is normalised, as fetch would do. */
const get = (port: number, path: string, key: string | null, method = 'GET'): Promise<Got> =>
  new Promise((done, fail) => {
    const headers = { host: 'scim.example.org', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
    request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response
        .on('data', (chunk) => (body += String(chunk)))
        .on('end', () => done({ status: response.statusCode!, body }));
    })
      .on('error', fail)
      .end();
  });

/** Ways to write the path of the tenants, some of which a proxy or a router may take for it. */
const SPELLINGS = [
  '/api/admin/v1/tenants',
  '//api/admin/v1/tenants',
  '/api//admin//v1//tenants',
  '/api/admin/v1/tenants/',
  '/api/admin/v1/tenants?a=/api/scim/v2',
  '/api/%61dmin/v1/tenants',
  '/%61%70%69/%61%64%6d%69%6e/v1/%74enants',
  '/api/%2561dmin/v1/tenants',
  '/API/ADMIN/tenants',
  '/api/Admin/v1/tenants',
  '/api/admin./v1/tenants',
  '/api/admin/v1/tenants.',
  '/api/./admin/v1/tenants',
  '/api/scim/../admin/v1/tenants',
  '/api/scim/v2/../../admin/v1/tenants',
  '/api/scim/%2e%2e/admin/v1/tenants',
  '/api/scim/v2/..%2f..%2fadmin/v1/tenants',
  '/api%2fadmin%2fv1%2ftenants',
  '/api/admin%2fv1%2ftenants',
  '/api/admin;a=b/v1/tenants',
  '/api/admin/v1/tenants;a=b',
  '/api/admin/v1/tenants%00',
  '/api/admin/v1/tenants%20',
  '\\api\\admin\\v1\\tenants',
  '/api/scim/v2\\..\\..\\admin/v1/tenants',
  'http://scim.example.org/api/admin/v1/tenants',
  'HTTP://scim.example.org//api/admin/v1/tenants',
  'https://127.0.0.1/api/%61dmin/v1/tenants',
  'http://scim.example.org@127.0.0.1/api/admin/v1/tenants',
  '/api/admin/v1/directories/first',
  '/x/../api/admin/v1/tenants',
];

describe.each(SPELLINGS)('%s', (path) => {
  it.each(['GET', 'OPTIONS', 'POST'])(
    'does not reach the admin API over the port of SCIM, not with its key either: %s',
    async (method) => {
      const { status, body } = await get(muster.server.port, path, muster.server.apiKey, method);
      expect([400, 401, 404]).toContain(status);
      expect(body).not.toMatch(/tenants|directories|token/i);
    },
  );

  it('does not go round the key of the admin API', async () => {
    for (const key of [null, '', 'wrong', muster.token]) {
      const { status, body } = await get(muster.server.adminPort, path, key);
      expect([400, 401, 404], `${key}`).toContain(status);
      expect(body).not.toMatch(/Default|Entra/);
    }
  });
});

it('each port serves its own API alone, and both say how they are', async () => {
  const { port, adminPort, apiKey } = muster.server;
  expect(adminPort).not.toBe(port);
  expect((await get(adminPort, '/api/admin/v1/tenants', apiKey)).status).toBe(200);
  expect((await get(adminPort, '/api/scim/v2/Users', muster.token)).status).toBe(404);
  expect((await get(adminPort, '/api/scim/v2/ServiceProviderConfig', null)).status).toBe(404);
  for (const one of [port, adminPort])
    for (const path of ['/health/live', '/health/ready']) expect((await get(one, path, null)).status).toBe(200);
});

it('with ADMIN_PORT like PORT both are on one port, and the key is asked for in each spelling', async () => {
  await muster.stop();
  const port = String(await freePort());
  const server = await startServer(
    readConfig({ ...muster.environment, PORT: port, ADMIN_PORT: port }),
    muster.database,
    createLogger('test'),
  );
  try {
    expect([server.port, server.adminPort]).toEqual([Number(port), Number(port)]);
    expect((await get(server.port, '/api/admin/v1/tenants', server.apiKey)).status).toBe(200);
    expect((await get(server.port, '/api/scim/v2/Users', muster.token)).status).toBe(200);
    for (const path of SPELLINGS) {
      const { status, body } = await get(server.port, path, null);
      expect([400, 401, 404], path).toContain(status);
      expect(body).not.toMatch(/Default|Entra/);
    }
  } finally {
    await server.stop();
    await muster.start();
  }
}, 60_000);
