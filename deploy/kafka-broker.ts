import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { UsageError } from '#runtime';

export interface KafkaBroker {
  /** `127.0.0.1:port` */
  readonly brokers: string;
  readonly pid: number;
  /** Resolves when the broker has ended, for whatever reason. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

const POM = 'deploy/kafka/pom.xml';
const JARS = 'node_modules/.cache/muster/kafka-4.1.0';
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** Starts Apache Kafka, one node in KRaft mode, on loopback. Throws UsageError where Java or Maven is missing. */
export const startKafkaBroker = async (dataDir: string, port?: number): Promise<KafkaBroker> => {
  const classPath = join(fetchJars(), '*');
  const folder = resolve(dataDir, 'kafka');
  mkdirSync(folder, { recursive: true });
  const [broker, controller] = [port ?? (await freePort()), await freePort()];
  const properties = join(folder, 'server.properties');
  writeFileSync(properties, Object.entries(settings(folder, broker, controller)).map(([name, value]) => `${name}=${value}\n`).join(''));
  if (!existsSync(join(folder, 'logs', 'meta.properties'))) {
    java(['-cp', classPath, 'kafka.tools.StorageTool', 'format', '--cluster-id', clusterId(), '--config', properties]);
  }
  const log = openSync(join(folder, 'broker.log'), 'a');
  const child = spawn('java', ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-cp', classPath, 'kafka.Kafka', properties], {
    stdio: ['ignore', log, log],
  });
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  let ended = false;
  void exited.then(() => (ended = true));
  for (const since = performance.now(); !(await accepts(broker)); ) {
    if (ended || performance.now() - since > START_TIMEOUT_MS) throw new UsageError(`Kafka did not start; see ${join(folder, 'broker.log')}.`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return {
    brokers: `127.0.0.1:${broker}`, pid: child.pid!, exited,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await exited;
      clearTimeout(timer);
    },
  };
};

/** What this machine lacks for a broker of its own, in words; null = nothing. */
export const whatKafkaMisses = (): string | null => {
  for (const [command, flag] of [['java', '-version'], ['mvn', '-v']] as const) {
    try {
      execFileSync(command, [flag], { stdio: 'ignore' });
    } catch {
      return `there is no ${command} on the path`;
    }
  }
  return null;
};

const settings = (folder: string, broker: number, controller: number): Record<string, string> => ({
  'process.roles': 'broker,controller', 'node.id': '1', 'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  listeners: `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`, 'advertised.listeners': `PLAINTEXT://127.0.0.1:${broker}`,
  'controller.listener.names': 'CONTROLLER', 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'log.dirs': join(folder, 'logs'), 'num.partitions': '12', 'auto.create.topics.enable': 'false', 'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4', 'transaction.state.log.replication.factor': '1', 'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1', 'share.coordinator.state.topic.min.isr': '1', 'default.replication.factor': '1',
  'group.initial.rebalance.delay.ms': '0', 'log.retention.hours': '168', 'num.network.threads': '2', 'num.io.threads': '4',
});

const clusterId = (): string => Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');

const java = (args: readonly string[]): void => {
  try {
    execFileSync('java', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new UsageError('Kafka needs Java 17 or newer, and there is no java on the path.');
    throw new UsageError(`Kafka could not be prepared: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`);
  }
};

/** The broker's jars, fetched once. */
const fetchJars = (): string => {
  const folder = resolve(JARS);
  if (existsSync(folder) && readdirSync(folder).length > 0) return folder;
  const partial = `${folder}.${process.pid}`;
  console.error('Fetching Apache Kafka from Maven Central (once, about 130 MB) …');
  try {
    execFileSync('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new UsageError('Kafka is fetched with Maven, and there is no mvn on the path.');
    throw new UsageError(`Maven could not fetch Apache Kafka: ${String((error as { stderr?: Buffer }).stderr ?? error).trim().split('\n')[0]}`);
  }
  if (existsSync(folder)) rmSync(partial, { recursive: true });
  else renameSync(partial, folder);
  return folder;
};

const freePort = (): Promise<number> =>
  new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

const accepts = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
