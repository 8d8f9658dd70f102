import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { roleOf } from '#contracts';
import { ownRoleUrl, roleUrl, untilMigrated } from '#event-store';
import type { Log } from '#log';
import { run, type Running } from '#owner';
import { commandLineKeyOf, UsageError, type Config, type Logger } from '#runtime';
import { Rejected } from '#scim';
import { adminApi } from '../../admin-api/src/admin-api.module.js';
import { BY_ITSELF } from '../../admin-api/src/http/asked.guard.js';
import { Tokens, type RevealedDirectory } from '../../admin-api/src/tokens/tokens.sender.js';
import { gateway } from '../../gateway/src/gateway.module.js';
import { signIn } from '../../sign-in/src/sign-in.module.js';
import { FACES, OWNERS, SERVICES } from './owners.js';

const EVERYTHING = SERVICES.map(({ name }) => name);

/** The names of the owners and faces that the setting RUN leaves to this process. Throws UsageError, in one line. */
export const whatToRun = ({ RUN, kafka }: Pick<Config, 'RUN' | 'kafka'>): readonly string[] => {
  if (!RUN) return EVERYTHING;
  const names = RUN.split(',');
  const unknown = names.find((name) => !EVERYTHING.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `RUN names "${unknown}": it takes ${EVERYTHING.join(', ')}, with commas and no space between.`,
    );
  const others = EVERYTHING.filter((name) => !names.includes(name));
  if (!kafka && others.length > 0) {
    throw new UsageError(
      `RUN leaves ${others.join(', ')} to other processes, and several processes need Kafka: set KAFKA_BROKERS, or leave RUN out.`,
    );
  }
  return EVERYTHING.filter((name) => names.includes(name));
};

/**
 * Runs some of the owners and faces, which others complete. A lone one is given the URL of its own role, and several
 * that of the owner of the database. Waits until somebody has migrated it.
 */
export const startSome = async (
  names: readonly string[],
  config: Config,
  databaseUrl: string,
  logger: Logger,
): Promise<Running> => {
  const urlOf = (service: string): string =>
    names.length === 1
      ? ownRoleUrl(databaseUrl, roleOf(service))
      : roleUrl(databaseUrl, roleOf(service), config.databaseRoles);
  await untilMigrated(urlOf(names[0]!), (reason) => logger.info({ reason }, 'waiting for the database'));
  const isNamed = ({ name }: { readonly name: string }): boolean => names.includes(name);
  return run({ config, owners: OWNERS.filter(isNamed), faces: FACES.filter(isNamed), urlOf, logger });
};

export interface Server {
  readonly app: NestFastifyApplication;
  /** That of the command line. */
  readonly apiKey: string;
  /** The first one, with its token where this start made it. */
  readonly directory: RevealedDirectory;
  readonly isNew: boolean;
  /** The ports of the gateway, the admin API and the sign-in. */
  readonly port: number;
  readonly adminPort: number;
  readonly signInPort: number;
  readonly log: Log;
  /** The first directory, with its token; who sees it is recorded. */
  reveal(): Promise<RevealedDirectory>;
  stop(): Promise<void>;
}

/**
 * All owners and faces in one process. `ownerUrl` is a migrated database; with KAFKA_BROKERS they talk over Kafka all
 * the same.
 */
export const startServer = async (config: Config, ownerUrl: string, logger: Logger): Promise<Server> => {
  const { faces, log, stop } = await run({
    config,
    owners: OWNERS,
    faces: FACES,
    urlOf: (service) => roleUrl(ownerUrl, roleOf(service), config.databaseRoles),
    logger,
  });
  const [scim, admin] = [faces.get(gateway.name)!, faces.get(adminApi.name)!];
  const begun = admin.begun as { readonly directory: RevealedDirectory; readonly isNew: boolean };
  return {
    app: scim.app,
    port: scim.port,
    adminPort: admin.port,
    signInPort: faces.get(signIn.name)!.port,
    apiKey: commandLineKeyOf(config),
    ...begun,
    log,
    reveal: () => admin.app.get(Tokens).revealOf(BY_ITSELF).catch(unlessForbidden(begun.directory)),
    stop,
  };
};

/** The tenant may have its tokens shown to nobody: that is no reason not to start. */
const unlessForbidden =
  (directory: RevealedDirectory) =>
  (error: unknown): RevealedDirectory => {
    if (error instanceof Rejected && error.code === 'forbidden') return directory;
    throw error;
  };
