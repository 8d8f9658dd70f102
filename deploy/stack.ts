import { fork, type ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate } from '#event-store';
import { EXIT_USAGE, keyFile, readConfig, startPostgres, UsageError, type PostgresProcess } from '#runtime';
import { startKafkaBroker, type KafkaBroker } from './kafka-broker.js';

/** `npm run stack`: a Kafka broker, Postgres and each app as a process of its own; restarts what dies, stops all on Ctrl-C. */

const APPS = ['admin', 'identity', 'gateway'] as const;
type App = (typeof APPS)[number];
const RESTART_AFTER_MS = 300;
const POLL_MS = 100;
const READY_TIMEOUT_MS = 60_000;

const run = async (): Promise<void> => {
  const config = readConfig(process.env);
  const pids: Record<string, number> = {};
  const children = new Map<App, ChildProcess>();
  const portOf: Record<App, number> = { gateway: config.PORT, admin: config.ADMIN_PORT, identity: config.HEALTH_PORT };
  let stopping = false;
  let postgres: PostgresProcess | undefined;
  let broker: KafkaBroker | undefined;

  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    for (const app of [...APPS].reverse()) {
      const child = children.get(app);
      if (!child || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise<void>((done) => child.once('exit', () => done()));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    await broker?.stop();
    await postgres?.stop();
    process.exit(code);
  };
  const fail = (error: Error): void => {
    console.error(error instanceof UsageError ? error.message : error);
    void stop(error instanceof UsageError ? EXIT_USAGE : 1);
  };
  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));

  const tell = (): void => {
    const path = join(config.DATA_DIR, 'runtime.json');
    const runtime = {
      url: `http://127.0.0.1:${config.PORT}`, adminUrl: `http://127.0.0.1:${config.ADMIN_PORT}`, databaseUrl: postgres!.url,
      apiKey: config.MUSTER_API_KEY ?? keyFile(config.DATA_DIR, 'admin.key'), pids,
    };
    writeFileSync(path, `${JSON.stringify(runtime)}\n`, { mode: 0o600 });
    chmodSync(path, 0o600);
  };
  /** Again on the same port, so that everybody finds it. */
  const keepPostgres = async (port?: number): Promise<void> => {
    const running = await startPostgres(config.DATA_DIR, port);
    postgres = running;
    pids.postgres = running.pid;
    void running.exited.then(() => {
      if (stopping) return;
      console.error('Postgres has ended; it is started again.');
      keepPostgres(Number(new URL(running.url).port)).then(tell, fail);
    });
  };
  const keepBroker = async (port?: number): Promise<void> => {
    const running = await startKafkaBroker(config.DATA_DIR, port);
    broker = running;
    pids.broker = running.pid;
    void running.exited.then(() => {
      if (stopping) return;
      console.error('Kafka has ended; it is started again.');
      keepBroker(Number(running.brokers.split(':')[1])).then(tell, fail);
    });
  };
  const keepApp = (app: App): void => {
    const child = fork(fileURLToPath(new URL(`../apps/${app}/src/main.js`, import.meta.url)), {
      env: { ...process.env, DATABASE_URL: postgres!.url, KAFKA_BROKERS: broker!.brokers },
    });
    children.set(app, child);
    pids[app] = child.pid!;
    child.once('exit', (code) => {
      if (stopping) return;
      if (code === EXIT_USAGE) return void stop(EXIT_USAGE);
      console.error(`${app} has ended; it is started again.`);
      setTimeout(() => {
        if (stopping) return;
        keepApp(app);
        tell();
      }, RESTART_AFTER_MS);
    });
  };
  const ready = async (app: App): Promise<void> => {
    for (const since = performance.now(); performance.now() - since < READY_TIMEOUT_MS; ) {
      const response = await fetch(`http://127.0.0.1:${portOf[app]}/health/ready`).catch(() => null);
      await response?.arrayBuffer();
      if (response?.status === 200) return;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
    throw new Error(`${app} did not become ready within ${READY_TIMEOUT_MS / 1_000} s.`);
  };

  await Promise.all([keepPostgres(), keepBroker()]);
  await migrate(postgres!.url);
  // The keys are made before anybody else could make them.
  keyFile(config.DATA_DIR, 'master.key');
  for (const app of APPS) keepApp(app);
  tell();
  await Promise.all(APPS.map(ready));
  console.log(`
  Muster is ready: gateway, identity and admin are processes of their own, over Kafka.

    SCIM base URL   ${config.scimBaseUrl}
    Token           npm run -s cli -- directory show
`);
};

run().catch((error: Error) => {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1);
});
