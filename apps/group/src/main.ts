import '#first';
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { commandsOf, type Message } from '#contracts';
import { connectDatabase, databasePart, ownRoleUrl, poolOf, untilMigrated, watchLanes } from '#event-store';
import { KafkaLog, logPart } from '#log';
import { runOwner } from '#owner';
import { endWith, logInterruptions, readConfig, runProcess, startService, UsageError } from '#runtime';
import { group } from './group.owner.js';

@Module({})
class HealthModule {}

/** Group as a process of its own, over Kafka. It serves health only; its work comes from its lanes. */
runProcess('group', async (logger) => {
  const config = readConfig(process.env);
  if (!config.DATABASE_URL || !config.kafka) throw new UsageError('Group needs DATABASE_URL and KAFKA_BROKERS.');
  const databaseUrl = ownRoleUrl(config.DATABASE_URL, 'group');
  await untilMigrated(databaseUrl, (reason) => logger.info({ reason }, 'waiting for the database'));
  const database = await connectDatabase(databaseUrl, 'group', {
    poolConnections: config.DATABASE_POOL_CONNECTIONS,
    queryTimeoutMs: config.QUERY_TIMEOUT_MS,
  });
  const pool = poolOf(database);
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const log = new KafkaLog({
    connection: config.kafka,
    service: 'group',
    pool,
    topicSuffix: config.KAFKA_TOPIC_SUFFIX,
    maxBatchMessages: config.MAX_BATCH_MESSAGES,
    watch: lanes,
    onError: logInterruptions(logger),
    onDead: endWith(logger),
  });
  const tools = {
    config,
    pool,
    logger,
    watch: lanes,
    send: (messages: readonly Message[]) => log.publish(commandsOf('group'), messages),
    masterKey: () => {
      throw new Error('Group needs no master key.');
    },
  };
  return startService({
    config,
    port: config.GROUP_HEALTH_PORT,
    module: { module: HealthModule },
    parts: [databasePart(pool, () => database.destroy()), logPart(log), lanes, runOwner(group, tools, log)],
  });
});
