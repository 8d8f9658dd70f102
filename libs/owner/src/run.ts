import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import { kindsOf, commandsOf, outcomesViewOf, roleOf } from '#contracts';
import {
  connectDatabase,
  databasePart,
  findOutcomes,
  keySeal,
  openMasterKey,
  roleSeal,
  watchLanes,
} from '#event-store';
import { answerQuestions, logPart, Questions, RequestReply, type Log } from '#log';
import {
  apiKeyOf,
  commandLineKeyOf,
  masterKeySource,
  Pace,
  startService,
  type AnswerListener,
  type Config,
  type HttpApplication,
  type HttpErrors,
  type Logger,
  type Part,
} from '#runtime';
import type { OwnerDefinition, OwnerTools, Secret } from './definition.js';
import { tellAnswers } from './answered-requests.js';
import type { FaceDefinition, FaceParts, FaceTools } from './face.js';
import { openLogs } from './logs.js';
import { NOT_ANSWERED, runOwner } from './run-owner.js';
import { RequestsToTell } from './told-requests.js';

export interface RunOptions {
  readonly config: Config;
  /** The owners and faces that this process runs. */
  readonly owners: readonly OwnerDefinition[];
  readonly faces: readonly FaceDefinition[];
  /** The URL with which a service connects as its own role. */
  readonly urlOf: (service: string) => string;
  readonly logger: Logger;
}

export interface Running {
  /** Each face, by its name. */
  readonly faces: ReadonlyMap<string, RunningFace>;
  /** The log of the first owner or face. On the Postgres log there is one for all. */
  readonly log: Log;
  stop(): Promise<void>;
}

export interface RunningFace {
  readonly app: NestFastifyApplication;
  /** The port that it listens on. */
  readonly port: number;
  /** The value that it returned when it began. */
  readonly begun: unknown;
}

/** A process without a face answers questions for its health alone. */
@Module({})
class HealthModule {}

@Module({})
class FacesModule {
  static with(imports: DynamicModule[]): DynamicModule {
    return { module: FacesModule, imports };
  }
}

/** Runs owners and faces in this process, on a migrated database. */
export const run = async (options: RunOptions): Promise<Running> => {
  const { config, owners, faces, urlOf, logger } = options;
  const parts = [...owners, ...faces];
  const databases = new Map<string, Pool>();
  for (const { name } of parts) {
    const { DATABASE_POOL_CONNECTIONS: poolConnections, QUERY_TIMEOUT_MS: queryTimeoutMs } = config;
    databases.set(name, await connectDatabase(urlOf(name), roleOf(name), { poolConnections, queryTimeoutMs }));
  }
  const pool = (name: string): Pool => databases.get(name)!;
  const keyReader = parts.find(({ secrets }) => secrets?.includes('MASTER_KEY'));
  const opened = keyReader && (await openMasterKey(pool(keyReader.name), masterKeySource(config)));
  const secretsOf = ({
    name,
    secrets,
  }: (typeof parts)[number]): Pick<
    OwnerTools & FaceTools,
    'masterKey' | 'masterSeal' | 'apiKey' | 'commandLineKey'
  > => {
    const requireNamed = (secret: Secret): void => {
      if (!secrets?.includes(secret)) throw new Error(`${name} does not name ${secret} among its secrets.`);
    };
    return {
      masterKey: () => (requireNamed('MASTER_KEY'), opened!),
      masterSeal: () => (requireNamed('MASTER_KEY'), keySeal(opened!)),
      apiKey: () => (requireNamed('MUSTER_API_KEY'), apiKeyOf(config)),
      // A process with some of the owners and faces alone may have no folder.
      commandLineKey: () => (
        requireNamed('MUSTER_CLI_KEY'),
        config.RUN && config.MUSTER_CLI_KEY === undefined ? null : commandLineKeyOf(config)
      ),
    };
  };
  const watch = watchLanes(config.LANE_STANDSTILL_AFTER_SECONDS, logger);
  const logs = openLogs({ ...options, watch, pool });
  const pace = new Pace();
  const requests: RequestReply[] = [];
  const jobs = owners.map((owner) => {
    const { name } = owner;
    const log = logs.get(name)!;
    return runOwner(
      owner,
      {
        config,
        pool: pool(name),
        logger,
        watch,
        send: (messages) => log.publish(commandsOf(name), messages),
        ...secretsOf(owner),
      },
      log,
    );
  });
  const made = faces.map((face): readonly [FaceDefinition, FaceParts] => {
    const { name } = face;
    const mine = new Map(
      face.sendsTo.map((owner) => [
        owner,
        new RequestReply(logs.get(name)!, {
          owner,
          // On the Postgres log hearing costs nothing.
          lookupAfterMs: !config.kafka || face.hears.includes(owner) ? config.OUTCOME_LOOKUP_AFTER_MS : null,
          timeoutMs: config.COMMAND_EXPIRES_AFTER_MS,
          lookup: (commandIds) => findOutcomes(pool(name), outcomesViewOf(owner), commandIds),
        }),
      ]),
    );
    requests.push(...mine.values());
    return [
      face,
      face.make({
        config,
        pool: pool(name),
        logger,
        pace,
        requests: (owner) => mine.get(owner)!,
        dryRuns: new Questions(logs.get(name)!, 'dry-run', face.asks ?? [], config.COMMAND_EXPIRES_AFTER_MS),
        replays: new Questions(
          logs.get(name)!,
          'replay',
          face.replaysThrough === undefined ? [] : [face.replaysThrough],
          config.COMMAND_EXPIRES_AFTER_MS,
        ),
        answerQuestions: (kind, answer) => {
          if (!kindsOf(face).includes(kind)) throw new Error(`${name} does not say that it answers a ${kind}.`);
          answerQuestions(logs.get(name)!, kind, name, answer, (error, { correlationId }) =>
            logger.warn({ error: String(error), correlationId }, NOT_ANSWERED),
          );
        },
        seal: (purpose) => roleSeal(urlOf(name), roleOf(name), purpose),
        ...secretsOf(face),
      }),
    ];
  });
  const told = new Map(
    faces.flatMap(({ name, tells }) =>
      tells === undefined
        ? []
        : [[name, new RequestsToTell({ log: logs.get(name)!, owner: tells, face: name, logger })]],
    ),
  );
  const doors = doorsOf(config, made, told);
  const begun = new Map<string, unknown>();
  const begins = made.some(([, { begin }]) => begin);
  const service = await startService({
    config,
    applications: doors.map(({ application }) => application),
    parts: [...databaseParts(databases), ...logParts(logs), watch, ...jobs, ...told.values()],
    ...(begins && {
      begin: async (apps) => {
        for (const [index, { faces: behind }] of doors.entries())
          for (const [{ name }, { begin }] of behind) begun.set(name, await begin?.(apps[index]!));
      },
    }),
  });
  return {
    faces: new Map(
      doors.flatMap(({ faces: behind }, index) =>
        behind.map(([{ name }]) => [name, { ...service.served[index]!, begun: begun.get(name) }] as const),
      ),
    ),
    log: logs.values().next().value!,
    stop: async () => {
      // Answers that are under way are given first.
      await service.stop();
      for (const request of requests) request.stop();
      await Promise.all([...databases.values()].map((database) => database.end()));
    },
  };
};

