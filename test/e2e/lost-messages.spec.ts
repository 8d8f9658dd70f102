import { expect, it } from 'vitest';
import { eventsOf, schemaOf } from '#contracts';
import { uuidv7 } from '#runtime';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { entriesOfAll } from '../support/audit-entries.js';
import { startMuster } from '../support/muster.js';

/** The Postgres log; what Kafka loses and repeats is in audit-away.spec.ts. */

const EVENTS = 50;
const TOPICS = OWNERS.map(({ name }) => eventsOf(name));
const muster = startMuster();

const write = async (): Promise<void> => {
  const { status } = await muster.scim('POST', '/Users', { userName: `${uuidv7()}@example.org` });
  expect(status).toBe(201);
};
const count = async (sql: string): Promise<number> =>
  (await muster.owner.query<{ count: number }>(`SELECT (${sql})::int AS count`)).rows[0]!.count;
const events = (): Promise<number> =>
  count(OWNERS.map(({ name }) => `(SELECT count(*) FROM ${schemaOf(name)}.events)`).join(' + '));

/** Each event is one entry, and nothing is wrong with the log. */
const isWhole = async (): Promise<void> => {
  await entriesOfAll(muster.owner);
  expect(await count('SELECT count(*) FROM audit.entries')).toBe(await events());
  const { findings } = await muster.verify();
  // Events that this test has stored itself have no rows.
  expect(findings.filter(({ rule }) => ['entry', 'tree', 'checkpoint'].includes(rule))).toEqual([]);
};

it('messages that come twice change nothing', async () => {
  for (let n = 0; n < 5; n++) await write();
  await muster.stop();
  const { rowCount } = await muster.owner.query(
    `INSERT INTO log.messages (topic, partition, "offset", id, message)
     SELECT m.topic, m.partition, e.next + row_number() OVER (PARTITION BY m.topic, m.partition ORDER BY m."offset") - 1, m.id, m.message
     FROM log.messages m JOIN (
       SELECT topic, partition, max("offset") + 1 AS next FROM log.messages GROUP BY topic, partition
     ) e USING (topic, partition) WHERE m.topic = ANY ($1)`,
    [TOPICS],
  );
  expect(rowCount).toBeGreaterThanOrEqual(5);
  await muster.start();
  await write();
  await isWhole();
});

it('messages that were lost change nothing: events that nothing tells of are found in their store', async () => {
  await muster.stop();
  await muster.owner.query(
    `INSERT INTO identity.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
     SELECT $1, n, gen_random_uuid(), 1, 'muster.test.v1', now(), gen_random_uuid(), '', 'token:x', '{"a": 1}'
     FROM generate_series(1, $2::int) AS n`,
    [uuidv7(), EVENTS],
  );
  // Everything goes as it does when it is too old, where its partitions end is kept.
  await muster.owner.query('SELECT log.roll(7), log.drop_old(-1)');
  await muster.owner.query('SELECT log.roll(7)');
  expect(await count('SELECT count(*) FROM log.messages')).toBe(0);
  const known = await events();
  await muster.start();
  await write();
  await isWhole();
  expect(await events()).toBeGreaterThan(known);
});
