import '#first';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate, openMasterKey, untilDatabaseAnswers } from '#event-store';
import {
  answers,
  apiKeyOf,
  freePort,
  isTerminal,
  keptPostgres,
  masterKeySource,
  readConfig,
  refuseArguments,
  runSupervisor,
  RuntimeFile,
  sayAsJson,
  sayLine,
  startNode,
  urlHere,
  type Config,
  type Kept,
  type Running,
} from '#runtime';
import { APPS, environmentOf, type App, type Secrets } from './environments.js';
import { startKafkaBroker, type KafkaBroker } from './kafka-broker.js';

/**
 * `npm run stack`: a Kafka broker, Postgres and each app as a process of its own; restarts what dies, stops all on
 * Ctrl-C.
 */

const PORTS = ['PORT', 'ADMIN_PORT', 'HEALTH_PORT', 'DIRECTORY_HEALTH_PORT', 'GROUP_HEALTH_PORT'] as const;

const keptBroker = ({ DATA_DIR, KAFKA_TOPIC_SUFFIX }: Config): Kept<KafkaBroker> => {
  let port: number | undefined;
  return {
    name: 'Kafka',
    start: async () => {
      const broker = await startKafkaBroker(DATA_DIR, { port, services: APPS, topicSuffix: KAFKA_TOPIC_SUFFIX });
      port = Number(broker.brokers.split(':')[1]);
      return broker;
    },
  };
};

const tell = (reason: string): void => sayLine('supervisor', 'warn', `waiting for the database: ${reason}`);

const urlOf = (app: App, { HOST, ADMIN_HOST, ...config }: Config): string => {
  const port = {
    gateway: config.PORT,
    'admin-api': config.ADMIN_PORT,
    identity: config.HEALTH_PORT,
    directory: config.DIRECTORY_HEALTH_PORT,
    group: config.GROUP_HEALTH_PORT,
  }[app];
  return urlHere(app === 'admin-api' ? ADMIN_HOST : HOST, port);
};

const keptApp = (app: App, config: Config, environment: NodeJS.ProcessEnv): Kept => ({
  name: app,
  start: () =>
    startNode({
      file: fileURLToPath(new URL(`../apps/${app}/src/main.js`, import.meta.url)),
      environment,
      ...(isTerminal() ? { prefix: `${app.padEnd(9)} | ` } : {}),
    }),
  ready: () => answers(`${urlOf(app, config)}/health/ready`),
});

/** Base64. Of the database, before several could make one. */
const masterKey = async (ownerUrl: string, config: Config): Promise<string> => {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    return (await openMasterKey(owner, masterKeySource(config))).toString('base64');
  } finally {
    await owner.end();
  }
};

const banner = (config: Config): string => `
  Muster is ready: gateway, admin-api, identity, directory and group are processes of their own, over Kafka.

    SCIM base URL   ${config.scimBaseUrl}
    Token           npm run -s cli -- directory show
`;

refuseArguments(`npm run stack: a Kafka broker, Postgres and each service as a process of its own. Settings are environment variables: docs/configuration.md.
`);
runSupervisor(async (supervisor) => {
  const config = readConfig(process.env);
  // Chosen here, so that a process that is started again is found where it was.
  for (const name of PORTS) config[name] ||= await freePort();
  const { DATA_DIR } = config;
  const runtime = new RuntimeFile(config, { url: urlOf('gateway', config), adminUrl: urlOf('admin-api', config) });
  const keep = <R extends Running>(name: string, kept: Kept<R>): Promise<R> =>
    supervisor.keep(runtime.telling(name, kept));

  // Postgres first: its lock keeps a second stack off this data directory, and so off the broker's files.
  const databaseUrl = config.DATABASE_URL ?? (await keep('postgres', keptPostgres(DATA_DIR))).url;
  const ownBroker = async (): Promise<KafkaBroker | null> =>
    config.KAFKA_BROKERS ? null : keep('broker', keptBroker(config));
  const [broker] = await Promise.all([
    ownBroker(),
    untilDatabaseAnswers(databaseUrl, tell).then(() => migrate(databaseUrl, config.databaseRoles)),
  ]);
  const ports = Object.fromEntries(PORTS.map((name) => [name, String(config[name])]));
  const secrets: Secrets = {
    ownerUrl: databaseUrl,
    roles: config.databaseRoles,
    masterKey: await masterKey(databaseUrl, config),
    apiKey: apiKeyOf(config),
  };
  // Each app is a user of its own at the broker; at one from outside, all of them are the one that it was given.
  const kafka = (app: App): Readonly<Record<string, string>> =>
    broker?.settingsOf(app) ?? (config.KAFKA_SASL_PASSWORD ? { KAFKA_SASL_PASSWORD: config.KAFKA_SASL_PASSWORD } : {});
  await Promise.all(
    APPS.map((app) => keep(app, keptApp(app, config, environmentOf(app, secrets, { ...ports, ...kafka(app) })))),
  );
  runtime.tell(databaseUrl);
  if (isTerminal()) console.log(banner(config));
  else sayAsJson('supervisor', 'info', 'Muster is ready.', { scimBaseUrl: config.scimBaseUrl });
});
