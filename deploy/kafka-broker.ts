import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync, closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { userOf } from '#contracts';
import { setUpKafka, type KafkaConnection } from '#log';
import { boundLog, freePort, lastLine, lives, stopChild, whenEnded } from '#host';
import { keyFile, makeFolder, UsageError } from '#runtime';
import { ACCESS } from '../apps/muster/src/owners.js';
import { javaCommand, kafkaClassPath } from './kafka-jars.js';

export { whatKafkaMisses } from './kafka-jars.js';

export interface KafkaBroker {
  /** `127.0.0.1:port` */
  readonly brokers: string;
  readonly pid: number;
  /** Resolves when the broker has ended, for whatever reason. */
  readonly exited: Promise<unknown>;
  /** A controlled shutdown. Resolves when the broker has ended. */
  stop(): Promise<void>;
  /** The settings with which a service finds the broker and is let in. */
  settingsOf(service: string): Readonly<Record<string, string>>;
  /** The user who may do everything. */
  readonly administrator: KafkaConnection;
  /** Lets the services use the topics of these suffixes, and of no others. */
  allow(topicSuffixes: readonly string[]): Promise<void>;
}

export interface BrokerOptions {
  /** The port of a broker that has ended, so that its clients find it again; left out = a free one. */
  readonly port?: number | undefined;
  readonly services: readonly string[];
  readonly topicSuffix?: string;
  /** Key and certificates in PEM: the services then come by TLS. */
  readonly certificate?: string;
}

/** A broker takes about 5 s on two cores; one that takes over from a killed one first waits for its lock and port. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 1_000;
const POLL_MS = 100;
const MAX_MESSAGE_BYTES = 16 * 1_048_576;

/**
 * Starts Apache Kafka below `dataDir`, one node in KRaft mode, on loopback, where each of the services has a user, a
 * password in a file and rights of its own, and nobody else has any. Started again on the same folder it keeps its
 * topics and its cluster id. The broker ends with this process. Throws UsageError, one line, when Java or Maven is
 * missing or the broker does not start.
 */
export const startKafkaBroker = async (
  dataDir: string,
  { port, services, topicSuffix = '', certificate }: BrokerOptions,
): Promise<KafkaBroker> => {
  const classPath = kafkaClassPath();
  const folder = resolve(dataDir, 'kafka');
  const logFile = join(folder, 'broker.log');
  makeFolder(folder);
  // A copy may have been made with other rights.
  chmodSync(folder, 0o700);
  // They are not the broker's own, so that they outlive a broker that is made anew.
  const passwords = new Map(services.map((service) => [service, keyFile(dataDir, passwordFile(service))]));
  const password = randomBytes(32).toString('base64url');
  const tls = certificate === undefined ? {} : byTls(folder, certificate);
  format(folder, classPath, password);
  for (const since = performance.now(); ; await pause(POLL_MS)) {
    const ports = { client: port ?? (await freePort()), admin: await freePort(), controller: await freePort() };
    const child = launch(folder, classPath, logFile, ports, password, tls);
    const running = await whenReady(child, ports, certificate !== undefined, since + START_TIMEOUT_MS);
    if (running) {
      boundLog(logFile, running.exited);
      const administrator: KafkaConnection = {
        brokers: [`127.0.0.1:${ports.admin}`],
        tls: null,
        sasl: { mechanism: 'plain', username: ADMINISTRATOR, password },
      };
      const allow = (topicSuffixes: readonly string[]): Promise<void> =>
        setUpKafka({ administrator, passwords, access: ACCESS, topicSuffixes });
      try {
        await allow([topicSuffix]);
        return {
          ...running,
          administrator,
          allow,
          settingsOf: (service) => settingsOf(running.brokers, service, resolve(dataDir, passwordFile(service))),
        };
      } catch (error) {
        await running.stop();
        throw new UsageError(`Kafka started, but its users could not be made: ${(error as Error).message}`);
      }
    }
    if (performance.now() - since > START_TIMEOUT_MS)
      throw new UsageError(`Kafka did not start; ${logFile} says: ${lastLine(logFile)}`);
  }
};

