import { describe, expect, it, vi } from 'vitest';
import { commandsOf, deadOf, partitionOf } from '#contracts';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

const TIMEOUT_MS = 60_000;
/**
 * The database is given little time, so that what is locked need not be locked for long. Nothing in the tests waits for
 * less to happen.
 */
const SETTINGS = { QUERY_TIMEOUT_MS: '500', LANE_STANDSTILL_AFTER_SECONDS: '1', COMMAND_EXPIRES_AFTER_MS: '60000' };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`a lane on the ${log} log`, () => {
    const muster = startMuster({ log, settings: SETTINGS });

    /** A directory of another tenant, in the same partition. */
    const neighbour = async (): Promise<Directory> => {
      for (;;) {
        const directory = await muster.newDirectory('neighbour');
        if (partitionOf(directory.tenant) === partitionOf(muster.server.directory.tenant)) return directory;
      }
    };
    const create = async (userName: string): Promise<string> => {
      const { status, body } = await muster.scim('POST', '/Users', { userName });
      expect(status).toBe(201);
      return body.id as string;
    };
    const rename = (id: string): Promise<Answer> =>
      muster.scim('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'displayName', value: 'Ada' }] });
    const ready = async (): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(`http://127.0.0.1:${muster.server.port}/health/ready`);
      return { status: response.status, body: await response.json() };
    };
    const countOfDead = async (): Promise<number> =>
      (await muster.owner.query('SELECT FROM log.messages WHERE topic = $1', [deadOf(commandsOf('identity'))]))
        .rowCount!;

    it(
      'goes on when one command cannot be written in time: that one is answered 500, all others are carried out, and a restart repeats nothing',
      async () => {
        const other = await neighbour();
        const ids: string[] = [];
        for (let user = 0; user < 12; user++) ids.push(await create(`user-${user}`));
        const locked = ids[5]!;
        await muster.owner.query(`BEGIN; SELECT FROM identity.users WHERE id = '${locked}' FOR UPDATE`);
        let answers: Answer[];
        let others: Answer[];
        try {
          const writes = Promise.all(ids.map(rename));
          others = await Promise.all(
            Array.from({ length: 5 }, (_, user) => other.scim('POST', '/Users', { userName: `other-${user}` })),
          );
          answers = await writes;
        } finally {
          await muster.owner.query('COMMIT');
        }
        expect(answers.map(({ status }) => status)).toEqual(ids.map((id) => (id === locked ? 500 : 200)));
        expect(others.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
        expect(await countOfDead()).toBe(1);
        await muster.stop();
        await muster.start();
        // Its row is free now: it works again, and what was set aside stays so.
        expect((await rename(locked)).body).toMatchObject({ displayName: 'Ada', meta: { version: 'W/"2"' } });
        expect(await countOfDead()).toBe(1);
        const { findings, compared } = await muster.verify();
        expect(findings).toEqual([]);
        expect(compared).not.toEqual({});
      },
      TIMEOUT_MS,
    );

    it(
      'makes its process unready while it stands still, and names itself; nobody is set aside meanwhile, and all is carried out afterwards',
      async () => {
        const id = await create('patient');
        const dead = await countOfDead();
        expect(await ready()).toEqual({ status: 200, body: { status: 'ok' } });
        await muster.owner.query('BEGIN; LOCK identity.users IN ACCESS EXCLUSIVE MODE');
        const answer = rename(id);
        try {
          const lane = `identity.commands/${partitionOf(muster.server.directory.tenant)}`;
          await vi.waitFor(
            async () => {
              const { status, body } = await ready();
              expect(status).toBe(503);
              expect(body).toEqual({
                status: 'unavailable',
                notReady: [{ part: 'lanes', reason: expect.stringContaining(`${lane} since 2`) as unknown }],
              });
            },
            { timeout: TIMEOUT_MS, interval: 50 },
          );
        } finally {
          await muster.owner.query('COMMIT');
        }
        expect((await answer).body).toMatchObject({ displayName: 'Ada' });
        expect(await ready()).toEqual({ status: 200, body: { status: 'ok' } });
        expect(await countOfDead()).toBe(dead);
      },
      TIMEOUT_MS,
    );
  });
}
