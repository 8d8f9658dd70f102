import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#host';
import { readConfig } from '#runtime';
import { startKafkaBroker, whatKafkaMisses, type KafkaBroker } from '../../deploy/kafka-broker.js';
import { kafkaOf } from './kafka-client.js';

export interface FoundBroker {
  /** The KAFKA_* settings of one process that holds all services. */
  readonly settings: Readonly<Record<string, string>>;
  newTopicSuffix(): Promise<string>;
  stop(): Promise<void>;
}

const IMAGE = 'apache/kafka:4.1.0';

/** Null = there is a broker, or one can be started. */
export const whatSharedKafkaMisses = async (): Promise<string | null> =>
  process.env.KAFKA_BROKERS || (await hasImage()) ? null : whatKafkaMisses();

/**
 * KAFKA_BROKERS with the other KAFKA_* settings, else a container where a Docker engine has the image, else Apache
 * Kafka from Maven Central.
 */
export const findBroker = async (): Promise<FoundBroker> => {
  const suffixes: string[] = [];
  let allowed = Promise.resolve();
  const allowing = (allow: (suffixes: readonly string[]) => Promise<void>) => async (): Promise<string> => {
    const suffix = `.${randomUUID().slice(0, 8)}`;
    suffixes.push(suffix);
    // One after the other: what is not named is taken away.
    await (allowed = allowed.then(() => allow([...suffixes])));
    return suffix;
  };
  const newTopicSuffix = allowing(async () => undefined);
  if (process.env.KAFKA_BROKERS) {
    const settings = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => /^KAFKA_(BROKERS|SSL|SASL)/.test(name)),
    ) as Record<string, string>;
    return { settings, newTopicSuffix, stop: () => deleteTopics(settings, suffixes) };
  }
  if (await hasImage()) return { ...(await startContainer()), newTopicSuffix };
  const { allow, ...started } = await startFromMaven();
  return { ...started, newTopicSuffix: allowing(allow) };
};

/** A broker that was there before us is left as it was. */
const deleteTopics = async (settings: Readonly<Record<string, string>>, suffixes: readonly string[]): Promise<void> => {
  const admin = kafkaOf(readConfig(settings).kafka!).admin();
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
  return getContainerRuntimeClient().then(
    ({ image }) => image.exists(ImageName.fromString(IMAGE)),
    () => false,
  );
};

type Started = Pick<FoundBroker, 'settings' | 'stop'>;

const startContainer = async (): Promise<Started> => {
  const { GenericContainer, Wait } = await import('testcontainers');
  // The broker tells its clients where it is, so it has to know the port outside before it starts.
  const port = await freePort();
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENERS: `PLAINTEXT://:${port},CONTROLLER://:9093`,
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start();
  return { settings: { KAFKA_BROKERS: `127.0.0.1:${port}` }, stop: () => container.stop().then(() => undefined) };
};

const startFromMaven = async (): Promise<Started & Pick<KafkaBroker, 'allow'>> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-shared-kafka-'));
  const { settingsOf, allow, stop } = await startKafkaBroker(dataDir, { services: ['muster'] });
  return {
    settings: settingsOf('muster'),
    allow,
    stop: async () => {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
