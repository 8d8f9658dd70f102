import { describe, expect, it } from 'vitest';
import { DELETABLE_AFTER_MS } from '#contracts';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Directory } from '../support/muster.js';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // A change of a directory counts with the next request: a token is looked up for each.
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    const { admin } = muster;

    const act = (directory: { readonly id: string }, action: string, body?: object) =>
      admin('POST', `/directories/${directory.id}/${action}`, body ?? {});
    const create = ({ scim }: Directory, userName: string) => scim('POST', '/Users', { userName });
    const withToken = (directory: Directory, token: string): Directory => ({
      ...directory,
      token,
      scim: (method, path, body) => directory.scim(method, path, body, { authorization: `Bearer ${token}` }),
    });

    it('a disabled directory answers 403 as a SCIM error that says so, and goes on where it was once it is enabled', async () => {
      const directory = await muster.newDirectory('Disabled');
      const { body: user } = await create(directory, 'ada');
      expect((await act(directory, 'disable')).body).toMatchObject({ status: 'disabled', deletableAt: null });
      for (const [method, path, body] of [
        ['GET', `/Users/${user.id}`],
        ['GET', '/ServiceProviderConfig'],
        ['POST', '/Users', { userName: 'eve' }],
        ['DELETE', `/Users/${user.id}`],
      ] as const)
        expect(await directory.scim(method, path, body), `${method} ${path}`).toMatchObject({
          status: 403,
          body: {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
            status: '403',
            detail: expect.stringMatching(/^The directory "Disabled" is disabled/),
          },
        });
      expect((await act(directory, 'connect')).status).toBe(409);
      expect((await act(directory, 'enable')).body).toMatchObject({ status: 'active' });
      expect((await directory.scim('GET', `/Users/${user.id}`)).body).toEqual(user);
      expect((await create(directory, 'eve')).status).toBe(201);
    });

    it('a request that was let in before the directory was disabled is refused by the owners', async () => {
      const directory = await muster.newDirectory('Overtaken');
      const { body: user } = await create(directory, 'ada');
      await act(directory, 'disable');
      const signIn = { directory: directory.id, loginType: 'oidc', providerId: 'p', upn: 'ada' };
      expect(await admin('POST', '/sign-ins', signIn)).toMatchObject({
        status: 403,
        body: { detail: 'The directory "Overtaken" is disabled.' },
      });
      await act(directory, 'disconnect');
      const other = await muster.newDirectory('Other', directory.tenant);
      const { body: mine } = await create(other, 'bob');
      expect(await admin('POST', `/users/${mine.id}/transfer`, { directory: directory.id })).toMatchObject({
        status: 409,
        body: { detail: 'The directory "Overtaken" is disconnected.' },
      });
      // Its users can be taken out of it.
      expect((await admin('POST', `/users/${user.id}/transfer`, { directory: other.id })).status).toBe(200);
    });

    it('a disconnected directory has no token that works, and keeps users, groups, ids and settings until it is connected again', async () => {
      const directory = await muster.newDirectory('Interrupted');
      await admin('PATCH', `/directories/${directory.id}`, { offerLocalGroups: true });
      const { body: user } = await create(directory, 'ada');
      const second = (await admin('POST', `/directories/${directory.id}/tokens`, { description: '2' })).body;
      const stopped = await act(directory, 'disconnect');
      expect(stopped).toMatchObject({ status: 200, body: { status: 'disconnected' } });
      expect(stopped.body.tokens.map(({ status }: { status: string }) => status)).toEqual(['revoked', 'revoked']);
      for (const token of [directory.token, second.token])
        expect(await withToken(directory, token).scim('GET', `/Users/${user.id}`)).toMatchObject({
          status: 401,
          body: { status: '401', detail: expect.stringMatching(/^The directory "Interrupted" is disconnected/) },
        });
      expect((await admin('POST', `/directories/${directory.id}/tokens`, { description: '3' })).status).toBe(409);
      const connected = await act(directory, 'connect');
      expect(connected.body).toMatchObject({ status: 'active', token: expect.stringMatching(/^muster_/) });
      const again = withToken(directory, connected.body.token);
      expect((await again.scim('GET', `/Users/${user.id}`)).body).toEqual(user);
      expect((await directory.scim('GET', `/Users/${user.id}`)).status).toBe(401);
      expect((await admin('GET', `/directories/${directory.id}`)).body.settings).toMatchObject({
        offerLocalGroups: true,
      });
      expect((await act(directory, 'connect')).body).toMatchObject({ status: 'active', token: null });
    });

    it('HTTP Basic is taken with the id of the directory as the user name and its token as the password', async () => {
      const directory = await muster.newDirectory('Basic');
      const other = await muster.newDirectory('Beside', directory.tenant);
      const shown = (await act(directory, 'reveal-token')).body;
      expect(shown).toMatchObject({ userName: directory.id, token: directory.token, password: directory.token });
      const answer = (userName: string, password: string) =>
        directory.scim('GET', '/Users?count=0', undefined, {
          authorization: `Basic ${Buffer.from(`${userName}:${password}`).toString('base64')}`,
        });
      expect((await answer(shown.userName, shown.password)).status).toBe(200);
      expect((await withToken(directory, shown.password).scim('GET', '/Users?count=0')).status).toBe(200);
      for (const [userName, password] of [
        [other.id, shown.password],
        ['admin', shown.password],
        [shown.userName, `${shown.password}x`],
      ] as const) {
        const refused = await answer(userName, password);
        expect(refused).toMatchObject({ status: 401, body: { status: '401' } });
        expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer .*Basic realm="muster"/);
      }
    });

    it('its addresses and its guide are shown, and the guide holds no token', async () => {
      const directory = await muster.newDirectory('Guided', undefined, 'okta');
      const { body } = await admin('GET', `/directories/${directory.id}`);
      const at = `https://scim.example.org/sign-in/${directory.id}/oidc`;
      expect(Object.entries(body.redirectUris)).toEqual([
        ['publicClient', `${at}/public-client`],
        ['web', `${at}/web`],
      ]);
      const answer = await fetch(
        `http://127.0.0.1:${muster.server.adminPort}/api/admin/v1/directories/${directory.id}/guide`,
        { headers: { authorization: `Bearer ${muster.server.apiKey}` } },
      );
      expect(answer.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
      const guide = await answer.text();
      expect(guide).toMatch(/^# Connect Guided\n/);
      expect(guide).toContain('`https://scim.example.org/api/scim/v2`');
      expect(guide).not.toContain(directory.token);
    });

    it('a name is changed, and is unique in the tenant', async () => {
      const directory = await muster.newDirectory('Old name');
      await muster.newDirectory('Taken', directory.tenant);
      expect((await act(directory, 'rename', { name: 'New name' })).body).toMatchObject({ name: 'New name' });
      expect((await act(directory, 'rename', { name: 'taken' })).status).toBe(409);
      expect((await act(directory, 'rename', { name: '' })).status).toBe(400);
    });

    it('a directory that moves to another identity provider keeps users, groups and their ids, and finds people again', async () => {
      const directory = await muster.newDirectory('Moving', undefined, 'entra');
      await admin('PATCH', `/directories/${directory.id}`, { externalIdIsProviderId: true });
      const people = ['ada', 'bob', 'cleo'].map((userName, index) => ({
        userName: `${userName}@x.org`,
        externalId: String(index),
        emails: [{ type: 'work', value: `${userName}@mail.org` }],
      }));
      const ids: string[] = [];
      for (const person of people) ids.push((await directory.scim('POST', '/Users', person)).body.id);
      const { body: group } = await directory.scim('POST', '/Groups', {
        displayName: 'Staff',
        members: [{ value: ids[0] }],
      });
      const moved = await act(directory, 'move', { kind: 'okta' });
      expect(moved).toMatchObject({
        status: 200,
        body: { id: directory.id, kind: 'okta', status: 'active', token: expect.stringMatching(/^muster_/) },
      });
      expect((await directory.scim('GET', '/Users')).status).toBe(401);
      const okta = withToken(directory, moved.body.token);
      const found = async (filter: string) =>
        (await okta.scim('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body.Resources.map(
          ({ id }: { id: string }) => id,
        );
      expect(await found('externalId eq "0"')).toEqual([]);
      expect(await found('userName eq "ADA@x.org"')).toEqual([ids[0]]);
      expect(await found('emails[type eq "work"].value eq "bob@mail.org"')).toEqual([ids[1]]);
      // Each is found again as the new one asks: by a POST with the UPN, with the e-mail, and by a PATCH.
      expect(await okta.scim('POST', '/Users', { ...people[0], externalId: '1' })).toMatchObject({
        status: 201,
        body: { id: ids[0], externalId: '1' },
      });
      expect(
        await okta.scim('POST', '/Users', { ...people[1], userName: 'robert@x.org', externalId: '2' }),
      ).toMatchObject({ status: 201, body: { id: ids[1], externalId: '2', userName: 'robert@x.org' } });
      expect(
        await okta.scim('PATCH', `/Users/${ids[2]}`, { Operations: [{ op: 'replace', path: 'title', value: 'Dr' }] }),
      ).toMatchObject({ status: 200, body: { title: 'Dr' } });
      expect((await okta.scim('GET', `/Users/${ids[2]}`)).body).not.toHaveProperty('externalId');
      expect(await found('externalId eq "1"')).toEqual([ids[0]]);
      expect(await found('externalId eq "2" and title pr')).toEqual([]);
      expect(await found('externalId eq "2" and userName sw "rob"')).toEqual([ids[1]]);
      expect((await okta.scim('GET', `/Groups/${group.id}`)).body.members).toMatchObject([{ value: ids[0] }]);
      expect((await okta.scim('POST', '/Users', people[0])).status).toBe(409);
    });

    it('a directory is deleted when it is disconnected and nothing belongs to it', async () => {
      const directory = await muster.newDirectory('Done with');
      const remove = () => admin('DELETE', `/directories/${directory.id}`);
      const { body: user } = await create(directory, 'ada');
      const { body: group } = await directory.scim('POST', '/Groups', { displayName: 'Staff' });
      expect(await remove()).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/disconnect it/) } });
      expect((await admin('DELETE', `/groups/${group.id}`)).status).toBe(409);
      const { deletableAt } = (await act(directory, 'disconnect')).body;
      expect(await remove()).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining(`can be deleted from ${deletableAt} on`) },
      });
      await muster.owner.query(
        'UPDATE directory.directories SET disconnected_at = disconnected_at - $2 * interval $$1 ms$$ WHERE id = $1',
        [directory.id, DELETABLE_AFTER_MS],
      );
      expect(await remove()).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/^1 user and 1 group belong to the directory "Done with"/) },
      });
      expect((await admin('POST', `/users/${user.id}/unlink`, {})).status).toBe(200);
      // The identity provider, which alone changes it otherwise, cannot delete it any more.
      expect((await admin('DELETE', `/groups/${group.id}`)).status).toBe(204);
      expect((await remove()).status).toBe(204);
      expect((await remove()).status).toBe(404);
      expect((await admin('GET', `/directories/${directory.id}`)).status).toBe(404);
      expect((await directory.scim('GET', '/Users')).status).toBe(401);
      // Its name is free, and the user is still there.
      const next = await muster.newDirectory('Done with', directory.tenant);
      expect(await create(next, 'ada')).toMatchObject({ status: 201, body: { id: user.id } });
    });

    it('what verify compares is as the events say', async () => {
      const { findings } = await muster.verify();
      // The test above moved one moment itself, in a row that is gone.
      expect(findings).toEqual([]);
    });
  });
}
