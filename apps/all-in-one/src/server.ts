import 'reflect-metadata';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '#event-store';
import { createLogger, readConfig, UsageError } from '#runtime';
import { startServer } from './server.module.js';

/** The child of main.ts: all services in one process. Ends when its parent does, and with code 64 when the user must act. */
const EXIT_USAGE = 64;

const run = async (): Promise<void> => {
  const config = readConfig(process.env);
  const logger = createLogger('muster');
  const ownerUrl = config.DATABASE_URL;
  if (!ownerUrl) throw new UsageError('DATABASE_URL is missing; npm start sets it.');
  await migrate(ownerUrl);
  const server = await startServer(config, ownerUrl, logger);
  const stop = (): void => void server.stop().finally(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', () => process.exit(1));
  const runtime = join(config.DATA_DIR, 'runtime.json');
  const url = `http://127.0.0.1:${server.port}`;
  const pids = { server: process.pid, postgres: Number(process.env.POSTGRES_PID) || undefined };
  writeFileSync(runtime, `${JSON.stringify({ url, adminUrl: url, apiKey: server.apiKey, databaseUrl: ownerUrl, pids })}\n`, { mode: 0o600 });
  chmodSync(runtime, 0o600);
  const { scimBaseUrl, token, name } = server.directory;
  process.send?.({ ready: { scimBaseUrl, token, name, isNew: server.isNew } });
};

run().catch((error: NodeJS.ErrnoException) => {
  if (error.code === 'EADDRINUSE') {
    console.error(`Port ${(error as { port?: number }).port} is taken. Stop what uses it, or choose another one: PORT=8090 npm start`);
    process.exit(EXIT_USAGE);
  }
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? EXIT_USAGE : 1);
});
