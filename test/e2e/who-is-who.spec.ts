import { describe, expect, it } from 'vitest';
import { settingsOf } from '#contracts';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

const DIGITS = '0123456789abcdef'.repeat(2);

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // A setting of a directory counts with the next request: a token is looked up for each.
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    const { admin } = muster;

    const scim = (directory: Directory, method: string, path: string, body?: object) =>
      directory.scim(method, `/Users${path}`, body);
    const patch = (directory: Directory, id: string, ...Operations: object[]) =>
      scim(directory, 'PATCH', `/${id}`, { Operations });
    const found = async (directory: Directory, filter: string): Promise<string[]> =>
      (await scim(directory, 'GET', `?filter=${encodeURIComponent(filter)}`)).body.Resources.map(
        ({ id }: { id: string }) => id,
      );
    const events = async (id: string): Promise<any[]> => (await admin('GET', `/users/${id}/events`)).body.items;
    const signIn = (directory: Directory, providerId: string, upn: string, rest: object = {}) =>
      admin('POST', '/sign-ins', { directory: directory.id, loginType: 'oidc', providerId, upn, ...rest });
    const mail = (value: string): object => ({ emails: [{ type: 'work', value }] });

    /** The e-mail domain of these tests becomes that of this tenant: at most one has it. */
    const verifyMail = async ({ tenant }: Directory): Promise<void> => {
      for (const { id } of (await admin('GET', '/domains')).body.items) await admin('DELETE', `/domains/${id}`);
      await muster.verifyDomain(tenant, 'mail.example');
    };

    /** A tenant of its own with two directories. */
    const twoDirectories = async (): Promise<[Directory, Directory]> => {
      const entra = await muster.newDirectory('Entra');
      await verifyMail(entra);
      return [entra, await muster.newDirectory('Okta', entra.tenant)];
    };

    it('who signed in first is linked by a POST, with the id that the user has, and the decision is in the events', async () => {
      const [entra, okta] = await twoDirectories();
      const first = await signIn(entra, 'p1', 'ada@x', { email: 'ada@mail.example', displayName: 'Ada' });
      const id = first.body.userId as string;
      expect(first).toMatchObject({ status: 201, body: { matching: { rule: 'create', candidates: [], result: id } } });
      expect((await scim(entra, 'GET', `/${id}`)).status).toBe(404);
      expect((await signIn(entra, 'p1', 'renamed@x')).body).toEqual({
        userId: id,
        matching: { rule: 'providerId', candidates: [id], result: id },
      });

      const linked = await scim(entra, 'POST', '', {
        userName: 'lovelace@x',
        externalId: 'e1',
        ...mail('ADA@mail.example'),
      });
      expect(linked).toMatchObject({ status: 201, body: { id, userName: 'lovelace@x', meta: { version: 'W/"4"' } } });
      expect(await found(entra, 'externalId eq "e1"')).toEqual([id]);
      expect(await scim(entra, 'POST', '', { userName: 'lovelace@x' })).toMatchObject({
        status: 409,
        body: { scimType: 'uniqueness' },
      });
      expect(await scim(okta, 'POST', '', { userName: 'Lovelace@x' })).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining('"Entra"') },
      });
      expect((await events(id)).map(({ type, data }) => [type.split('.')[2], data.matching?.rule])).toEqual([
        ['created', 'create'],
        ['signed-in', 'create'],
        ['signed-in', 'providerId'],
        ['linked', 'email'],
      ]);
      expect(JSON.stringify(await events(id))).not.toMatch(/p1|@x|@mail.example/);
    });

    it('a sign-in finds whom a directory manages, and adds nobody', async () => {
      const [entra] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada@x', ...mail('ada@mail.example') });
      expect((await signIn(entra, 'p1', 'ADA@x')).body).toMatchObject({ userId: ada.id, matching: { rule: 'upn' } });
      expect(
        (
          await admin('POST', '/sign-ins', {
            directory: entra.id,
            loginType: 'saml',
            providerId: 's1',
            upn: 'other@x',
            email: 'ada@mail.example',
          })
        ).body,
      ).toMatchObject({ userId: ada.id, matching: { rule: 'email' } });
      await patch(entra, ada.id, { op: 'replace', path: 'active', value: false });
      expect(await signIn(entra, 'p1', 'ada@x')).toMatchObject({
        status: 403,
        body: { detail: expect.stringContaining('archived') },
      });
    });

    it('a role on the web is taken over by nobody but an administrator', async () => {
      const [entra, okta] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada@x', roles: [{ value: 'Admin' }] });
      expect((await admin('POST', `/users/${ada.id}/unlink`, {})).status).toBe(200);
      expect(await scim(okta, 'POST', '', { userName: 'ada@x' })).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/web role/) },
      });
      expect((await signIn(okta, 'p1', 'ada@x')).status).toBe(409);
      expect((await admin('POST', `/users/${ada.id}/transfer`, { directory: okta.id })).status).toBe(200);
      expect(await scim(okta, 'POST', '', { userName: 'ada@x', externalId: 'o1' })).toMatchObject({
        status: 201,
        body: { id: ada.id, externalId: 'o1' },
      });
    });

    it('a sign-in of another directory ends working when the user gets a web role, and works again when it is gone', async () => {
      const [entra, okta] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada@x' });
      expect((await signIn(okta, 'p1', 'ada@x')).body).toMatchObject({ userId: ada.id, matching: { rule: 'upn' } });
      expect((await signIn(entra, 'p1', 'ada@x')).body.userId).toBe(ada.id);
      const refused = { status: 409, body: { detail: expect.stringMatching(/web role/) } };
      const gains: (() => Promise<Answer>)[] = [
        () => patch(entra, ada.id, { op: 'Add', path: 'roles[primary eq "True"].value', value: 'EnterpriseAdmin' }),
        () =>
          scim(entra, 'PUT', `/${ada.id}`, { userName: 'ada@x', roles: [{ value: 'Owner' }, { value: 'readonly' }] }),
        // Archived, and back with a role.
        async () => {
          await patch(entra, ada.id, { op: 'replace', path: 'active', value: false });
          return scim(entra, 'POST', '', { userName: 'ada@x', roles: [{ value: 'User' }] });
        },
      ];
      for (const gain of gains) {
        expect([200, 201]).toContain((await gain()).status);
        expect(await signIn(okta, 'p1', 'ada@x')).toMatchObject(refused);
        expect((await signIn(entra, 'p1', 'ada@x')).body.userId).toBe(ada.id);
        expect((await patch(entra, ada.id, { op: 'replace', path: 'roles', value: [{ value: 'Owner' }] })).status).toBe(
          200,
        );
        expect((await signIn(okta, 'p1', 'ada@x')).body.userId).toBe(ada.id);
      }
      // The directory that manages the user, and no other, is asked: a transfer turns it round, and after an unlink
      // nobody does.
      await patch(entra, ada.id, { op: 'replace', path: 'roles', value: [{ value: 'Admin' }] });
      expect((await admin('POST', `/users/${ada.id}/transfer`, { directory: okta.id })).status).toBe(200);
      expect((await signIn(okta, 'p1', 'ada@x')).body.userId).toBe(ada.id);
      expect(await signIn(entra, 'p1', 'ada@x')).toMatchObject(refused);
      expect((await admin('POST', `/users/${ada.id}/unlink`, {})).status).toBe(200);
      for (const directory of [entra, okta]) expect(await signIn(directory, 'p1', 'ada@x')).toMatchObject(refused);
    });

    it('a transferred user is seen by its new directory only', async () => {
      const [entra, okta] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada@x', externalId: 'e1' });
      await admin('POST', `/users/${ada.id}/transfer`, { directory: okta.id });
      expect((await scim(entra, 'GET', `/${ada.id}`)).status).toBe(404);
      expect((await scim(okta, 'GET', `/${ada.id}`)).body).not.toHaveProperty('externalId');
      expect((await patch(okta, ada.id, { op: 'replace', path: 'externalId', value: 'o1' })).status).toBe(200);
      expect(await found(okta, 'externalId eq "o1"')).toEqual([ada.id]);
    });

    it('an unlink undoes what a link did, and tells when that is not possible', async () => {
      const [entra] = await twoDirectories();
      const {
        body: { userId: id },
      } = await signIn(entra, 'p1', 'ada@x', { email: 'team@mail.example' });
      await scim(entra, 'POST', '', { userName: 'bob@x', externalId: 'e1', ...mail('team@mail.example') });
      // Meanwhile somebody is given the name that Ada had.
      const { body: other } = await scim(entra, 'POST', '', { userName: 'ada@x' });
      expect(await admin('POST', `/users/${id}/unlink`, {})).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining(other.id) },
      });
      await scim(entra, 'DELETE', `/${other.id}`);
      expect((await admin('POST', `/users/${id}/unlink`, {})).status).toBe(200);
      expect((await signIn(entra, 'p1', 'ada@x')).body.userId).toBe(id);
      const bob = await scim(entra, 'POST', '', { userName: 'bob@x', externalId: 'e1', ...mail('team@mail.example') });
      expect(bob.status).toBe(201);
      expect(bob.body.id).not.toBe(id);
    });

    it('a sign-in identity is taken from a user', async () => {
      const [entra] = await twoDirectories();
      const {
        body: { userId: id },
      } = await signIn(entra, 'p1', 'ada@x');
      const identity = { directory: entra.id, loginType: 'oidc', providerId: 'p1' };
      expect((await admin('POST', `/users/${id}/unlink`, { signIn: identity })).status).toBe(200);
      expect((await admin('POST', `/users/${id}/unlink`, { signIn: identity })).status).toBe(404);
      expect((await signIn(entra, 'p1', 'bob@x')).body.userId).not.toBe(id);
    });

    it('a soft deletion frees the name, shows what was sent, and the person who comes back is found by UPN or externalId', async () => {
      const [entra] = await twoDirectories();
      const body = { userName: 'ada@x', externalId: 'e1', ...mail('ada@x') };
      const {
        body: { id },
      } = await scim(entra, 'POST', '', body);
      const bury = () =>
        patch(
          entra,
          id,
          { op: 'Replace', path: 'userName', value: `${DIGITS}ada@x` },
          { op: 'Replace', path: 'active', value: 'False' },
          { op: 'Replace', path: 'emails[type eq "work"].value', value: `${DIGITS}ada@x` },
        );
      for (const back of [{ userName: 'Ada@x' }, { ...body, userName: 'lovelace@x' }, body]) {
        expect((await bury()).body).toMatchObject({ userName: `${DIGITS}ada@x`, active: false, ...mail('ada@x') });
        expect(await found(entra, 'userName eq "ada@x"')).toEqual([]);
        expect(await found(entra, `userName eq "${DIGITS}ada@x"`)).toEqual([id]);
        expect(await scim(entra, 'POST', '', back)).toMatchObject({
          status: 201,
          body: { id, active: true, userName: back.userName },
        });
        // As Entra sends it when the UPN has changed.
        expect(
          (
            await patch(
              entra,
              id,
              { op: 'Replace', path: 'userName', value: 'ada@x' },
              { op: 'add', path: 'externalId', value: 'e1' },
              { op: 'Add', path: 'emails[type eq "work"].value', value: 'ada@x' },
            )
          ).status,
        ).toBe(200);
      }
      expect((await scim(entra, 'GET', '')).body.totalResults).toBe(1);
    });

    it('who was deleted and comes back is the same one, or somebody new where directories delete for good', async () => {
      const [entra] = await twoDirectories();
      const {
        body: { id },
      } = await scim(entra, 'POST', '', { userName: 'ada@x', externalId: 'e1' });
      expect((await scim(entra, 'DELETE', `/${id}`)).status).toBe(204);
      const again = await scim(entra, 'POST', '', { userName: 'ada@x', externalId: 'e1' });
      expect(again).toMatchObject({ status: 201, body: { id } });
      await muster.deleteForGood(entra.id);
      expect((await scim(entra, 'DELETE', `/${id}`)).status).toBe(204);
      const anew = await scim(entra, 'POST', '', { userName: 'ada@x', externalId: 'e1' });
      expect(anew.status).toBe(201);
      expect(anew.body.id).not.toBe(id);
    });

    it('an externalId is that of one user of its directory', async () => {
      const [entra, okta] = await twoDirectories();
      const {
        body: { id },
      } = await scim(entra, 'POST', '', { userName: 'ada@x', externalId: 'e1' });
      const { body: bob } = await scim(entra, 'POST', '', { userName: 'bob@x' });
      expect(await patch(entra, bob.id, { op: 'replace', value: { externalId: 'e1' } })).toMatchObject({
        status: 409,
        body: { scimType: 'uniqueness', detail: expect.stringContaining(id) },
      });
      expect((await scim(okta, 'POST', '', { userName: 'zoe@x', externalId: 'e1' })).status).toBe(201);
    });

    it('of 20 POSTs of one known person one links it and nineteen are refused', async () => {
      const [entra] = await twoDirectories();
      const {
        body: { userId: id },
      } = await signIn(entra, 'p1', 'ada@x', { email: 'ada@mail.example' });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          scim(entra, 'POST', '', { userName: `Ada${index}@x`, externalId: 'e1', ...mail('ada@mail.example') }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
      expect(answers.find(({ status }) => status === 201)!.body.id).toBe(id);
    });

    describe('import', () => {
      it('is off by default; on, the directory sees whom nobody manages, page by page each exactly once, and its first write links one', async () => {
        const [entra, okta] = await twoDirectories();
        const unmanaged: string[] = [];
        for (let index = 0; index < 5; index++)
          unmanaged.push((await signIn(entra, `p${index}`, `u${index}@x`)).body.userId);
        const mine = (await scim(entra, 'POST', '', { userName: 'mine@x' })).body.id;
        await scim(okta, 'POST', '', { userName: 'theirs@x' });
        expect((await scim(entra, 'GET', '')).body.totalResults).toBe(1);
        expect((await patch(entra, unmanaged[0]!, { op: 'add', path: 'title', value: 'Dr' })).status).toBe(404);

        const changed = await admin('PATCH', `/directories/${entra.id}`, { offerExistingUsers: true });
        expect(changed).toMatchObject({
          status: 200,
          body: { settings: { offerExistingUsers: true, emailIsLoginName: false } },
        });
        const walked: string[] = [];
        for (let startIndex = 1; startIndex <= 6; startIndex += 2) {
          const { body } = await scim(entra, 'GET', `?startIndex=${startIndex}&count=2`);
          expect(body.totalResults).toBe(6);
          walked.push(...body.Resources.map(({ id }: { id: string }) => id));
          // A user that is linked in between stays where it is.
          await patch(entra, unmanaged[1 + (startIndex % 3)]!, { op: 'add', path: 'title', value: 'Dr' });
        }
        expect(walked.toSorted()).toEqual([...unmanaged, mine].toSorted());

        const [first] = unmanaged as [string];
        expect((await scim(entra, 'GET', `/${first}`)).status).toBe(200);
        expect(await found(entra, 'userName eq "U0@x"')).toEqual([first]);
        expect(await patch(entra, first, { op: 'add', path: 'externalId', value: 'e0' })).toMatchObject({
          status: 200,
          body: { externalId: 'e0' },
        });
        expect((await events(first)).at(-1)).toMatchObject({
          type: 'muster.user.linked.v1',
          data: { matching: { rule: 'id' }, directoryVersion: 2 },
        });
        await admin('PATCH', `/directories/${entra.id}`, { offerExistingUsers: false });
        expect((await scim(entra, 'GET', `/${first}`)).status).toBe(200);
        expect((await scim(entra, 'GET', `/${unmanaged[4]}`)).status).toBe(404);
      });

      it('offers nothing of another tenant', async () => {
        const [mine] = await twoDirectories();
        const [foreign] = await twoDirectories();
        const {
          body: { userId },
        } = await signIn(mine, 'p1', 'ada@x');
        await admin('PATCH', `/directories/${foreign.id}`, { offerExistingUsers: true });
        expect((await scim(foreign, 'GET', '')).body.totalResults).toBe(0);
        expect((await scim(foreign, 'GET', `/${userId}`)).status).toBe(404);
        expect((await patch(foreign, userId, { op: 'add', path: 'title', value: 'Dr' })).status).toBe(404);
        expect((await scim(foreign, 'POST', '', { userName: 'ada@x' })).body.id).not.toBe(userId);
        expect(await admin('POST', `/users/${userId}/transfer`, { directory: foreign.id })).toMatchObject({
          status: 404,
          body: { detail: expect.stringContaining(foreign.id) },
        });
      });
    });

    it('where the e-mail is the login name it is unique in the tenant, and a duplicate is a 409 that names it', async () => {
      const [entra, okta] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada', ...mail('one@mail.example') });
      await scim(entra, 'POST', '', { userName: 'twin', ...mail('one@mail.example') });
      await admin('PATCH', `/directories/${entra.id}`, { emailIsLoginName: true });
      const refused = {
        status: 409,
        body: { scimType: 'uniqueness', detail: expect.stringContaining('One@mail.example') },
      };
      expect(await scim(entra, 'POST', '', { userName: 'bob', ...mail('One@mail.example') })).toMatchObject(refused);
      const { body: bob } = await scim(entra, 'POST', '', { userName: 'bob', ...mail('bob@mail.example') });
      expect(
        await patch(entra, bob.id, { op: 'replace', path: 'emails[type eq "work"].value', value: 'One@mail.example' }),
      ).toMatchObject(refused);
      expect(
        await patch(entra, bob.id, { op: 'replace', value: { emails: [{ type: 'work', value: 'One@mail.example' }] } }),
      ).toMatchObject(refused);
      expect((await patch(entra, ada.id, { op: 'replace', path: 'title', value: 'Dr' })).status).toBe(200);
      const { body: zoe } = await scim(okta, 'POST', '', { userName: 'zoe' });
      expect(
        await patch(okta, zoe.id, { op: 'add', path: 'emails', value: [{ type: 'work', value: 'One@mail.example' }] }),
      ).toMatchObject(refused);
      expect(
        (await patch(okta, zoe.id, { op: 'add', path: 'emails', value: [{ type: 'home', value: 'One@mail.example' }] }))
          .status,
      ).toBe(200);
      expect(
        await patch(okta, zoe.id, { op: 'replace', path: 'emails[type eq "home"].type', value: 'work' }),
      ).toMatchObject(refused);
      const { body: ann } = await scim(okta, 'POST', '', { userName: 'ann', ...mail('two@mail.example') });
      await scim(okta, 'POST', '', { userName: 'eve', ...mail('two@mail.example') });
      expect(await admin('POST', `/users/${ann.id}/transfer`, { directory: entra.id })).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining('two@mail.example') },
      });
    });

    it.each([
      ['a sign-in without a provider id', 'sign-ins', { loginType: 'oidc', upn: 'a' }, 400, /providerId/],
      ['an unknown login type', 'sign-ins', { loginType: 'magic', providerId: 'p', upn: 'a' }, 400, /loginType/],
      [
        'too long a provider id',
        'sign-ins',
        { loginType: 'oidc', providerId: 'x'.repeat(401), upn: 'a' },
        400,
        /providerId/,
      ],
      ['a NUL character', 'sign-ins', { loginType: 'oidc', providerId: 'p\0', upn: 'a' }, 400, /NUL/],
      [
        'a directory that is not there',
        'sign-ins',
        { directory: uuidv7(), loginType: 'oidc', providerId: 'p', upn: 'a' },
        404,
        /directory/,
      ],
      ['an unlink of nobody', `users/${uuidv7()}/unlink`, {}, 404, /no user/],
      ['half an identity', `users/${uuidv7()}/unlink`, { signIn: { loginType: 'oidc' } }, 400, /signIn\.providerId/],
      ['a transfer to nowhere', `users/${uuidv7()}/transfer`, {}, 400, /directory/],
    ] as const)('%s is told in one sentence', async (_name, path, body, status, detail) => {
      expect(await admin('POST', `/${path}`, body)).toMatchObject({
        status,
        body: { detail: expect.stringMatching(detail) },
      });
    });

    it('a name that only looks like that of a user is refused, for whoever sends it and however, and is found as it was sent', async () => {
      const [entra, okta] = await twoDirectories();
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'Ada@x' });
      const {
        body: { userId: nobodys },
      } = await signIn(entra, 'p9', 'signed in@x');
      const {
        body: { id: other },
      } = await scim(entra, 'POST', '', { userName: 'other@x' });
      const taken = (id: string) => ({
        status: 409,
        body: { scimType: 'uniqueness', detail: expect.stringMatching(`${id}.*differs only in spaces`) },
      });
      for (const look of ['ada@x ', 'ad\u200ba@x', 'ａｄａ@x', 'ada\u0007@x', ' \u00a0ADA@x\u2028', 'ada@x\u00ad']) {
        for (const directory of [entra, okta])
          expect(await scim(directory, 'POST', '', { userName: look }), look).toMatchObject(taken(ada.id));
        expect(await patch(entra, other, { op: 'replace', path: 'userName', value: look })).toMatchObject(
          taken(ada.id),
        );
        expect(await scim(entra, 'PUT', `/${other}`, { userName: look })).toMatchObject(taken(ada.id));
        expect((await signIn(okta, 'p1', look)).body.detail).toMatch(ada.id);
      }
      // Nor is it a link with somebody whom nobody manages.
      for (const look of ['signed  in@x', 'signed\u2003in@x'])
        expect(await scim(entra, 'POST', '', { userName: look })).toMatchObject(taken(nobodys));
      for (const nothing of ['\u200b', ' \u00ad\u3000', '\u0007'])
        expect(await scim(entra, 'POST', '', { userName: nothing })).toMatchObject({
          status: 400,
          body: { scimType: 'invalidValue' },
        });
      expect(
        (await admin('POST', '/sign-ins', { directory: entra.id, loginType: 'oidc', providerId: 'p2', upn: '\u200b' }))
          .status,
      ).toBe(400);
      // The names that a user bears are its own, however they are written, and are kept, shown and found as they were
      // sent.
      expect((await patch(entra, ada.id, { op: 'replace', path: 'userName', value: 'ａda@x ' })).body.userName).toBe(
        'ａda@x ',
      );
      expect(await found(entra, 'userName eq "Ａda@x "')).toEqual([ada.id]);
      expect(await found(entra, 'userName eq "ada@x"')).toEqual([]);
      expect(await scim(okta, 'POST', '', { userName: 'ada@x' })).toMatchObject(taken(ada.id));
      expect((await scim(entra, 'DELETE', `/${ada.id}`)).status).toBe(204);
      expect((await scim(okta, 'POST', '', { userName: 'ada@x' })).status).toBe(201);
    });

    it('an e-mail that only looks like a login name is refused, and says nothing about a person', async () => {
      const [entra, okta] = await twoDirectories();
      expect((await admin('PATCH', `/directories/${entra.id}`, { emailIsLoginName: true })).status).toBe(200);
      const { body: ada } = await scim(entra, 'POST', '', { userName: 'ada@x', ...mail('Ada@mail.example\u200b') });
      const { body: bob } = await scim(entra, 'POST', '', { userName: 'bob@x' });
      for (const look of ['ada@mail.example', 'ａda@mail.example', 'ada@mail.example ']) {
        for (const directory of [entra, okta]) {
          expect(await scim(directory, 'POST', '', { userName: 'carl@x', ...mail(look) }), look).toMatchObject({
            status: 409,
            body: { scimType: 'uniqueness', detail: expect.stringContaining(ada.id) },
          });
        }
        expect(
          (await patch(entra, bob.id, { op: 'add', path: 'emails[type eq "work"].value', value: look })).status,
        ).toBe(409);
        expect((await signIn(okta, 'p1', 'dora@x', { email: look })).body.detail).toMatch(ada.id);
      }
      expect(await scim(entra, 'POST', '', { userName: 'carl@x', ...mail('\ufdfa'.repeat(400)) })).toMatchObject({
        status: 400,
        body: { scimType: 'invalidValue' },
      });
      expect(await found(entra, 'emails[type eq "work"].value eq "ada@mail.example\u200b"')).toEqual([ada.id]);
    });

    it('settings that are none are refused', async () => {
      const [entra] = await twoDirectories();
      for (const value of [[], 'on', 1])
        expect(
          (await admin('PATCH', `/directories/${entra.id}`, { offerExistingUsers: value })).status,
          String(value),
        ).toBe(400);
      expect((await admin('PATCH', `/directories/${uuidv7()}`, { offerExistingUsers: true })).status).toBe(404);
      expect((await admin('GET', `/directories/${entra.id}`)).body.settings).toEqual(settingsOf({}));
    });

    it('verify finds nothing, and finds a planted corruption of each new column and claim', async () => {
      const findings = async (): Promise<string[]> =>
        (await muster.verify()).findings.map(({ rule, detail }) => `${rule} ${detail}`);
      expect(await findings()).toEqual([]);
      const [entra] = await twoDirectories();
      const {
        body: { userId: id },
      } = await signIn(entra, 'planted', 'planted@x');
      const harms: readonly [RegExp, string, string][] = [
        [
          /^row .*links/,
          "links = jsonb_set(links, '{awaited}', 'true')",
          "links = jsonb_set(links, '{awaited}', 'false')",
        ],
        [/^row .*former_upn_key/, "former_upn_key = 'x'", 'former_upn_key = NULL'],
        [/^row .*name_key/, "name_key = 'planted@x'", 'name_key = NULL'],
        [/^row .*work_email_key/, "work_email_key = 'x'", 'work_email_key = NULL'],
        [/^row .*directory/, `directory = '${entra.id}'`, 'directory = NULL'],
      ];
      for (const [expected, harm, mend] of harms) {
        await muster.owner.query(`UPDATE identity.users SET ${harm} WHERE id = $1`, [id]);
        expect(await findings()).toEqual([expect.stringMatching(expected)]);
        await muster.owner.query(`UPDATE identity.users SET ${mend} WHERE id = $1`, [id]);
      }
      await muster.owner.query("UPDATE identity.claims SET holder = NULL WHERE kind = 'signIn' AND holder = $1", [id]);
      expect(await findings()).toEqual([expect.stringMatching(/^name signIn .*planted is claimed by nobody/)]);
      await muster.owner.query(
        "UPDATE identity.claims SET holder = $1 WHERE kind = 'signIn' AND value LIKE '%/planted'",
        [id],
      );
      expect(await findings()).toEqual([]);
    });
  });
}
