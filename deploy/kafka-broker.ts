import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, lastLine, lives, stopChild, UsageError, whenEnded } from '#runtime';
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
}

/** A broker takes about 5 s on two cores; one that takes over from a killed one first waits for its lock and port. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 1_000;
const POLL_MS = 100;
const MAX_MESSAGE_BYTES = 16 * 1_048_576;

/**
 * Starts Apache Kafka below `dataDir`, one node in KRaft mode, on loopback. Started again on the same folder it keeps its topics
 * and its cluster id; `port` is that of a broker that ended, so that its clients find it again, otherwise a free one. The broker
 * ends with this process. Throws UsageError, one line, when Java or Maven is missing or the broker does not start.
 */
export const startKafkaBroker = async (dataDir: string, port?: number): Promise<KafkaBroker> => {
  const classPath = kafkaClassPath();
  const folder = resolve(dataDir, 'kafka');
  const logFile = join(folder, 'broker.log');
  mkdirSync(folder, { recursive: true });
  format(folder, classPath);
  for (const since = performance.now(); ; await pause(POLL_MS)) {
    const brokerPort = port ?? (await freePort());
    const child = launch(folder, classPath, logFile, brokerPort, await freePort());
    const broker = await whenReady(child, brokerPort, since + START_TIMEOUT_MS);
    if (broker) return broker;
    if (performance.now() - since > START_TIMEOUT_MS) throw new UsageError(`Kafka did not start; ${logFile} says: ${lastLine(logFile)}`);
  }
};

/** One broker that is its own controller. Replication of everything is 1, and internal topics are small. */
const settings = (logs: string, port: number, controllerPort: number): Readonly<Record<string, string | number>> => ({
  'process.roles': 'broker,controller', 'node.id': 1, 'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
  listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`, 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
  'controller.listener.names': 'CONTROLLER', 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'log.dirs': logs, 'num.partitions': 12, 'default.replication.factor': 1, 'auto.create.topics.enable': 'false', 'log.retention.hours': 168,
  'offsets.topic.replication.factor': 1, 'offsets.topic.num.partitions': 4,
  'transaction.state.log.replication.factor': 1, 'transaction.state.log.min.isr': 1, 'transaction.state.log.num.partitions': 1,
  'share.coordinator.state.topic.replication.factor': 1, 'share.coordinator.state.topic.min.isr': 1, 'share.coordinator.state.topic.num.partitions': 1,
  'group.initial.rebalance.delay.ms': 0, 'num.network.threads': 2, 'num.io.threads': 4,
  // One message may hold a body of MAX_BODY_BYTES; those of one turn of the event loop go out as one batch.
  'message.max.bytes': MAX_MESSAGE_BYTES,
  // The default of 128 MB is a quarter of the heap.
  'log.cleaner.dedupe.buffer.size': 8 * 1_048_576,
});

const writeSettings = (folder: string, logs: string, port: number, controllerPort: number): string => {
  const file = join(folder, 'server.properties');
  const lines = Object.entries(settings(logs, port, controllerPort)).map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`);
  writeFileSync(file, lines.join(''));
  return file;
};

const LOGGING = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
];

/** 128 random bits as Kafka writes them; a first bit of 0 keeps `-` from its front, which would make it an option. */
const newClusterId = (): string => {
  const bits = randomBytes(16);
  bits[0]! &= 0x7f;
  return bits.toString('base64url');
};

/** Gives the storage its cluster id, once. It is made beside its place: a start that is killed meanwhile leaves none behind. */
const format = (folder: string, classPath: string): void => {
  const [logs, unfinished] = [join(folder, 'logs'), join(folder, 'logs.new')];
  if (existsSync(logs)) return;
  rmSync(unfinished, { recursive: true, force: true });
  const file = writeSettings(folder, unfinished, 1, 2);
  try {
    execFileSync(
      javaCommand(), [...LOGGING, '-cp', classPath, 'kafka.tools.StorageTool', 'format', '--cluster-id', newClusterId(), '--config', file],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
  } catch (error) {
    throw new UsageError(`Kafka could not prepare ${folder}: ${String((error as { stderr?: Buffer }).stderr ?? error).trim().split('\n')[0]}`);
  }
  renameSync(unfinished, logs);
};

const launch = (folder: string, classPath: string, logFile: string, port: number, controllerPort: number): ChildProcess => {
  const file = writeSettings(folder, join(folder, 'logs'), port, controllerPort);
  const log = openSync(logFile, 'a', 0o600);
  // In a session of its own: Ctrl-C does not reach it, so that it ends after those who use it.
  const child = spawn(
    javaCommand(),
    ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError', '-Djava.awt.headless=true',
      ...LOGGING, '-cp', classPath, 'kafka.Kafka', file],
    { cwd: folder, detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  return child;
};

/** Null when the broker ended before it was ready, or was ended because it took too long. */
const whenReady = async (child: ChildProcess, port: number, untilMs: number): Promise<KafkaBroker | null> => {
  const exited = whenEnded(child);
  const stop = (): Promise<void> => stopChild(child, STOP_TIMEOUT_MS);
  endWithThisProcess(child, exited);
  for (; lives(child); await pause(POLL_MS)) {
    if ((await speaksKafka(port)) && lives(child)) return { brokers: `127.0.0.1:${port}`, pid: child.pid!, exited, stop };
    if (performance.now() > untilMs) await stop();
  }
  return null;
};

/** A small shell reads from us; when we end, however we end, its input ends and it stops the broker, which would not notice. */
const endWithThisProcess = (child: ChildProcess, exited: Promise<unknown>): void => {
  if (!child.pid) return;
  const watcher = spawn('sh', ['-c', 'cat; kill "$1"', 'sh', String(child.pid)], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  void exited.then(() => watcher.kill('SIGKILL'));
};

/** Whether a broker answers ApiVersions (KIP-35): something else may hold the port. */
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
    const socket = createConnection({ port, host: '127.0.0.1', timeout: PROBE_TIMEOUT_MS }, () => socket.write(request));
    const end = (isKafka: boolean): void => {
      socket.destroy();
      done(isKafka);
    };
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      // length, correlation id, error code
      if (answer.length >= 10) end(answer.readInt32BE(4) === correlationId && answer.readInt16BE(8) === 0);
    });
    socket.once('error', () => end(false)).once('timeout', () => end(false)).once('close', () => end(false));
  });
