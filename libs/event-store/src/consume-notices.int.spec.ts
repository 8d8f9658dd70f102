import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Message } from '#contracts';
import { newDatabase } from '../../../test/support/postgres.js';
import { NoticeConsumer } from './consume-notices.js';
import { connectDatabase, roleUrl } from './database.js';

let database: pg.Pool;
let owner: pg.Client;
let heard: string[][];
let nowMs = 0;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'audit'), 'audit', { poolConnections: 2, queryTimeoutMs: 10_000 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
});
beforeEach(() => void (heard = []));

const message = (tenant: string): Message => ({
  id: randomUUID(),
  type: 'muster.user.changed.v9',
  source: 'muster/identity',
  subject: 'not even an id',
  time: '2026-01-01T00:00:00.000Z',
  tenant,
  directory: null,
  correlationId: 'c',
  causationId: null,
  data: null,
});

const reader = (partition: number) => {
  const consumer = new NoticeConsumer(
    database,
    'audit',
    'identity',
    (tenants) => void heard.push([...tenants]),
    () => nowMs,
  );
  return {
    hear: (offset: number, messages: readonly (Message | null)[], epoch = 'postgres') =>
      consumer.handle({
        topic: 'identity.events',
        partition,
        epoch,
        received: messages.map((one, index) => ({ offset: offset + index, message: one })),
        nextOffset: offset + messages.length,
      }),
    position: () => consumer.position(partition),
  };
};
const stored = async (partition: number): Promise<unknown> =>
  (
    await owner.query(
      `SELECT epoch, next_offset::int AS "nextOffset" FROM audit.positions WHERE topic = 'identity.events' AND partition = $1`,
      [partition],
    )
  ).rows[0];

it('each tenant of a batch is told once, whatever the messages say, and what is no message is passed over', async () => {
  const [one, other] = [randomUUID(), randomUUID()];
  const { hear } = reader(1);
  await hear(0, [message(one), null, message(other), message('nobody'), message(one)]);
  await hear(5, [null]);
  expect(heard).toEqual([[one, other]]);
});

it('nothing is written but the position, and that once a second at most', async () => {
  const tenant = randomUUID();
  const { hear, position } = reader(2);
  await position();
  await hear(0, [message(tenant)]);
  await hear(1, [message(tenant)]);
  expect(await stored(2)).toEqual({ epoch: '', nextOffset: 0 });
  nowMs += 1_000;
  await hear(2, [message(tenant)]);
  await hear(3, [message(tenant)]);
  expect(await stored(2)).toEqual({ epoch: 'postgres', nextOffset: 3 });
  expect(await reader(2).position()).toEqual({ epoch: 'postgres', nextOffset: 3 });
});

it('when somebody else has moved the position, a reader fails once, and goes on from there', async () => {
  const tenant = randomUUID();
  const [mine, theirs] = [reader(3), reader(3)];
  await mine.position();
  await theirs.position();
  nowMs += 1_000;
  await theirs.hear(0, [message(tenant)]);
  await expect(mine.hear(0, [message(tenant)])).rejects.toThrow(/somebody else has moved the position/);
  expect(await mine.position()).toEqual({ epoch: 'postgres', nextOffset: 1 });
  nowMs += 1_000;
  await mine.hear(1, [message(tenant)], 'another life of the topic');
  expect(await stored(3)).toEqual({ epoch: 'another life of the topic', nextOffset: 2 });
});
