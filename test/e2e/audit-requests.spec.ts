import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { INSTALLATION } from '#contracts';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

const WAIT = { timeout: 30_000, interval: 100 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin } = muster;
    let [mine, other]: Directory[] = [];
    let ada = '';
    const audit = (path: string): Promise<Answer> => admin('GET', `/audit${path}`);
    const list = async (query: string): Promise<Answer['body'][]> => {
      const { status, body } = await audit(`/requests?${query}`);
      expect(status, JSON.stringify(body)).toBe(200);
      // Those of administrators are there as well.
      return body.items.filter(({ face }: { face: string }) => face === 'scim');
    };

    beforeAll(async () => {
      [mine, other] = [await muster.newDirectory('Contoso Entra'), await muster.newDirectory('Fabrikam Okta')];
      ada = (await mine!.scim('POST', '/Users', { userName: 'ada@example.org', displayName: 'Ada' })).body.id;
      const twice = await mine!.scim(
        'POST',
        '/Users',
        { userName: 'ada@example.org', externalId: 'second' },
        { 'x-request-id': `again-${log}` },
      );
      expect(twice.status).toBe(409);
      await mine!.scim('PATCH', `/Users/${ada}`, { Operations: [{ op: 'Replace', path: 'title', value: 'Countess' }] });
      await mine!.scim('PATCH', `/Users/${ada}`, { Operations: [{ op: 'Replace', path: 'active', value: 'perhaps' }] });
      await other!.scim('POST', '/Users', {});
      await vi.waitFor(async () => {
        expect(await list(`tenant=${mine!.tenant}`)).toHaveLength(4);
        expect(await list(`tenant=${other!.tenant}`)).toHaveLength(1);
      }, WAIT);
    });

    it('writes and refused requests are listed, the newest first, and found by each filter', async () => {
      const tenant = `tenant=${mine!.tenant}`;
      const statuses = async (query: string): Promise<number[]> => (await list(query)).map(({ status }) => status);
      expect(await statuses(tenant)).toEqual([400, 200, 409, 201]);
      expect(await statuses(`${tenant}&failed=true`)).toEqual([400, 409]);
      expect(await statuses('directory=contoso%20entra&failed=true')).toEqual([400, 409]);
      expect(await statuses(`${tenant}&object=${ada}&failed=true`)).toEqual([400]);
      expect(await statuses(`${tenant}&name=ADA@example.org`)).toEqual([409, 201]);
      expect(await statuses(`${tenant}&status=409`)).toEqual([409]);
      expect(await statuses(`${tenant}&correlation=again-${log}`)).toEqual([409]);
      expect(await statuses(`${tenant}&until=2020-01-01`)).toEqual([]);
      expect(await statuses(`${tenant}&since=2020-01-01`)).toHaveLength(4);
      const all = (await audit(`/requests?${tenant}`)).body.items;
      const first = await audit(`/requests?${tenant}&limit=3`);
      const second = await audit(`/requests?${tenant}&cursor=${encodeURIComponent(first.body.next)}&limit=3`);
      expect([...first.body.items, ...second.body.items]).toEqual(all.slice(0, 6));
      for (const query of ['status=99', 'failed=perhaps', 'object=x', 'since=2026-01-02&until=2026-01-01', 'cursor=x'])
        expect((await audit(`/requests?${query}`)).status, query).toBe(400);
    });

    it('a request is shown with its answer and its body, and who looked is recorded', async () => {
      const [refused] = await list(`tenant=${mine!.tenant}&status=409`);
      expect(refused).toMatchObject({
        method: 'POST',
        path: expect.stringMatching(/Users$/),
        scimType: 'uniqueness',
        detail: expect.stringMatching(/taken/),
        directory: { id: mine!.id, name: 'Contoso Entra' },
        actor: { name: expect.stringContaining('Contoso Entra') },
        correlationId: `again-${log}`,
      });
      expect(refused).not.toHaveProperty('body');
      const { body } = await audit(`/requests/${refused.id}`);
      expect(body).toMatchObject({ ...refused, body: expect.any(String) });
      expect(JSON.parse(body.body)).toMatchObject({ userName: 'ada@example.org', externalId: 'second' });
      const { rows } = await muster.owner.query(
        'SELECT data FROM audit.events WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1',
        [mine!.tenant],
      );
      expect(rows[0].data).toMatchObject({ what: 'request', asked: { id: refused.id } });
    });

    it('an entry says which request caused it, and where that came from', async () => {
      await entriesOfAll(muster.owner);
      const requests = await list(`tenant=${mine!.tenant}&object=${ada}`);
      const { body } = await audit(`/subjects/${ada}/history`);
      expect(body.items.map(({ action, client }: Answer['body']) => [action, client.request])).toEqual([
        ['user.created', requests.at(-1).id],
        ['user.changed', requests.at(-2).id],
      ]);
      expect(body.items[0].client).toMatchObject({ address: requests.at(-1).address, userAgent: expect.any(String) });
    });

    it('a key of one tenant sees the requests of that one alone', async () => {
      const { body } = await admin('POST', '/keys', {
        name: `Requests ${log}`,
        scopes: ['audit'],
        tenant: other!.tenant,
      });
      const auditor = muster.adminWith(body.key);
      const { items } = (await auditor('GET', '/audit/requests')).body;
      expect(items.map(({ tenant }: { tenant: string }) => tenant)).toEqual(items.map(() => other!.tenant));
      expect(items[0]).toMatchObject({ face: 'scim', status: 400 });
      const [foreign] = await list(`tenant=${mine!.tenant}&status=409`);
      for (const path of [
        `/requests/${foreign.id}`,
        `/requests?tenant=${mine!.tenant}`,
        `/requests?tenant=${INSTALLATION}`,
        `/requests?directory=${mine!.id}`,
      ])
        expect([path, (await auditor('GET', `/audit${path}`)).status]).toEqual([path, 404]);
    });

    describe('the command line', { timeout: 60_000 }, () => {
      const said = async (...args: string[]): Promise<string> => {
        const { stdout } = await promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', ...args], {
          env: {
            ...process.env,
            MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
            MUSTER_API_KEY: muster.server.apiKey,
          },
        });
        return stdout.trimEnd();
      };

      it('lists failed requests and shows one', async () => {
        const failed = JSON.parse(await said('request', 'list', '--failed', '--directory', 'Contoso Entra', '--json'));
        expect(failed.map(({ status }: { status: number }) => status)).toEqual([400, 409]);
        const text = await said('request', 'list', '--failed', '--directory', 'Contoso Entra', '--since', '1h');
        expect(text).toMatch(/ 409 uniqueness {2}POST \S+Users {2}ada@example.org\n {2}.*taken/);
        // No terminal, no colours.
        expect(text).not.toContain('\u001b');
        const shown = await said('request', 'show', failed[1].id);
        expect(shown).toMatch(/correlation {2}again-/);
        expect(shown).toContain('"externalId": "second"');
      });

      it('tells the history of a person, the state at a moment, and what happened in a tenant', async () => {
        await entriesOfAll(muster.owner);
        const history = await said('audit', 'history', 'ada@example.org');
        expect(history).toMatch(
          /user.changed {2}by .*Contoso Entra.*\n {2}The user "ada@example.org" changed: title.\n {2}from .*, request .*\n {4}title {2}- → Countess/,
        );
        const [created] = JSON.parse(await said('audit', 'history', ada, '--json'));
        const state = await said(
          'audit',
          'state',
          'ada@example.org',
          '--at',
          created.at.replace(/\d{3}Z$/, 'Z'),
          '--compare',
          '0s',
        );
        expect(state).toMatch(/not there yet|version 1/);
        expect(state).toMatch(/Different is:\n[^]*title\s+- → Countess/);
        const listed = await said('audit', 'list', '--person', 'Ada', '--limit', '1');
        expect(listed).toMatch(
          /^number {2}time \(UTC\)\s+by\s+what happened\n\s*\d+ .* {2}The user "ada@example.org" changed: title\.$/,
        );
        expect(await said('audit', 'show', '0', '--tenant', mine!.tenant)).toMatch(/ \w+\.created {2}by /);
        expect(await said('audit', 'list', '--installation', '--action', 'api-key.created')).toMatch(
          /The key "command line" was made/,
        );
        await expect(said('audit', 'history', 'nobody')).rejects.toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/Nobody is called "nobody"/),
        });
        await expect(said('audit', 'list', '--since', 'yesterday')).rejects.toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/since is no moment/),
        });
      });
    });
  });
}
