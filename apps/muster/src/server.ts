import '#first';
import 'reflect-metadata';
import { migrate, untilDatabaseAnswers } from '#event-store';
import { readConfig, runProcess, UsageError } from '#runtime';
import { SERVICES } from './owners.js';
import { startServer, startSome, whatToRun } from './server.module.js';
import { SHOW_TOKEN } from './show-token.js';

/**
 * The owners and faces that RUN names, as one process: the child of main.ts, which runs all of them, of npm run stack,
 * and the program of each container.
 */
runProcess(process.env.RUN || 'muster', async (logger) => {
  const config = readConfig(process.env);
  const names = whatToRun(config);
  const { DATABASE_URL: databaseUrl } = config;
  if (!databaseUrl) throw new UsageError('DATABASE_URL is missing: npm start and npm run stack set it.');
  if (names.length < SERVICES.length) return startSome(names, config, databaseUrl, logger);
  await untilDatabaseAnswers(databaseUrl, (reason) => logger.warn({ reason }, 'waiting for the database'));
  await migrate(databaseUrl, config.databaseRoles);
  const server = await startServer(config, databaseUrl, logger);
  const { isNew } = server;
  const { scimBaseUrl, token, name } =
    isNew || !process.argv.includes(SHOW_TOKEN) ? server.directory : await server.reveal();
  process.send?.({ ready: { scimBaseUrl, token, name, isNew } });
  return server;
});
