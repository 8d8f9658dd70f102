import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs';
import type { Message } from '#contracts';
import type { KafkaConnection } from '#log';
import { readConfig, uuidv7 } from '#runtime';

/** A client that has nothing of the log's, for what only a test does. */
export const kafkaOf = ({ brokers, sasl, tls }: KafkaConnection): Kafka =>
  new kafkajs.Kafka({
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    ...(sasl ? { sasl: sasl as SASLOptions } : {}),
    ...(tls ? { ssl: tls } : {}),
  });

/** All that is on a topic now. */
export const textOf = async (environment: Readonly<Record<string, string>>, topic: string): Promise<string> => {
  const kafka = kafkaOf(readConfig(environment).kafka!);
  const name = `${topic}${environment.KAFKA_TOPIC_SUFFIX ?? ''}`;
  const client = kafka.admin();
  await client.connect();
  const offsets = await client.fetchTopicOffsets(name);
  await client.disconnect();
  let left = offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const texts: string[] = [];
  const consumer = kafka.consumer({ groupId: `muster.reader.${uuidv7()}` });
  await consumer.connect();
  await consumer.subscribe({ topic: name, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          const end = offsets.find((one) => one.partition === partition)!.high;
          // Messages that come meanwhile are not waited for.
          if (BigInt(message.offset) >= BigInt(end)) return;
          texts.push(String(message.value));
          if (--left === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return texts.join('\n');
};

/** Writes to a topic what a service of the installation may write there. */
export const publish = async (
  environment: Readonly<Record<string, string>>,
  topic: string,
  messages: readonly Message[],
): Promise<void> => {
  const producer = kafkaOf(readConfig(environment).kafka!).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  await producer.send({
    topic: `${topic}${environment.KAFKA_TOPIC_SUFFIX ?? ''}`,
    // CloudEvents, binary mode.
    messages: messages.map(({ data, correlationId, causationId: _none, ...envelope }) => ({
      partition: 0,
      value: JSON.stringify(data),
      headers: {
        ...Object.fromEntries(Object.entries(envelope).map(([name, value]) => [`ce_${name}`, String(value)])),
        ce_specversion: '1.0',
        ce_correlationid: correlationId,
        'content-type': 'application/json',
      },
    })),
  });
  await producer.disconnect();
};
