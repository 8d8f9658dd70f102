import { describe, expect, it } from 'vitest';
import { startMuster } from '../support/muster.js';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const WORK = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const cycle = (title: string, nickName: string): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [
    { op: 'Replace', path: 'title', value: title },
    { op: 'Replace', path: 'nickName', value: nickName },
  ],
});

describe.each(['Postgres', 'Kafka'] as const)('attributes that administrators own, on %s', (log) => {
  const muster = startMuster({ log });
  const set = (id: string, attributes: unknown, reason?: string) =>
    muster.admin('PATCH', `/users/${id}/attributes`, { attributes, reason });
  const eventsOf = async (id: string): Promise<unknown[]> =>
    (await muster.admin('GET', `/users/${id}/events`)).body.items;

  it('survive a cycle of the identity provider, which is told 200 and sees them', async () => {
    const { id, scim } = await muster.newDirectory('Leaves');
    expect(
      (await muster.admin('PATCH', `/directories/${id}`, { localAttributes: ['title', `${WORK}:department`] })).status,
    ).toBe(200);
    const made = await scim('POST', '/Users', {
      schemas: [USER],
      userName: 'ada@leaves.example',
      title: 'Analyst',
      [WORK]: { department: 'Engines', costCenter: '7' },
    });
    expect(made).toMatchObject({ status: 201, body: { title: 'Analyst' } });
    const userId = made.body.id as string;
    expect(await set(userId, { title: 'Countess', [`${WORK}:department`]: 'Poetry' }, 'she asked')).toMatchObject({
      status: 200,
      body: { id: userId, version: 2 },
    });
    const path = `/Users/${userId}`;
    const written = await scim('PATCH', path, cycle('Programmer', 'A'));
    expect(written).toMatchObject({ status: 200, body: { title: 'Countess', nickName: 'A' } });
    const again = await scim('PATCH', path, cycle('Programmer', 'A'));
    expect(again).toMatchObject({ status: 200, body: { title: 'Countess' } });
    expect(again.headers.get('etag')).toBe(written.headers.get('etag'));
    expect((await scim('GET', path)).body).toMatchObject({
      title: 'Countess',
      [WORK]: { department: 'Poetry', costCenter: '7' },
    });
    expect(await eventsOf(userId)).toMatchObject([
      { type: 'muster.user.created.v2' },
      {
        type: 'muster.user.attributes-set.v1',
        actor: expect.stringMatching(/^key:/),
        directory: null,
        data: { attributes: ['title', WORK], local: ['title', `${WORK}:department`], reason: 'she asked' },
      },
      { type: 'muster.user.changed.v1', data: { attributes: ['nickName'], leftOut: ['title'] } },
    ]);
    const { rows } = await muster.owner.query('SELECT data FROM identity.events WHERE stream = $1', [userId]);
    expect(JSON.stringify(rows)).not.toMatch(/Countess|Poetry/);
    expect((await muster.admin('GET', `/users/${userId}`)).body.localAttributes).toEqual([
      'title',
      `${WORK}:department`,
    ]);
    await muster.stop();
    await muster.start();
    expect(await scim('PATCH', path, cycle('Analyst', 'B'))).toMatchObject({
      status: 200,
      body: { title: 'Countess', nickName: 'B' },
    });
    expect((await set(userId, { title: null })).status).toBe(200);
    expect(await scim('PATCH', path, cycle('Analyst', 'B'))).toMatchObject({ body: { title: 'Analyst' } });
    expect((await muster.verify()).findings).toEqual([]);
  });

  it('are refused where the directory does not leave them, and so is what nobody may own', async () => {
    const { id, scim } = await muster.newDirectory('Keeps');
    const { body } = await scim('POST', '/Users', { schemas: [USER], userName: 'ada@keeps.example' });
    expect(await set(body.id, { title: 'Countess' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/title belongs to the directory "Keeps"/) },
    });
    expect(await set(body.id, { roles: [{ value: 'Admin' }] })).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/"roles" cannot be left to administrators: roles says/) },
    });
    for (const wrong of [undefined, null, [], 'title', {}])
      expect((await set(body.id, wrong)).status, JSON.stringify(wrong)).toBe(400);
    expect((await set('nobody', { title: 'a' })).status).toBe(404);
    for (const path of ['userName', 'emails', 'phoneNumbers[type eq "work"].value', 'nothing', 'roles.value'])
      expect(await muster.admin('PATCH', `/directories/${id}`, { localAttributes: ['title', path] })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining(`localAttributes: ${JSON.stringify(path)} cannot be left`) },
      });
    expect((await muster.admin('GET', `/directories/${id}`)).body.settings.localAttributes).toEqual([]);
    expect(await eventsOf(body.id)).toHaveLength(1);
  });
});
