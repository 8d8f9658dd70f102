import type { Pool } from 'pg';
import { questionTopicsOf, type FaceOnLog, type OwnerOnLog } from '#contracts';
import type { LaneWatch } from '#event-store';
import { KafkaLog, LOG_KEEP_DAYS, PostgresLog, type Log } from '#log';
import { endWith, logInterruptions, type Config, type Logger } from '#runtime';

interface LogsOptions {
  readonly config: Config;
  readonly owners: readonly OwnerOnLog[];
  readonly faces: readonly FaceOnLog[];
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
  const kafka = (service: OwnerOnLog | FaceOnLog, isOwner: boolean): Log =>
    new KafkaLog({
      connection,
      service: service.name,
      pool: isOwner ? pool(service.name) : null,
      makes: questionTopicsOf(service),
      topicSuffix: config.KAFKA_TOPIC_SUFFIX,
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      watch,
      onError,
      onDead: endWith(logger),
    });
  return new Map([
    ...owners.map((owner) => [owner.name, kafka(owner, true)] as const),
    ...faces.map((face) => [face.name, kafka(face, false)] as const),
  ]);
};
