import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT_USAGE, readConfig, startPostgres, UsageError, type PostgresProcess } from '#runtime';

/** `npm start`: keeps the embedded Postgres and the server process running, and tells how to connect. */

interface Ready {
  readonly scimBaseUrl: string;
  readonly token: string | null;
  readonly name: string;
  readonly isNew: boolean;
}

const FIRST_RESTART_AFTER_MS = 200;
const LAST_RESTART_AFTER_MS = 5_000;
/** A process that lived this long did not fail at its start. */
const HEALTHY_AFTER_MS = 2_000;

const banner = ({ scimBaseUrl, token, name, isNew }: Ready): string => `
  Muster is ready.${isNew ? ` It made a first directory, "${name}".` : ''}

    SCIM base URL   ${scimBaseUrl}
    Token           ${token ?? '(none that is active: make one with npm run cli -- token create)'}

  In Microsoft Entra ID: Enterprise applications > your application > Provisioning > Automatic.
  Paste the SCIM base URL as "Tenant URL" and the token as "Secret Token", then press "Test Connection".
`;

const run = async (): Promise<void> => {
  const config = readConfig(process.env);
  let stopping = false;
  let told = false;
  let postgres: PostgresProcess | null = null;
  let child: ChildProcess | null = null;
  let restartAfterMs = FIRST_RESTART_AFTER_MS;

  const keepPostgres = async (port?: number): Promise<string> => {
    const running = await startPostgres(config.DATA_DIR, port);
    postgres = running;
    void running.exited.then(() => {
      if (stopping) return;
      console.error('Postgres has ended; it is started again.');
      // On the same port, so that everybody finds it again.
      keepPostgres(Number(new URL(running.url).port)).catch(fail);
    });
    return running.url;
  };

  const keepServer = (databaseUrl: string): void => {
    const since = performance.now();
    child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), {
      env: { ...process.env, DATABASE_URL: databaseUrl, POSTGRES_PID: String(postgres?.pid ?? '') },
    });
    child.on('message', (message: { ready?: Ready }) => {
      if (message.ready && !told) console.log(banner(message.ready));
      told = true;
    });
    child.once('exit', (code) => {
      if (stopping) return;
      if (code === EXIT_USAGE) return void stop(EXIT_USAGE);
      restartAfterMs = performance.now() - since > HEALTHY_AFTER_MS ? FIRST_RESTART_AFTER_MS : Math.min(restartAfterMs * 2, LAST_RESTART_AFTER_MS);
      console.error(`The server process has ended; it is started again in ${restartAfterMs} ms.`);
      setTimeout(() => !stopping && keepServer(databaseUrl), restartAfterMs);
    });
  };

  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    const server = child;
    if (server && server.exitCode === null && server.signalCode === null) {
      const ended = new Promise<void>((done) => server.once('exit', () => done()));
      server.kill('SIGTERM');
      const timer = setTimeout(() => server.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    await (postgres as PostgresProcess | null)?.stop();
    process.exit(code);
  };
  const fail = (error: Error): void => {
    console.error(error instanceof UsageError ? error.message : error);
    void stop(1);
  };

  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));
  keepServer(config.DATABASE_URL ?? (await keepPostgres()));
};

run().catch((error: Error) => {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1);
});
