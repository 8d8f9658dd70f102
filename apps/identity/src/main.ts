import '#first';
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { commandsOf, type Message } from '#contracts';
import {
  connectDatabase,
  databasePart,
  openMasterKey,
  ownRoleUrl,
  poolOf,
  untilMigrated,
  watchLanes,
} from '#event-store';
import { KafkaLog, logPart } from '#log';
import { runOwner } from '#owner';
import { endWith, logInterruptions, masterKeySource, readConfig, runProcess, startService, UsageError } from '#runtime';
import { identity } from './identity.owner.js';

@Module({})
class HealthModule {}

/** Identity as a process of its own, over Kafka. It serves health only; its work comes from its lanes. */
runProcess('identity', async (logger) => {
  const config = readConfig(process.env);
  if (!config.DATABASE_URL || !config.kafka) throw new UsageError('Identity needs DATABASE_URL and KAFKA_BROKERS.');
  const databaseUrl = ownRoleUrl(config.DATABASE_URL, 'identity');
  await untilMigrated(databaseUrl, (reason) => logger.info({ reason }, 'waiting for the database'));
  const database = await connectDatabase(databaseUrl, 'identity', {
    poolConnections: config.DATABASE_POOL_CONNECTIONS,
    queryTimeoutMs: config.QUERY_TIMEOUT_MS,
  });
  const pool = poolOf(database);
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const log = new KafkaLog({
    connection: config.kafka,
    service: 'identity',
    pool,
    topicSuffix: config.KAFKA_TOPIC_SUFFIX,
    maxBatchMessages: config.MAX_BATCH_MESSAGES,
    watch: lanes,
    onError: logInterruptions(logger),
    onDead: endWith(logger),
  });
  const masterKey = await openMasterKey(pool, masterKeySource(config));
  const tools = {
    config,
    pool,
    logger,
    watch: lanes,
    send: (messages: readonly Message[]) => log.publish(commandsOf('identity'), messages),
    masterKey: () => masterKey,
  };
  return startService({
    config,
    port: config.HEALTH_PORT,
    module: { module: HealthModule },
    parts: [databasePart(pool, () => database.destroy()), logPart(log), lanes, runOwner(identity, tools, log)],
  });
});
