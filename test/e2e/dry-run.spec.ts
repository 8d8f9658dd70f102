import { describe, expect, it, vi } from 'vitest';
import { startMuster } from '../support/muster.js';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

describe.each(['Postgres', 'Kafka'] as const)('a dry run, on %s', (log) => {
  const muster = startMuster({ log });
  const dryRun = (id: string, request: object) => muster.admin('POST', `/directories/${id}/dry-run`, request);

  /**
   * Everything that is in the database, but for when keys were used last, because a request of the admin API is a use, and
   * for how far earlier messages have been copied to Kafka, and group has read earlier events: it writes that down now and
   * then.
   */
  const everything = async (): Promise<Record<string, string>> => {
    const { rows } = await muster.owner.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename NOT IN ('last_uses', 'relays')
         AND NOT (schemaname = 'group' AND tablename IN ('positions', 'consumed'))
         -- That somebody has asked is recorded.
         AND NOT (schemaname = 'audit' AND tablename IN ('requests', 'bodies', 'request_counts', 'read_counts', 'seen', 'outcomes', 'positions'))
         -- Events of before become entries a moment later.
         AND NOT (schemaname = 'audit' AND tablename IN ('entries', 'payloads', 'tiles', 'checkpoints', 'logs')) ORDER BY 1`,
    );
    const contents: Record<string, string> = {};
    for (const { name } of rows) {
      const text = `SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS md5 FROM ${name} t`;
      contents[name] = (await muster.owner.query<{ md5: string }>(text)).rows[0]!.md5;
    }
    return contents;
  };
  /** The database, once nothing that was sent before changes it any more. */
  const atRest = () =>
    vi.waitFor(async () => {
      const before = await everything();
      await new Promise((resolve) => void setImmediate(resolve));
      expect(await everything()).toEqual(before);
      return before;
    }, 30_000);

  it('says what would happen, with the mapping, the rules tried and the events, and writes nothing', async () => {
    const { id, scim } = await muster.newDirectory('Tries');
    await muster.admin('PATCH', `/directories/${id}`, {
      attributeMapping: [{ target: 'displayName', expression: 'Join(" ", [givenName], [surname])' }],
    });
    const ada = await scim('POST', '/Users', { schemas: [USER], userName: 'ada@tries.example' });
    const before = await atRest();
    const person = { schemas: [USER], userName: 'bob@tries.example', name: { givenName: 'Bob', familyName: 'Hall' } };
    const created = await dryRun(id, {
      method: 'POST',
      path: '/Users',
      body: { ...person, password: 'planted-secret' },
    });
    expect(created).toMatchObject({
      status: 200,
      body: {
        decisions: [
          {
            command: { type: 'CreateUser', resource: { userName: 'bob@tries.example' } },
            outcome: { status: 'done' },
            events: [
              { version: 1, event: { type: 'UserCreated', resource: { displayName: 'Bob Hall' } } },
              { version: 2, event: { type: 'AttributesMapped' } },
            ],
            explanation: {
              mapped: { resource: { displayName: 'Bob Hall' }, lines: [{ target: 'displayName', line: 1 }] },
              rules: [
                { rule: 'providerId', candidates: [] },
                { rule: 'upn', candidates: [] },
                { rule: 'email', candidates: [] },
              ],
            },
          },
        ],
        response: { status: 201, body: { userName: 'bob@tries.example', displayName: 'Bob Hall' } },
      },
    });
    expect(JSON.stringify(created.body)).not.toContain('planted-secret');
    expect(
      await dryRun(id, { method: 'POST', path: '/Users', body: { ...person, userName: 'ADA@tries.example' } }),
    ).toMatchObject({
      body: {
        decisions: [
          {
            outcome: { status: 'rejected', code: 'uniqueness' },
            events: [],
            explanation: {
              rules: [{}, { rule: 'upn', candidates: [{ id: ada.body.id, userName: 'ada@tries.example' }] }, {}],
            },
          },
        ],
        response: { status: 409, body: { scimType: 'uniqueness' } },
      },
    });
    expect(
      await dryRun(id, {
        method: 'PATCH',
        path: `/Users/${ada.body.id}`,
        headers: { 'if-match': ada.headers.get('etag')! },
        body: { schemas: [PATCH], Operations: [{ op: 'Replace', path: 'active', value: 'False' }] },
      }),
    ).toMatchObject({
      body: {
        decisions: [{ events: [{ event: { type: 'UserChanged' } }, { event: { type: 'UserDeactivated' } }, {}] }],
        response: { status: 200, body: { active: false } },
      },
    });
    expect(await dryRun(id, { method: 'POST', path: '/Groups', body: { displayName: 'Staff' } })).toMatchObject({
      body: { decisions: [{ events: [{ event: { type: 'GroupCreated' } }] }], response: { status: 201 } },
    });
    expect(await dryRun(id, { method: 'DELETE', path: `/Users/${ada.body.id}` })).toMatchObject({
      body: { response: { status: 204, body: null } },
    });
    expect(
      await dryRun(id, { method: 'GET', path: '/Users?filter=userName%20eq%20%22ada@tries.example%22' }),
    ).toMatchObject({ body: { decisions: [], response: { status: 200, body: { totalResults: 1 } } } });
    expect(await everything()).toEqual(before);
    expect((await scim('GET', `/Users/${ada.body.id}`)).body).toMatchObject({ active: true });
  });

  it('answers what the gateway would, also to what is wrong', async () => {
    const { id } = await muster.newDirectory('Wrong requests');
    const response = async (request: object) => (await dryRun(id, request)).body.response;
    expect(await response({ method: 'POST', path: '/Users', body: { active: true } })).toMatchObject({ status: 400 });
    expect(await response({ method: 'GET', path: '/Nothing' })).toMatchObject({ status: 404 });
    expect(await response({ method: 'GET', path: '/Users', headers: null, body: null })).toMatchObject({ status: 200 });
    expect(await response({ method: 'GET', path: '/100%' })).toMatchObject({ status: 400 });
    expect(await response({ method: 'DELETE', path: '/Users' })).toMatchObject({
      status: 405,
      headers: { allow: expect.stringContaining('POST') },
    });
    for (const wrong of [
      { method: 'POST', path: '/Bulk', body: {} },
      { method: 'POST', path: '/%42ulk', body: {} },
      { method: 'GET', path: '/Users', body: { userName: 'ada' } },
      { method: 'GET', path: '/../../../health' },
      { method: 'GET', path: '/%2e%2e/%2e%2e/admin/v1/tenants' },
      { method: 'GET', path: 'Users' },
      { method: 'TRACE', path: '/Users' },
      { method: 'GET', path: '/Users', headers: { authorization: 'Bearer x' } },
      { method: 'GET', path: '/Users', headers: { 'if-match': 'a\r\nb: c' } },
    ])
      expect((await dryRun(id, wrong)).status, JSON.stringify(wrong)).toBe(400);
    expect((await dryRun('01980000-0000-7000-8000-000000000000', { method: 'GET', path: '/Users' })).status).toBe(404);
  });
});
