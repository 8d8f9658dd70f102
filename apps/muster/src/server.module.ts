import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import {
  ADMIN_OUTCOMES_VIEW,
  commandsOf,
  GROUP_OUTCOMES_VIEW,
  IDENTITY_OUTCOMES_VIEW,
  OWNERS,
  type Message,
  type Owner,
} from '#contracts';
import {
  connectDatabase,
  databasePart,
  findOutcomes,
  openMasterKey,
  poolOf,
  roleSeal,
  roleUrl,
  watchLanes,
  type BatchHandler,
  type Role,
} from '#event-store';
import {
  KafkaLog,
  LOG_KEEP_DAYS,
  logPart,
  LogTransport,
  PostgresLog,
  RequestReply,
  type Log,
  type Position,
  type Watch,
} from '#log';
import { runOwner } from '#owner';
import { apiKeyOf, endWith, logInterruptions, masterKeySource, startService, type Config, type Logger } from '#runtime';
import { AdminModule, adminFace } from '../../admin/src/admin.module.js';
import { requireApiKeyFirst } from '../../admin/src/api-key.guard.js';
import { Directories, type DirectoryView } from '../../admin/src/directories.queries.js';
import { ADMIN_BATCHES } from '../../admin/src/directory.handler.js';
import { GatewayModule } from '../../gateway/src/gateway.module.js';
import { unreadable } from '../../gateway/src/http/scim-error.filter.js';
import { speakScim } from '../../gateway/src/http/speak-scim.guard.js';
import { group as groupOwner } from '../../group/src/group.owner.js';
import { identity as identityOwner } from '../../identity/src/identity.owner.js';

@Module({})
export class ServerModule {
  static with(imports: DynamicModule[]): DynamicModule {
    return { module: ServerModule, imports };
  }
}

export interface Server {
  readonly app: NestFastifyApplication;
  readonly apiKey: string;
  readonly directory: DirectoryView;
  readonly isNew: boolean;
  /** The port of the gateway, and that of the admin API. */
  readonly port: number;
  readonly adminPort: number;
  readonly log: Log;
  stop(): Promise<void>;
}

/**
 * All services in one process. `ownerUrl` is a migrated database; with KAFKA_BROKERS they talk over Kafka all the same.
 */
