import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import {
  DIRECTORY_OUTCOMES_VIEW,
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
  keySeal,
  openMasterKey,
  poolOf,
  roleSeal,
  roleUrl,
  watchLanes,
  type Role,
} from '#event-store';
import { KafkaLog, LOG_KEEP_DAYS, logPart, PostgresLog, RequestReply, type Log, type Watch } from '#log';
import { runOwner } from '#owner';
import { apiKeyOf, endWith, logInterruptions, masterKeySource, startService, type Config, type Logger } from '#runtime';
import { AdminApiModule, adminFace } from '../../admin-api/src/admin-api.module.js';
import { ChangedDirectories } from '../../admin-api/src/directories/directories.sender.js';
import { requireApiKeyFirst } from '../../admin-api/src/http/api-key.guard.js';
import { Tokens, type RevealedDirectory } from '../../admin-api/src/tokens/tokens.sender.js';
import { directory as directoryOwner } from '../../directory/src/directory.owner.js';
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
  /** The first one, with its token where this start made it. */
  readonly directory: RevealedDirectory;
  readonly isNew: boolean;
  /** The port of the gateway, and that of the admin API. */
  readonly port: number;
  readonly adminPort: number;
  readonly log: Log;
  /** The first directory, with its token; who sees it is recorded. */
  reveal(): Promise<RevealedDirectory>;
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
  const [gateway, admin, identity, directory, group] = await Promise.all([
    connect('gateway'),
    connect('admin_api'),
    connect('identity'),
    connect('directory'),
    connect('group'),
  ]);
  const masterKey = await openMasterKey(poolOf(identity), masterKeySource(config));
  const lanes = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const logs = chooseLogs(config, urlOf('log'), logger, lanes, {
    identity: poolOf(identity),
    directory: poolOf(directory),
    group: poolOf(group),
  });
  const requestsTo = (owner: Owner, view: string, pool: Pool): RequestReply =>
    new RequestReply(logs.gateway, {
      owner,
      lookupAfterMs: config.OUTCOME_LOOKUP_AFTER_MS,
      timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
      lookup: (commandIds) => findOutcomes(pool, view, commandIds),
    });
  const requests = {
    directory: requestsTo('directory', DIRECTORY_OUTCOMES_VIEW, poolOf(admin)),
    identity: requestsTo('identity', IDENTITY_OUTCOMES_VIEW, poolOf(gateway)),
    group: requestsTo('group', GROUP_OUTCOMES_VIEW, poolOf(gateway)),
  };
  const gatewayModule = GatewayModule.register({
    config,
    pool: poolOf(gateway),
    cursorSeal: roleSeal(urlOf('gateway'), 'gateway', 'cursor'),
    requests,
    logger,
  });
  const jobs = [
    { owner: directoryOwner, log: logs.directory, pool: poolOf(directory) },
    { owner: identityOwner, log: logs.identity, pool: poolOf(identity) },
    { owner: groupOwner, log: logs.group, pool: poolOf(group) },
  ].map(({ owner, log, pool }) => {
    const send = (messages: readonly Message[]): Promise<void> => log.publish(commandsOf(owner.name), messages);
    return runOwner(owner, { config, pool, logger, watch: lanes, send, masterKey: () => masterKey }, log);
  });
  const adminModule = AdminApiModule.register({
    config,
    pool: poolOf(admin),
    requests,
    tokenSeal: keySeal(masterKey),
    apiKey,
    logger,
  });
  const isOnePort = config.ADMIN_PORT === config.PORT && config.PORT !== 0;
  let first: { directory: RevealedDirectory; isNew: boolean } | undefined;
  let tokens: Tokens | undefined;
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
    // An application of its own: whatever a proxy sends to the port of SCIM, no route there leads to the admin API.
    ...(isOnePort ? {} : { beside: adminFace(config, adminModule, logger) }),
    begin: async (app, beside = app) => {
      tokens = beside.get(Tokens);
      first = await beside.get(ChangedDirectories).firstStart();
    },
  });
  return {
    ...service,
    adminPort: service.besidePort,
    ...first!,
    apiKey,
    log: logs.gateway,
    reveal: () => tokens!.reveal(),
    stop: async () => {
      // Answers that are under way are given first.
      await service.stop();
      for (const request of Object.values(requests)) request.stop();
      await Promise.all([gateway, admin, identity, directory, group].map((database) => database.destroy()));
    },
  };
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
    return { gateway: log, identity: log, directory: log, group: log };
  }
  const onDead = endWith(logger);
  const kafka = (service: Owner | 'gateway'): KafkaLog =>
    new KafkaLog({
      connection,
      service,
      pool: service === 'gateway' ? null : pools[service],
      topicSuffix: config.KAFKA_TOPIC_SUFFIX,
      maxBatchMessages: config.MAX_BATCH_MESSAGES,
      watch,
      onError,
      onDead,
    });
  return {
    gateway: kafka('gateway'),
    identity: kafka('identity'),
    directory: kafka('directory'),
    group: kafka('group'),
  };
};
