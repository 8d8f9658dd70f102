import '#first';
import { setUpKafka } from '#log';
import { ACCESS } from '../apps/muster/src/owners.js';
import { EXIT_USAGE, isUsageError, secretFrom, UsageError } from '#runtime';
import { kafkaPasswordOf } from './environments.js';

/**
 * `docker compose` runs it before the services, beside the broker: gives each service that has a password a user of its
 * own at Kafka, with the rights that docs/kafka-access.md names, and takes away any other. It may be run again.
 *
 * KAFKA_ADMIN_LISTENER  host:port of a listener on loopback that takes PLAIN
 * KAFKA_PASSWORD        of the user `broker` there
 * GATEWAY_KAFKA_PASSWORD and so on, one for each service, or each of them with _FILE, and KAFKA_TOPIC_SUFFIX
 */
const run = async (): Promise<void> => {
  const { env } = process;
  const password = secretFrom(env, 'KAFKA_PASSWORD');
  if (!env.KAFKA_ADMIN_LISTENER || !password)
    throw new UsageError('KAFKA_ADMIN_LISTENER and KAFKA_PASSWORD, or KAFKA_PASSWORD_FILE, have to be set.');
  const passwords = new Map(
    [...ACCESS.keys()].flatMap((service): [string, string][] => {
      const given = secretFrom(env, kafkaPasswordOf(service));
      return given === undefined ? [] : [[service, given]];
    }),
  );
  if (passwords.size === 0) throw new UsageError('No service has a password: set GATEWAY_KAFKA_PASSWORD and the like.');
  await setUpKafka({
    administrator: {
      brokers: [env.KAFKA_ADMIN_LISTENER],
      tls: null,
      sasl: { mechanism: 'plain', username: 'broker', password },
    },
    passwords,
    access: ACCESS,
    topicSuffixes: [env.KAFKA_TOPIC_SUFFIX ?? ''],
  });
  console.log(`Kafka knows ${[...passwords.keys()].join(', ')}.`);
};

run().catch((error: unknown) => {
  console.error(isUsageError(error) ? error.message : `Kafka could not be set up: ${String(error)}`);
  process.exit(isUsageError(error) ? EXIT_USAGE : 1);
});
