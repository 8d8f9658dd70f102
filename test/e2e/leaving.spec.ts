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
        method: 'POST',
        path: '/Groups',
        bulkId: `g${index}`,
        data: { displayName: uuidv7(), members: [{ value: member }] },
      }));
      const { body } = await scim('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations,
      });
      expect(body.Operations.filter(({ status }: { status: string }) => status === '201')).toHaveLength(GROUPS);
    };

    it('a user and a group in many groups leave all of them, with a restart in between; nothing points at nobody', async () => {
      const { body: user } = await scim('POST', '/Users', { userName: `${uuidv7()}@example.org` });
      const { body: group } = await scim('POST', '/Groups', { displayName: uuidv7(), members: [{ value: user.id }] });
      await newGroups(user.id);
      await newGroups(group.id);
      await muster.deleteForGood();
      expect((await scim('DELETE', `/Groups/${group.id}`)).status).toBe(204);
      expect((await scim('DELETE', `/Users/${user.id}`)).status).toBe(204);
      await muster.stop();
      await muster.start();
      await vi.waitFor(async () => expect(await count('"group".members')).toBe(0), SOON);
      await vi.waitFor(async () => expect(await count('"group".leaving')).toBe(0), SOON);
      // Each membership ended once, and the user's in the group that was deleted without being named.
      expect(await count('"group".events WHERE data->\'removed\'->0 IS NOT NULL')).toBe(2 * GROUPS);
      expect(
        await count('(SELECT DISTINCT correlation_id FROM "group".events WHERE actor = \'group\')'),
      ).toBeLessThanOrEqual(2);
      expect((await muster.verify()).findings).toEqual([]);
    }, 180_000);
  });
}
