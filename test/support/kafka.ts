import { describe } from 'vitest';
import { whatKafkaMisses } from '../../deploy/kafka-broker.js';
import { ask } from './ask.js';

/** With CI=true nothing is skipped: a suite that finds no broker fails. */
const mayBeSkipped = process.env.CI !== 'true';

const describeUnless = (missing: string | null, title: string, suite: () => void): void => {
  describe.skipIf(missing !== null)(missing === null ? title : `${title} (skipped: Kafka needs ${missing})`, suite);
};

const missing = mayBeSkipped ? await ask<string | null>('what-kafka-misses') : null;
/**
 * `describe` for a suite that needs a broker. Where there is none it is skipped, and its title says what is missing.
 */
export const describeWithKafka = (title: string, suite: () => void): void => describeUnless(missing, title, suite);

const ownMissing = mayBeSkipped ? whatKafkaMisses() : null;
/**
 * The same for a suite that ends its broker or makes it anew: that has to be one of its own (deploy/kafka-broker.ts).
 */
export const describeWithOwnKafka = (title: string, suite: () => void): void =>
  describeUnless(ownMissing, title, suite);

/** KAFKA_BROKERS, and with which user; KAFKA_TOPIC_SUFFIX makes topics and consumer groups the caller's own. */
export type KafkaSettings = Readonly<Record<string, string>>;

/** The broker that the suites of this run share. The first who asks waits for its start. */
export const sharedKafka = (): Promise<KafkaSettings> => ask('kafka');
