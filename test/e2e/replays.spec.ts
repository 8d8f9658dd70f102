import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { leastIdAt } from '#contracts';
import { uuidv7 } from '#runtime';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Client, type Directory } from '../support/muster.js';

const WAIT = { timeout: 30_000, interval: 100 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`a request that is sent again, on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin } = muster;
    let mine: Directory;
    const set = (settings: object): Promise<Answer> => admin('PATCH', `/directories/${mine.id}`, settings);

    /** The request as it is shown, as soon as it is recorded. */
    const recorded = async (correlation: string, count = 1): Promise<Answer['body']> =>
      vi.waitFor(async () => {
        const { body } = await admin('GET', `/audit/requests?tenant=${mine.tenant}&correlation=${correlation}`);
        const items = body.items.filter(({ face }: { face: string }) => face === 'scim');
        expect(items).toHaveLength(count);
        return (await admin('GET', `/audit/requests/${items[0].id}`)).body;
      }, WAIT);
    const sent = async (...[method, path, body, headers]: Parameters<Client>): Promise<Answer['body']> => {
      const id = uuidv7();
      await mine.scim(method, path, body, { 'x-request-id': id, ...headers });
      return recorded(id);
    };
    const replay = (id: string, body: object = {}, headers?: Record<string, string>, by = admin): Promise<Answer> =>
      by('POST', `/requests/${id}/replay`, body, headers);
    const dryRun = (id: string): Promise<Answer> => admin('POST', `/audit/requests/${id}/dry-run`, {});

    beforeAll(async () => {
      mine = await muster.newDirectory('Contoso Entra');
    });

    it('is done once its cause is mended, under the names of both who sent it', async () => {
      await set({ createUsers: false, refusal: 'error' });
      const refused = await sent('POST', '/Users', { userName: 'grace@again.example', externalId: 'g-1' });
      expect(refused).toMatchObject({
        status: 403,
        method: 'POST',
        whatToDo: expect.stringMatching(/^Switch the setting createUsers of the directory "Contoso Entra" on/),
        commands: [`directory set ${mine.id} --create-users on`],
        notReplayable: null,
        replays: [],
        replayOf: null,
      });
      // Nothing has changed yet.
      expect((await dryRun(refused.id)).body).toMatchObject({
        response: { status: 403 },
        refusal: null,
        later: null,
        decisions: [{ command: { type: 'CreateUser' }, outcome: { status: 'rejected', code: 'forbidden' } }],
      });
      const again = await replay(refused.id);
      expect(again).toMatchObject({
        status: 200,
        body: { replayOf: refused.id, response: { status: 403, body: { detail: refused.detail } } },
      });
      const failing = async (): Promise<unknown> => {
        const [report, health] = await Promise.all([
          admin('GET', `/audit/report?tenant=${mine.tenant}`),
          admin('GET', `/directories/${mine.id}/health`),
        ]);
        const of = (items: Answer['body'][]): string[] => items.map(({ object }) => object.name);
        return [of(report.body.failing), of(health.body.failing.items)];
      };
      expect(await failing()).toEqual([['grace@again.example'], ['grace@again.example']]);
      await set({ createUsers: true });
      expect((await dryRun(refused.id)).body).toMatchObject({
        response: { status: 201, body: { userName: 'grace@again.example' } },
        decisions: [{ events: [{ event: { type: 'UserCreated' } }] }],
      });
      const correlation = uuidv7();
      const done = await replay(refused.id, { reason: 'They may now' }, { 'x-request-id': correlation });
      expect(done).toMatchObject({
        status: 200,
        body: { replayOf: refused.id, tenant: mine.tenant, directory: mine.id, correlationId: correlation },
      });
      const { response } = done.body;
      expect(response).toMatchObject({ status: 201, body: { userName: 'grace@again.example', active: true } });

      const record = await recorded(correlation);
      expect(record).toMatchObject({
        id: done.body.id,
        replayOf: refused.id,
        method: 'POST',
        status: 201,
        object: response.body.id,
        name: 'grace@again.example',
        directory: { id: mine.id, name: 'Contoso Entra' },
        actor: { id: expect.stringMatching(/^key:/) },
        address: '127.0.0.1',
        body: refused.body,
        notReplayable: expect.stringContaining('answered 201'),
        replays: [
          { id: refused.id, status: 403, replayOf: null },
          { id: again.body.id, status: 403, replayOf: refused.id },
        ],
      });
      // It fails no longer.
      expect(await failing()).toEqual([[], []]);
      await entriesOfAll(muster.owner);
      const { items } = (await admin('GET', `/audit/subjects/${response.body.id}/history`)).body;
      expect(items).toHaveLength(1);
      expect(items[0]).toMatchObject({
        action: 'user.created',
        replayOf: refused.id,
        reason: 'They may now',
        correlationId: correlation,
        actor: record.actor,
        directory: { id: mine.id },
        client: { request: done.body.id },
        sentence: expect.stringMatching(/ The request was sent again by ".+" as the directory "Contoso Entra"\.$/),
      });
      // Its identity provider goes on as if it had been the first one.
      const [user] = (await mine.scim('GET', '/Users?filter=externalId%20eq%20%22g-1%22')).body.Resources;
      expect(user.id).toBe(response.body.id);
    });

    it('once more is refused, as is what was done, and a replay of a replay belongs to the same request', async () => {
      await set({ createUsers: false, refusal: 'error' });
      const [first, other] = [await sent('POST', '/Users', { userName: 'chain@again.example' }), uuidv7()];
      const second = (await replay(first.id)).body;
      expect(second.response.status).toBe(403);
      const shown = await recorded(second.correlationId);
      expect(shown).toMatchObject({ id: second.id, replayOf: first.id, notReplayable: null });
      await set({ createUsers: true });
      const third = (await replay(second.id, {}, { 'x-request-id': other })).body;
      expect(third).toMatchObject({ replayOf: second.id, response: { status: 201 } });
      await recorded(other);
      for (const id of [first.id, second.id])
        expect(await replay(id)).toMatchObject({
          status: 409,
          body: { detail: expect.stringMatching(`sent again on .* done then \\(request ${third.id}\\)`) },
        });
      expect(await replay(third.id)).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/answered 201/) },
      });
      const { replays, notReplayable } = (await admin('GET', `/audit/requests/${first.id}`)).body;
      expect(replays.map(({ id, status }: Answer['body']) => [id, status])).toEqual([
        [second.id, 403],
        [third.id, 201],
      ]);
      expect(notReplayable).toMatch(/done then/);
      // It can still be looked at.
      expect((await dryRun(first.id)).body).toMatchObject({ response: { status: 409 }, refusal: notReplayable });
    });

    it('twice at once, or while its record is lost, is one command', async () => {
      await set({ createUsers: false, refusal: 'error' });
      const refused = await sent('POST', '/Users', { userName: 'twice@again.example' });
      expect((await replay(refused.id)).body.response.status).toBe(403);
      await set({ createUsers: true });
      const answers = await Promise.all([replay(refused.id), replay(refused.id)]);
      await recorded(answers[0].body.correlationId);
      await recorded(answers[1].body.correlationId);
      await muster.owner.query('DELETE FROM audit.requests WHERE replay_of = $1', [refused.id]);
      answers.push(await replay(refused.id));
      const { id } = answers[0].body.response.body;
      for (const { body } of answers) expect(body).toMatchObject({ response: { status: 201, body: { id } } });
    });

    it('is not sent when it was answered as failed, and done', async () => {
      const done = await sent('POST', '/Users', { userName: 'late-answer@again.example' });
      await entriesOfAll(muster.owner);
      const answered = (object: string | null) =>
        muster.owner.query('UPDATE audit.requests SET status = 503, object = $2 WHERE id = $1', [done.id, object]);
      for (const object of [null, done.object]) {
        await answered(object);
        expect(await replay(done.id)).toMatchObject({
          status: 409,
          body: { detail: expect.stringMatching(/answered 503, and its change was made all the same/) },
        });
      }
      // Another one did it.
      await answered(uuidv7());
      expect((await admin('GET', `/audit/requests/${done.id}`)).body.notReplayable).toBe(null);
    });

    it('with an Idempotency-Key is carried out once, and answered the same', async () => {
      await set({ createUsers: false, refusal: 'error' });
      const refused = await sent('POST', '/Users', { userName: 'once@again.example' });
      await set({ createUsers: true });
      const key = { 'idempotency-key': uuidv7() };
      const [one, two] = [uuidv7(), uuidv7()];
      const first = await replay(refused.id, {}, { ...key, 'x-request-id': one });
      expect(first).toMatchObject({ status: 200, body: { response: { status: 201 } } });
      await recorded(one);
      const again = await replay(refused.id, {}, { ...key, 'x-request-id': two });
      expect(again.body).toMatchObject({
        id: first.body.id,
        response: { status: 201, body: { id: first.body.response.body.id, meta: { version: 'W/"1"' } } },
      });
      expect((await replay(refused.id, { reason: 'Another' }, key)).status).toBe(422);
      const { rows } = await muster.owner.query('SELECT id FROM audit.requests WHERE replay_of = $1', [refused.id]);
      expect(rows).toEqual([{ id: first.body.id }]);
    });

    it('keeps its condition, and says which later write it may overwrite', async () => {
      const ada = (await mine.scim('POST', '/Users', { userName: 'ada@again.example', title: 'One' })).body;
      const patch = (value: string) => ({ Operations: [{ op: 'replace', path: 'title', value }] });
      await set({ updateUsers: false, refusal: 'error' });
      const [plain, conditional] = [
        await sent('PATCH', `/Users/${ada.id}`, patch('Two')),
        await sent('PATCH', `/Users/${ada.id}`, patch('Three'), { 'if-match': 'W/"1"' }),
      ];
      await set({ updateUsers: true });
      expect([plain, conditional].map(({ status, ifMatch }) => [status, ifMatch])).toEqual([
        [403, null],
        [403, 'W/"1"'],
      ]);
      expect((await dryRun(conditional.id)).body).toMatchObject({ later: null, response: { status: 200 } });
      const later = await sent('PATCH', `/Users/${ada.id}`, patch('Four'));
      expect((await dryRun(plain.id)).body).toMatchObject({
        later: { id: later.id },
        refusal: null,
        response: { status: 200, body: { title: 'Two' } },
      });
      expect((await dryRun(conditional.id)).body).toMatchObject({ response: { status: 412 } });
      expect((await replay(conditional.id)).body).toMatchObject({ response: { status: 412 } });
      expect((await mine.scim('GET', `/Users/${ada.id}`)).body.title).toBe('Four');
      expect((await replay(plain.id)).body).toMatchObject({ response: { status: 200, body: { title: 'Two' } } });
    });

    it('is refused in words where it cannot be sent as it was, or as things are', async () => {
      await set({ createUsers: true });
      const detailOf = async (id: string): Promise<string> => {
        const answer = await replay(id);
        expect(answer.status).toBe(409);
        return answer.body.detail;
      };
      const wrongToken = uuidv7();
      await mine.scim('GET', '/Users', undefined, { authorization: 'Bearer wrong', 'x-request-id': wrongToken });
      const unknown = await vi.waitFor(async () => {
        const { rows } = await muster.owner.query<{ id: string }>(
          'SELECT id FROM audit.requests WHERE correlation_id = $1',
          [wrongToken],
        );
        expect(rows).toHaveLength(1);
        return rows[0]!.id;
      }, WAIT);
      expect(await detailOf(unknown)).toMatch(/belongs to no directory, because its token was not accepted/);
      expect(await detailOf((await sent('GET', '/Users?filter=x')).id)).toMatch(/only reads/);
      expect(await detailOf((await sent('POST', '/Users', { userName: 'done@again.example' })).id)).toMatch(
        /answered 201/,
      );
      const secret = await sent('POST', '/Users', { userName: 7, password: 'planted' });
      expect(secret).toMatchObject({ status: 400, notReplayable: expect.stringMatching(/such as a password/) });
      expect(await detailOf(secret.id)).toMatch(/such as a password/);
      expect((await dryRun(secret.id)).status).toBe(409);
      const long = await sent('POST', '/Users', { userName: 7, title: 'é'.repeat(40_000) });
      expect(await detailOf(long.id)).toMatch(/only the first 65536 are kept/);
      const type = await sent('POST', '/Users', 'userName=ada', { 'content-type': 'text/plain' });
      expect(await detailOf(type.id)).toMatch(/kept nowhere/);
      expect(await detailOf((await sent('POST', '/Bulk', { Operations: [] })).id)).toMatch(/a bulk request/);
      const odd = await sent('PATCH', `/Users/${uuidv7()}`, { Operations: [] }, { 'if-match': 'muster_key_planted' });
      expect(odd.ifMatch).toBe('***');
      expect(await detailOf(odd.id)).toMatch(/If-Match/);
      // An id says when it was made.
      expect(await detailOf(leastIdAt(Date.now() - 40 * 86_400_000))).toMatch(/requests are kept for 30 days/);
      expect((await replay(uuidv7())).status).toBe(404);
      expect((await dryRun('x')).status).toBe(404);
    });

    it('is not sent for a directory that takes no requests, or is another one by now', async () => {
      const late = await muster.newDirectory('Late', mine.tenant);
      await admin('PATCH', `/directories/${late.id}`, { createUsers: false, refusal: 'error' });
      const id = uuidv7();
      await late.scim('POST', '/Users', { userName: 'late@again.example' }, { 'x-request-id': id });
      const refused = await recorded(id);
      await admin('PATCH', `/directories/${late.id}`, { createUsers: true });
      const act = async (what: string, body: object = {}): Promise<string | undefined> => {
        expect((await admin('POST', `/directories/${late.id}/${what}`, body)).status).toBe(200);
        return (await replay(refused.id)).body.detail;
      };
      expect(await act('disable')).toMatch(/is disabled, and takes no requests: enable it first/);
      expect(await act('disconnect')).toMatch(/is disconnected, and takes no requests: connect it first/);
      expect((await admin('POST', `/directories/${late.id}/connect`)).status).toBe(200);
      expect(await act('move', { kind: 'okta' })).toMatch(
        /moved to another identity provider on .*, after this request/,
      );
      await act('disconnect');
      await muster.owner.query(
        `UPDATE directory.directories SET disconnected_at = disconnected_at - interval '1 day' WHERE id = $1`,
        [late.id],
      );
      expect((await admin('DELETE', `/directories/${late.id}`)).status).toBe(204);
      expect((await replay(refused.id)).body.detail).toMatch(/directory was deleted/);
      expect(await dryRun(refused.id)).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/was deleted/) },
      });
    });

    it('leads to users and groups of its own directory alone, whatever path is stored', async () => {
      const { id: gone } = (await mine.scim('POST', '/Users', { userName: 'gone@again.example' })).body;
      await mine.scim('DELETE', `/Users/${gone}`);
      const refused = await sent('DELETE', `/Users/${uuidv7()}`);
      expect(refused.status).toBe(404);
      const stored = async (column: 'path' | 'directory', value: string): Promise<void> =>
        void (await muster.owner.query(`UPDATE audit.requests SET ${column} = $2 WHERE id = $1`, [refused.id, value]));
      for (const path of [
        '/api/admin/v1/keys',
        '/api/scim/v2/../../admin/v1/keys',
        '/api/scim/v2/Users/../../../admin/v1/keys',
        '/api/scim/v2/Users/%2e%2e/%2e%2e/%2e%2e/admin/v1/keys',
        'http://127.0.0.1:1/',
        '//127.0.0.1:1/api/scim/v2/Users',
        '/api/scim/v2@127.0.0.1:1/Users',
        '/health/live',
      ]) {
        await stored('path', path);
        for (const answer of [await replay(refused.id), await dryRun(refused.id)])
          expect([path, answer.status, answer.body.detail]).toEqual([path, 409, expect.stringMatching(/Its path/)]);
      }
      await stored('path', refused.path);
      const { id: foreign } = await muster.newDirectory('Of another tenant');
      await stored('directory', foreign);
      expect(await replay(refused.id)).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/deleted/) },
      });
      await stored('directory', mine.id);
      expect((await replay(refused.id)).body).toMatchObject({ response: { status: 404 } });
    });

    it('needs a key with both scopes, of the same tenant or of all', async () => {
      const refused = await sent('PATCH', `/Users/${uuidv7()}`, { Operations: [] });
      const { tenant: other } = await muster.newDirectory('Elsewhere');
      const by = async (scopes: readonly string[], tenant?: string): Promise<Client> => {
        const { body } = await admin('POST', '/keys', { name: `Key ${uuidv7()}`, scopes, ...(tenant && { tenant }) });
        return muster.adminWith(body.key);
      };
      for (const scopes of [
        ['manage', 'read', 'reveal'],
        ['audit', 'read'],
      ])
        expect(await replay(refused.id, {}, {}, await by(scopes))).toMatchObject({
          status: 403,
          body: { detail: expect.stringMatching(/this needs manage and audit/) },
        });
      const foreign = await by(['manage', 'audit'], other);
      expect((await replay(refused.id, {}, {}, foreign)).status).toBe(404);
      expect((await foreign('POST', `/audit/requests/${refused.id}/dry-run`, {})).status).toBe(404);
      expect(await replay(refused.id, {}, {}, await by(['manage', 'audit'], mine.tenant))).toMatchObject({
        status: 200,
        body: { response: { status: 404 } },
      });
      const reader = await by(['audit'], mine.tenant);
      expect((await reader('POST', `/audit/requests/${refused.id}/dry-run`, {})).status).toBe(200);
      const { rows } = await muster.owner.query(
        `SELECT count(*)::int AS count FROM audit.events WHERE data->>'what' = 'request' AND data->'asked'->>'id' = $1`,
        [refused.id],
      );
      // It was shown, sent again, and tried.
      expect(rows).toEqual([{ count: 3 }]);
    });

    it('is shown, tried and sent by the command line', async () => {
      const said = async (...args: string[]): Promise<{ stdout: string; code: number }> => {
        const env = {
          ...process.env,
          MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
          MUSTER_API_KEY: muster.server.apiKey,
        };
        return promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', 'request', ...args], { env }).then(
          ({ stdout }) => ({ stdout, code: 0 }),
          ({ stdout, stderr, code }) => ({ stdout: `${stdout}${stderr}`, code }),
        );
      };
      await set({ createUsers: false, refusal: 'error' });
      const { id } = await sent('POST', '/Users', { userName: 'typed@again.example' });
      const shown = await said('show', id);
      expect(shown.stdout).toMatch(/to do {8}Switch the setting createUsers/);
      expect(shown.stdout).toContain(`look         npm run -s cli -- directory set ${mine.id} --create-users on`);
      expect(shown.stdout).toContain(`again        npm run -s cli -- request replay ${id} --dry-run`);
      expect(await said('replay', id)).toMatchObject({ code: 2, stdout: expect.stringMatching(/add --yes/) });
      expect(await said('replay', id, '--yes')).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/^Refused again: 403\. /),
      });
      await set({ createUsers: true });
      expect(await said('replay', id, '--dry-run')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^CreateUser\n[^]*Response 201\n/),
      });
      const done = await said('replay', id, '--yes', '--reason', 'Mended', '--json');
      expect(done.code).toBe(0);
      const { correlationId, response } = JSON.parse(done.stdout);
      expect(response.status).toBe(201);
      await recorded(correlationId);
      expect((await said('list', '--tenant', mine.tenant, '--object', response.body.id)).stdout).toMatch(
        `: repeats ${id}\n`,
      );
      expect(await said('replay', id, '--dry-run')).toMatchObject({
        stdout: expect.stringMatching(/It is not sent again: .*done then/),
      });
      expect(await said('replay', id, '--yes')).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/not sent again/),
      });
    }, 120_000);

    it('leaves all that is stored as it should be', async () => {
      await entriesOfAll(muster.owner);
      expect((await muster.verify()).findings).toEqual([]);
    }, 60_000);
  });
}
