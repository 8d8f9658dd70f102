import { beforeAll, describe, expect, it, vi } from 'vitest';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Directory } from '../support/muster.js';

const patch = (path: string, value: unknown) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'Replace', path, value }],
});
const newPerson = () => {
  const name = `${uuidv7()}@example.org`;
  return { userName: name, externalId: uuidv7(), active: true, emails: [{ type: 'work', value: name }] };
};

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    let entra: Directory;
    let okta: Directory;
    beforeAll(async () => {
      entra = await muster.newDirectory('Entra', undefined, 'entra');
      okta = await muster.newDirectory('Okta', entra.tenant, 'okta');
    });
    const set = async ({ id }: Directory, settings: object): Promise<unknown> => {
      const { status, body } = await muster.admin('PATCH', `/directories/${id}`, settings);
      expect(status, JSON.stringify(body)).toBe(200);
      return body.warnings;
    };
    const rowOf = async (id: string) =>
      (await muster.owner.query('SELECT directory, links FROM identity.users WHERE id = $1', [id])).rows[0];
    const typesOf = async (id: string): Promise<string[]> =>
      (
        await muster.owner.query<{ type: string }>(
          'SELECT type FROM identity.events WHERE stream = $1 ORDER BY version',
          [id],
        )
      ).rows.map(({ type }) => type.split('.')[2]!);

    it('a user who is deleted is gone for the client, and kept: the person comes back with the id and the groups of before', async () => {
      const [person, other] = [newPerson(), newPerson()];
      const { body: user } = await entra.scim('POST', '/Users', person);
      const { body: stays } = await entra.scim('POST', '/Users', other);
      const { body: group } = await entra.scim('POST', '/Groups', {
        displayName: uuidv7(),
        members: [{ value: user.id }, { value: stays.id }],
      });
      const alone = (await entra.scim('POST', '/Groups', { displayName: uuidv7(), members: [{ value: user.id }] }))
        .body;
      expect((await entra.scim('DELETE', `/Users/${user.id}`)).status).toBe(204);

      for (const again of ['GET', 'DELETE'])
        expect((await entra.scim(again, `/Users/${user.id}`)).status, again).toBe(404);
      expect((await entra.scim('PATCH', `/Users/${user.id}`, patch('title', 'Dr'))).status).toBe(404);
      for (const filter of [
        `userName eq "${person.userName}"`,
        `externalId eq "${person.externalId}"`,
        `id eq "${user.id}"`,
      ])
        expect((await entra.scim('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body.totalResults, filter).toBe(
          0,
        );
      // The membership is kept, but no client sees it.
      const membersOf = async (id: string) => (await entra.scim('GET', `/Groups/${id}`)).body.members;
      expect((await membersOf(group.id)).map(({ value }: { value: string }) => value)).toEqual([stays.id]);
      expect(await membersOf(alone.id)).toBeUndefined();
      const page = await entra.scim(
        'GET',
        `/Groups?filter=${encodeURIComponent(`displayName eq "${group.displayName}"`)}`,
      );
      expect(page.body.Resources[0].members).toHaveLength(1);
      expect(
        (await entra.scim('POST', '/Groups', { displayName: uuidv7(), members: [{ value: user.id }] })).status,
      ).toBe(400);
      expect(await typesOf(user.id)).toEqual(['created', 'withdrawn', 'deactivated']);
      expect((await muster.verify()).findings).toEqual([]);

      const back = await entra.scim('POST', '/Users', person);
      expect(back).toMatchObject({ status: 201, body: { id: user.id, active: true } });
      expect(back.body.groups).toHaveLength(2);
      expect(await membersOf(group.id)).toHaveLength(2);
      expect((await muster.verify()).findings).toEqual([]);
    });

    it('its name is free for somebody else', async () => {
      const person = newPerson();
      const { body: user } = await okta.scim('POST', '/Users', person);
      const { body: other } = await okta.scim('POST', '/Users', newPerson());
      await okta.scim('DELETE', `/Users/${user.id}`);
      expect((await muster.admin('GET', `/users/${user.id}`)).body).toMatchObject({
        state: 'archived',
        directory: null,
        withdrawnFrom: { id: okta.id, name: expect.any(String) },
        held: null,
      });
      const renamed = await okta.scim('PATCH', `/Users/${other.id}`, patch('userName', person.userName));
      expect(renamed).toMatchObject({ status: 200, body: { userName: person.userName } });
      const back = await okta.scim('POST', '/Users', person);
      expect(back).toMatchObject({
        status: 409,
        body: { scimType: 'uniqueness', detail: expect.stringContaining(other.id) },
      });
      expect(await okta.scim('POST', '/Users', { ...person, userName: newPerson().userName })).toMatchObject({
        status: 201,
        body: { id: user.id },
      });
      expect((await muster.verify()).findings).toEqual([]);
    });

    it('deleteDeactivated deletes, by DELETE and by active:false, and memberships end', async () => {
      expect(await set(okta, { deleteDeactivated: true })).toEqual([]);
      try {
        const ids = [];
        for (const leave of [patch('active', false), undefined]) {
          const { body: user } = await okta.scim('POST', '/Users', newPerson());
          const { body: group } = await okta.scim('POST', '/Groups', {
            displayName: uuidv7(),
            members: [{ value: user.id }],
          });
          const left = await okta.scim(leave ? 'PATCH' : 'DELETE', `/Users/${user.id}`, leave);
          expect(left.status).toBe(leave ? 200 : 204);
          if (leave) expect(left.body).toMatchObject({ id: user.id, active: false });
          expect((await okta.scim('GET', `/Users/${user.id}`)).status).toBe(404);
          expect(await rowOf(user.id)).toBeUndefined();
          ids.push(group.id);
        }
        for (const id of ids)
          await vi.waitFor(
            async () =>
              expect((await muster.owner.query('SELECT FROM "group".members WHERE group_id = $1', [id])).rows).toEqual(
                [],
              ),
            { timeout: 20_000, interval: 50 },
          );
      } finally {
        await set(okta, { deleteDeactivated: null });
      }
    });

    it('Entra is told nothing that puts it into quarantine: whoever is new is kept archived until users may be made', async () => {
      await set(entra, { createUsers: false });
      const { status, body: held } = await entra.scim('POST', '/Users', newPerson());
      expect({ status, active: held.active }).toEqual({ status: 201, active: false });
      expect(await rowOf(held.id)).toMatchObject({ links: { holds: { reasons: ['create'], active: true } } });
      expect((await muster.admin('GET', `/users/${held.id}`)).body).toMatchObject({
        state: 'archived',
        held: { reasons: ['create'], active: true },
        withdrawnFrom: null,
      });
      const told = await muster.admin('GET', `/users/${held.id}/events`);
      expect(told.body.items[0].data).toMatchObject({ held: { reasons: ['create'], active: true } });
      expect(await entra.scim('PATCH', `/Users/${held.id}`, patch('active', true))).toMatchObject({
        status: 200,
        body: { active: false },
      });
      await set(entra, { createUsers: true });
      expect(await entra.scim('PATCH', `/Users/${held.id}`, patch('active', true))).toMatchObject({
        status: 200,
        body: { active: true },
      });
      expect(await rowOf(held.id)).toMatchObject({ links: null });
      expect(await typesOf(held.id)).toEqual(['created', 'deactivated', 'changed', 'reactivated']);
    });

    it('Entra is answered 200 and 204 where nothing is changed, archived or deleted', async () => {
      const { body: user } = await entra.scim('POST', '/Users', newPerson());
      await set(entra, { updateUsers: false, deactivateUsers: false, deleteUsers: false });
      for (const [path, value] of [
        ['title', 'Dr'],
        ['active', 'False'],
      ]) {
        const answer = await entra.scim('PATCH', `/Users/${user.id}`, patch(path!, value));
        expect(answer).toMatchObject({ status: 200, body: { active: true, meta: { version: user.meta.version } } });
        expect(answer.body).not.toHaveProperty('title');
      }
      expect((await entra.scim('DELETE', `/Users/${user.id}`)).status).toBe(204);
      expect((await entra.scim('GET', `/Users/${user.id}`)).status).toBe(200);
      expect(await typesOf(user.id)).toEqual(['created']);
      await set(entra, { updateUsers: null, deactivateUsers: null, deleteUsers: null });
    });

    it('other identity providers get a 403 that names the setting, and groups are a 403 for all', async () => {
      const { body: user } = await okta.scim('POST', '/Users', newPerson());
      await set(okta, { createUsers: false, updateUsers: false, deactivateUsers: false, deleteUsers: false });
      for (const [setting, answer] of [
        ['createUsers', okta.scim('POST', '/Users', newPerson())],
        ['updateUsers', okta.scim('PATCH', `/Users/${user.id}`, patch('title', 'Dr'))],
        ['deactivateUsers', okta.scim('PATCH', `/Users/${user.id}`, patch('active', false))],
        ['deleteUsers', okta.scim('DELETE', `/Users/${user.id}`)],
      ] as const)
        expect(await answer, setting).toMatchObject({
          status: 403,
          body: {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
            detail: expect.stringContaining(`The setting ${setting} of the directory "Okta" is off`),
          },
        });
      await set(okta, { createUsers: null, updateUsers: null, deactivateUsers: null, deleteUsers: null });
      const { body: group } = await entra.scim('POST', '/Groups', { displayName: uuidv7() });
      await set(entra, { provisionGroups: false });
      for (const [method, path, body] of [
        ['POST', '/Groups', { displayName: uuidv7() }],
        ['PATCH', `/Groups/${group.id}`, patch('displayName', uuidv7())],
        ['DELETE', `/Groups/${group.id}`, undefined],
      ] as const)
        expect(await entra.scim(method, path, body)).toMatchObject({
          status: 403,
          body: { detail: expect.stringContaining('provisionGroups') },
        });
      expect((await entra.scim('GET', `/Groups/${group.id}`)).status).toBe(200);
      await set(entra, { provisionGroups: null });
    });

    it('switches that contradict each other are saved with a warning that names both', async () => {
      expect(await set(entra, { deleteDeactivated: true, deleteUsers: false })).toEqual([
        expect.stringMatching(/deleteDeactivated.*deleteUsers/),
      ]);
      expect(await set(entra, { deleteDeactivated: null, deleteUsers: null })).toEqual([]);
    });
  });
}
