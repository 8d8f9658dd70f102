import '#first';
import 'reflect-metadata';
import { GROUP_OUTCOMES_VIEW, IDENTITY_OUTCOMES_VIEW, type Owner } from '#contracts';
import {
  connectDatabase,
  databasePart,
  findOutcomes,
  ownRoleUrl,
  poolOf,
  roleSeal,
  untilMigrated,
  watchLanes,
} from '#event-store';
import { KafkaLog, logPart, RequestReply } from '#log';
import { endWith, logInterruptions, readConfig, runProcess, startService, UsageError } from '#runtime';
import { GatewayModule } from './gateway.module.js';
import { unreadable } from './http/scim-error.filter.js';
import { speakScim } from './http/speak-scim.guard.js';

/** The SCIM gateway as a process of its own, over Kafka. */
runProcess('gateway', async (logger) => {
  const config = readConfig(process.env);
  if (!config.DATABASE_URL || !config.kafka) throw new UsageError('The gateway needs DATABASE_URL and KAFKA_BROKERS.');
  const databaseUrl = ownRoleUrl(config.DATABASE_URL, 'gateway');
  await untilMigrated(databaseUrl, (reason) => logger.info({ reason }, 'waiting for the database'));
  const database = await connectDatabase(databaseUrl, 'gateway', {
    poolConnections: config.DATABASE_POOL_CONNECTIONS,
    queryTimeoutMs: config.QUERY_TIMEOUT_MS,
  });
  const pool = poolOf(database);
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const log = new KafkaLog({
    connection: config.kafka,
    service: 'gateway',
    pool: null,
    topicSuffix: config.KAFKA_TOPIC_SUFFIX,
    maxBatchMessages: config.MAX_BATCH_MESSAGES,
    watch: lanes,
    onError: logInterruptions(logger),
    onDead: endWith(logger),
  });
  const requestsTo = (owner: Owner, view: string): RequestReply =>
    new RequestReply(log, {
      owner,
      lookupAfterMs: config.OUTCOME_LOOKUP_AFTER_MS,
      timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
      lookup: (commandIds) => findOutcomes(pool, view, commandIds),
    });
  const requests = {
    identity: requestsTo('identity', IDENTITY_OUTCOMES_VIEW),
    group: requestsTo('group', GROUP_OUTCOMES_VIEW),
  };
  return startService({
    config,
    port: config.PORT,
    module: GatewayModule.register({
      config,
      pool,
      cursorSeal: roleSeal(databaseUrl, 'gateway', 'cursor'),
      requests,
      logger,
    }),
    parts: [databasePart(pool, () => database.destroy()), logPart(log), lanes],
    prepare: (app) => speakScim(app, logger),
    unreadable: unreadable(logger, config.MAX_BODY_BYTES),
  });
});
