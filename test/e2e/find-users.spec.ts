import { describe, expect, it } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

const DIGITS = '0123456789abcdef'.repeat(2);
const ENTERPRISE_MAIL = (value: string): object => ({ emails: [{ type: 'work', value, primary: true }] });

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin, scim } = muster;
    let counter = 0;
    const newUser = async (more: object = {}): Promise<{ id: string; userName: string }> => {
      const userName = `person-${++counter}@example.org`;
      const { status, body } = await scim('POST', '/Users', { userName, ...more });
      expect(status).toBe(201);
      return { id: body.id, userName: body.userName };
    };
    const patch = async (id: string, ...changes: [path: string, value: unknown][]): Promise<Answer> => {
      const Operations = changes.map(([path, value]) => ({ op: 'Replace', path, value }));
      const answer = await scim('PATCH', `/Users/${id}`, { Operations });
      expect(answer.status).toBe(200);
      return answer;
    };
    const find = (text: string): Promise<Answer> => admin('GET', `/users/find?text=${encodeURIComponent(text)}`);
    /** `id matchedBy` of each who is found. */
    const found = async (text: string): Promise<string[]> => {
      const { status, body } = await find(text);
      expect({ status, next: body.next }).toEqual({ status: 200, next: null });
      return body.items.map(({ id, matchedBy }: { id: string; matchedBy: string }) => `${id} ${matchedBy}`);
    };

    it('a user is found by each identifier that it has', async () => {
      const mail = 'Ada.Lovelace@mail.example';
      const { id } = await newUser({
        userName: 'ADA.L@example.org',
        externalId: 'Ext-Ada',
        displayName: 'Ada  Lovelace',
        emails: [
          { type: 'work', value: mail },
          { type: 'home', value: 'ada@home.example' },
        ],
      });
      await admin('POST', '/sign-ins', { loginType: 'oidc', providerId: 'oid-Ada', upn: 'ada.l@EXAMPLE.org' });
      for (const [text, by] of [
        ['ada.l@example.org', 'userName'],
        [' Ada.L@Example.ORG ', 'userName'],
        ['ada.lovelace@MAIL.example', 'email'],
        ['Ada@home.example', 'email'],
        ['Ext-Ada', 'externalId'],
        ['oid-Ada', 'providerId'],
        ['ada lovelace', 'displayName'],
        [id, 'id'],
        [id.toUpperCase(), 'id'],
      ] as const)
        expect(await found(text), text).toEqual([`${id} ${by}`]);
      // Ids are other ids in other capitals.
      expect(await found('ext-ada')).toEqual([]);
      expect((await find('ada lovelace')).body.items[0]).toEqual({
        id,
        tenant: expect.any(String),
        userName: 'ADA.L@example.org',
        state: 'active',
        displayName: 'Ada  Lovelace',
        email: mail,
        externalId: 'Ext-Ada',
        directory: { id: expect.any(String), name: 'Microsoft Entra ID' },
        created: expect.any(String),
        lastModified: expect.any(String),
        matchedBy: 'displayName',
      });
    });

    it('and by each that it had; who has it comes before who had it', async () => {
      const { id } = await newUser({
        userName: 'grace.murray@example.org',
        externalId: 'murray',
        displayName: 'Grace Murray',
        ...ENTERPRISE_MAIL('murray@mail.example'),
      });
      await patch(
        id,
        ['displayName', 'Grace Hopper'],
        ['userName', 'grace.hopper@example.org'],
        ['externalId', 'hopper'],
      );
      await patch(id, ['emails[type eq "work"].value', 'hopper@mail.example']);
      for (const [text, by] of [
        ['Grace Murray', 'formerDisplayName'],
        ['grace.murray@example.org', 'formerUserName'],
        ['murray', 'formerExternalId'],
        ['murray@mail.example', 'formerEmail'],
        ['Grace Hopper', 'displayName'],
      ] as const)
        expect(await found(text), text).toEqual([`${id} ${by}`]);
      const other = await newUser({ userName: 'grace.murray@example.org' });
      expect(await found('grace.murray@example.org')).toEqual([`${other.id} userName`, `${id} formerUserName`]);
      await patch(id, ['displayName', 'Grace Murray']);
      expect(await found('Grace Murray')).toEqual([`${id} displayName`]);
    });

    it('who was archived, soft-deleted or deleted is found as well, by all that it ever had', async () => {
      const { id } = await newUser({
        userName: 'mary.s@example.org',
        externalId: 'mary-ext',
        displayName: 'Mary Somerville',
        ...ENTERPRISE_MAIL('mary@mail.example'),
      });
      await admin('POST', '/sign-ins', { loginType: 'saml', providerId: 'mary-oid', upn: 'mary.s@example.org' });
      await patch(id, ['userName', `${DIGITS}mary.s@example.org`], ['active', 'False']);
      const state = async (text: string): Promise<unknown[]> =>
        (await find(text)).body.items.map(({ id: one, state: is, userName }: Record<string, string>) => [
          one,
          is,
          userName,
        ]);
      const name = `${DIGITS}mary.s@example.org`;
      for (const text of [
        'mary.s@example.org',
        name,
        'mary-ext',
        'mary@mail.example',
        'mary-oid',
        'Mary Somerville',
        id,
      ])
        expect(await state(text), text).toEqual([[id, 'archived', name]]);
      // Such a directory deletes; any other one archives.
      const { id: directory } = (await admin('GET', '/directories/first')).body;
      await admin('PATCH', `/directories/${directory}`, { deleteDeactivated: true });
      expect((await scim('DELETE', `/Users/${id}`)).status).toBe(204);
      await admin('PATCH', `/directories/${directory}`, { deleteDeactivated: false });
      for (const text of [
        'mary.s@example.org',
        name,
        'mary-ext',
        'mary@mail.example',
        'mary-oid',
        'Mary Somerville',
        id,
      ])
        expect(await state(text), text).toEqual([[id, 'deleted', name]]);
      expect((await admin('GET', `/users/${id}`)).body).toMatchObject({
        state: 'deleted',
        attributes: null,
        displayName: 'Mary Somerville',
        email: 'mary@mail.example',
        origin: { by: 'provisioning', matching: { rule: 'create' } },
        lastEvents: expect.arrayContaining([expect.objectContaining({ type: 'muster.user.deleted.v1' })]),
      });
    });

    it('a text that ends in * stands for all that begin with it', async () => {
      const [one, two] = [
        await newUser({ userName: 'zoe-1@example.org', displayName: 'Zoë Zander' }),
        await newUser({ userName: 'zoe-2@example.org', displayName: 'Zed' }),
      ];
      expect(await found('zoe-*')).toEqual([one, two].map(({ id }) => `${id} userName`));
      expect(await found('ZOË Z*')).toEqual([`${one.id} displayName`]);
      expect(await found('zoe-')).toEqual([]);
    });

    it('what nobody can be called is refused, and what nobody is called finds nobody', async () => {
      for (const text of ['', '   ', '\u200b', '\u0000', 'a\u0000b', 'x'.repeat(401)])
        expect((await find(text)).status, JSON.stringify(text)).toBe(400);
      expect((await admin('GET', '/users/find')).status).toBe(400);
      expect((await admin('GET', '/users/find?text=a&text=b')).status).toBe(400);
      expect((await admin('GET', `/users/find?text=${'x'.repeat(1_048_576)}`)).status).toBeGreaterThanOrEqual(400);
      for (const text of ['%', '_', 'zo%', '*', '**', "' OR true --", '\\', '\u{10ffff}*'])
        expect(await found(text), text).toEqual([]);
    });

    it('users are listed by their state, page by page, and by tenant and directory', async () => {
      const { tenant, id: directory, scim: send } = await muster.newDirectory('Another');
      await admin('PATCH', `/directories/${directory}`, { deleteDeactivated: true });
      const made: string[] = [];
      for (let n = 0; n < 5; n++)
        made.push((await send('POST', '/Users', { userName: `listed-${n}`, active: n !== 1 })).body.id);
      await send('DELETE', `/Users/${made[2]}`);
      const list = async (query: string): Promise<string[]> => {
        const ids: string[] = [];
        for (let cursor = ''; ;) {
          const { status, body } = await admin('GET', `/users?tenant=${tenant}&limit=1&${query}${cursor}`);
          expect(status).toBe(200);
          ids.push(...body.items.map(({ id }: { id: string }) => id));
          if (body.next === null) return ids;
          cursor = `&cursor=${encodeURIComponent(body.next)}`;
        }
      };
      expect(await list('')).toEqual([made[0], made[1], made[3], made[4]]);
      expect(await list('state=active')).toEqual([made[0], made[3], made[4]]);
      expect(await list('state=archived')).toEqual([made[1]]);
      expect(await list('state=deleted')).toEqual([made[2]]);
      expect(await list(`directory=${directory}&state=archived`)).toEqual([made[1]]);
      expect(await list(`directory=${tenant}`)).toEqual([]);
      const all = (await admin('GET', '/users?state=archived&limit=1000')).body.items;
      expect(all.map(({ id }: { id: string }) => id)).toContain(made[1]);
      for (const query of ['state=none', 'tenant=x', 'directory=x', 'limit=0', 'cursor=x'])
        expect((await admin('GET', `/users?${query}`)).status, query).toBe(400);
    });

    it('one user is shown with attributes, groups, sign-ins, where it came from and what happened last', async () => {
      const { id } = await newUser({
        displayName: 'Shown',
        roles: [{ value: 'Admin' }],
        ...ENTERPRISE_MAIL('shown@mail.example'),
      });
      const { body: inner } = await admin('POST', '/groups', { displayName: `Inner ${log}`, members: [id] });
      const { body: outer } = await admin('POST', '/groups', { displayName: `Outer ${log}`, members: [inner.id] });
      await patch(id, ['title', 'Engineer']);
      const { status, body } = await admin('GET', `/users/${id.toUpperCase()}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        id,
        state: 'active',
        archivedBy: null,
        webRole: 'Admin',
        version: 2,
        attributes: { displayName: 'Shown', title: 'Engineer' },
        directory: { name: 'Microsoft Entra ID' },
        origin: {
          by: 'provisioning',
          directory: { name: 'Microsoft Entra ID' },
          actor: expect.stringMatching(/^token:/),
          matching: { rule: 'create', result: id },
        },
        signIns: [],
        groups: [
          { id: inner.id, display: `Inner ${log}`, direct: true },
          { id: outer.id, display: `Outer ${log}`, direct: false },
        ],
        lastEvents: [{ type: 'muster.user.created.v2' }, { type: 'muster.user.changed.v1' }],
      });
      const { body: signedIn } = await admin('POST', '/sign-ins', {
        loginType: 'oidc',
        providerId: 'p-9',
        upn: `guest-${log}@example.org`,
      });
      expect((await admin('GET', `/users/${signedIn.userId}`)).body).toMatchObject({
        directory: null,
        origin: { by: 'sign-in' },
        signIns: [{ loginType: 'oidc', providerId: 'p-9' }],
      });
      expect((await admin('GET', '/users/01980000-0000-7000-8000-000000000000')).status).toBe(404);
      expect((await admin('GET', '/users/x')).status).toBe(404);
    });

    it('an administrator archives a user, which the directory cannot undo, and restores it, with a reason that is kept', async () => {
      const { id } = await newUser({ displayName: 'Stolen' });
      expect(await admin('POST', `/users/${id}/archive`, { reason: 'laptop stolen' })).toMatchObject({
        status: 200,
        body: { state: 'archived', archivedBy: 'administrator' },
      });
      expect((await patch(id, ['active', 'True'], ['title', 'Engineer'])).body).toMatchObject({
        active: false,
        title: 'Engineer',
      });
      expect((await scim('GET', `/Users/${id}`)).body.active).toBe(false);
      expect(
        (
          await admin('POST', '/sign-ins', {
            loginType: 'oidc',
            providerId: `st-${log}`,
            upn: `person-${counter}@example.org`,
          })
        ).status,
      ).toBe(403);
      expect((await admin('POST', `/users/${id}/restore`, {})).body).toMatchObject({
        state: 'active',
        archivedBy: null,
      });
      expect((await scim('GET', `/Users/${id}`)).body.active).toBe(true);
      await patch(id, ['active', 'False']);
      expect((await admin('GET', `/users/${id}`)).body).toMatchObject({ state: 'archived', archivedBy: 'directory' });
      const { items } = (await admin('GET', `/users/${id}/events`)).body;
      expect(items.find(({ type }: { type: string }) => type === 'muster.user.archived.v1')).toMatchObject({
        actor: expect.stringMatching(/^key:/),
        data: { attributes: ['active'], reason: 'laptop stolen' },
      });
      for (const path of ['archive', 'restore'])
        expect((await admin('POST', `/users/01980000-0000-7000-8000-000000000000/${path}`, {})).status).toBe(404);
    });

    it('and the rows by which people are found are what their events say', async () => {
      expect((await muster.verify()).findings).toEqual([]);
    });
  });
}
