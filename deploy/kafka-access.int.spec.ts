import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Consumer, Kafka } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EVERYTHING, userOf } from '#contracts';
import { KafkaLog, type KafkaConnection } from '#log';
import { isUsageError, readConfig } from '#runtime';
import { makeAuthority, type Authority } from '../test/support/certificates.js';
import { ACCESS } from '../apps/muster/src/owners.js';
import { kafkaOf } from '../test/support/kafka-client.js';
import { describeWithOwnKafka } from '../test/support/kafka.js';
import { startKafkaBroker, type KafkaBroker } from './kafka-broker.js';

/**
 * These tests ask who gets in at the broker, and what each may do there: they ask a real one, by clients that know
 * nothing of our rules.
 */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** An owner has a database, which is not asked for anything here. */
const NO_DATABASE = new pg.Pool({ host: '127.0.0.1', port: 1 });
const TOPICS = ACCESS.get(EVERYTHING)!.make;
const SERVICES = ['gateway', 'admin-api', 'identity', 'directory', 'group'] as const;
/** Written down once more, by hand: r = read, w = write. All else is refused. */
const MAY: Readonly<Record<(typeof SERVICES)[number], Readonly<Record<string, 'r' | 'w' | 'rw'>>>> = {
  gateway: {
    'identity.commands': 'w',
    'group.commands': 'w',
    'audit.commands': 'w',
    'identity.outcomes': 'r',
    'group.outcomes': 'r',
    'identity.dry-runs': 'w',
    'identity.dry-run-answers': 'r',
    'group.dry-runs': 'w',
    'group.dry-run-answers': 'r',
    'gateway.dry-runs': 'r',
    'gateway.dry-run-answers': 'w',
    'gateway.replays': 'r',
    'gateway.replay-answers': 'w',
  },
  identity: {
    'identity.commands': 'r',
    'identity.outcomes': 'w',
    'identity.events': 'w',
    'identity.commands.dead': 'w',
    'identity.dry-runs': 'r',
    'identity.dry-run-answers': 'w',
  },
  'admin-api': {
    'directory.commands': 'w',
    'identity.commands': 'w',
    'group.commands': 'w',
    'audit.commands': 'w',
    'gateway.dry-runs': 'w',
    'gateway.dry-run-answers': 'r',
    'gateway.replays': 'w',
    'gateway.replay-answers': 'r',
  },
  directory: {
    'directory.commands': 'rw',
    'directory.outcomes': 'w',
    'directory.events': 'w',
    'directory.commands.dead': 'w',
  },
  group: {
    'group.commands': 'rw',
    'identity.events': 'r',
    'group.outcomes': 'w',
    'group.events': 'w',
    'group.commands.dead': 'w',
    'group.identity.events.dead': 'w',
    'group.dry-runs': 'r',
    'group.dry-run-answers': 'w',
  },
};

