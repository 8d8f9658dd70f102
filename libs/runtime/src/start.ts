import { parse as parseQuery } from 'node:querystring';
import { setTimeout as pause } from 'node:timers/promises';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyServerOptions } from 'fastify';
import type { Config } from './config.js';
import { limitConnections } from './http-limits.js';
import { createLogger, type Logger } from './logger.js';
import { PRIVATE_UMASK } from './private-folder.js';
import { outliveReaders, sayEnd, sayError, sayStart } from './say.js';
import { EXIT_USAGE, isUsageError, UsageError } from './usage-error.js';

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
/** How often Node looks for requests that take too long. */
const CONNECTIONS_CHECK_MS = 1_000;
/**
 * The bytes of request line and headers together, of which Node reads no more: no part of a path has to be refused for
 * its length.
 */
export const MAX_HEADER_BYTES = 16_384;

/** A part that runs beside the module of a service: a log and the like. */
export interface Part {
  /** The name by which an operator knows it. */
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The reason why it cannot serve, in words that everybody may read; null = it can. */
  unready(): string | null | Promise<string | null>;
}

/** A Nest application that listens on a port of its own. */
export interface Face {
  readonly module: DynamicModule;
  /** 0 = one that is free. */
  readonly port: number;
  /** The address; without it, HOST. */
  readonly host?: string;
  /** Makes the transport once the module's providers exist; a gateway has none. */
  readonly transport?: (app: NestFastifyApplication) => CustomTransportStrategy;
  readonly prepare?: (app: NestFastifyApplication) => void;
  /**
   * Answers requests that no route ever sees: those that are not HTTP, not all there in time, or whose path cannot be
   * decoded.
   */
  readonly unreadable?: Pick<FastifyServerOptions, 'frameworkErrors' | 'clientErrorHandler'>;
}

export interface ServiceOptions extends Face {
  readonly config: Config;
  /**
   * The parts are started together, and the last one is stopped first: a log works on its database until it has
   * stopped.
   */
  readonly parts: readonly Part[];
  /** A second face of the process, for others than those who reach the first port. */
  readonly beside?: Face;
  /**
   * Runs with the first application, and the one beside it, when everything else works; nobody is answered before it is
   * done: a directory without its token was shown otherwise.
   */
  readonly begin?: (app: NestFastifyApplication, beside?: NestFastifyApplication) => Promise<void>;
}

export interface Service {
  readonly app: NestFastifyApplication;
  /** The port that it listens on. */
  readonly port: number;
  /** The port of the face beside it; where there is none, the same. */
  readonly besidePort: number;
  stop(): Promise<void>;
}

/**
 * Starts one Nest application, or two, each with `/health/live` and `/health/ready`: 200 only when it can really serve.
 */
export const startService = async (options: ServiceOptions): Promise<Service> => {
  const { config, parts } = options;
  let stopping = false;
  const isStopping = (): boolean => stopping;
  const faces = options.beside ? [options, options.beside] : [options];
  const apps: NestFastifyApplication[] = [];
  const unready = askedOnce(() => unreadyOf(parts));
  for (const face of faces) apps.push(await makeApp(face, config, unready, isStopping));
  for (const app of apps) await app.startAllMicroservices();
  await Promise.all(parts.map((part) => part.start()));
  if (options.begin) {
    await untilReady(parts);
    await options.begin(apps[0]!, apps[1]);
  }
  for (const [index, { port, host = config.HOST }] of faces.entries()) {
    await apps[index]!.listen(port, host).catch((error: NodeJS.ErrnoException) => {
      // The name of a host is looked up before anything listens.
      if (error.syscall !== 'getaddrinfo') throw error;
      throw new UsageError(
        `${index === 0 ? 'HOST' : 'ADMIN_HOST'} is ${host}, and this machine knows no address of that name (${error.code}).`,
      );
    });
  }
  const [port, besidePort = port] = apps.map((app) => (app.getHttpServer().address() as { port: number }).port);
  return {
    app: apps[0]!,
    port: port!,
    besidePort: besidePort!,
    stop: async () => {
      stopping = true;
      await Promise.all(apps.map((app) => app.close()));
      for (const part of parts.toReversed()) await part.stop();
    },
  };
};

const makeApp = async (
  face: Face,
  config: Config,
  unready: () => Promise<readonly Unready[]>,
  isStopping: () => boolean,
): Promise<NestFastifyApplication> => {
  const adapter = new FastifyAdapter({
    ...face.unreadable,
    bodyLimit: config.MAX_BODY_BYTES,
    keepAliveTimeout: 65_000,
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    // A base URL that was pasted with a slash at its end makes paths such as v2//Users; at Entra a 404 to them means
    // quarantine.
    routerOptions: {
      maxParamLength: MAX_HEADER_BYTES,
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      querystringParser: unreadQuery,
    },
    // Node takes the shorter time for the headers alone and lets a body come as long as the other one, were they not
    // the same.
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: config.REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(face.module, adapter, {
    logger: false,
    bodyParser: false,
  });
  limitConnections(app, {
    maxConnections: config.MAX_CONNECTIONS,
    maxConnectionsPerAddress: config.MAX_CONNECTIONS_PER_ADDRESS,
    sendTimeoutMs: config.SEND_TIMEOUT_MS,
  });
  face.prepare?.(app);
  const fastify = app.getHttpAdapter().getInstance();
  // The server waits for connections that a client keeps open, up to keepAliveTimeout: none is kept after its answer.
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (isStopping()) void reply.header('connection', 'close');
    done();
  });
  fastify.addHook('preParsing', (request, _reply, _body, done) => {
    request.query = parseQuery(request.query as string, '&', '=', { maxKeys: 0 });
    done();
  });
  fastify.get('/health/live', () => ({ status: 'ok' }));
  fastify.get('/health/ready', async (_request, reply) => {
    const notReady = await unready();
    if (notReady.length === 0) return { status: 'ok' };
    return reply.status(503).send({ status: 'unavailable', notReady });
  });
  if (face.transport) app.connectMicroservice({ strategy: face.transport(app) });
  return app;
};