const passwordFile = (service: string): string => `kafka-${service}.key`;

const settingsOf = (brokers: string, service: string, file: string): Readonly<Record<string, string>> => ({
  KAFKA_BROKERS: brokers,
  KAFKA_SASL_MECHANISM: 'scram-sha-512',
  KAFKA_SASL_USERNAME: userOf(service),
  KAFKA_SASL_PASSWORD_FILE: file,
});

/**
 * Sets everything up, and is the broker itself. Its password is another one at each start, and comes from no other
 * machine.
 */
const ADMINISTRATOR = 'broker';
const plainLogin = (password: string): string =>
  `org.apache.kafka.common.security.plain.PlainLoginModule required username="${ADMINISTRATOR}" password="${password}" user_${ADMINISTRATOR}="${password}";`;

interface Ports {
  readonly client: number;
  readonly admin: number;
  readonly controller: number;
}

type Properties = Readonly<Record<string, string | number>>;

const byTls = (folder: string, certificate: string): Properties => ({
  'listener.security.protocol.map': 'CLIENT:SASL_SSL,ADMIN:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT',
  'listener.name.client.ssl.keystore.type': 'PEM',
  'listener.name.client.ssl.keystore.location': writePrivately(join(folder, 'certificate.pem'), certificate),
});

/** Says who may come in by which listener. All that nobody is allowed is refused. */
const doors = (administratorPassword: string): Properties => ({
  'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,ADMIN:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'ADMIN',
  'sasl.mechanism.inter.broker.protocol': 'PLAIN',
  'sasl.mechanism.controller.protocol': 'PLAIN',
  'listener.name.client.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
  'listener.name.client.scram-sha-512.sasl.jaas.config':
    'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'listener.name.admin.sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.admin.plain.sasl.jaas.config': plainLogin(administratorPassword),
  'listener.name.controller.sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.controller.plain.sasl.jaas.config': plainLogin(administratorPassword),
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'false',
  'super.users': `User:${ADMINISTRATOR}`,
});

/** One broker that is its own controller. Replication of everything is 1, and internal topics are small. */
export const settings = (
  logs: string,
  { client, admin, controller }: Ports,
  administratorPassword: string,
): Properties => ({
  'process.roles': 'broker,controller',
  'node.id': 1,
  'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  listeners: `CLIENT://127.0.0.1:${client},ADMIN://127.0.0.1:${admin},CONTROLLER://127.0.0.1:${controller}`,
  'advertised.listeners': `CLIENT://127.0.0.1:${client},ADMIN://127.0.0.1:${admin}`,
  'log.dirs': logs,
  'num.partitions': 12,
  'default.replication.factor': 1,
  'auto.create.topics.enable': 'false',
  'log.retention.hours': 168,
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 4,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 1,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 1,
  'group.initial.rebalance.delay.ms': 0,
  'num.network.threads': 2,
  'num.io.threads': 4,
  // One message may hold a body of MAX_BODY_BYTES; those of one turn of the event loop go out as one batch.
  'message.max.bytes': MAX_MESSAGE_BYTES,
  // The default of 128 MB is a quarter of the heap.
  'log.cleaner.dedupe.buffer.size': 8 * 1_048_576,
  ...doors(administratorPassword),
});

const writeSettings = (folder: string, logs: string, ports: Ports, password: string, more: Properties = {}): string =>
  writePrivately(
    join(folder, 'server.properties'),
    Object.entries({ ...settings(logs, ports, password), ...more })
      .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
      .join(''),
  );

const writePrivately = (file: string, text: string): string => {
  // A file that is there keeps its rights when it is written, and a copy may have been made with others.
  rmSync(file, { force: true });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};

/** The files that Java writes are its user's alone. exec: the process is the broker itself. */
const PRIVATELY = ['-c', 'umask 077 && exec "$@"', 'sh'];

const LOGGING = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
];

/** 128 random bits as Kafka writes them; a first bit of 0 keeps `-` from its front, which would make it an option. */
const newClusterId = (): string => {
  const bits = randomBytes(16);
  bits[0]! &= 0x7f;
  return bits.toString('base64url');
};

