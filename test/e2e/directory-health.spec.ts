import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Client, type Directory } from '../support/muster.js';

const WAIT = { timeout: 30_000, interval: 200 };
const DAY_MS = 86_400_000;

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // An outcome that is looked up does not say its effect.
    const muster = startMuster({ log, settings: { OUTCOME_LOOKUP_AFTER_MS: '9000' } });
    const { admin } = muster;
    let [entra, okta]: Directory[] = [];
    let ada = '';
    const health = async (id = entra!.id, client: Client = admin): Promise<Answer['body']> => {
      const { status, body } = await client('GET', `/directories/${id}/health`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    };
    const user = (userName: string, more: object = {}): Promise<Answer> =>
      entra!.scim('POST', '/Users', { userName, displayName: userName, active: true, ...more });
    const patch = (path: string, ...Operations: readonly object[]): Promise<Answer> =>
      entra!.scim('PATCH', path, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });
    const keyOf = async (scopes: readonly string[], tenant?: string): Promise<Client> =>
      muster.adminWith(
        (await admin('POST', '/keys', { name: `${scopes} ${log} ${tenant ?? ''}`, scopes, tenant })).body.key,
      );

    beforeAll(async () => {
      [entra, okta] = [
        await muster.newDirectory('Contoso Entra', undefined, 'entra'),
        await muster.newDirectory('Fabrikam', undefined, 'okta'),
      ];
      expect(await health()).toMatchObject({
        state: 'never connected',
        lastRequest: null,
        lastWrite: null,
        lastRead: null,
        cycles: [],
        failing: { total: 0, items: [] },
      });
      ada = (await user('ada@example.org')).body.id;
      // Entra asks again in each cycle.
      for (let cycle = 0; cycle < 3; cycle++) expect((await user('ADA@example.org')).status).toBe(409);
      // These are provisioned in the end, and fail no more.
      expect((await user('bob@example.org', { active: 'perhaps' })).status).toBe(400);
      const bob = (await user('bob@example.org')).body.id;
      expect((await entra.scim('POST', '/Groups', { displayName: 'Analysts', members: 'x' })).status).toBe(400);
      expect((await entra.scim('POST', '/Groups', { displayName: 'Analysts' })).status).toBe(201);
      expect((await patch(`/Users/${bob}`, { op: 'Replace', path: 'active', value: 'perhaps' })).status).toBe(400);
      await patch(`/Users/${bob}`, { op: 'Replace', path: 'active', value: 'False' });
      await patch(`/Users/${ada}`, { op: 'Replace', path: 'title', value: 'Countess' });
      await patch(`/Users/${ada}`, { op: 'Replace', path: 'title', value: 'Countess' });
      expect((await patch(`/Users/${ada}`, { op: 'Replace', path: 'id', value: 'x' })).status).toBe(400);
      expect((await entra.scim('DELETE', `/Users/${bob}`)).status).toBe(204);
      // Looked up, and not there: that is no failure.
      expect((await entra.scim('GET', `/Users/${bob}`)).status).toBe(404);
      expect((await entra.scim('GET', '/Users?filter=userName eq "x"')).status).toBe(200);
      await vi.waitFor(async () => {
        const { errorRates, lastRead } = await health();
        expect([errorRates.at(-1).requests, lastRead]).toEqual([16, expect.any(String)]);
      }, WAIT);
    }, 120_000);

    it('tells the cycle that runs, what was asked last, error rates, and what still fails', async () => {
      const found = await health();
      expect(found).toMatchObject({
        directory: { id: entra!.id, name: 'Contoso Entra', kind: 'entra', status: 'active' },
        state: 'warning',
        lastRequest: { method: 'GET', resourceType: 'User', status: 404 },
        lastWrite: { method: 'DELETE', resourceType: 'User', status: 204, effect: 'delete' },
        next: { periodMinutes: 40, isLate: false, words: expect.stringMatching(/is running/) },
        silence: { afterMinutes: 1_440, since: null },
        // It manages Ada and a group; the user who never came to be is a third one.
        quarantine: { state: 'far', failures: 2, fromFailures: 5_000, percent: 66.7, since: null },
        credentials: [{ kind: 'token', isActive: true, expiresAt: null, days: null }],
      });
      const { start, end, ...cycle } = found.cycles[0];
      expect(found.cycles).toHaveLength(1);
      expect(start <= end && end <= found.at).toBe(true);
      expect(cycle).toEqual({
        isRunning: true,
        requests: 16,
        reads: 2,
        created: 3,
        changed: 2,
        deleted: 1,
        unchanged: 1,
        refused: 7,
      });
      const rate = {
        requests: 16,
        failed: 7,
        percent: 43.8,
        answers: [
          { status: 400, scimType: 'invalidValue', count: 3 },
          { status: 409, scimType: 'uniqueness', count: 3 },
          { status: 400, scimType: 'mutability', count: 1 },
        ],
      };
      const order = ({ status, scimType }: { status: number; scimType: string }): string => `${status} ${scimType}`;
      expect(
        found.errorRates.map((one: typeof rate & { of: string }) => ({
          ...one,
          answers: one.answers.toSorted((a, b) => b.count - a.count || (order(a) < order(b) ? -1 : 1)),
        })),
      ).toEqual(['last cycle', 'last hour', 'last 24 hours'].map((of) => ({ of, ...rate })));
      expect(found.failing).toMatchObject({
        total: 2,
        items: [
          { object: { type: 'User', id: ada, name: 'ada@example.org' }, action: 'update', count: 1, status: 400 },
          {
            object: { type: 'User', id: null, name: 'ADA@example.org' },
            action: 'create',
            count: 3,
            scimType: 'uniqueness',
            reason: expect.stringContaining(ada),
            whatToDo: expect.stringContaining('ada@example.org'),
          },
        ],
      });
      const shown = await admin('GET', `/audit/requests/${found.failing.items[1].request}`);
      expect(shown.body).toMatchObject({ status: 409, name: 'ADA@example.org' });
    });

    it('a key that may not audit sees no name of who never came to be, and no reason; who sees them is recorded', async () => {
      const reader = await keyOf(['read']);
      const recorded = async (): Promise<number> =>
        (
          await muster.owner.query(`SELECT FROM audit.events WHERE tenant = $1 AND data->>'what' = 'health'`, [
            entra!.tenant,
          ])
        ).rowCount!;
      const before = await recorded();
      const { failing } = await health(entra!.id, reader);
      expect(failing.items.map(({ object, reason }: Answer['body']) => [object.name, reason])).toEqual([
        ['ada@example.org', null],
        [null, null],
      ]);
      expect(JSON.stringify(failing)).not.toContain('ADA@');
      expect(await recorded()).toBe(before);
      await health();
      expect(await recorded()).toBe(before + 1);
    });

    it('is of the tenant of the key alone, and needs a scope', async () => {
      const { tenant: other } = await muster.newDirectory(`Other ${log}`);
      const foreign = await keyOf(['read', 'audit'], other);
      expect((await foreign('GET', `/directories/${entra!.id}/health`)).status).toBe(404);
      expect((await (await keyOf(['audit']))('GET', `/directories/${entra!.id}/health`)).status).toBe(403);
      expect((await admin('GET', '/directories/01980000-0000-7000-8000-0000000000ff/health')).status).toBe(404);
    });

    it('a directory without cycles says so; one whose token ends soon, or that is disabled, says it first', async () => {
      await okta!.scim('POST', '/Users', { userName: 'eve@example.org' });
      const expiresAt = new Date(Date.now() + 10.5 * DAY_MS).toISOString();
      await admin('POST', `/directories/${okta!.id}/tokens`, { description: 'until spring', expiresAt });
      await vi.waitFor(async () => expect((await health(okta!.id)).lastRequest).not.toBeNull(), WAIT);
      expect(await health(okta!.id)).toMatchObject({
        state: 'warning',
        reasons: [{ state: 'warning', text: expect.stringMatching(/"until spring" expires in 10 days/) }],
        cycles: [],
        next: { expectedAt: null, words: expect.stringMatching(/at once/) },
        silence: { afterMinutes: null, since: null },
        quarantine: null,
        credentials: [{ name: 'until spring', days: 10 }, { days: null }],
      });
      await admin('PATCH', `/directories/${okta!.id}`, { silentAfterMinutes: 90 });
      await admin('POST', `/directories/${okta!.id}/disable`);
      expect(await health(okta!.id)).toMatchObject({
        state: 'disabled',
        reasons: [{ state: 'disabled', command: 'directory enable Fabrikam' }, { state: 'warning' }],
        silence: { afterMinutes: 90 },
      });
    });

    it('the counters are what was recorded', async () => {
      const { findings, compared } = await muster.verify();
      expect(findings).toEqual([]);
      expect(compared).toHaveProperty(['requests that are counted']);
    });

    it('the command line tells it, with the commands to go on with', { timeout: 60_000 }, async () => {
      const said = async (...args: string[]): Promise<string> => {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['dist/apps/cli/src/main.js', 'directory', 'health', ...args],
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
      const text = await said('contoso entra');
      expect(text).toMatch(/^Contoso Entra \(entra\): warning\n {2}\S 2 users and groups fail: the last request about/);
      expect(text).toContain('npm run -s cli -- report --directory "Contoso Entra" --result failure --since 14d');
      expect(text).toMatch(/\n {2}last request {2}\S+ \S+, .*: GET User, answered 404\n/);
      expect(text).toMatch(/\ncycle \(UTC\) +took +requests +reads +created +changed +deleted +unchanged +refused\n/);
      expect(text).toMatch(/\nlast cycle +16 +7 +43.8 % {2}\d{3} /);
      expect(text).toMatch(/\n {2}409 uniqueness {2}create User ADA@example.org, 3 times since /);
      // No terminal, no colours.
      expect(text).not.toContain('\u001b');
      expect(JSON.parse(await said('Contoso Entra', '--json'))).toMatchObject({ state: 'warning' });
    });
  });
}
