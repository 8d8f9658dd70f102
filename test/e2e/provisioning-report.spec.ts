import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Client, type Directory } from '../support/muster.js';

const WAIT = { timeout: 30_000, interval: 100 };
const HOSTILE = `=<script>alert(1)</script>"'`;

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // An outcome that is looked up does not say its effect.
    const muster = startMuster({ log, settings: { OUTCOME_LOOKUP_AFTER_MS: '9000' } });
    const { admin } = muster;
    let entra: Directory;
    let [ada, group] = ['', ''];
    let tenant = '';
    let asked = 0;
    /** The values of PATCH are those that Entra sends. */
    const scim: Client = async (...request) => {
      asked++;
      return entra.scim(...request);
    };
    const patch = (path: string, ...operations: readonly object[]): Promise<Answer> =>
      scim('PATCH', path, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations });
    const report = async (query: string): Promise<Answer['body']> => {
      const { status, body } = await admin('GET', `/audit/report?tenant=${tenant}&${query}`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    };
    const outcomes = async (query: string): Promise<(readonly [string, string, number])[]> =>
      (await report(query)).items.map(
        ({ action, result, status }: { action: string; result: string; status: number }) => [action, result, status],
      );
    /** An answer that is no JSON. */
    const text = async (query: string, accept = '*/*'): Promise<{ headers: Headers; content: string }> => {
      const response = await fetch(
        `http://127.0.0.1:${muster.server.adminPort}/api/audit/v1/report?tenant=${tenant}&${query}`,
        { headers: { authorization: `Bearer ${muster.server.apiKey}`, accept } },
      );
      expect(response.status).toBe(200);
      return { headers: response.headers, content: await response.text() };
    };

    beforeAll(async () => {
      entra = await muster.newDirectory('Contoso Entra', undefined, 'entra');
      tenant = entra.tenant;
      const user = (userName: string, more: object = {}): Promise<Answer> =>
        scim('POST', '/Users', { userName, displayName: userName, active: true, ...more });
      const made = await user('ada@example.org', { emails: [{ type: 'work', value: 'ada@example.org' }] });
      expect(made.status).toBe(201);
      ada = made.body.id;
      // Entra asks again in each cycle.
      for (let cycle = 0; cycle < 3; cycle++) expect((await user('ADA@example.org')).status).toBe(409);
      expect((await user(HOSTILE, { active: 'perhaps' })).status).toBe(400);
      await patch(`/Users/${ada}`, { op: 'Replace', path: 'title', value: 'Countess' });
      await patch(`/Users/${ada}`, { op: 'Replace', path: 'title', value: 'Countess' });
      expect((await patch(`/Users/${ada}`, { op: 'Replace', path: 'id', value: 'x' })).status).toBe(400);
      group = (await scim('POST', '/Groups', { displayName: 'Analysts' })).body.id;
      await patch(`/Groups/${group}`, { op: 'Add', path: 'members', value: [{ value: ada }] });
      await patch(`/Groups/${group}`, { op: 'Remove', path: `members[value eq "${ada}"]` });
      await patch(`/Users/${ada}`, { op: 'Replace', path: 'active', value: 'False' });
      expect((await scim('DELETE', `/Users/${ada}`)).status).toBe(204);
      await entriesOfAll(muster.owner);
      await vi.waitFor(async () => expect((await report('')).items).toHaveLength(asked), WAIT);
    }, 120_000);

    it('each request is there with its action, its result, its steps and what to do', async () => {
      const { items, totals, chart, failing, message, next } = await report('');
      expect(
        items.map(({ action, result, status }: { action: string; result: string; status: number }) => [
          action,
          result,
          status,
        ]),
      ).toEqual([
        ['delete', 'success', 204],
        ['disable', 'success', expect.any(Number)],
        ['remove members', 'success', expect.any(Number)],
        ['add members', 'success', expect.any(Number)],
        ['create', 'success', 201],
        ['update', 'failure', 400],
        ['update', 'skipped', expect.any(Number)],
        ['update', 'success', expect.any(Number)],
        ['create', 'failure', 400],
        ['create', 'failure', 409],
        ['create', 'failure', 409],
        ['create', 'failure', 409],
        ['create', 'success', 201],
      ]);
      expect([message, next]).toEqual([null, null]);
      const [created] = items.slice(-1);
      expect(created).toMatchObject({
        object: { type: 'User', id: ada, name: 'ada@example.org' },
        directory: { id: entra.id, name: 'Contoso Entra' },
        reason: null,
        whatToDo: null,
      });
      expect(created.steps).toEqual([
        { step: 'received', isDone: true, text: expect.stringMatching(/^POST .*\/Users from /) },
        { step: 'authenticated', isDone: true, text: expect.stringContaining('Contoso Entra') },
        { step: 'matched', isDone: true, text: 'nobody like that was known' },
        { step: 'decided', isDone: true, text: expect.stringMatching(/was created through the directory/) },
        { step: 'answered', isDone: true, text: expect.stringMatching(/^201 after \d+ ms$/) },
      ]);
      const [refused] = items.slice(-2);
      expect(refused).toMatchObject({
        object: { type: 'User', id: null, name: 'ADA@example.org' },
        scimType: 'uniqueness',
        reason: expect.stringContaining(`taken by the user with the id ${ada}`),
        whatToDo: expect.stringContaining(`the user "ada@example.org" (${ada})`),
      });
      expect(totals).toMatchObject({
        requests: 13,
        results: { success: 7, failure: 5, skipped: 1 },
        objects: 2,
        unrecorded: 0,
        countedSince: null,
      });
      expect(
        Object.fromEntries(
          totals.actions.map(({ action, success, failure, skipped }: Record<string, number>) => [
            action,
            [success, failure, skipped],
          ]),
        ),
      ).toEqual({
        create: [2, 4, 0],
        delete: [1, 0, 0],
        disable: [1, 0, 0],
        'add members': [1, 0, 0],
        'remove members': [1, 0, 0],
        update: [1, 1, 1],
      });
      const sum = (result: string): number =>
        chart.bars.reduce((all: number, bar: Record<string, number>) => all + bar[result]!, 0);
      expect([sum('success'), sum('failure'), sum('skipped')]).toEqual([7, 5, 1]);
      expect(failing.map(({ object, count }: Answer['body']) => [object.name, count])).toEqual([
        ['ADA@example.org', 3],
        // Of ada@example.org a later request was done.
        [HOSTILE, 1],
      ]);
      expect(failing[0].first < failing[0].last).toBe(true);
    });

    it('each filter chooses, in rows and in totals', async () => {
      const failed = [
        ['update', 'failure', 400],
        ['create', 'failure', 400],
        ['create', 'failure', 409],
        ['create', 'failure', 409],
        ['create', 'failure', 409],
      ];
      expect(await outcomes('result=failure')).toEqual(failed);
      expect((await report('result=failure')).totals).toMatchObject({ requests: 5, results: { failure: 5 } });
      expect(await outcomes('status=409')).toHaveLength(3);
      expect(await outcomes('result=skipped')).toEqual([['update', 'skipped', expect.any(Number)]]);
      expect((await report('result=skipped')).totals).toMatchObject({ requests: 1 });
      expect(await outcomes('action=add members')).toEqual([['add members', 'success', expect.any(Number)]]);
      expect((await report('action=disable')).totals).toMatchObject({ requests: 1, results: { success: 1 } });
      expect(await outcomes('directory=contoso%20entra')).toHaveLength(asked);
      // By each identifier, and also requests that named somebody who did not come to be.
      for (const person of [ada, 'ada@example.org', 'ADA@EXAMPLE.ORG'])
        expect([person, await outcomes(`person=${encodeURIComponent(person)}&action=create`)]).toEqual([
          person,
          [
            ['create', 'failure', 409],
            ['create', 'failure', 409],
            ['create', 'failure', 409],
            ['create', 'success', 201],
          ],
        ]);
      expect(await outcomes(`person=${encodeURIComponent(HOSTILE)}`)).toEqual([['create', 'failure', 400]]);
      expect(await outcomes('since=2020-01-01')).toHaveLength(asked);
      expect(await outcomes('until=2020-01-02')).toEqual([]);
    });

    it('pages go on where the one before ended, with its timespan', async () => {
      const all = (await report('')).items;
      const first = await report('limit=9');
      const second = await report(`limit=9&cursor=${encodeURIComponent(first.next)}`);
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(all.map(({ id }: { id: string }) => id));
      expect([second.since, second.until, second.totals, second.chart, second.failing, second.next]).toEqual([
        first.since,
        first.until,
        null,
        null,
        null,
        null,
      ]);
    });

    it('what cannot be answered says why', async () => {
      const empty = await report('person=nobody@example.org');
      expect(empty).toMatchObject({
        items: [],
        totals: { requests: 0 },
        message: expect.stringMatching(/Nobody is or was called "nobody@example.org"/),
      });
      expect(await report('until=2020-01-02')).toMatchObject({
        message: expect.stringMatching(/No request of this timespan/),
      });
      for (const [query, status, words] of [
        ['since=2026-01-02&until=2026-01-01', 400, /must be before until/],
        ['since=yesterday', 400, /since is no moment/],
        ['since=2999-01-01', 400, /not before now/],
        ['action=dance', 400, /action/],
        ['format=pdf', 400, /format/],
        ['person=a*', 400, /all who begin so/],
        [`directory=${ada}`, 400, /something else than a directory/],
        ['directory=none', 404, /There is no directory "none"/],
        ['cursor=x', 400, /cursor/],
      ] as const) {
        const { status: answered, body } = await admin('GET', `/audit/report?tenant=${tenant}&${query}`);
        expect([query, answered, body.detail]).toEqual([query, status, expect.stringMatching(words)]);
      }
    });

    it('a key of another tenant, or without the scope audit, sees nothing; who reads is recorded', async () => {
      const other = await muster.newDirectory(`Other ${log}`);
      const key = async (scopes: readonly string[], of?: string): Promise<Client> =>
        muster.adminWith((await admin('POST', '/keys', { name: `${scopes} ${log}`, scopes, tenant: of })).body.key);
      const foreign = await key(['audit'], other.tenant);
      expect((await foreign('GET', '/audit/report')).body.items).toEqual([]);
      for (const query of [`tenant=${tenant}`, `directory=${entra.id}`])
        expect([query, (await foreign('GET', `/audit/report?${query}`)).status]).toEqual([query, 404]);
      expect((await (await key(['read']))('GET', `/audit/report?tenant=${tenant}`)).status).toBe(403);
      await report('person=ada@example.org&result=failure');
      const { rows } = await muster.owner.query(
        'SELECT data FROM audit.events WHERE tenant = $1 ORDER BY sequence DESC LIMIT 1',
        [tenant],
      );
      expect(rows[0].data).toMatchObject({ what: 'report', asked: { person: ada, result: 'failure' } });
    });

    it('is CSV, in which no field is a formula', async () => {
      const { headers, content } = await text('', 'text/csv');
      expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
      expect(headers.get('content-disposition')).toMatch(/attachment/);
      expect(content.split('\r\n').filter((row) => row !== '').length).toBe(asked + 1);
      expect(content).toContain(`"'${HOSTILE.replaceAll('"', '""')}"`);
      expect((await text('format=csv&result=skipped')).content.trim().split('\r\n')).toHaveLength(2);
    });

    it('is a page on which nothing runs, whatever clients have sent', async () => {
      const { headers, content } = await text('', 'text/html,application/xhtml+xml;q=0.9');
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(content).not.toContain('<script');
      expect(content).toContain('&lt;script&gt;alert(1)');
      expect(content).toMatch(/<svg [^]*<rect class="failure"/);
    });

    it('the command line prints it, and writes the page and the CSV', { timeout: 60_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'muster-report-'));
      const said = async (...args: string[]): Promise<string> => {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['dist/apps/cli/src/main.js', 'report', ...args],
          {
            env: {
              ...process.env,
              MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
              MUSTER_API_KEY: muster.server.apiKey,
            },
          },
        );
        return stdout.trimEnd();
      };
      try {
        const all = await said('--directory', 'Contoso Entra');
        expect(all).toMatch(/13 requests about 2 users and groups: 7 done, 5 failed, 1 skipped/);
        expect(all).toMatch(/409 uniqueness {2}User ADA@example.org, 3 times from/);
        expect(all).toMatch(/\n.* {2}failed +create +409 uniqueness +User ADA@example.org/);
        // No terminal, no colours.
        expect(all).not.toContain('\u001b');
        const one = await said('ada@example.org', '--result', 'failure', '--directory', 'Contoso Entra');
        expect(one).toMatch(/ {2}✗ decided {8}userName ADA@example.org is taken/);
        expect(JSON.parse(await said('--directory', 'Contoso Entra', '--json')).items).toHaveLength(asked);
        const [html, csv] = [join(folder, 'report.html'), join(folder, 'report.csv')];
        await said('--directory', 'Contoso Entra', '--html', html, '--csv', csv);
        expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
        expect(readFileSync(csv, 'utf8').trim().split('\r\n')).toHaveLength(asked + 1);
        expect(statSync(csv).mode & 0o777).toBe(0o600);
        await expect(said('--since', '2999-01-01')).rejects.toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/not before now/),
        });
        await expect(said('--html', join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 2 });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('an id of another tenant in a path is not told how it is called', async () => {
      const other = await muster.newDirectory(`Another ${log}`);
      await admin('POST', '/keys', { name: `Secret ${log}`, scopes: ['read'], tenant: other.tenant });
      const { items } = (await admin('GET', '/keys')).body;
      const { id } = items.find(({ name }: { name: string }) => name === `Secret ${log}`);
      for (const named of [id, other.id, other.tenant])
        expect((await patch(`/Users/${named}`, { op: 'Replace', path: 'title', value: 'x' })).status).toBe(404);
      await vi.waitFor(async () => expect((await report('status=404')).items).toHaveLength(3), WAIT);
      for (const { object } of (await report('status=404')).items) expect(object).toMatchObject({ name: null });
    });
  });
}