/**
 * Gives the storage its cluster id, once. It is made beside its place: a start that is killed meanwhile leaves none
 * behind.
 */
const format = (folder: string, classPath: string, password: string): void => {
  const [logs, unfinished] = [join(folder, 'logs'), join(folder, 'logs.new')];
  if (existsSync(logs)) return;
  rmSync(unfinished, { recursive: true, force: true });
  const file = writeSettings(folder, unfinished, { client: 1, admin: 2, controller: 3 }, password);
  try {
    execFileSync(
      'sh',
      [
        ...PRIVATELY,
        javaCommand(),
        ...LOGGING,
        '-cp',
        classPath,
        'kafka.tools.StorageTool',
        'format',
        '--cluster-id',
        newClusterId(),
        '--config',
        file,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
  } catch (error) {
    throw new UsageError(
      `Kafka could not prepare ${folder}: ${
        String((error as { stderr?: Buffer }).stderr ?? error)
          .trim()
          .split('\n')[0]
      }`,
    );
  }
  renameSync(unfinished, logs);
};

const launch = (
  folder: string,
  classPath: string,
  logFile: string,
  ports: Ports,
  password: string,
  more: Properties,
): ChildProcess => {
  const file = writeSettings(folder, join(folder, 'logs'), ports, password, more);
  const log = openSync(logFile, 'a', 0o600);
  // In a session of its own: Ctrl-C does not reach it, so that it ends after those who use it.
  const child = spawn(
    'sh',
    [
      ...PRIVATELY,
      javaCommand(),
      '-Xms256m',
      '-Xmx512m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-XX:+ExitOnOutOfMemoryError',
      '-Djava.awt.headless=true',
      ...LOGGING,
      '-cp',
      classPath,
      'kafka.Kafka',
      file,
    ],
    { cwd: folder, detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  return child;
};

/** Null when the broker ended before it was ready, or was ended because it took too long. */
const whenReady = async (
  child: ChildProcess,
  { client, admin }: Ports,
  isByTls: boolean,
  untilMs: number,
): Promise<Pick<KafkaBroker, 'brokers' | 'pid' | 'exited' | 'stop'> | null> => {
  const exited = whenEnded(child);
  const stop = (): Promise<void> => stopChild(child, STOP_TIMEOUT_MS);
  endWithThisProcess(child, exited);
  for (; lives(child); await pause(POLL_MS)) {
    // The port of clients may still be that of a broker that is about to end; nobody else knows of the other one.
    if ((await speaksKafka(admin)) && (isByTls || (await speaksKafka(client))) && lives(child))
      return { brokers: `127.0.0.1:${client}`, pid: child.pid!, exited, stop };
    if (performance.now() > untilMs) await stop();
  }
  return null;
};

/**
 * A small shell reads from us; when we end, however we end, its input ends and it stops the broker, which would not
 * notice.
 */
const endWithThisProcess = (child: ChildProcess, exited: Promise<unknown>): void => {
  if (!child.pid) return;
  const watcher = spawn('sh', ['-c', 'cat; kill "$1"', 'sh', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  void exited.then(() => watcher.kill('SIGKILL'));
};

/** Tells whether a broker answers ApiVersions (KIP-35): something else may hold the port. */
const speaksKafka = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const correlationId = randomInt(2 ** 31 - 1);
    const request = Buffer.alloc(14);
    request.writeInt32BE(10, 0); // length of what follows
    request.writeInt16BE(18, 4); // ApiVersions
    request.writeInt16BE(0, 6); // its version 0
    request.writeInt32BE(correlationId, 8);
    request.writeInt16BE(-1, 12); // no client id
    let answer = Buffer.alloc(0);
    const socket = createConnection({ port, host: '127.0.0.1', timeout: PROBE_TIMEOUT_MS }, () =>
      socket.write(request),
    );
    const end = (isKafka: boolean): void => {
      socket.destroy();
      done(isKafka);
    };
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      // length, correlation id, error code
      if (answer.length >= 10) end(answer.readInt32BE(4) === correlationId && answer.readInt16BE(8) === 0);
    });
    socket
      .once('error', () => end(false))
      .once('timeout', () => end(false))
      .once('close', () => end(false));
  });