describeWithOwnKafka('the broker of the services', () => {
  let dataDir: string;
  let broker: KafkaBroker;
  let authority: Authority;

  const start = async (): Promise<KafkaBroker> => startKafkaBroker(dataDir, { services: SERVICES });
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'muster-kafka-access-'));
    authority = makeAuthority(dataDir, 'authority');
    broker = await start();
    const admin = kafkaOf(broker.administrator).admin();
    await admin.connect();
    await admin.createTopics({ waitForLeaders: true, topics: TOPICS.map((topic) => ({ topic, numPartitions: 1 })) });
    await admin.disconnect();
    const producer = kafkaOf(broker.administrator).producer();
    await producer.connect();
    await producer.sendBatch({ topicMessages: TOPICS.map((topic) => ({ topic, messages: [{ value: 'private' }] })) });
    await producer.disconnect();
  });
  afterAll(async () => {
    await broker?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const connectionOf = (service: string): KafkaConnection => readConfig(broker.settingsOf(service)).kafka!;
  const as = (service: string): Kafka => kafkaOf(connectionOf(service));
  /** Kafka's word for what went wrong, wherever in the error it stands. */
  const typeOf = (error: unknown): string => {
    const { type, cause, errors } = error as { type?: string; cause?: unknown; errors?: readonly unknown[] };
    const inner = cause ?? errors?.[0];
    return type ?? (inner ? typeOf(inner) : (error as Error).name);
  };
  const refusal = (attempt: Promise<unknown>): Promise<string | null> => attempt.then(() => null, typeOf);

  const writes = async (kafka: Kafka, topic: string, value = 'written'): Promise<string | null> => {
    const producer = kafka.producer({ retry: { retries: 2 } });
    await producer.connect();
    try {
      return await refusal(producer.send({ topic, acks: -1, messages: [{ key: 'tenant', value }] }));
    } finally {
      await producer.disconnect();
    }
  };
  /** null = it got a message, or the one that is waited for; `values` then has what came before, too. */
  const reads = async (
    kafka: Kafka,
    topic: string,
    groupId: string,
    last?: string,
    values: string[] = [],
  ): Promise<string | null> => {
    const consumer: Consumer = kafka.consumer({
      groupId,
      retry: { retries: 2, restartOnFailure: async () => false },
      maxWaitTimeInMs: 50,
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      return await new Promise<string | null>((done, fail) => {
        consumer.on('consumer.crash', ({ payload }) => done(typeOf(payload.error)));
        consumer
          .run({
            eachMessage: async ({ message }) => {
              values.push(String(message.value));
              if (last === undefined || values.at(-1) === last) done(null);
            },
          })
          .catch(fail);
      });
    } catch (error) {
      return typeOf(error);
    } finally {
      await consumer.disconnect();
    }
  };
  /** The first member of a group may come while a new broker is still making the place where groups are kept. */
  const untilLoaded = async (attempt: () => Promise<string | null>): Promise<string | null> => {
    const reason = await attempt();
    return reason === 'GROUP_LOAD_IN_PROGRESS' ? untilLoaded(attempt) : reason;
  };
  const allowed = (service: (typeof SERVICES)[number], what: 'r' | 'w'): readonly string[] =>
    TOPICS.filter((topic) => MAY[service][topic]?.includes(what));
  /** The topics that were not refused, and the reasons of the rest. */
  const outcome = async (
    attempt: (topic: string) => Promise<string | null>,
  ): Promise<{ done: string[]; refused: Set<string> }> => {
    const done: string[] = [];
    const refused = new Set<string>();
    for (const topic of TOPICS) {
      const reason = await attempt(topic);
      if (reason === null) done.push(topic);
      else refused.add(reason);
    }
    return { done, refused };
  };

  it.each(SERVICES)('%s writes where its work is, and nowhere else', async (service) => {
    expect(await outcome((topic) => writes(as(service), topic))).toEqual({
      done: allowed(service, 'w'),
      refused: new Set(['TOPIC_AUTHORIZATION_FAILED']),
    });
  });

  it.each(SERVICES)('%s reads what its work needs, and nothing else', async (service) => {
    expect(
      await outcome((topic) => untilLoaded(() => reads(as(service), topic, `muster.${service}.${topic}`))),
    ).toEqual({ done: allowed(service, 'r'), refused: new Set(['TOPIC_AUTHORIZATION_FAILED']) });
  });

  it.each(SERVICES)('%s joins no consumer group of others: it would take their partitions', async (service) => {
    const readable = allowed(service, 'r')[0]!;
    for (const other of SERVICES.filter((name) => name !== service)) {
      expect(await reads(as(service), readable, `muster.${other}.${other}.commands`)).toBe(
        'KafkaJSGroupCoordinatorNotFound',
      );
    }
    expect(await untilLoaded(() => reads(as(service), readable, `muster.${service}.of-its-own`))).toBeNull();
  });

  it('the gateway cannot forge the command that makes a token', async () => {
    expect(await writes(as('gateway'), 'directory.commands', 'token.create')).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await writes(as('admin-api'), 'directory.commands', 'the last')).toBeNull();
    const values: string[] = [];
    expect(
      await untilLoaded(() => reads(as('directory'), 'directory.commands', 'muster.directory.all', 'the last', values)),
    ).toBeNull();
    expect(values).not.toContain('token.create');
  });

  it.each(SERVICES)('%s makes no topic but its own, deletes none, and changes no rights', async (service) => {
    const admin = as(service).admin({ retry: { retries: 1 } });
    await admin.connect();
    try {
      for (const topic of ['directory.commands', 'identity.events', 'group.commands', 'other'].filter(
        (name) => !name.startsWith(`${service}.`),
      )) {
        const made = await admin
          .createTopics({ topics: [{ topic, numPartitions: 1 }] })
          .then((isNew) => (isNew ? 'made' : 'is there'), typeOf);
        // Kafka may say that a topic is there before it says that it may not be made.
        expect(['is there', 'TOPIC_AUTHORIZATION_FAILED'], topic).toContain(made);
      }
      expect(
        await refusal(
          admin.deleteTopics({ topics: [`${MAY[service][`${service}.commands`] ? service : 'identity'}.commands`] }),
        ),
      ).toBe('TOPIC_AUTHORIZATION_FAILED');
      expect(
        await refusal(
          admin.createAcls({
            acl: [
              {
                resourceType: 2,
                resourceName: '*',
                resourcePatternType: 3,
                principal: `User:${userOf(service)}`,
                host: '*',
                operation: 2,
                permissionType: 3,
              },
            ],
          }),
        ),
      ).toBe('CLUSTER_AUTHORIZATION_FAILED');
    } finally {
      await admin.disconnect();
    }
  });

  describe('an outsider', () => {
    const comesIn = async (connection: KafkaConnection): Promise<string | null> => {
      const admin = kafkaOf(connection).admin({ retry: { retries: 0 } });
      return admin
        .connect()
        .then(() => admin.listTopics())
        .then(
          () => null,
          (error: Error) => error.name,
        )
        .finally(() => admin.disconnect());
    };
    const scram = (username: string, password: string): KafkaConnection['sasl'] => ({
      mechanism: 'scram-sha-512',
      username,
      password,
    });

    it('does not come in, by no listener, as nobody or as somebody whose password he does not know', async () => {
      const clients = connectionOf('gateway').brokers;
      const right = connectionOf('gateway').sasl!.password;
      const listeners = [
        clients,
        broker.administrator.brokers,
        readFileSync(join(dataDir, 'kafka/server.properties'), 'utf8').match(/(?<=CONTROLLER:\/\/)127\.0\.0\.1:\d+/g)!,
      ];
      for (const brokers of listeners) {
        for (const sasl of [
          null,
          scram('nobody', ''),
          scram('muster-gateway', 'guessed'),
          scram('broker', right),
          { ...scram('broker', 'guessed')!, mechanism: 'plain' as const },
        ]) {
          expect(await comesIn({ brokers, tls: null, sasl }), `${brokers[0]} ${sasl?.username}`).toMatch(/^KafkaJS/);
        }
      }
      // Those are the ways in: the same with what is right.
      expect(await comesIn(connectionOf('gateway'))).toBeNull();
      expect(await comesIn(broker.administrator)).toBeNull();
      expect(await comesIn({ ...connectionOf('gateway'), brokers: broker.administrator.brokers })).toMatch(/^KafkaJS/);
    });

    it('reads neither passwords nor messages on the disk, and no password among the processes', async () => {
      const passwords = [
        broker.administrator.sasl!.password,
        ...SERVICES.map((service) => connectionOf(service).sasl!.password),
      ];
      expect(new Set(passwords).size).toBe(SERVICES.length + 1);
      expect(statSync(join(dataDir, 'kafka')).mode & 0o777).toBe(0o700);
      for (const entry of readdirSync(join(dataDir, 'kafka'), { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) expect(statSync(join(entry.parentPath, entry.name)).mode & 0o077, entry.name).toBe(0);
      }
      for (const service of SERVICES) expect(statSync(join(dataDir, `kafka-${service}.key`)).mode & 0o777).toBe(0o600);
      const shown =
        readFileSync(join(dataDir, 'kafka/broker.log'), 'utf8') +
        execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
      expect(shown).toContain('kafka.Kafka');
      for (const password of passwords) expect(shown).not.toContain(password);
    });
  });

  describe('the message log', () => {
    const newLog = (connection: KafkaConnection, service = 'gateway'): KafkaLog =>
      new KafkaLog({
        connection,
        service,
        pool: service === 'gateway' ? null : NO_DATABASE,
        topicSuffix: '',
        maxBatchMessages: 100,
        watch: { during: (_what, work) => work() },
        onError: () => undefined,
        onDead: () => undefined,
      });
    const ends = async (log: KafkaLog): Promise<string> => {
      const error: unknown = await log.start().then(
        () => null,
        (caught: unknown) => caught,
      );
      expect(isUsageError(error), String(error)).toBe(true);
      expect(log.unready()).not.toBeNull();
      expect((error as Error).message).not.toContain('\n');
      return (error as Error).message;
    };

    it('ends its start with one line when the password is wrong, which it does not repeat', async () => {
      const connection = connectionOf('gateway');
      const line = await ends(newLog({ ...connection, sasl: { ...connection.sasl!, password: 's3cret' } }));
      expect(line).toMatch(
        /^Kafka \(127\.0\.0\.1:\d+\) does not let the user muster-gateway in: check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD\.$/,
      );
    });

    it('ends its start with one line when the user may not do the work of the service', async () => {
      const log = newLog(connectionOf('gateway'), 'identity');
      expect(await ends(log)).toMatch(
        /^Kafka does not allow the user muster-gateway what Muster has to do there \(.*\): docs\/kafka-access\.md says what each service needs\.$/,
      );
    });
  });

  it('what was allowed with another suffix is allowed no more', async () => {
    await broker.allow(['.new']);
    expect(await writes(as('gateway'), 'identity.commands')).toBe('TOPIC_AUTHORIZATION_FAILED');
    await broker.allow(['']);
    await vi.waitFor(async () => expect(await writes(as('gateway'), 'identity.commands')).toBeNull(), {
      timeout: 30_000,
    });
  });

  it('a broker that was made anew knows the users again, by their passwords of before', async () => {
    const before = connectionOf('gateway').sasl;
    await broker.stop();
    rmSync(join(dataDir, 'kafka'), { recursive: true });
    broker = await start();
    expect(connectionOf('gateway').sasl).toEqual(before);
    const admin = as('gateway').admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual([]);
    await admin.disconnect();
  });

  describe('by TLS', () => {
    beforeAll(async () => {
      await broker.stop();
      const { certificate, key } = authority.issue('broker', ['IP:127.0.0.1']);
      broker = await startKafkaBroker(dataDir, {
        services: SERVICES,
        certificate: readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'),
      });
    });
    const over = (host: string, settings: Readonly<Record<string, string>>): KafkaConnection => {
      const given = broker.settingsOf('identity');
      return readConfig({
        ...given,
        KAFKA_BROKERS: given.KAFKA_BROKERS!.replace('127.0.0.1', host),
        KAFKA_SSL: 'on',
        ...settings,
      }).kafka!;
    };
    const started = async (connection: KafkaConnection): Promise<KafkaLog> => {
      const log = new KafkaLog({
        connection,
        service: 'identity',
        pool: NO_DATABASE,
        topicSuffix: '',
        maxBatchMessages: 100,
        watch: { during: (_what, work) => work() },
        onError: () => undefined,
        onDead: () => undefined,
      });
      await log.start();
      return log;
    };
    const lineOf = (connection: KafkaConnection): Promise<string> =>
      started(connection).then(
        () => 'It started.',
        (error: Error) => `${error.name}: ${error.message}`,
      );

    it('the message log works where it knows the authority and the certificate bears the name of the host', async () => {
      const log = await started(over('127.0.0.1', { KAFKA_SSL_CA_FILE: authority.file }));
      expect(log.unready()).toBeNull();
      await log.publish('identity.events', [
        {
          id: 'a',
          type: 'muster.test.v1',
          source: 'test',
          subject: 's',
          time: '2026-01-01T00:00:00.000Z',
          tenant: 't',
          directory: null,
          correlationId: 'a',
          causationId: null,
          data: {},
        },
      ]);
      await log.stop();
    });

    it.each([
      ['another authority', () => over('127.0.0.1', { KAFKA_SSL_CA_FILE: makeAuthority(dataDir, 'stranger').file })],
      ['the authorities that Node knows alone', () => over('127.0.0.1', {})],
      ['another name of the host', () => over('localhost', { KAFKA_SSL_CA_FILE: authority.file })],
    ])('it ends with one line by %s', async (_what, connection) => {
      expect(await lineOf(connection())).toMatch(
        /^UsageError: The certificate of Kafka \(\w+[\w.]*:\d+\) is not accepted \([^\n]+\): KAFKA_SSL_CA_FILE names [^\n]*$/,
      );
    });
  });
});
