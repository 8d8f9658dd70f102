import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs, { type Admin, type Kafka } from 'kafkajs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isAlive } from '#host';
import { readConfig, UsageError } from '#runtime';
import { kafkaOf } from '../test/support/kafka-client.js';
import { describeWithOwnKafka } from '../test/support/kafka.js';
import { startKafkaBroker, type KafkaBroker } from './kafka-broker.js';

// A broker takes 3 to 10 s to start on two cores.
/** One that the services may use. */
const KEPT = 'identity.events';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

describeWithOwnKafka('a Kafka broker', () => {
  let dataDir: string;
  let running: KafkaBroker[];

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'muster-kafka-'));
    running = [];
  });

  afterEach(async () => {
    for (const { stop } of running) await stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const start = async (port?: number): Promise<KafkaBroker> => {
    const broker = await startKafkaBroker(dataDir, { port, services: ['muster'] });
    running.push(broker);
    return broker;
  };
  const portOf = ({ brokers }: KafkaBroker): number => Number(brokers.split(':')[1]);

  const connect = (broker: KafkaBroker): Kafka => kafkaOf(readConfig(broker.settingsOf('muster')).kafka!);
  const withAdmin = async <T>(broker: KafkaBroker, use: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = connect(broker).admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  };
  const send = async (broker: KafkaBroker, value: string | Buffer): Promise<void> => {
    const producer = connect(broker).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    try {
      await producer.send({ topic: KEPT, acks: -1, messages: [{ value }] });
    } finally {
      await producer.disconnect();
    }
  };
  const clusterId = (broker: KafkaBroker): Promise<string> =>
    withAdmin(broker, async (admin) => (await admin.describeCluster()).clusterId);
  /** The messages of the topic, read until `last` comes. */
  const readUntil = async (broker: KafkaBroker, last: string): Promise<string[]> => {
    const consumer = connect(broker).consumer({ groupId: `muster.${randomUUID()}` });
    await consumer.connect();
    try {
      await consumer.subscribe({ topic: KEPT, fromBeginning: true });
      const values: string[] = [];
      await new Promise<void>((done, fail) => {
        // Right after a start the coordinator may still be loading: then it goes on by itself.
        consumer.on('consumer.crash', ({ payload }) => payload.restart || fail(payload.error));
        void consumer.run({
          eachMessage: async ({ message }) => {
            values.push(String(message.value));
            if (values.at(-1) === last) done();
          },
        });
      });
      return values;
    } finally {
      await consumer.disconnect();
    }
  };

  it('has 12 partitions a topic, makes none unasked, and is reachable on loopback only', async () => {
    const broker = await start();
    expect(broker.brokers).toMatch(/^127\.0\.0\.1:\d+$/);
    await withAdmin(broker, async (admin) => {
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic: KEPT }] });
      expect((await admin.fetchTopicMetadata({ topics: [KEPT] })).topics[0]?.partitions).toHaveLength(12);
      await expect(admin.fetchTopicOffsets('group.events')).rejects.toThrow();
      expect(await admin.listTopics()).toEqual([KEPT]);
      expect((await admin.describeCluster()).brokers).toEqual([
        expect.objectContaining({ host: '127.0.0.1', port: portOf(broker) }),
      ]);
    });
    // Larger than a request body may be.
    await send(broker, Buffer.alloc(2_000_000, 'x'));
  });

  it.each(['stop', 'kill -9'])('keeps its port, its cluster id and its messages over a %s', async (end) => {
    const first = await start();
    await withAdmin(first, (admin) =>
      admin.createTopics({ waitForLeaders: true, topics: [{ topic: KEPT, numPartitions: 1 }] }),
    );
    await send(first, 'before');
    const id = await clusterId(first);
    if (end === 'stop') await first.stop();
    else process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const second = await start(portOf(first));
    expect(second.brokers).toBe(first.brokers);
    expect(await clusterId(second)).toBe(id);
    await send(second, 'after');
    expect(await readUntil(second, 'after')).toEqual(['before', 'after']);
  });

  it('ends with the process that started it, and the next one waits for that', async () => {
    const script = `import { startKafkaBroker } from './dist/deploy/kafka-broker.js';
      const { brokers, pid } = await startKafkaBroker(process.argv[1], { services: ['muster'] });
      console.log(JSON.stringify({ brokers, pid }));`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const orphan = await new Promise<{ brokers: string; pid: number }>((done, fail) => {
      parent.stdout.once('data', (chunk) => done(JSON.parse(String(chunk)) as { brokers: string; pid: number }));
      parent.once('exit', (code) => fail(new Error(`It ended with ${code}.`)));
    });
    parent.kill('SIGKILL');
    // At once, while the orphan is still shutting down.
    const next = await start(Number(orphan.brokers.split(':')[1]));
    expect(next.pid).not.toBe(orphan.pid);
    // It has let go of port and files; its number goes when the system has collected it, which nobody here is told.
    await expect.poll(() => isAlive(orphan.pid), { timeout: 10_000 }).toBe(false);
  });

  it('does not take a stranger on its port for a broker', async () => {
    const first = await start();
    await first.stop();
    const stranger = createServer((socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      stranger.close();
    });
    await new Promise<void>((done) => stranger.listen(portOf(first), '127.0.0.1', done));
    const second = await start(portOf(first));
    expect(await withAdmin(second, (admin) => admin.listTopics())).toEqual([]);
  });

  it('makes the storage anew when the first start was killed halfway', async () => {
    mkdirSync(join(dataDir, 'kafka', 'logs.new'), { recursive: true });
    writeFileSync(join(dataDir, 'kafka', 'logs.new', 'meta.properties'), '');
    expect(await withAdmin(await start(), (admin) => admin.listTopics())).toEqual([]);
  });

  it('says in one line which Java is missing', async () => {
    vi.stubEnv('JAVA_HOME', join(dataDir, 'nowhere'));
    try {
      const error: unknown = await startKafkaBroker(dataDir, { services: [] }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(UsageError);
      expect((error as Error).message).toMatch(/^Apache Kafka needs Java 17 or newer .*nowhere.*cannot be run.*$/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
