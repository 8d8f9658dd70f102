import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs';
import type { KafkaConnection } from '#log';

/** A client that has nothing of the log's, for what only a test does. */
export const kafkaOf = ({ brokers, sasl, tls }: KafkaConnection): Kafka =>
  new kafkajs.Kafka({
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    ...(sasl ? { sasl: sasl as SASLOptions } : {}),
    ...(tls ? { ssl: tls } : {}),
  });
