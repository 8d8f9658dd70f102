import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin, Kafka, Message } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { eventsOf, schemaOf } from '#contracts';
import { roleUrl } from '#event-store';
import { createLogger, readConfig, uuidv7 } from '#runtime';
import { startKafkaBroker, type KafkaBroker } from '../../deploy/kafka-broker.js';
import { adminApi } from '../../apps/admin-api/src/admin-api.module.js';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { gateway } from '../../apps/gateway/src/gateway.module.js';
import { OWNERS, SERVICES } from '../../apps/muster/src/owners.js';
import { startSome } from '../../apps/muster/src/server.module.js';
import { verifyInstallation } from '../../apps/muster/src/verify.js';
import { kafkaOf } from '../support/kafka-client.js';
import { describeWithOwnKafka } from '../support/kafka.js';
import { newDatabase } from '../support/postgres.js';

const REQUESTS = 40;
/** More than five changes a second for an hour. They are stored as they would be; to ask for each would take minutes. */
const EVENTS = 20_000;
const TOPICS = OWNERS.map(({ name }) => eventsOf(name));
const LONG = { timeout: 120_000, interval: 200 };
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

type Running = Awaited<ReturnType<typeof startSome>>;

describeWithOwnKafka('audit as a process of its own', () => {
  let dataDir: string;
  let broker: KafkaBroker;
  let url: string;
  let owner: pg.Client;
  let suffix = '.away';
  let audits: Running | null = null;
  let others: Running | null = null;

  const config = (): ReturnType<typeof readConfig> =>
    Object.assign(
      readConfig({
        DATA_DIR: dataDir,
        PUBLIC_URL: 'https://scim.example.org',
        ...broker.settingsOf('muster'),
        KAFKA_TOPIC_SUFFIX: suffix,
      }),
      { PORT: 0, ADMIN_PORT: 0, HEALTH_PORT: 0 },
    );
  const startAudit = async (): Promise<void> => {
    audits = await startSome([audit.name], config(), roleUrl(url, 'audit'), createLogger('audit'));
  };
  const startOthers = async (): Promise<void> => {
    const names = SERVICES.map(({ name }) => name).filter((name) => name !== audit.name);
    others = await startSome(names, config(), url, createLogger('others'));
  };
  const stop = async (running: Running | null): Promise<null> => {
    await running?.stop();
    return null;
  };

  let token: string;
  beforeAll(async () => {
    process.env.LOG_LEVEL = 'silent';
    dataDir = mkdtempSync(join(tmpdir(), 'muster-test-'));
    [broker, url] = await Promise.all([
      startKafkaBroker(dataDir, { services: ['muster'], topicSuffix: suffix }),
      newDatabase(),
    ]);
    owner = new pg.Client({ connectionString: url });
    await owner.connect();
    // The first start makes the topics of all.
    await Promise.all([startAudit(), startOthers()]);
    ({ token } = (others!.faces.get(adminApi.name)!.begun as { directory: { token: string } }).directory);
  });
  afterAll(async () => {
    await stop(audits);
    await stop(others);
    await owner?.end();
    await broker?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const write = async (id = uuidv7()): Promise<void> => {
    const { port } = others!.faces.get(gateway.name)!;
    const { status } = await fetch(`http://127.0.0.1:${port}/api/scim/v2/Users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', 'x-request-id': id },
      body: JSON.stringify({ userName: `away-${id}` }),
    });
    expect(status).toBe(201);
  };
  const count = async (sql: string, values: readonly unknown[] = []): Promise<number> =>
    (await owner.query<{ count: number }>(`SELECT (${sql})::int AS count`, [...values])).rows[0]!.count;
  const events = (): Promise<number> =>
    count(OWNERS.map(({ name }) => `(SELECT count(*) FROM ${schemaOf(name)}.events)`).join(' + '));
  const entries = (): Promise<number> => count('SELECT count(*) FROM audit.entries');

  /** Each event is one entry, in the order of its owner, and the tree is the one that was signed. */
  const isWhole = async (): Promise<void> => {
    await expect.poll(async () => (await events()) - (await entries()), LONG).toBe(0);
    expect(
      await count(`SELECT count(*) FROM (
        SELECT sequence - lag(sequence, 1, 0::bigint) OVER (PARTITION BY tenant, owner ORDER BY number) AS step FROM audit.entries
      ) e WHERE step <> 1`),
    ).toBe(0);
    const { findings, compared } = await verifyInstallation(url, config());
    // Events that this test has stored itself have no rows.
    expect(findings.filter(({ rule }) => ['entry', 'tree', 'checkpoint'].includes(rule))).toEqual([]);
    expect(compared['events compared with it']).toBe(await events());
  };

  const withKafka = async <T>(use: (kafka: Kafka, admin: Admin) => Promise<T>): Promise<T> => {
    const kafka = kafkaOf(broker.administrator);
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await use(kafka, admin);
    } finally {
      await admin.disconnect();
    }
  };
  const held = (admin: Admin, topic: string): Promise<number> =>
    admin
      .fetchTopicOffsets(topic + suffix)
      .then((all) => all.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0));

  it('while it is away everybody is answered; when it is back, all of it is there once, though Kafka has dropped the events', async () => {
    audits = await stop(audits);
    const ids = Array.from({ length: REQUESTS }, () => uuidv7());
    for (const id of ids) await write(id);
    const [tenant, before] = [uuidv7(), await entries()];
    await owner.query(
      `INSERT INTO identity.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
       SELECT $1, n, gen_random_uuid(), 1, 'muster.test.v1', now(), gen_random_uuid(), '', 'token:x', '{"a": 1}'
       FROM generate_series(1, $2::int) AS n`,
      [tenant, EVENTS],
    );
    const recorded = (): Promise<number> =>
      count('SELECT count(*) FROM audit.requests WHERE correlation_id = ANY ($1)', [ids]);
    expect([await recorded(), await entries()]).toEqual([0, before]);
    // Away for longer than the topics keep their messages.
    await withKafka(async (_kafka, admin) => {
      await expect.poll(() => held(admin, eventsOf('identity')), LONG).toBeGreaterThanOrEqual(REQUESTS);
      for (const topic of TOPICS.map((name) => name + suffix))
        await admin.deleteTopicRecords({
          topic,
          partitions: (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({
            partition,
            offset: high,
          })),
        });
      for (const topic of TOPICS) expect(await held(admin, topic)).toBe(0);
    });
    await startAudit();
    await expect.poll(recorded, LONG).toBe(REQUESTS);
    await isWhole();
    expect(await entries()).toBeGreaterThanOrEqual(before + EVENTS + REQUESTS);
  });

  it('messages that come twice change nothing', async () => {
    for (let n = 0; n < REQUESTS; n++) await write();
    const reached = await withKafka(async (kafka, admin) => {
      await expect.poll(() => held(admin, eventsOf('identity')), LONG).toBeGreaterThanOrEqual(REQUESTS);
      const topic = eventsOf('identity') + suffix;
      const copies: Message[] = [];
      const due = await held(admin, eventsOf('identity'));
      const consumer = kafka.consumer({ groupId: `copies.${uuidv7()}` });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message: { key, value, headers } }) =>
          void copies.push({ partition, key, value, ...(headers ? { headers } : {}) }),
      });
      await expect.poll(() => copies.length, LONG).toBeGreaterThanOrEqual(due);
      await consumer.disconnect();
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic, messages: [...copies, ...copies] });
      await producer.disconnect();
      expect(await held(admin, eventsOf('identity'))).toBeGreaterThanOrEqual(3 * due);
      return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
    });
    const behind = async (): Promise<number> => {
      // A position is written with the next message, once a second at most.
      await write();
      const { rows } = await owner.query<{ partition: number; next_offset: string }>(
        "SELECT partition, next_offset FROM audit.positions WHERE topic = 'identity.events'",
      );
      return rows.filter(({ partition, next_offset: next }) => {
        const end = reached.get(partition)!;
        return end > REQUESTS && Number(next) < end;
      }).length;
    };
    await expect.poll(behind, LONG).toBe(0);
    await isWhole();
  });

  it('topics that were lost, and are made anew with all that the log retains, change nothing', async () => {
    audits = await stop(audits);
    for (let n = 0; n < REQUESTS; n++) await write();
    others = await stop(others);
    const known = await events();
    await withKafka(async (_kafka, admin) => {
      await admin.deleteTopics({ topics: TOPICS.map((topic) => topic + suffix) });
      suffix = '.again';
      await broker.allow([suffix]);
    });
    await Promise.all([startAudit(), startOthers()]);
    await write();
    await withKafka(async (_kafka, admin) =>
      // All that was told before is told again.
      expect.poll(() => held(admin, eventsOf('identity')), LONG).toBeGreaterThan(2 * REQUESTS),
    );
    await isWhole();
    expect(await events()).toBeGreaterThan(known);
  });
});
