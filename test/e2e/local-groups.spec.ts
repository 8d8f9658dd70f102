import { describe, expect, it } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const { admin, scim } = startMuster({ log });
    let counter = 0;
    const newUser = async (more: object = {}): Promise<string> =>
      (await scim('POST', '/Users', { userName: `local-${++counter}@example.org`, ...more })).body.id;
    const patch = (group: string, ...Operations: object[]): Promise<Answer> =>
      scim('PATCH', `/Groups/${group}`, { Operations });

    it('an administrator makes a local group of users that an identity provider manages, changes and deletes it', async () => {
      const [ada, bob] = [await newUser(), await newUser()];
      const made = await admin('POST', '/groups', { displayName: 'Fire wardens', members: [ada.toUpperCase()] });
      expect(made).toMatchObject({
        status: 201,
        body: { displayName: 'Fire wardens', directory: null, members: 1, version: 2 },
      });
      const { id } = made.body;
      const changed = await admin('PATCH', `/groups/${id}`, { displayName: 'Wardens', add: [bob], remove: [ada] });
      expect(changed).toMatchObject({ status: 200, body: { displayName: 'Wardens', members: 1 } });
      expect((await admin('GET', `/groups/${id}/members`)).body).toEqual({
        items: [{ id: bob, type: 'User' }],
        next: null,
      });
      expect((await admin('GET', '/groups')).body.items).toContainEqual(changed.body);
      expect((await admin('DELETE', `/groups/${id}`)).status).toBe(204);
      expect((await admin('GET', `/groups/${id}`)).status).toBe(404);
    });

    it('is shown to the identity provider only where the directory says so, and never changed by it', async () => {
      const ada = await newUser();
      const { id } = (await admin('POST', '/groups', { displayName: 'Choir', members: [ada] })).body;
      const { id: directory } = (await admin('GET', '/directories/first')).body;
      const find = (): Promise<Answer> => scim('GET', `/Groups?filter=${encodeURIComponent('displayName eq "choir"')}`);
      expect((await find()).body.totalResults).toBe(0);
      expect((await scim('GET', `/Groups/${id}`)).status).toBe(404);
      expect((await scim('GET', `/Users/${ada}`)).body).not.toHaveProperty('groups');
      expect(await patch(id, { op: 'Add', path: 'members', value: [{ value: ada }] })).toMatchObject({ status: 404 });
      await admin('PATCH', `/directories/${directory}`, { offerLocalGroups: true });
      try {
        await expect.poll(async () => (await find()).body.totalResults).toBe(1);
        expect((await scim('GET', `/Users/${ada}`)).body.groups).toMatchObject([
          { value: id, display: 'Choir', type: 'direct' },
        ]);
        for (const answer of [
          await patch(id, { op: 'Remove', path: 'members', value: [{ value: ada }] }),
          await scim('DELETE', `/Groups/${id}`),
          await scim('PUT', `/Groups/${id}`, { displayName: 'Choir' }),
        ]) {
          expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining('local') } });
        }
        expect((await scim('GET', `/Groups/${id}`)).body.members).toMatchObject([{ value: ada, type: 'User' }]);
        // Names are unique among the groups of one owner.
        expect((await scim('POST', '/Groups', { displayName: 'Choir' })).status).toBe(201);
        for (const displayName of ['CHOIR', 'Choir\u200b', ' ｃhoir'])
          expect(await admin('POST', '/groups', { displayName })).toMatchObject({
            status: 409,
            body: { code: 'uniqueness' },
          });
        expect((await admin('POST', '/groups', { displayName: '\u200b' })).status).toBe(400);
      } finally {
        await admin('PATCH', `/directories/${directory}`, { offerLocalGroups: false });
      }
    });

    it('a group of a directory is read-only for administrators, who are told whose it is', async () => {
      const ada = await newUser();
      const { id } = (await scim('POST', '/Groups', { displayName: 'Sales' })).body;
      for (const answer of [
        await admin('PATCH', `/groups/${id}`, { add: [ada] }),
        await admin('DELETE', `/groups/${id}`),
      ]) {
        expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining('Microsoft Entra ID') } });
      }
      expect((await admin('GET', `/groups/${id}`)).body).toMatchObject({
        displayName: 'Sales',
        members: 0,
        directory: { name: 'Microsoft Entra ID' },
      });
    });

    it('who is archived stays a member without effect; who is in a group of the group is an effective member', async () => {
      const [ada, bob, eve] = [await newUser(), await newUser(), await newUser({ active: false })];
      const { id: inner } = (await admin('POST', '/groups', { displayName: 'Inner', members: [bob, eve] })).body;
      const { id: outer } = (await admin('POST', '/groups', { displayName: 'Outer', members: [ada, inner] })).body;
      const effective = async (): Promise<string[]> =>
        (await admin('GET', `/groups/${outer}/members?effective=true`)).body.items.map(({ id }: { id: string }) => id);
      expect(await effective()).toEqual([ada, bob]);
      await scim('PATCH', `/Users/${eve}`, { Operations: [{ op: 'Replace', path: 'active', value: 'True' }] });
      await scim('PATCH', `/Users/${ada}`, { Operations: [{ op: 'Replace', path: 'active', value: 'False' }] });
      expect(await effective()).toEqual([bob, eve]);
      const { body: first } = await admin('GET', `/groups/${inner}/members?limit=1`);
      expect(first.items).toEqual([{ id: bob, type: 'User' }]);
      expect((await admin('GET', `/groups/${inner}/members?limit=1&cursor=${first.next}`)).body).toEqual({
        items: [{ id: eve, type: 'User' }],
        next: null,
      });
      expect(await admin('PATCH', `/groups/${inner}`, { add: [outer] })).toMatchObject({
        status: 400,
        body: { code: 'invalidValue', detail: expect.stringContaining(outer) },
      });
    });

    it('says what is wrong', async () => {
      const nobody = '01980000-0000-7000-8000-00000000ffff';
      expect(await admin('POST', '/groups', { displayName: '' })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('displayName') },
      });
      for (const displayName of ['  ', null, 7]) {
        expect(await admin('POST', '/groups', { displayName })).toMatchObject({
          status: 400,
          body: { code: 'invalidValue', detail: expect.stringContaining('displayName') },
        });
      }
      const { id } = (await admin('POST', '/groups', { displayName: 'Y' })).body;
      expect(await admin('PATCH', `/groups/${id}`, { displayName: '  ' })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('displayName') },
      });
      for (const wrong of [{ constructor: { a: 1 } }, [{ constructor: null }]]) {
        expect(await admin('PATCH', `/groups/${id}`, { add: wrong })).toMatchObject({
          status: 400,
          body: { code: 'invalidValue', detail: expect.stringContaining('constructor') },
        });
      }
      expect(await admin('POST', '/groups', { displayName: 'X', members: ['me'] })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('members') },
      });
      expect(await admin('POST', '/groups', { displayName: 'X', members: [nobody] })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining(nobody) },
      });
      expect(
        (await admin('GET', '/groups')).body.items.map(({ displayName }: { displayName: string }) => displayName),
      ).not.toContain('X');
      for (const path of [`groups/${nobody}`, 'groups/x', `groups/${nobody}/members`])
        expect((await admin('GET', `/${path}`)).status, path).toBe(404);
      expect((await admin('GET', '/groups?limit=0')).status).toBe(400);
      expect((await admin('GET', '/groups?cursor=x')).status).toBe(400);
      expect((await admin('POST', '/groups', { displayName: 'X', tenant: nobody })).status).toBe(404);
    });
  });
}
