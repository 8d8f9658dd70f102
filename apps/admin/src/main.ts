import '#first';
import 'reflect-metadata';
import { ADMIN_OUTCOMES_VIEW, GROUP_OUTCOMES_VIEW, IDENTITY_OUTCOMES_VIEW, type Owner } from '#contracts';
import {
  connectDatabase,
  databasePart,
  findOutcomes,
  openMasterKey,
  ownRoleUrl,
  poolOf,
  untilMigrated,
  watchLanes,
  type BatchHandler,
} from '#event-store';
import { KafkaLog, logPart, LogTransport, RequestReply } from '#log';
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
import { adminFace, AdminModule } from './admin.module.js';
import { Directories } from './directories.queries.js';
import { ADMIN_BATCHES } from './directory.handler.js';

/** Admin as a process of its own, over Kafka: its lanes and the admin API. */
runProcess('admin', async (logger) => {
  const config = readConfig(process.env);
  if (!config.DATABASE_URL || !config.kafka) throw new UsageError('Admin needs DATABASE_URL and KAFKA_BROKERS.');
  const databaseUrl = ownRoleUrl(config.DATABASE_URL, 'admin');
  await untilMigrated(databaseUrl, (reason) => logger.info({ reason }, 'waiting for the database'));
  const database = await connectDatabase(databaseUrl, 'admin', {
    poolConnections: config.DATABASE_POOL_CONNECTIONS,
    queryTimeoutMs: config.QUERY_TIMEOUT_MS,
  });
  const pool = poolOf(database);
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const log = new KafkaLog({
    connection: config.kafka,
    owner: 'admin',
    pool,
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
  const requests = requestsTo('admin', ADMIN_OUTCOMES_VIEW);
  const identity = requestsTo('identity', IDENTITY_OUTCOMES_VIEW);
  const group = requestsTo('group', GROUP_OUTCOMES_VIEW);
  const masterKey = await openMasterKey(pool, masterKeySource(config));
  const apiKey = apiKeyOf(config);
  return startService({
    config,
    ...adminFace(
      config,
      AdminModule.register({ config, database, log, lanes, requests, identity, group, masterKey, apiKey, logger }),
      logger,
    ),
    parts: [databasePart(pool, () => database.destroy()), logPart(log), lanes],
    transport: (app) =>
      new LogTransport(
        () => log,
        (_topic, partition) => app.get<BatchHandler<unknown>>(ADMIN_BATCHES).position(partition),
      ),
    begin: async (app) => {
      await app.get(Directories).firstStart();
    },
  });
});
