import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import { ADMIN_OUTCOMES_VIEW, IDENTITY_OUTCOMES_VIEW, OWNERS, type AdminCommand, type Outcome, type Owner, type UserCommand } from '#contracts';
import { connectDatabase, poolOf, roleUrl, type BatchHandler } from '#event-store';
import { KafkaLog, LogTransport, PostgresLog, RequestReply, type Log, type Position } from '#log';
import { keyFile, type Config, type Logger } from '#runtime';
import { AdminModule } from '../../admin/src/admin.module.js';
import { ADMIN_BATCHES } from '../../admin/src/directory.handler.js';
import { Directories, type DirectoryView } from '../../admin/src/directories.queries.js';
import { GatewayModule, speakScim } from '../../gateway/src/gateway.module.js';
import { IdentityModule } from '../../identity/src/identity.module.js';
import { USER_BATCHES } from '../../identity/src/user.handler.js';

const LOG_KEEP_DAYS = 7;

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
  /** The port that it listens on. */
  readonly port: number;
  readonly log: Log;
  stop(): Promise<void>;
}

/** All services in one process, on the Postgres log. `ownerUrl` is a migrated database. */
export const startServer = async (config: Config, ownerUrl: string, logger: Logger): Promise<Server> => {
  const masterKey = Buffer.from(config.MASTER_KEY ?? keyFile(config.DATA_DIR, 'master.key'), 'base64');
  const apiKey = config.MUSTER_API_KEY ?? keyFile(config.DATA_DIR, 'admin.key');
  const options = { poolConnections: config.DATABASE_POOL_CONNECTIONS, queryTimeoutMs: config.QUERY_TIMEOUT_MS };
  const [gateway, identity, admin] = await Promise.all(
    (['gateway', 'identity', 'admin'] as const).map((role) => connectDatabase(ownerUrl, role, options)),
  ) as [Awaited<ReturnType<typeof connectDatabase>>, Awaited<ReturnType<typeof connectDatabase>>, Awaited<ReturnType<typeof connectDatabase>>];
  const logs = chooseLogs(config, ownerUrl, logger, { identity: poolOf(identity), admin: poolOf(admin) });
  const requestsTo = (owner: Owner, log: Log, view: string): RequestReply =>
    new RequestReply(log, {
      owner, lookupAfterMs: config.OUTCOME_LOOKUP_AFTER_MS, timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
      lookup: (commandIds) => lookUpOutcomes(poolOf(gateway), view, commandIds),
    });
  const identityRequests = requestsTo('identity', logs.gateway, IDENTITY_OUTCOMES_VIEW);
  const adminRequests = requestsTo('admin', logs.admin, ADMIN_OUTCOMES_VIEW);
  const module = ServerModule.with([
    GatewayModule.register({ config, pool: poolOf(gateway), identity: identityRequests }),
    IdentityModule.register({ database: identity, log: logs.identity, masterKey, logger }),
    AdminModule.register({ config, database: admin, log: logs.admin, requests: adminRequests, masterKey, apiKey, logger }),
  ]);
  const adapter = new FastifyAdapter({ bodyLimit: config.MAX_BODY_BYTES, keepAliveTimeout: 65_000, routerOptions: { maxParamLength: 512 } });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, bodyParser: false });
  speakScim(app, logger);
  const batches: Record<Owner, BatchHandler<UserCommand> | BatchHandler<AdminCommand>> = {
    identity: app.get<BatchHandler<UserCommand>>(USER_BATCHES), admin: app.get<BatchHandler<AdminCommand>>(ADMIN_BATCHES),
  };
  const position = (topic: string, partition: number): Promise<Position> =>
    batches[OWNERS.find((owner) => topic.startsWith(`${owner}.`))!].position(partition);
  const each = [...new Set([logs.identity, logs.admin, logs.gateway])];
  app.connectMicroservice({ strategy: new LogTransport((topic) => (topic.startsWith('identity.') ? logs.identity : logs.admin), position) });
  const fastify = app.getHttpAdapter().getInstance();
  let started = false;
  fastify.get('/health/live', () => ({ status: 'ok' }));
  fastify.get('/health/ready', async (_request, reply) => {
    const database = await poolOf(gateway).query('SELECT 1').then(() => true, () => false);
    const log = each.every((one) => one.ready());
    const ready = started && database && log;
    return reply.status(ready ? 200 : 503).send({ status: ready ? 'ok' : 'unavailable', started, database, log });
  });
  await app.startAllMicroservices();
  await Promise.all(each.map((one) => one.start()));
  await app.listen(config.PORT, config.HOST);
  const { directory, isNew } = await app.get(Directories).firstStart();
  started = true;
  return {
    app, apiKey, directory, isNew, log: logs.gateway, port: (fastify.server.address() as { port: number }).port,
    stop: async () => {
      identityRequests.stop();
      adminRequests.stop();
      await app.close();
      await Promise.all(each.map((one) => one.stop()));
      await Promise.all([gateway.destroy(), identity.destroy(), admin.destroy()]);
    },
  };
};

/** The Postgres log is one for all; on Kafka each service has a connection of its own, as it has in a process of its own. */
const chooseLogs = (
  config: Config, ownerUrl: string, logger: Logger, pools: Record<Owner, Pool>,
): Record<Owner | 'gateway', Log> => {
  const onError = (error: Error): void => logger.warn({ error: error.message }, 'message log interrupted');
  if (!config.KAFKA_BROKERS) {
    const log = new PostgresLog({
      url: roleUrl(ownerUrl, 'log'), maxBatchMessages: config.MAX_BATCH_MESSAGES, keepDays: LOG_KEEP_DAYS, onError,
    });
    return { gateway: log, identity: log, admin: log };
  }
  const onDead = (error: Error): void => {
    logger.fatal({ error: error.message }, 'a consumer died; the process ends and is started again');
    process.exit(1);
  };
  const kafka = (owner: Owner | null): KafkaLog =>
    new KafkaLog({
      brokers: config.KAFKA_BROKERS!.split(','), owner, pool: owner && pools[owner], topicSuffix: config.KAFKA_TOPIC_SUFFIX,
      maxBatchMessages: config.MAX_BATCH_MESSAGES, onError, onDead,
    });
  return { gateway: kafka(null), identity: kafka('identity'), admin: kafka('admin') };
};

const lookUpOutcomes = async (pool: Pool, view: string, commandIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>> => {
  const { rows } = await pool.query<{ command_id: string; outcome: Outcome }>(
    `SELECT command_id, outcome FROM ${view} WHERE command_id = ANY ($1::uuid[])`, [commandIds],
  );
  return new Map(rows.map(({ command_id, outcome }) => [command_id, outcome]));
};
