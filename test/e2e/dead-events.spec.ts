import { afterEach, describe, expect, it, vi } from 'vitest';
import { deadEventsOf, type Message } from '#contracts';
import { readConfig, uuidv7 } from '#runtime';
import { group } from '../../apps/group/src/group.owner.js';
import { kafkaOf } from '../support/kafka-client.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';

const TOPIC = deadEventsOf('group', 'identity');
const SOON = { timeout: 60_000, interval: 50 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`an event that its consumer cannot take, on the ${log} log,`, () => {
    const lines: string[] = [];
    const muster = startMuster({ log, lines });
    const { scim } = muster;
    afterEach(() => vi.restoreAllMocks());

    /** The ids of all that is on the topic of Kafka, until the test has seen enough. */
    const hear = async (): Promise<{ heard: unknown[]; stop: () => Promise<void> }> => {
      const { kafka, KAFKA_TOPIC_SUFFIX } = readConfig(muster.environment);
      const heard: unknown[] = [];
      const consumer = kafkaOf(kafka!).consumer({ groupId: `muster.${uuidv7()}` });
      await consumer.connect();
      await consumer.subscribe({ topic: TOPIC + KAFKA_TOPIC_SUFFIX, fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => void heard.push(message.headers?.ce_id?.toString()) });
      return { heard, stop: () => consumer.disconnect() };
    };

    it('is a dead letter, once, in the table and on the topic, and the ones behind it are taken', async () => {
      const newUser = async (): Promise<string> =>
        (await scim('POST', '/Users', { userName: `${uuidv7()}@example.org` })).body.id as string;
      await muster.deleteForGood();
      const [poison, next] = [await newUser(), await newUser()];
      const { body } = await scim('POST', '/Groups', {
        displayName: uuidv7(),
        members: [{ value: poison }, { value: next }],
      });
      const [leaving] = group.consumes!;
      if (!leaving || !('react' in leaving)) return expect.fail('group reacts to nothing');
      const { react } = leaving;
      // A NUL, which Postgres refuses in a text, and half of a pair: both may come from what a client has sent.
      vi.spyOn(leaving, 'react').mockImplementation((event, id) => {
        if (event.stream === poison && event.type.includes('deleted')) throw new Error('no leaving \u0000 \ud800');
        return react(event, id);
      });
      for (const user of [poison, next]) expect((await scim('DELETE', `/Users/${user}`)).status).toBe(204);
      const members = async (): Promise<unknown[]> =>
        (await muster.owner.query('SELECT member FROM "group".members WHERE group_id = $1', [body.id])).rows;
      await vi.waitFor(async () => expect(await members()).toEqual([{ member: poison }]), SOON);
      const letters = async (): Promise<readonly Message<{ reason: string; message: string }>[]> =>
        (await muster.owner.query('SELECT message FROM log.messages WHERE topic = $1', [TOPIC])).rows.map(
          ({ message }) => message,
        );
      const [letter] = await letters();
      expect(letter).toMatchObject({ subject: poison, source: 'muster/group' });
      expect(letter!.data.reason).toContain('no leaving');
      expect(JSON.parse(Buffer.from(letter!.data.message, 'base64').toString())).toMatchObject({ stream: poison });
      expect(lines.filter((line) => line.includes('event set aside as dead letter'))).toHaveLength(1);
      if (log === 'Kafka') {
        // It does not wait for the next start, or for a partition that moves.
        const { heard, stop } = await hear();
        await vi.waitFor(() => expect(heard).toEqual([letter!.id]), SOON).finally(stop);
      }
      await muster.stop();
      await muster.start();
      expect((await scim('DELETE', `/Users/${await newUser()}`)).status).toBe(204);
      expect((await letters()).map(({ id }) => id)).toEqual([letter!.id]);
    }, 180_000);
  });
}
