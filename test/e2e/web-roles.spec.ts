import { describe, expect, it } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

interface Change {
  readonly id: string;
  readonly userName: string;
  readonly from: string | null;
  readonly to: string | null;
}
interface Count {
  readonly from: string | null;
  readonly to: string | null;
  readonly users: number;
}

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    const { admin } = muster;

    const created = async (answer: Promise<Answer>): Promise<string> => {
      const { status, body } = await answer;
      expect(status, JSON.stringify(body)).toBe(201);
      return body.id as string;
    };
    const user = (directory: Directory, userName: string, rest: object = {}): Promise<string> =>
      created(directory.scim('POST', '/Users', { userName, active: true, ...rest }));
    const group = (directory: Directory, displayName: string, ...members: string[]): Promise<string> =>
      created(directory.scim('POST', '/Groups', { displayName, members: members.map((value) => ({ value })) }));
    const patch = async (directory: Directory, path: string, ...Operations: object[]): Promise<void> =>
      expect([200, 204]).toContain((await directory.scim('PATCH', path, { Operations })).status);
    const join = (directory: Directory, id: string, ...members: string[]): Promise<void> =>
      patch(directory, `/Groups/${id}`, { op: 'add', path: 'members', value: members.map((value) => ({ value })) });
    const set = async (directory: Directory, settings: object): Promise<Answer['body']> => {
      const { status, body } = await admin('PATCH', `/directories/${directory.id}`, settings);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    };
    const shown = async (id: string): Promise<Answer['body']> => (await admin('GET', `/users/${id}`)).body;
    const roleOf = async (id: string): Promise<string | null> => (await shown(id)).webRole;
    const signIn = (directory: Directory, upn: string): Promise<Answer> =>
      admin('POST', '/sign-ins', { directory: directory.id, loginType: 'oidc', providerId: `id of ${upn}`, upn });
    /** The whole preview, part by part. */
    const preview = async (
      directory: Directory,
      settings: object,
      limit = 100,
    ): Promise<{ readonly changes: readonly Change[]; readonly counts: readonly Count[] }> => {
      const changes: Change[] = [];
      for (let cursor = '', parts = 0; parts < 100; parts++) {
        const path = `/directories/${directory.id}/role-preview?limit=${limit}&cursor=${cursor}`;
        const { status, body } = await admin('POST', path, settings);
        expect(status, JSON.stringify(body)).toBe(200);
        changes.push(...body.items.map(({ sources: _sources, ...change }: Change & { sources: unknown }) => change));
        if (body.next === null) return { changes, counts: body.counts };
        cursor = encodeURIComponent(body.next as string);
      }
      throw new Error('the preview does not end');
    };
    const roles = (...values: string[]): object => ({ roles: values.map((value) => ({ value })) });

    it('a group gives its members a web role, also those who are in it through other groups, and takes it back', async () => {
      const entra = await muster.newDirectory('Entra');
      const [ada, bob, cy] = [
        await user(entra, 'ada'),
        await user(entra, 'bob', roles('ReadOnly')),
        await user(entra, 'cy'),
      ];
      const inner = await group(entra, 'Inner', bob);
      const outer = await group(entra, 'Outer', ada, inner);
      expect(await roleOf(ada)).toBeNull();
      const writes = async (): Promise<number> =>
        (await muster.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM identity.events')).rows[0]!.n;
      const written = await writes();
      await set(entra, { groupRoles: { Outer: 'Admin' } });
      expect([await roleOf(ada), await roleOf(bob), await roleOf(cy)]).toEqual(['Admin', 'Admin', null]);
      expect((await shown(bob)).webRoleSources).toEqual([
        { group: null, role: 'ReadOnly', gives: 'ReadOnly' },
        { group: { id: outer, displayName: 'Outer' }, role: 'Admin', gives: 'Admin' },
      ]);
      await patch(entra, `/Groups/${inner}`, { op: 'remove', path: `members[value eq "${bob}"]` });
      expect(await roleOf(bob)).toBe('ReadOnly');
      // Roles come and go without a write about anybody.
      expect(await writes()).toBe(written);
      // Archived users keep their memberships, which give nothing until they are back.
      await patch(entra, `/Users/${ada}`, { op: 'replace', path: 'active', value: false });
      expect(await shown(ada)).toMatchObject({ webRole: null, webRoleSources: [{ gives: 'Admin' }] });
      await patch(entra, `/Users/${ada}`, { op: 'replace', path: 'active', value: true });
      expect(await roleOf(ada)).toBe('Admin');
      expect((await entra.scim('DELETE', `/Groups/${outer}`)).status).toBe(204);
      expect(await roleOf(ada)).toBeNull();
    });

    it('a group is named by its id or its name, of its directory alone, and kept by its id', async () => {
      const entra = await muster.newDirectory('Entra');
      const okta = await muster.newDirectory('Okta', entra.tenant);
      const [ada, eve] = [await user(entra, 'ada'), await user(entra, 'eve')];
      const admins = await group(entra, 'Admins = all', ada);
      const others = await group(okta, 'Others');
      expect((await set(entra, { groupRoles: { 'aDMINS = ALL': 'Admin' } })).settings.groupRoles).toEqual({
        [admins]: 'Admin',
      });
      expect((await set(entra, { groupRoles: { [admins.toUpperCase()]: 'User' } })).settings.groupRoles).toEqual({
        [admins]: 'User',
      });
      const refused: [object, RegExp][] = [
        [{ Nobody: 'Admin' }, /no group with the id or the name "Nobody"/],
        [{ [others]: 'Admin' }, /no group with the id or the name/],
        [{ Others: 'Admin' }, /no group/],
        [{ [admins]: 'Owner' }, /groupRoles must be an object .*ReadOnly, User, Admin or EnterpriseAdmin/],
        [{ [admins]: 'Admin', 'Admins = all': 'User' }, /twice, with Admin and User/],
      ];
      for (const [groupRoles, detail] of refused)
        expect(await admin('PATCH', `/directories/${entra.id}`, { groupRoles })).toMatchObject({
          status: 400,
          body: { detail: expect.stringMatching(detail) },
        });
      // An administrator who renames groups at the identity provider hands out no role by it.
      await patch(entra, `/Groups/${admins}`, { op: 'replace', path: 'displayName', value: 'Old' });
      await group(entra, 'Admins = all', eve);
      expect([await roleOf(ada), await roleOf(eve)]).toEqual(['User', null]);
    });

    it('a ceiling cuts what the attribute and groups give, and keeps what was sent', async () => {
      const entra = await muster.newDirectory('Entra');
      const [ada, bob] = [await user(entra, 'ada', roles('EnterpriseAdmin')), await user(entra, 'bob')];
      const admins = await group(entra, 'Admins', bob);
      const { warnings } = await set(entra, { groupRoles: { [admins]: 'Admin' }, roleCeiling: 'User' });
      expect(warnings).toEqual([expect.stringMatching(/groupRoles .* above roleCeiling/)]);
      expect([await roleOf(ada), await roleOf(bob)]).toEqual(['User', 'User']);
      expect(await shown(ada)).toMatchObject({
        attributes: { roles: [{ value: 'EnterpriseAdmin' }] },
        webRoleSources: [{ group: null, role: 'EnterpriseAdmin', gives: 'User' }],
      });
      expect((await entra.scim('GET', `/Users/${ada}`)).body.roles).toEqual([{ value: 'EnterpriseAdmin' }]);
      const tried = (method: string, path: string, body: object): Promise<Answer> =>
        admin('POST', `/directories/${entra.id}/dry-run`, { method, path, body });
      const cutRole = {
        role: 'Admin',
        gives: 'User',
        detail: expect.stringMatching(/Admin, of which the roleCeiling of the directory "Entra" leaves User/),
      };
      const replacing = { Operations: [{ op: 'replace', path: 'roles', value: [{ value: 'Admin' }] }] };
      for (const request of [
        tried('POST', '/Users', { userName: 'cy', ...roles('Admin') }),
        tried('PATCH', `/Users/${bob}`, replacing),
      ])
        expect((await request).body).toMatchObject({
          decisions: [{ explanation: { cutRole } }],
          response: { body: roles('Admin') },
        });
      expect((await tried('POST', '/Users', { userName: 'cy', ...roles('User') })).body).toMatchObject({
        decisions: [{ explanation: { cutRole: null } }],
      });
      await set(entra, { roleCeiling: 'none' });
      expect([await roleOf(ada), await roleOf(bob)]).toEqual([null, null]);
      await set(entra, { roleCeiling: null });
      expect([await roleOf(ada), await roleOf(bob)]).toEqual(['EnterpriseAdmin', 'Admin']);
    });

    it('a sign-in through another directory ends working while a group gives a role', async () => {
      const entra = await muster.newDirectory('Entra');
      const okta = await muster.newDirectory('Okta', entra.tenant);
      const ada = await user(entra, 'ada@x');
      const inner = await group(entra, 'Inner', ada);
      const outer = await group(entra, 'Outer', inner);
      expect((await signIn(okta, 'ada@x')).body).toMatchObject({ userId: ada });
      const refused = { status: 409, body: { detail: expect.stringMatching(/web role User and is not managed/) } };
      await set(entra, { groupRoles: { [outer]: 'User' } });
      expect(await signIn(okta, 'ada@x')).toMatchObject(refused);
      expect((await signIn(entra, 'ada@x')).body).toMatchObject({ userId: ada });
      await set(entra, { roleCeiling: 'none' });
      expect((await signIn(okta, 'ada@x')).body).toMatchObject({ userId: ada });
      await set(entra, { roleCeiling: null });
      expect(await signIn(okta, 'ada@x')).toMatchObject(refused);
      await patch(entra, `/Groups/${inner}`, { op: 'remove', path: 'members' });
      expect((await signIn(okta, 'ada@x')).body).toMatchObject({ userId: ada });
      await join(entra, outer, ada);
      expect(await signIn(okta, 'ada@x')).toMatchObject(refused);
      // Several at once are one batch, of which some ask for groups and others do not.
      const eve = await user(entra, 'eve@x');
      const answers = await Promise.all(['ada@x', 'eve@x', 'new@x', 'ada@x'].map((upn) => signIn(okta, upn)));
      expect(answers.map(({ status }) => status)).toEqual([409, 201, 201, 409]);
      expect(answers[1]!.body.userId).toBe(eve);
    });

    it('an unlink, a transfer and a move leave no role above a ceiling, nor that of a group of another directory', async () => {
      const entra = await muster.newDirectory('Entra');
      const okta = await muster.newDirectory('Okta', entra.tenant);
      await set(okta, { roleCeiling: 'User' });
      const [ada, bob] = [await user(entra, 'ada', roles('Admin', 'ReadOnly')), await user(entra, 'bob')];
      const admins = await group(entra, 'Admins', ada, bob);
      await set(entra, { groupRoles: { [admins]: 'EnterpriseAdmin' } });
      expect([await roleOf(ada), await roleOf(bob)]).toEqual(['EnterpriseAdmin', 'EnterpriseAdmin']);
      expect((await admin('POST', `/directories/${entra.id}/move`, { kind: 'okta' })).status).toBe(200);
      expect(await roleOf(bob)).toBe('EnterpriseAdmin');
      await set(entra, { roleCeiling: 'User' });
      expect(await roleOf(bob)).toBe('User');
      await set(entra, { roleCeiling: null });
      for (const id of [ada, bob])
        expect((await admin('POST', `/users/${id}/transfer`, { directory: okta.id })).status).toBe(200);
      expect([await roleOf(ada), await roleOf(bob)]).toEqual(['ReadOnly', null]);
      expect((await shown(ada)).attributes.roles).toEqual([{ value: 'ReadOnly' }]);
      await set(okta, { roleCeiling: 'none' });
      expect(await roleOf(ada)).toBeNull();
      expect((await admin('POST', `/users/${ada}/unlink`, {})).status).toBe(200);
      expect(await shown(ada)).toMatchObject({ webRole: null, webRoleSources: [], directory: null });
      await expect(muster.verify()).resolves.toMatchObject({ findings: [] });
    });

    it('a preview says who gains or loses which role, and so it comes', async () => {
      const entra = await muster.newDirectory('Entra');
      const okta = await muster.newDirectory('Okta', entra.tenant);
      const ids: string[] = [];
      const given = [{}, roles('ReadOnly'), roles('Admin'), roles('Owner'), roles('EnterpriseAdmin', 'User')];
      for (let n = 0; n < 25; n++)
        ids.push(await user(entra, `user${n}`, { ...given[n % 5], ...(n % 7 === 3 ? { active: false } : {}) }));
      const stranger = await user(okta, 'stranger', roles('Admin'));
      const inner = await group(entra, 'Inner', ...ids.filter((_, n) => n % 3 === 0));
      const outer = await group(entra, 'Outer', inner, ...ids.filter((_, n) => n % 4 === 1));
      const plain = await group(entra, 'Plain', ...ids.slice(10));
      await set(entra, { groupRoles: { [plain]: 'User' } });
      const allRoles = async (): Promise<Map<string, string | null>> =>
        new Map(await Promise.all([...ids, stranger].map(async (id) => [id, await roleOf(id)] as const)));
      const proposals = [
        { groupRoles: { Inner: 'Admin', Plain: 'ReadOnly' } },
        { roleCeiling: 'User' },
        { groupRoles: { [outer]: 'EnterpriseAdmin', [inner]: 'User' }, roleCeiling: 'Admin' },
        { groupRoles: {}, roleCeiling: 'none' },
        { groupRoles: null, roleCeiling: null },
      ];
      for (const proposal of proposals) {
        const before = await allRoles();
        const told = await preview(entra, proposal);
        expect(await preview(entra, proposal, 3)).toEqual(told);
        expect(await allRoles()).toEqual(before);
        await set(entra, proposal);
        const after = await allRoles();
        const changed = ids.filter((id) => before.get(id) !== after.get(id));
        expect(changed.length).toBeGreaterThan(0);
        expect(told.changes.map(({ id, from, to }) => [id, from, to])).toEqual(
          changed.toSorted().map((id) => [id, before.get(id), after.get(id)]),
        );
        const active = ids.filter((_, n) => n % 7 !== 3);
        expect(told.counts.reduce((sum, { users }) => sum + users, 0)).toBe(active.length);
        for (const { from, to, users } of told.counts)
          expect(active.filter((id) => before.get(id) === from && after.get(id) === to)).toHaveLength(users);
        expect((await preview(entra, proposal)).changes).toEqual([]);
      }
    });

    it('a preview refuses what could not be saved, and a cursor of other settings', async () => {
      const entra = await muster.newDirectory('Entra');
      await user(entra, 'ada', roles('Admin'));
      await user(entra, 'bob', roles('Admin'));
      const path = `/directories/${entra.id}/role-preview`;
      for (const [body, detail] of [
        [{ groupRoles: { Nobody: 'Admin' } }, /no group/],
        [{ roleCeiling: 'Owner' }, /roleCeiling must be none, ReadOnly/],
        [{ createUsers: false }, /createUsers gives nobody a web role/],
        [{ owner: 'me' }, /no setting/],
      ] as const)
        expect(await admin('POST', path, body)).toMatchObject({
          status: 400,
          body: { detail: expect.stringMatching(detail) },
        });
      const { body } = await admin('POST', `${path}?limit=1`, { roleCeiling: 'none' });
      expect(body).toMatchObject({ items: [{ userName: 'ada', from: 'Admin', to: null }], next: expect.any(String) });
      const next = `${path}?limit=1&cursor=${encodeURIComponent(body.next as string)}`;
      expect((await admin('POST', next, { roleCeiling: 'User' })).status).toBe(400);
      await set(entra, { roleCeiling: 'User' });
      expect(await admin('POST', next, { roleCeiling: 'none' })).toMatchObject({
        status: 400,
        body: { detail: expect.stringMatching(/cursor/) },
      });
    });

    it('a group of 100,000 is asked for one of its members; where groups are too many to look into, a sign-in is refused', async () => {
      const entra = await muster.newDirectory('Entra');
      const okta = await muster.newDirectory('Okta', entra.tenant);
      const [ada, bob] = [await user(entra, 'ada@x'), await user(entra, 'bob@x')];
      const huge = await group(entra, 'Huge', ada);
      const plain = await group(entra, 'Plain', bob);
      await set(entra, { groupRoles: { [huge]: 'Admin' } });
      await muster.owner.query(
        `INSERT INTO "group".members SELECT $1::uuid, $2::uuid, gen_random_uuid(), 'U' FROM generate_series(1, 100000)`,
        [entra.tenant, huge],
      );
      expect(await signIn(okta, 'ada@x')).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/Admin/) },
      });
      expect((await signIn(okta, 'bob@x')).status).toBe(201);
      await join(entra, huge, bob);
      expect((await signIn(okta, 'bob@x')).status).toBe(409);
      expect(await roleOf(bob)).toBe('Admin');
      expect((await preview(entra, { roleCeiling: 'User' })).changes.map(({ id }) => id)).toEqual(
        [ada, bob].toSorted(),
      );
      await muster.owner.query(
        `WITH made AS (
           INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
           SELECT $1, gen_random_uuid(), $2, 1, now(), now(), '{}', 'x', '{}', 0 FROM generate_series(1, 1000) RETURNING id)
         INSERT INTO "group".members SELECT $1, $3, id, 'G' FROM made`,
        [entra.tenant, entra.id, huge],
      );
      const cy = await user(entra, 'cy@x');
      await join(entra, plain, cy);
      for (const upn of ['ada@x', 'cy@x'])
        expect(await signIn(okta, upn)).toMatchObject({
          status: 409,
          body: { detail: expect.stringMatching(/may give a web role, but contain too many others/) },
        });
      expect((await signIn(entra, 'ada@x')).body.userId).toBe(ada);
      expect([await roleOf(ada), await roleOf(cy)]).toEqual(['Admin', null]);
    });
  });
}