/**
 * The query as a text, which is read when somebody has been let in: 12 kB of names take 0.4 ms, and whoever had no
 * token made everybody wait for 200 ms with 256 of them at once.
 */
const unreadQuery = (text: string): never => text as never;

interface Unready {
  readonly part: string;
  readonly reason: string;
}

/**
 * One answer for all who ask while it is being found: nobody has to be known to ask, and a thousand questions would
 * take all connections of the database.
 */
const askedOnce = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | null = null;
  return () => (answer ??= ask().finally(() => (answer = null)));
};

const unreadyOf = async (parts: readonly Part[]): Promise<readonly Unready[]> => {
  const reasons = await Promise.all(parts.map(async (part) => part.unready()));
  return parts.flatMap(({ name }, index) => (reasons[index] === null ? [] : [{ part: name, reason: reasons[index]! }]));
};

/**
 * A consumer of a new group takes seconds to join it: a command that is sent before may be too late when it is read.
 */
const untilReady = async (parts: readonly Part[]): Promise<void> => {
  for (const since = performance.now(); ; await pause(READY_POLL_MS)) {
    const notReady = await unreadyOf(parts);
    if (notReady.length === 0) return;
    if (performance.now() - since > READY_TIMEOUT_MS) {
      const reasons = notReady.map(({ part, reason }) => `${part} (${reason})`);
      throw new Error(`Not ready after ${READY_TIMEOUT_MS / 1_000} s: ${reasons.join(', ')}.`);
    }
  }
};

const cannotListen = ({ code, port, message }: NodeJS.ErrnoException & { port?: number }): UsageError => {
  // The program that starts the processes of an installation sets all of them.
  const setting =
    ['ADMIN_PORT', 'HEALTH_PORT', 'DIRECTORY_HEALTH_PORT', 'GROUP_HEALTH_PORT'].find(
      (name) => process.env[name] === String(port),
    ) ?? 'PORT';
  return new UsageError(
    code === 'EADDRINUSE'
      ? `Port ${port} is taken. Stop what uses it, or set ${setting} to another one.`
      : // An address that is not this machine's, or a port below 1024 as a normal user.
        `Muster cannot serve there: ${message}. Set ${setting === 'ADMIN_PORT' ? 'ADMIN_HOST' : 'HOST'} and ${setting} to others.`,
  );
};

/**
 * Runs a service: stops it on SIGTERM and SIGINT, and ends it with its parent. Its output is JSON lines, also what Node
 * would say itself; a usage error is one line and exit code 64.
 */
export const runProcess = (name: string, start: (logger: Logger) => Promise<{ stop(): Promise<void> }>): void => {
  process.umask(PRIVATE_UMASK);
  outliveReaders();
  const end = (code: number, reason: string): never => {
    sayEnd(name, reason);
    return process.exit(code);
  };
  // It may be gone already, before this process had loaded its modules.
  if (process.connected === false) end(1, 'its parent has ended');
  process.once('disconnect', () => end(1, 'its parent has ended'));
  let failed = false;
  const fail = (error: unknown): void => {
    if (failed) return;
    failed = true;
    const cause =
      (error as NodeJS.ErrnoException).syscall === 'listen' ? cannotListen(error as NodeJS.ErrnoException) : error;
    const isUsage = isUsageError(cause);
    sayError(name, cause, isUsage);
    process.exit(isUsage ? EXIT_USAGE : 1);
  };
  process.on('uncaughtException', fail);
  let stop = async (): Promise<void> => undefined;
  // The process listens to signals from the beginning: the first process of a container is deaf to signals that it does
  // not ask for, also while it waits.
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void stop().finally(() => end(0, signal)));
  const run = async (): Promise<void> => {
    // The level is checked before there is a logger, which takes one of them.
    const logger = createLogger(name);
    process.removeAllListeners('warning').on('warning', ({ name: kind, message }) => logger.warn({ kind }, message));
    const service = await start(logger);
    stop = () => service.stop();
  };
  sayStart(name);
  run().catch(fail);
};

/** Is called for a consumer that does not come back by itself: the process ends, and its supervisor starts it again. */
export const endWith =
  (logger: Logger) =>
  (error: Error): never => {
    logger.fatal(
      { error: error.message, stack: error.stack },
      'a consumer died; the process ends and is started again',
    );
    return process.exit(1);
  };
