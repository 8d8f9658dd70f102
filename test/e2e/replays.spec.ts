import { beforeAll, describe, expect, it, vi } from 'vitest';
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
        sentence: expect.stringMatching(/ It was sent again by ".+" as the directory "Contoso Entra"\.$/),
      });
      // Its identity provider goes on as if it had been the first one.
      const [user] = (await mine.scim('GET', '/Users?filter=externalId%20eq%20%22g-1%22')).body.Resources;
      expect(user.id).toBe(response.body.id);
    });
  });
}
