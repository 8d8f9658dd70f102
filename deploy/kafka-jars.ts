import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { sayLine, UsageError } from '#runtime';

const OLDEST_JAVA = 17;

// By its module: a name that an older Node does not have keeps first.ts from saying so.
const projectRoot = dirname(module.findPackageJSON('..', import.meta.url)!);
const pom = join(projectRoot, 'deploy/kafka/pom.xml');

/** The folder in which the jars of this pom.xml are, or will be. */
const jarsFolder = (): string =>
  join(
    projectRoot,
    'node_modules/.cache/muster',
    `kafka-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)}`,
  );

/** The Java to run: that of JAVA_HOME, else the one on the path. */
export const javaCommand = (): string => (process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java');

const output = (command: string, ...args: string[]): string | null => {
  try {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  } catch {
    return null;
  }
};

/** Says in words what this machine lacks for a broker of its own; null = nothing. */
export const whatKafkaMisses = (): string | null => {
  const java = output(javaCommand(), '--version');
  const version = Number(/\d+/.exec(java ?? '')?.[0] ?? 0);
  // `--version` itself is younger than Java 8.
  if (version < OLDEST_JAVA)
    return `Java ${OLDEST_JAVA} or newer (${version ? `this is Java ${version}` : `${javaCommand()} cannot be run`})`;
  // Maven is needed once only.
  if (!existsSync(jarsFolder()) && output('mvn', '--version') === null) return 'Maven (mvn cannot be run)';
  return null;
};

/**
 * The class path of Apache Kafka; its jars are fetched from Maven Central once for each pom.xml. Throws UsageError when
 * Java or Maven is missing, or Maven fails.
 */
export const kafkaClassPath = (): string => {
  const missing = whatKafkaMisses();
  if (missing)
    throw new UsageError(`Apache Kafka needs ${missing}. Install it, or set KAFKA_BROKERS to a broker that runs.`);
  const folder = jarsFolder();
  if (!existsSync(folder)) {
    sayLine('supervisor', 'info', 'Fetching Apache Kafka from Maven Central, once (45 MB) …');
    const unfinished = `${folder}.${randomUUID()}`;
    try {
      execFileSync('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      renameSync(unfinished, folder);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      // Another process may have been first.
      if (!existsSync(folder)) throw new UsageError(`Maven could not fetch Apache Kafka: ${firstError(error)}`);
    }
  }
  return join(folder, '*');
};

/** Maven writes its errors to standard output. */
const firstError = (error: unknown): string => {
  const { stdout, message } = error as { stdout?: Buffer; message: string };
  return /\[ERROR\].*/.exec(stdout?.toString() ?? '')?.[0] ?? message;
};
