import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { freePort } from '#runtime';
import { startKafkaBroker, whatKafkaMisses } from '../../deploy/kafka-broker.js';

export interface FoundBroker {
  readonly brokers: string;
  newTopicSuffix(): string;
  stop(): Promise<void>;
}

const IMAGE = 'apache/kafka:4.1.0';

/** Null = there is a broker, or one can be started. */
export const whatSharedKafkaMisses = async (): Promise<string | null> =>
  process.env.KAFKA_BROKERS || (await hasImage()) ? null : whatKafkaMisses();

/** KAFKA_BROKERS, else a container where a Docker engine has the image, else Apache Kafka from Maven Central. */
export const findBroker = async (): Promise<FoundBroker> => {
  const suffixes: string[] = [];
  const newTopicSuffix = (): string => {
    suffixes.push(`.${randomUUID().slice(0, 8)}`);
    return suffixes.at(-1)!;
  };
  const given = process.env.KAFKA_BROKERS;
  if (given) return { brokers: given, newTopicSuffix, stop: () => deleteTopics(given, suffixes) };
  return { ...((await hasImage()) ? await startContainer() : await startFromMaven()), newTopicSuffix };
};

/** A broker that was there before us is left as it was. */
const deleteTopics = async (brokers: string, suffixes: readonly string[]): Promise<void> => {
  const admin = new kafkajs.Kafka({ brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => suffixes.some((suffix) => topic.endsWith(suffix)));
  await admin.deleteTopics({ topics });
  await admin.disconnect();
};

/** Nothing is pulled: a run of tests asks no registry for hundreds of megabytes. */
const hasImage = async (): Promise<boolean> => {
  // Another image, which would be pulled; the container is stopped at the end of the run.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
  return getContainerRuntimeClient().then(({ image }) => image.exists(ImageName.fromString(IMAGE)), () => false);
};

type Started = Pick<FoundBroker, 'brokers' | 'stop'>;

const startContainer = async (): Promise<Started> => {
  const { GenericContainer, Wait } = await import('testcontainers');
  // The broker tells its clients where it is, so it has to know the port outside before it starts.
  const port = await freePort();
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1', KAFKA_PROCESS_ROLES: 'broker,controller', KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENERS: `PLAINTEXT://:${port},CONTROLLER://:9093`, KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER', KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1', KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0', KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start();
  return { brokers: `127.0.0.1:${port}`, stop: () => container.stop().then(() => undefined) };
};

const startFromMaven = async (): Promise<Started> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-shared-kafka-'));
  const { brokers, stop } = await startKafkaBroker(dataDir);
  return {
    brokers,
    stop: async () => {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
