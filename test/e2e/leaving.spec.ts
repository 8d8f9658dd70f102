import { describe, expect, it, vi } from 'vitest';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';

/** More than one command leaves. */
const GROUPS = 620;
const SOON = { timeout: 60_000, interval: 50 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { scim } = muster;
    const count = async (sql: string, ...values: unknown[]): Promise<number> =>
      (await muster.owner.query<{ count: number }>(`SELECT count(*)::int FROM ${sql}`, values)).rows[0]!.count;
    const newGroups = async (member: string): Promise<void> => {
      const Operations = Array.from({ length: GROUPS }, (_, index) => ({
        method: 'POST', path: '/Groups', bulkId: `g${index}`, data: { displayName: uuidv7(), members: [{ value: member }] },
      }));
      const { body } = await scim('POST', '/Bulk', { schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'], Operations });
      expect(body.Operations.filter(({ status }: { status: string }) => status === '201')).toHaveLength(GROUPS);
    };

    it('a user and a group in many groups leave all of them, with a restart in between; nothing points at nobody', async () => {
      const { body: user } = await scim('POST', '/Users', { userName: `${uuidv7()}@example.org` });
      const { body: group } = await scim('POST', '/Groups', { displayName: uuidv7(), members: [{ value: user.id }] });
      await newGroups(user.id);
      await newGroups(group.id);
      expect((await scim('DELETE', `/Groups/${group.id}`)).status).toBe(204);
      expect((await scim('DELETE', `/Users/${user.id}`)).status).toBe(204);
      await muster.stop();
      await muster.start();
      await vi.waitFor(async () => expect(await count('"group".members')).toBe(0), SOON);
      await vi.waitFor(async () => expect(await count('"group".leaving')).toBe(0), SOON);
      // Each membership ended once, and the user's in the group that was deleted without being named.
      expect(await count("\"group\".events WHERE data->'removed'->0 IS NOT NULL")).toBe(2 * GROUPS);
      expect(await count('(SELECT DISTINCT correlation_id FROM "group".events WHERE actor = \'group\')')).toBeLessThanOrEqual(2);
      expect((await muster.verify()).findings).toEqual([]);
    }, 180_000);

    it('a user in more groups than are read at once is written, and shown without them only', async () => {
      const { body: { id } } = await scim('POST', '/Users', { userName: `${uuidv7()}@example.org` });
      const { tenant, id: directory } = muster.server.directory;
      await muster.owner.query(
        `WITH made AS (
           INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
           SELECT $1, gen_random_uuid(), $2, 1, now(), now(), '{"displayName": "x"}', n::text, '{}', 1 FROM generate_series(1, 100001) AS n RETURNING id
         ) INSERT INTO "group".members SELECT $1, id, $3, 'U' FROM made`, [tenant, directory, id],
      );
      expect(await scim('GET', `/Users/${id}`)).toMatchObject({ status: 400, body: { scimType: 'tooMany', detail: expect.stringMatching(/excludedAttributes=groups/) } });
      expect((await scim('GET', `/Users/${id}?excludedAttributes=groups`)).status).toBe(200);
      const { status, body } = await scim('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'title', value: 'Dr' }] });
      expect([status, body.title, body.groups]).toEqual([200, 'Dr', undefined]);
    }, 120_000);
  });
}
