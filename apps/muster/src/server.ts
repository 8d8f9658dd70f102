import '#first';
import 'reflect-metadata';
import { migrate, untilDatabaseAnswers } from '#event-store';
import { readConfig, runProcess, UsageError } from '#runtime';
import { startServer } from './server.module.js';
import { SHOW_TOKEN } from './show-token.js';

/** The child of main.ts: all services in one process. */
runProcess('muster', async (logger) => {
  const config = readConfig(process.env);
  const ownerUrl = config.DATABASE_URL;
  if (!ownerUrl) throw new UsageError('DATABASE_URL is missing; npm start sets it.');
  await untilDatabaseAnswers(ownerUrl, (reason) => logger.warn({ reason }, 'waiting for the database'));
  await migrate(ownerUrl, config.databaseRoles);
  const server = await startServer(config, ownerUrl, logger);
  const { isNew } = server;
  const { scimBaseUrl, token, name } =
    isNew || !process.argv.includes(SHOW_TOKEN) ? server.directory : await server.reveal();
  process.send?.({ ready: { scimBaseUrl, token, name, isNew } });
  return server;
});
