import '#first';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate, openMasterKey, untilDatabaseAnswers } from '#event-store';
import {
  answers,
  freePort,
  keptPostgres,
  runSupervisor,
  RuntimeFile,
  startNode,
  urlHere,
  type Kept,
  type Running,
} from '#host';
import {
  apiKeyOf,
  commandLineKeyOf,
  isTerminal,
  masterKeySource,
  readConfig,
  refuseArguments,
  sayAsJson,
  sayLine,
  type Config,
} from '#runtime';
import { SERVICES } from '../apps/muster/src/owners.js';
import { environmentOf, type Secrets, type Service } from './environments.js';
import { startKafkaBroker, type KafkaBroker } from './kafka-broker.js';

/**
 * `npm run stack`: a Kafka broker, Postgres and each owner and face as a process of its own; restarts what dies, stops
 * all on Ctrl-C.
 */

const PORTS = ['PORT', 'ADMIN_PORT', 'SIGN_IN_PORT'] as const;
/** As docker-compose.yml has it. It is part of the URLs that an administrator gives to an identity provider, so it must stay. */
const SIGN_IN_PORT = 8083;
const NAMES = SERVICES.map(({ name }) => name);
const WIDTH = Math.max(...NAMES.map(({ length }) => length));

const keptBroker = ({ DATA_DIR, KAFKA_TOPIC_SUFFIX }: Config): Kept<KafkaBroker> => {
  let port: number | undefined;
  return {
    name: 'Kafka',
    start: async () => {
      const broker = await startKafkaBroker(DATA_DIR, { port, services: NAMES, topicSuffix: KAFKA_TOPIC_SUFFIX });
      port = Number(broker.brokers.split(':')[1]);
      return broker;
    },
  };
};

const tell = (reason: string): void => sayLine('supervisor', 'warn', `waiting for the database: ${reason}`);

const keptService = (service: Service, config: Config, healthPort: number, environment: NodeJS.ProcessEnv): Kept => {
  const { host, port } = 'address' in service ? service.address(config) : { host: config.HOST, port: healthPort };
  return {
    name: service.name,
    start: () =>
      startNode({
        file: fileURLToPath(new URL('../apps/muster/src/server.js', import.meta.url)),
        environment,
        ...(isTerminal() ? { prefix: `${service.name.padEnd(WIDTH)} | ` } : {}),
      }),
    ready: () => answers(`${urlHere(host, port)}/health/ready`),
  };
};

/** In base64. It is made here, before the services could make one each. */
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
  Muster is ready: ${NAMES.join(', ')} are processes of their own, over Kafka.

    SCIM base URL   ${config.scimBaseUrl}
    Token           npm run -s cli -- directory show
`;

refuseArguments(`npm run stack: a Kafka broker, Postgres and each service as a process of its own. Settings are environment variables: docs/configuration.md.
`);
runSupervisor(async (supervisor) => {
  const config = readConfig(process.env);
  config.SIGN_IN_PORT ??= SIGN_IN_PORT;
  // Chosen here, so that a process that is started again is found where it was.
  for (const name of PORTS) config[name] ||= await freePort();
  const { DATA_DIR } = config;
  const runtime = new RuntimeFile(config, {
    url: urlHere(config.HOST, config.PORT),
    adminUrl: urlHere(config.ADMIN_HOST, config.ADMIN_PORT),
  });
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
  // A service knows no DATA_DIR.
  const folders = { AUDIT_CHECKPOINT_FOLDER: config.checkpointFolder };
  const secrets: Secrets = {
    ownerUrl: databaseUrl,
    roles: config.databaseRoles,
    masterKey: await masterKey(databaseUrl, config),
    apiKey: apiKeyOf(config),
    commandLineKey: commandLineKeyOf(config),
  };
  // Each service is a user of its own at the broker; at one from outside, all of them are the one that it was given.
  const kafka = (service: string): Readonly<Record<string, string>> =>
    broker?.settingsOf(service) ??
    (config.KAFKA_SASL_PASSWORD ? { KAFKA_SASL_PASSWORD: config.KAFKA_SASL_PASSWORD } : {});
  await Promise.all(
    SERVICES.map(async (service) => {
      // The port of a process that shows only its health. It is chosen here, so that a restart keeps it.
      const healthPort = await freePort();
      const settings = { ...ports, ...folders, HEALTH_PORT: String(healthPort), ...kafka(service.name) };
      await keep(service.name, keptService(service, config, healthPort, environmentOf(service, secrets, settings)));
    }),
  );
  runtime.tell(databaseUrl);
  if (isTerminal()) console.log(banner(config));
  else sayAsJson('supervisor', 'info', 'Muster is ready.', { scimBaseUrl: config.scimBaseUrl });
});
