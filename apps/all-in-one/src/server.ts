import 'reflect-metadata';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '#event-store';
import { createLogger, readConfig, runProcess, UsageError } from '#runtime';
import { startServer } from './server.module.js';

/** The child of main.ts: all services in one process. */
runProcess(async () => {
  const config = readConfig(process.env);
  const ownerUrl = config.DATABASE_URL;
  if (!ownerUrl) throw new UsageError('DATABASE_URL is missing; npm start sets it.');
  await migrate(ownerUrl);
  const server = await startServer(config, ownerUrl, createLogger('muster'));
  const runtime = join(config.DATA_DIR, 'runtime.json');
  const url = `http://127.0.0.1:${server.port}`;
  const pids = { server: process.pid, postgres: Number(process.env.POSTGRES_PID) || undefined };
  writeFileSync(runtime, `${JSON.stringify({ url, adminUrl: url, apiKey: server.apiKey, databaseUrl: ownerUrl, pids })}\n`, { mode: 0o600 });
  chmodSync(runtime, 0o600);
  const { scimBaseUrl, token, name } = server.directory;
  process.send?.({ ready: { scimBaseUrl, token, name, isNew: server.isNew } });
  return server;
});