export const startServer = async (config: Config, ownerUrl: string, logger: Logger): Promise<Server> => {
  const apiKey = apiKeyOf(config);
  const urlOf = (role: Role): string => roleUrl(ownerUrl, role, config.databaseRoles);
  const connect = (role: Role): ReturnType<typeof connectDatabase> =>
    connectDatabase(urlOf(role), role, {
      poolConnections: config.DATABASE_POOL_CONNECTIONS,
      queryTimeoutMs: config.QUERY_TIMEOUT_MS,
    });
  const [gateway, identity, admin, group] = await Promise.all([
    connect('gateway'),
    connect('identity'),
    connect('admin'),
    connect('group'),
  ]);
  const masterKey = await openMasterKey(poolOf(identity), masterKeySource(config));
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const logs = chooseLogs(config, urlOf('log'), logger, lanes, {
    identity: poolOf(identity),
    admin: poolOf(admin),
    group: poolOf(group),
  });
  const requestsTo = (owner: Owner, log: Log, view: string): RequestReply =>
    new RequestReply(log, {
      owner,
      lookupAfterMs: config.OUTCOME_LOOKUP_AFTER_MS,
      timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
      lookup: (commandIds) => findOutcomes(poolOf(gateway), view, commandIds),
    });
  const identityRequests = requestsTo('identity', logs.gateway, IDENTITY_OUTCOMES_VIEW);
  const groupRequests = requestsTo('group', logs.gateway, GROUP_OUTCOMES_VIEW);
  const adminRequests = requestsTo('admin', logs.admin, ADMIN_OUTCOMES_VIEW);
  const gatewayModule = GatewayModule.register({
    config,
    pool: poolOf(gateway),
    cursorSeal: roleSeal(urlOf('gateway'), 'gateway', 'cursor'),
    requests: { identity: identityRequests, group: groupRequests },
    logger,
  });
  const jobs = [
    { owner: identityOwner, log: logs.identity, pool: poolOf(identity) },
    { owner: groupOwner, log: logs.group, pool: poolOf(group) },
  ].map(({ owner, log, pool }) => {
    const send = (messages: readonly Message[]): Promise<void> => log.publish(commandsOf(owner.name), messages);
    return runOwner(owner, { config, pool, logger, watch: lanes, send, masterKey: () => masterKey }, log);
  });
  const adminModule = AdminModule.register({
    config,
    database: admin,
    log: logs.admin,
    lanes,
    requests: adminRequests,
    identity: identityRequests,
    group: groupRequests,
    masterKey,
    apiKey,
    logger,
  });
  const isOnePort = config.ADMIN_PORT === config.PORT && config.PORT !== 0;
  let first: { directory: DirectoryView; isNew: boolean } | undefined;
  const service = await startService({
    config,
    port: config.PORT,
    module: ServerModule.with([gatewayModule, ...(isOnePort ? [adminModule] : [])]),
    parts: [
      databasePart(poolOf(gateway)),
      ...[...new Set([...OWNERS.map((owner) => logs[owner]), logs.gateway])].map((log) =>
        logPart(log, nameOf(log, logs)),
      ),
      lanes,
      ...jobs,
    ],
    prepare: (app) => {
      if (isOnePort) requireApiKeyFirst(app);
      speakScim(app, logger);
    },
    unreadable: unreadable(logger, config.MAX_BODY_BYTES),
    transport: (app) => transport(app, logs),
    // An application of its own: whatever a proxy sends to the port of SCIM, no route there leads to the admin API.
    ...(isOnePort
      ? {}
      : { beside: { ...adminFace(config, adminModule, logger), transport: (app) => transport(app, logs) } }),
    begin: async (app, beside = app) => {
      first = await beside.get(Directories).firstStart();
    },
  });
  return {
    ...service,
    adminPort: service.besidePort,
    ...first!,
    apiKey,
    log: logs.gateway,
    stop: async () => {
      // Answers that are under way are given first.
      await service.stop();
      identityRequests.stop();
      groupRequests.stop();
      adminRequests.stop();
      await Promise.all([gateway.destroy(), identity.destroy(), admin.destroy(), group.destroy()]);
    },
  };
};

/** The lanes of the owners that are in this application. */
const transport = (app: NestFastifyApplication, logs: Record<Owner, Log>): LogTransport => {
  const consumers: Record<string, { readonly owner: Owner; at(): { position(partition: number): Promise<Position> } }> =
    { [commandsOf('admin')]: { owner: 'admin', at: () => app.get<BatchHandler<unknown>>(ADMIN_BATCHES) } };
  return new LogTransport(
    (topic) => logs[consumers[topic]!.owner],
    (topic, partition) => consumers[topic]!.at().position(partition),
  );
};

/** The service that the log is of; undefined = everybody's. */
const nameOf = (log: Log, logs: Record<Owner | 'gateway', Log>): string | undefined => {
  const users = Object.entries(logs).flatMap(([user, used]) => (used === log ? [user] : []));
  return users.length === 1 ? users[0] : undefined;
};

/**
 * The Postgres log is one for all; on Kafka each service has a connection of its own, as it has in a process of its
 * own.
 */
const chooseLogs = (
  config: Config,
  logUrl: string,
  logger: Logger,
  watch: Watch,
  pools: Record<Owner, Pool>,
): Record<Owner | 'gateway', Log> => {
  const onError = logInterruptions(logger);
  const connection = config.kafka;
  if (!connection) {
    const log = new PostgresLog({
      url: logUrl,
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      keepDays: LOG_KEEP_DAYS,
      onError,
    });
    return { gateway: log, identity: log, admin: log, group: log };
  }
  const onDead = endWith(logger);
  const kafka = (owner: Owner | null): KafkaLog =>
    new KafkaLog({
      connection,
      owner,
      pool: owner && pools[owner],
      topicSuffix: config.KAFKA_TOPIC_SUFFIX,
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      watch,
      onError,
      onDead,
    });
  return { gateway: kafka(null), identity: kafka('identity'), admin: kafka('admin'), group: kafka('group') };
};