interface DoorOfFaces {
  readonly application: HttpApplication;
  readonly faces: readonly (readonly [FaceDefinition, FaceParts])[];
}

/**
 * Each face is an application of its own: whatever a proxy sends to the port of one, no route there leads to another.
 * Faces that are given the same port share one.
 */
const doorsOf = (
  config: Config,
  made: readonly (readonly [FaceDefinition, FaceParts])[],
  told: ReadonlyMap<string, RequestsToTell>,
): readonly DoorOfFaces[] => {
  if (made.length === 0) {
    const { HOST: host, HEALTH_PORT: port } = config;
    return [{ application: { module: { module: HealthModule }, host, port }, faces: [] }];
  }
  // Port 0 is another one each time.
  const byPort = Map.groupBy(made, ([face]) => face.address(config).port || face);
  return [...byPort.values()].map((faces) => {
    const isAlone = faces.length === 1;
    return {
      faces,
      application: {
        ...faces[0]![0].address(config),
        module: isAlone ? faces[0]![1].module : FacesModule.with(faces.map(([, { module }]) => module)),
        prepare: (app) => faces.forEach(([, face]) => face.prepare(app)),
        errors: errorsOf(faces.map(([, face]) => face)),
        answers: answersOf(faces, told),
      },
    };
  });
};

const faceOf = (faces: readonly FaceParts[], path: string): FaceParts =>
  faces.find(({ basePaths }) => basePaths.some((base) => path.startsWith(`${base}/`))) ?? faces.at(-1)!;

/** Each face tells what came to its paths. */
const answersOf = (
  faces: readonly (readonly [FaceDefinition, FaceParts])[],
  told: ReadonlyMap<string, RequestsToTell>,
): AnswerListener => {
  const parts = faces.map(([, face]) => face);
  const telling = new Map(
    faces.flatMap(([{ name }, face]) => {
      const requests = told.get(name);
      return requests && face.told
        ? [[face, { requests, name: face.told.face, describe: face.told.describe }] as const]
        : [];
    }),
  );
  const last = parts.at(-1)!;
  return tellAnswers(
    (request, route) => telling.get(request ? faceOf(parts, route ?? writtenPath(request.url)) : last) ?? null,
  );
};

const errorsOf = (faces: readonly FaceParts[]): HttpErrors => {
  const last = faces.at(-1)!;
  return {
    send: (error, reply) =>
      faceOf(faces, reply.request.routeOptions.url ?? writtenPath(reply.request.url)).errors.send(error, reply),
    unread: (code) => last.errors.unread(code),
  };
};

/** The path as a route would see it, where it can be decoded. */
const writtenPath = (url: string): string => {
  const path = url.split('?')[0]!.replace(/\/{2,}/g, '/');
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
};

/** One of them tells whether the database answers; all of them are closed at the end. */
const databaseParts = (databases: ReadonlyMap<string, Pool>): readonly Part[] =>
  [...databases.values()].slice(0, 1).map((database) => databasePart(database));

/** A log that only one owner or face uses says whose it is. */
const logParts = (logs: ReadonlyMap<string, Log>): readonly Part[] => {
  const users = Map.groupBy(logs, ([, log]) => log);
  return [...users].map(([log, [first, ...more]]) =>
    logPart(log, logs.size > 1 && more.length === 0 ? first![0] : undefined),
  );
};
