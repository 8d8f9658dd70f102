import type { Pool } from 'pg';
import type { LaneWatch } from '#event-store';
import { KafkaLog, LOG_KEEP_DAYS, PostgresLog, type Log } from '#log';
import { endWith, logInterruptions, type Config, type Logger } from '#runtime';

interface LogsOptions {
  readonly config: Config;
  readonly owners: readonly { readonly name: string }[];
  readonly faces: readonly { readonly name: string }[];
  readonly urlOf: (role: string) => string;
  readonly pool: (name: string) => Pool;
  readonly watch: LaneWatch;
  readonly logger: Logger;
}

/**
 * The log of each owner and face. The Postgres log is one for all; on Kafka each has a connection of its own, as it has
 * in a process of its own.
 */
export const openLogs = (options: LogsOptions): ReadonlyMap<string, Log> => {
  const { config, owners, faces, urlOf, pool, watch, logger } = options;
  const onError = logInterruptions(logger);
  const connection = config.kafka;
  if (!connection) {
    const log = new PostgresLog({
      url: urlOf('log'),
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      keepDays: LOG_KEEP_DAYS,
      onError,
    });
    return new Map([...owners, ...faces].map(({ name }) => [name, log]));
  }
  const kafka = (name: string, isOwner: boolean): Log =>
    new KafkaLog({
      connection,
      service: name,
      pool: isOwner ? pool(name) : null,
      topicSuffix: config.KAFKA_TOPIC_SUFFIX,
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      watch,
      onError,
      onDead: endWith(logger),
    });
  return new Map([
    ...owners.map(({ name }) => [name, kafka(name, true)] as const),
    ...faces.map(({ name }) => [name, kafka(name, false)] as const),
  ]);
};
