import { beforeAll, describe, expect, it } from 'vitest';
import { INSTALLATION } from '#contracts';
import { uuidv7 } from '#runtime';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin } = muster;
    let directory: Directory;
    let [ada, group, keyId] = ['', '', ''];
    /** Before the change of the title, and after it. */
    let [before, after] = ['', ''];
    const now = async (): Promise<string> =>
      (await muster.owner.query<{ now: Date }>('SELECT clock_timestamp() AS now')).rows[0]!.now.toISOString();
    const audit = (path: string): Promise<Answer> => admin('GET', `/audit${path}`);
    const done = async (answer: Promise<Answer>): Promise<Answer['body']> => {
      const { status, body } = await answer;
      expect(status, JSON.stringify(body)).toBeLessThan(300);
      return body;
    };
    const patch = (...changes: [path: string, value: unknown][]): Promise<Answer['body']> =>
      done(
        directory.scim('PATCH', `/Users/${ada}`, {
          Operations: changes.map(([path, value]) => ({ op: 'Replace', path, value })),
        }),
      );
    const all = async (query: string): Promise<Answer['body'][]> => {
      const items: Answer['body'][] = [];
      for (let cursor = ''; ;) {
        const page = await done(audit(`/entries?${query}${cursor}`));
        items.push(...page.items);
        if (page.next === null) return items;
        cursor = `&cursor=${encodeURIComponent(page.next)}`;
      }
    };

    beforeAll(async () => {
      directory = await muster.newDirectory('Contoso Entra', undefined, 'entra');
      ada = (
        await done(
          directory.scim('POST', '/Users', {
            userName: 'ada@example.org',
            externalId: 'ext-ada',
            displayName: 'Ada Lovelace',
            name: { givenName: 'Ada', familyName: 'Lovelace' },
            emails: [{ type: 'work', value: 'ada@example.org', primary: true }],
            'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'Engines' },
          }),
        )
      ).id;
      before = await now();
      await patch(['title', 'Countess'], ['emails[type eq "work"].value', 'countess@example.org']);
      after = await now();
      await patch(['active', false]);
      group = (
        await done(admin('POST', '/groups', { displayName: 'Analysts', members: [ada], tenant: directory.tenant }))
      ).id;
      keyId = (await done(admin('POST', '/keys', { name: `Grace ${log}`, scopes: ['manage'] }))).id;
      await done(admin('POST', `/users/${ada}/archive`, { reason: 'laptop stolen' }));
      await entriesOfAll(muster.owner);
    });

    it('the history of a person shows each value before and after, the oldest first', async () => {
      const { items, next } = await done(audit('/people/ADA@example.org/history'));
      expect(next).toBe(null);
      expect(items.map(({ action }: { action: string }) => action)).toEqual([
        'user.created',
        'user.changed',
        'user.changed',
        'user.deactivated',
        'user.archived',
      ]);
      const [created, changed, , deactivated, archived] = items;
      expect(created).toMatchObject({
        sentence: 'The user "ada@example.org" was created through the directory "Contoso Entra".',
        subject: { type: 'user', id: ada, name: 'ada@example.org' },
        directory: { id: directory.id, name: 'Contoso Entra' },
        matching: 'nobody like that was known',
        result: 'done',
        values: 'shown',
        version: 1,
      });
      expect(created.actor.name).toMatch(/Contoso Entra/);
      expect(created.changes).toEqual(
        expect.arrayContaining([
          { attribute: 'name.givenName', before: null, after: 'Ada' },
          { attribute: 'directory', before: null, after: `Contoso Entra (${directory.id})` },
          {
            attribute: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
            before: null,
            after: 'Engines',
          },
        ]),
      );
      const email = (value: string): object => ({ type: 'work', value, primary: true });
      expect(changed).toMatchObject({ sentence: 'The user "ada@example.org" changed: emails and title.' });
      expect(changed.changes).toEqual(
        expect.arrayContaining([
          { attribute: 'title', before: null, after: 'Countess' },
          {
            attribute: 'emails',
            before: [email('ada@example.org')],
            after: [email('countess@example.org')],
            added: [email('countess@example.org')],
            removed: [email('ada@example.org')],
          },
        ]),
      );
      expect(changed.changes).toHaveLength(2);
      expect(deactivated.changes).toEqual([{ attribute: 'active', before: true, after: false }]);
      expect(archived).toMatchObject({ reason: 'laptop stolen', actor: { name: 'command line' } });
    });

    it('a history comes in pages, whose first entry knows what was before', async () => {
      const page = await done(audit(`/subjects/${ada}/history?limit=2`));
      expect(page.items).toHaveLength(2);
      const rest = await done(audit(`/subjects/${ada}/history?limit=2&cursor=${encodeURIComponent(page.next)}`));
      expect(rest.items[0].changes).toEqual([{ attribute: 'active', before: true, after: false }]);
      expect((await audit(`/subjects/${group}/history?cursor=${encodeURIComponent(page.next)}`)).status).toBe(400);
    });

    it('members come and go by name', async () => {
      const { items } = await done(audit(`/subjects/${group}/history`));
      const came = items.find(({ action }: { action: string }) => action === 'group.members-changed');
      expect(came).toMatchObject({
        sentence: '"ada@example.org" joined the group "Analysts".',
        members: { added: [{ id: ada, type: 'User', name: 'ada@example.org' }], removed: [] },
      });
    });

    it('an entry is shown by its number, as its history shows it', async () => {
      // A request is told after its event, and an entry then names its client too.
      const history = async () => (await done(audit(`/subjects/${ada}/history`))).items;
      await expect.poll(async () => (await history())[1].client, { timeout: 20_000 }).not.toBeNull();
      const [, entry] = await history();
      const { tenant, number } = entry;
      expect(await done(audit(`/entries/${tenant}/${number}`))).toEqual(entry);
      for (const path of [`${tenant}/999999`, `${tenant}/x`, `x/1`, `${uuidv7()}/1`])
        expect((await audit(`/entries/${path}`)).status, path).toBe(404);
    });

    it('a person or group is shown as it was at a moment, and the difference to another one', async () => {
      const then = await done(audit(`/people/ada@example.org/state?at=${before}&compare=${after}`));
      expect(then).toMatchObject({
        state: 'active',
        version: 1,
        isComplete: true,
        attributes: { displayName: 'Ada Lovelace', emails: [{ value: 'ada@example.org' }] },
        compared: { version: 2, attributes: { title: 'Countess' } },
      });
      expect(then.attributes.title).toBe(undefined);
      expect(then.compared.changes.map(({ attribute }: { attribute: string }) => attribute).sort()).toEqual([
        'emails',
        'title',
      ]);
      expect(await done(audit(`/subjects/${ada}/state`))).toMatchObject({
        state: 'archived',
        version: 5,
        compared: null,
      });
      expect(await done(audit(`/subjects/${ada}/state?at=2020-01-01`))).toMatchObject({ state: 'absent', version: 0 });
      expect(await done(audit(`/subjects/${group}/state?at=2020-01-01&compare=2100-01-01`))).toMatchObject({
        state: 'absent',
        members: [],
        compared: { memberCount: 1, added: [{ id: ada, name: 'ada@example.org' }], removed: [] },
      });
      // The later moment may come first.
      expect(
        (await done(audit(`/subjects/${group}/state?at=2100-01-01&compare=2020-01-01`))).compared.removed,
      ).toMatchObject([{ id: ada }]);
    });

    it('entries are found by each filter, the newest first', async () => {
      const tenant = `tenant=${directory.tenant}`;
      const ofTenant = await all(tenant);
      expect(ofTenant.map(({ number }) => number)).toEqual(
        ofTenant.map(({ number }) => number).toSorted((a, b) => b - a),
      );
      const actions = async (query: string): Promise<string[]> => (await all(query)).map(({ action }) => action);
      const ofAda = ['user.archived', 'user.deactivated', 'user.changed', 'user.changed', 'user.created'];
      expect(await actions('person=Ada%20Lovelace')).toEqual(ofAda);
      expect(await actions('person=ext-ada&limit=2')).toEqual(ofAda);
      expect(await actions(`subject=${ada}`)).toEqual(ofAda);
      expect(await actions(`subject=${ada}&actor=contoso%20entra`)).toEqual(ofAda.slice(1));
      expect(await actions(`directory=Contoso%20Entra&action=user.changed`)).toEqual(['user.changed', 'user.changed']);
      expect(await actions(`directory=${directory.id}&action=user.created&limit=1`)).toEqual(['user.created']);
      expect(await actions(`person=ada@example.org&since=${after}`)).toEqual(ofAda.slice(0, 3));
      expect(await actions(`person=ada@example.org&until=${after}`)).toEqual(ofAda.slice(3));
      expect(await actions(`${tenant}&since=${before}&until=${after}&action=user.changed`)).toEqual(['user.changed']);
      expect(await actions(`${tenant}&actor=command%20line&action=user.archived`)).toEqual(['user.archived']);
      expect(await actions(`${tenant}&result=held`)).toEqual([]);
      const { correlationId } = ofTenant.find(({ action }) => action === 'user.deactivated')!;
      expect(await actions(`${tenant}&correlation=${correlationId}`)).toEqual(['user.deactivated', 'user.changed']);
    });

    it('the entries of the installation have its keys', async () => {
      const [made] = await all(`tenant=${INSTALLATION}&subject=${keyId}`);
      expect(made).toMatchObject({
        action: 'api-key.created',
        sentence: `The key "Grace ${log}" was made, with the scopes manage, for the whole installation.`,
        actor: { name: 'command line' },
      });
      expect(await all(`subject=${keyId}`)).toHaveLength(1);
    });

    it('that somebody read is recorded before it is answered, each page of it', async () => {
      const readings = async (): Promise<Answer['body'][]> => {
        const { rows } = await muster.owner.query(
          'SELECT actor, data FROM audit.events WHERE tenant = $1 ORDER BY sequence',
          [directory.tenant],
        );
        return rows;
      };
      const known = (await readings()).length;
      const page = await done(audit(`/entries?tenant=${directory.tenant}&limit=1&actor=Contoso%20Entra`));
      await done(
        audit(
          `/entries?tenant=${directory.tenant}&limit=1&actor=Contoso%20Entra&cursor=${encodeURIComponent(page.next)}`,
        ),
      );
      await done(audit('/people/ada@example.org/history'));
      const made = (await readings()).slice(known);
      expect(made.map(({ data: { what, asked } }) => [what, asked])).toEqual([
        ['entries', { tenant: directory.tenant, actor: 'Contoso Entra' }],
        ['entries', { tenant: directory.tenant, actor: 'Contoso Entra', from: expect.any(String) }],
        // A person is named by the id: an erasure need not look for names here.
        ['history', { subject: ada }],
      ]);
      for (const { actor } of made) expect(actor).toMatch(/^key:/);
      await entriesOfAll(muster.owner);
      const [newest] = await all(`tenant=${directory.tenant}&action=audit.read&limit=1`);
      expect(newest).toMatchObject({
        sentence: 'Somebody was shown a history of the audit log (subject="ada@example.org").',
        actor: { name: 'command line' },
      });
    });

    it('a key needs the scope audit, and that of one tenant sees that one alone', async () => {
      const keyOf = async (name: string, scopes: string[], tenant?: string) =>
        muster.adminWith((await done(admin('POST', '/keys', { name: `${name} ${log}`, scopes, tenant }))).key);
      const administrator = await keyOf('Administrator', ['read', 'manage', 'reveal']);
      for (const path of ['/entries', `/subjects/${ada}/history`, '/requests'])
        expect(await administrator('GET', `/audit${path}`)).toMatchObject({
          status: 403,
          body: { detail: expect.stringContaining('this needs audit') },
        });
      const other = await muster.newDirectory('Fabrikam');
      const auditor = await keyOf('Auditor', ['audit'], other.tenant);
      await entriesOfAll(muster.owner);
      const own = await auditor('GET', '/audit/entries');
      expect(own.status).toBe(200);
      expect(new Set(own.body.items.map(({ tenant }: { tenant: string }) => tenant))).toEqual(new Set([other.tenant]));
      for (const path of [
        `/entries?tenant=${directory.tenant}`,
        `/entries?tenant=${INSTALLATION}`,
        `/entries?subject=${ada}`,
        `/entries?subject=${keyId}`,
        '/entries?person=ada@example.org',
        '/entries?directory=Contoso%20Entra',
        `/entries/${directory.tenant}/0`,
        `/entries/${INSTALLATION}/0`,
        `/subjects/${ada}/history`,
        `/subjects/${keyId}/history`,
        `/subjects/${group}/state`,
        '/people/ada@example.org/history',
        `/requests?tenant=${INSTALLATION}`,
      ])
        expect([path, (await auditor('GET', `/audit${path}`)).status]).toEqual([path, 404]);
      expect((await auditor('GET', '/tenants')).status).toBe(403);
    });

    it.each([
      [
        'a timespan that ends before it begins',
        '/entries?since=2026-02-01&until=2026-01-01',
        400,
        /must be before until/,
      ],
      ['a time that is none', '/entries?since=yesterday', 400, /since is no moment: send a moment/],
      ['a day that does not exist', '/requests?until=2026-02-30', 400, /until is a day that does not exist/],
      ['a moment without its zone', `/people/ada@example.org/state?at=2026-01-01T10:00:00`, 400, /how far its time is/],
      ['an unknown person', '/people/nobody@example.org/history', 404, /Nobody is called "nobody@example.org"/],
      ['an unknown action', '/entries?action=user.flew', 400, /action must be one of/],
      ['an unknown actor', '/entries?actor=Nobody', 404, /No key, client, token or directory is called "Nobody"/],
      ['an unknown directory', '/entries?directory=Nowhere', 404, /no directory "Nowhere"/],
      ['an unknown tenant', `/entries?tenant=01980000-0000-7000-8000-00000000ffff`, 404, /no tenant/],
      ['an unknown thing', `/subjects/01980000-0000-7000-8000-00000000ffff/state`, 404, /has nothing of/],
      ['what is no id', '/subjects/ada/history', 404, /is no id/],
      ['a NUL in a name', '/entries?actor=%00', 400, /./],
      ['an unknown request', `/requests/01980000-0000-7000-8000-00000000ffff`, 404, /There is no request/],
    ])('%s is refused, and the answer says what would work', async (_what, path, status, detail) => {
      const { body, headers, ...answer } = await audit(path);
      expect([path, answer.status]).toEqual([path, status]);
      expect(body.detail).toMatch(detail);
      expect(headers.get('content-type')).toBe('application/problem+json');
    });

    it('deleted people are found by name, and a person whose key is gone is shown as erased', async () => {
      await muster.deleteForGood(directory.id);
      const { id } = await done(
        directory.scim('POST', '/Users', { userName: 'mary@example.org', displayName: 'Mary Somerville' }),
      );
      expect((await directory.scim('DELETE', `/Users/${id}`)).status).toBe(204);
      await entriesOfAll(muster.owner);
      const { items } = await done(audit('/people/Mary%20Somerville/history'));
      expect(items.map(({ action }: { action: string }) => action)).toEqual(['user.created', 'user.deleted']);
      expect(items[0].changes).toContainEqual({ attribute: 'displayName', before: null, after: 'Mary Somerville' });
      expect(await done(audit(`/subjects/${id}/state`))).toMatchObject({ state: 'deleted', attributes: {} });
      await muster.owner.query('DELETE FROM keys.persons WHERE person = $1', [id]);
      const erased = (await done(audit(`/subjects/${id}/history`))).items;
      expect(erased[0]).toMatchObject({ action: 'user.created', values: 'erased', changes: [] });
      expect(erased[1]).toMatchObject({ action: 'user.deleted', values: 'shown' });
      expect(JSON.stringify(erased)).not.toMatch(/Somerville/);
    });
  });
}
