import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RequestReply } from '#log';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

/** The part of RequestReply that stands between an outcome and those who wait for it. */
interface Inside {
  settle(message: unknown): void;
  lookUp(late: unknown): Promise<void>;
}

const QUIET = { timeout: 20_000, interval: 10 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`an outcome that nobody hears, on the ${log} log,`, () => {
    const muster = startMuster({ log, settings: { OUTCOME_LOOKUP_AFTER_MS: '1' } });
    const { scim } = muster;
    let hold: PromiseWithResolvers<void>;

    beforeEach(() => {
      const inside = RequestReply.prototype as unknown as Inside;
      const { lookUp } = inside;
      hold = Promise.withResolvers();
      vi.spyOn(inside, 'settle').mockImplementation(() => undefined);
      vi.spyOn(inside, 'lookUp').mockImplementation(async function (this: Inside, late) {
        await hold.promise;
        await lookUp.call(this, late);
      });
    });
    afterEach(() => vi.restoreAllMocks());

    const versionOf = async (table: string, id: string): Promise<number | null> =>
      (await muster.owner.query<{ version: number }>(`SELECT version FROM ${table} WHERE id = $1`, [id])).rows[0]
        ?.version ?? null;
    /** The answer to a write if its outcome is looked up when `meanwhile` has been done. */
    const late = async (write: () => Promise<Answer>, meanwhile: () => Promise<void>): Promise<Answer> => {
      const answer = write();
      await meanwhile();
      hold.resolve();
      return answer;
    };
    const newUser = async (): Promise<string> => {
      hold.resolve();
      const { status, body } = await scim('POST', '/Users', {
        userName: `${uuidv7()}@example.org`,
        displayName: 'Ada',
      });
      expect(status).toBe(201);
      hold = Promise.withResolvers();
      return body.id as string;
    };
    const newGroup = async (): Promise<string> => {
      hold.resolve();
      const { status, body } = await scim('POST', '/Groups', { displayName: uuidv7() });
      expect(status).toBe(201);
      hold = Promise.withResolvers();
      return body.id as string;
    };
    const retitled = (title: string): object => ({ Operations: [{ op: 'replace', path: 'title', value: title }] });

    it('is looked up: every write is answered as if it had been heard', async () => {
      hold.resolve();
      const userName = `${uuidv7()}@example.org`;
      const made = await scim('POST', '/Users', { userName, displayName: 'Ada' });
      expect(made).toMatchObject({ status: 201, body: { userName, displayName: 'Ada', meta: { version: 'W/"1"' } } });
      expect(made.headers.get('etag')).toBe('W/"1"');
      expect(made.headers.get('location')).toMatch(new RegExp(`/Users/${made.body.id}$`));
      expect(await scim('PATCH', `/Users/${made.body.id}`, retitled('Dr'))).toMatchObject({
        status: 200,
        body: { title: 'Dr', meta: { version: 'W/"2"' } },
      });
      const group = await scim('POST', '/Groups', {
        displayName: `Team ${userName}`,
        members: [{ value: made.body.id }],
      });
      expect(group).toMatchObject({
        status: 201,
        body: { displayName: `Team ${userName}`, members: [{ value: made.body.id }] },
      });
      expect((await scim('PATCH', `/Users/${made.body.id}`, retitled('Prof'))).body.groups).toMatchObject([
        { value: group.body.id },
      ]);
      const renamed = await scim('PATCH', `/Groups/${group.body.id}`, {
        Operations: [{ op: 'replace', path: 'displayName', value: `Crew ${userName}` }],
      });
      expect([renamed.status, renamed.headers.get('etag')]).toEqual([204, 'W/"3"']);
      const bulk = await scim('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [
          { method: 'PATCH', path: `/Users/${made.body.id}`, data: retitled('Sir') },
          { method: 'PUT', path: `/Groups/${group.body.id}`, data: { displayName: userName } },
        ],
      });
      expect(bulk.body.Operations).toMatchObject([
        { status: '200', version: 'W/"4"' },
        { status: '200', version: 'W/"5"' },
      ]);
      expect((await scim('DELETE', `/Users/${made.body.id}`)).status).toBe(204);
      expect((await scim('POST', '/Users', { userName: `${userName}`, displayName: 'Ada' })).status).toBe(201);
      expect(await scim('POST', '/Users', { userName, displayName: 'Ada' })).toMatchObject({
        status: 409,
        body: { scimType: 'uniqueness' },
      });
    }, 60_000);

    it('is stored once, without the resource', async () => {
      const mark = `mark-${uuidv7()}`;
      hold.resolve();
      const {
        body: { id },
      } = await scim('POST', '/Users', { userName: `${mark}@example.org` });
      await scim('POST', '/Groups', { displayName: mark });
      const { rows } = await muster.owner.query<{ outcomes: number; marked: number }>(
        `SELECT count(*)::int AS outcomes, count(*) FILTER (WHERE outcome::text LIKE $1)::int AS marked
         FROM (SELECT outcome FROM identity.outcomes UNION ALL SELECT outcome FROM "group".outcomes) o`,
        [`%${mark}%`],
      );
      expect(rows[0]!.outcomes).toBeGreaterThanOrEqual(2);
      expect(rows[0]!.marked).toBe(0);
      const told = await muster.owner.query("SELECT FROM log.messages WHERE topic LIKE '%.outcomes'");
      expect(told.rowCount, 'outcomes are no rows of the log').toBe(0);
      expect(
        (
          await muster.owner.query(
            "SELECT outcome->'value' AS value FROM identity.outcomes WHERE outcome->'value'->>'id' = $1",
            [id],
          )
        ).rows,
      ).toEqual([{ value: { id, version: 1 } }]);
    }, 60_000);

    it('shows what has been changed since as it is now, with its own version', async () => {
      const id = await newUser();
      const answer = await late(
        () => scim('PATCH', `/Users/${id}`, retitled('First')),
        async () => {
          await vi.waitFor(async () => expect(await versionOf('identity.users', id)).toBe(2), QUIET);
          void scim('PATCH', `/Users/${id}`, retitled('Second'));
          await vi.waitFor(async () => expect(await versionOf('identity.users', id)).toBe(3), QUIET);
        },
      );
      expect(answer).toMatchObject({ status: 200, body: { title: 'Second', meta: { version: 'W/"3"' } } });
      expect(answer.headers.get('etag')).toBe('W/"3"');
    }, 60_000);

    it('is a 404 that says so where the resource has been deleted since', async () => {
      hold.resolve();
      await muster.deleteForGood();
      const [user, group] = [await newUser(), await newGroup()];
      const gone = async (table: string, path: string, id: string, body: object): Promise<Answer> => {
        hold = Promise.withResolvers();
        return late(
          () => scim('PUT', `${path}/${id}`, body),
          async () => {
            await vi.waitFor(async () => expect(await versionOf(table, id)).toBe(2), QUIET);
            void scim('DELETE', `${path}/${id}`);
            await vi.waitFor(async () => expect(await versionOf(table, id)).toBeNull(), QUIET);
          },
        );
      };
      const answers = [
        await gone('identity.users', '/Users', user, { userName: `${uuidv7()}@example.org` }),
        await gone('"group".groups', '/Groups', group, { displayName: uuidv7() }),
      ];
      for (const answer of answers)
        expect(answer).toMatchObject({
          status: 404,
          body: { detail: expect.stringMatching(/was written.*has been deleted since/) },
        });
    }, 60_000);
  });
}
