import '#first';
import 'reflect-metadata';
import { DIRECTORY_OUTCOMES_VIEW, GROUP_OUTCOMES_VIEW, IDENTITY_OUTCOMES_VIEW, type Owner } from '#contracts';
import {
  connectDatabase,
  databasePart,
  findOutcomes,
  keySeal,
  openMasterKey,
  ownRoleUrl,
  poolOf,
  untilMigrated,
  watchLanes,
} from '#event-store';
import { KafkaLog, logPart, RequestReply } from '#log';
import {
  apiKeyOf,
  endWith,
  logInterruptions,
  masterKeySource,
  readConfig,
  runProcess,
  startService,
  UsageError,
} from '#runtime';
import { adminFace, AdminApiModule } from './admin-api.module.js';
import { ChangedDirectories } from './directories/directories.sender.js';

/** The admin API as a process of its own, over Kafka. */
runProcess('admin-api', async (logger) => {
  const config = readConfig(process.env);
  if (!config.DATABASE_URL || !config.kafka)
    throw new UsageError('The admin API needs DATABASE_URL and KAFKA_BROKERS.');
  const databaseUrl = ownRoleUrl(config.DATABASE_URL, 'admin_api');
  await untilMigrated(databaseUrl, (reason) => logger.info({ reason }, 'waiting for the database'));
  const database = await connectDatabase(databaseUrl, 'admin_api', {
    poolConnections: config.DATABASE_POOL_CONNECTIONS,
    queryTimeoutMs: config.QUERY_TIMEOUT_MS,
  });
  const pool = poolOf(database);
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const log = new KafkaLog({
    connection: config.kafka,
    service: 'admin-api',
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
      lookupAfterMs: null,
      timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
      lookup: (commandIds) => findOutcomes(pool, view, commandIds),
    });
  const requests = {
    directory: requestsTo('directory', DIRECTORY_OUTCOMES_VIEW),
    identity: requestsTo('identity', IDENTITY_OUTCOMES_VIEW),
    group: requestsTo('group', GROUP_OUTCOMES_VIEW),
  };
  const tokenSeal = keySeal(await openMasterKey(pool, masterKeySource(config)));
  const apiKey = apiKeyOf(config);
  return startService({
    config,
    ...adminFace(config, AdminApiModule.register({ config, pool, requests, tokenSeal, apiKey, logger }), logger),
    parts: [databasePart(pool, () => database.destroy()), logPart(log), lanes],
    begin: async (app) => {
      await app.get(ChangedDirectories).firstStart();
    },
  });
});
