import { STATUS_CODES } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { setTimeout as pause } from 'node:timers/promises';
import { Catch, type ArgumentsHost, type DynamicModule, type ExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Config } from './config.js';
import { CORRELATION_HEADER, correlate, giveCorrelationBack } from './correlation.js';
import { limitConnections } from './http-limits.js';
import { createLogger, type Logger } from './logger.js';
import { PRIVATE_UMASK } from './private-folder.js';
import { outliveReaders, sayEnd, sayError, sayStart } from './say.js';
import { exitCodeOf, UsageError } from './usage-error.js';
import { uuidv7 } from './uuid.js';

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
/** The interval at which Node looks for requests that take too long. */
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
export interface HttpApplication {
  readonly module: DynamicModule;
  /** 0 = one that is free. */
  readonly port: number;
  readonly host: string;
  readonly prepare?: (app: NestFastifyApplication) => void;
  /** Left out = an application whose routes never fail. */
  readonly errors?: HttpErrors;
  /** Is told of each answer, as it is about to be sent. */
  readonly answers?: AnswerListener;
}

/** Neither of its methods may throw. */
export interface AnswerListener {
  answered(request: FastifyRequest, reply: FastifyReply, payload: unknown): void;
  /** Node could not make a request of what came from this address. */
  unread(refused: {
    readonly address: string;
    readonly correlationId: string;
    readonly status: number;
    readonly body: string;
  }): void;
}

/** The answers to what goes wrong, in the shape that the clients of an application know. */
export interface HttpErrors {
  /** Answers an error of a request: of its route, or because it has none, or cannot be read. */
  send(error: unknown, reply: FastifyReply): void;
  /**
   * The answer to what never becomes a request, because it is not HTTP or not all there in time; `code` is that of
   * Node.
   */
  unread(code: string): { readonly status: number; readonly mediaType: string; readonly body: string };
}

export interface ServiceOptions {
  readonly config: Config;
  readonly applications: readonly HttpApplication[];
  /**
   * The parts are started together, and the last one is stopped first: a log works on its database until it has
   * stopped.
   */
  readonly parts: readonly Part[];
  /**
   * Runs with the applications, in their order, when everything else works; nobody is answered before it is done: a
   * directory without its token was shown otherwise.
   */
  readonly begin?: (apps: readonly NestFastifyApplication[]) => Promise<void>;
}

export interface Service {
  /** In the order of the options. */
  readonly served: readonly {
    readonly app: NestFastifyApplication;
    /** The port that it listens on. */
    readonly port: number;
  }[];
  stop(): Promise<void>;
}

/**
 * Starts Nest applications, each with `/health/live` and `/health/ready`: 200 only when the process can really serve.
 */
export const startService = async ({ config, applications, parts, begin }: ServiceOptions): Promise<Service> => {
  let stopping = false;
  const isStopping = (): boolean => stopping;
  const apps: NestFastifyApplication[] = [];
  const unready = askedOnce(() => unreadyOf(parts));
  for (const application of applications) apps.push(await makeApp(application, config, unready, isStopping));
  for (const app of apps) await app.init();
  await Promise.all(parts.map((part) => part.start()));
  if (begin) {
    await untilReady(parts);
    await begin(apps);
  }
  for (const [index, { port, host }] of applications.entries()) {
    await apps[index]!.listen(port, host).catch((error: NodeJS.ErrnoException) => {
      // The name of a host is looked up before anything listens.
      if (error.syscall !== 'getaddrinfo') throw error;
      throw new UsageError(
        `${host === config.HOST ? 'HOST' : 'ADMIN_HOST'} is ${host}, and this machine knows no address of that name (${error.code}).`,
      );
    });
  }
  return {
    served: apps.map((app) => ({ app, port: (app.getHttpServer().address() as { port: number }).port })),
    stop: async () => {
      stopping = true;
      await Promise.all(apps.map((app) => app.close()));
      for (const part of parts.toReversed()) await part.stop();
    },
  };
};

const makeApp = async (
  application: HttpApplication,
  config: Config,
  unready: () => Promise<readonly Unready[]>,
  isStopping: () => boolean,
): Promise<NestFastifyApplication> => {
  const adapter = new FastifyAdapter({
    ...(application.errors && unreadable(application.errors, application.answers)),
    genReqId: correlate,
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
      // Its answer would be bare: the hook below refuses such a request.
      requireHostHeader: false,
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(application.module, adapter, {
    logger: false,
    bodyParser: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    giveCorrelationBack(request, reply);
    done(request.headers.host === undefined && request.raw.httpVersion === '1.1' ? NO_HOST : undefined);
  });
  limitConnections(app, {
    maxConnections: config.MAX_CONNECTIONS,
    maxConnectionsPerAddress: config.MAX_CONNECTIONS_PER_ADDRESS,
    sendTimeoutMs: config.SEND_TIMEOUT_MS,
  });
  if (application.errors) app.useGlobalFilters(new EveryError(application.errors));
  application.prepare?.(app);
  const { answers } = application;
  // The last of these hooks: one before it may refuse what was to be answered.
  if (answers)
    fastify.addHook('onSend', (request, reply, payload, done) => {
      answers.answered(request, reply, payload);
      done(null, payload);
    });
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
  return app;
};

@Catch()
class EveryError implements ExceptionFilter {
  constructor(private readonly errors: HttpErrors) {}

  catch(error: unknown, host: ArgumentsHost): void {
    this.errors.send(error, host.switchToHttp().getResponse<FastifyReply>());
  }
}

/** RFC 9112 §3.2: a server has to refuse it. */
const NO_HOST = Object.assign(new Error('A request of HTTP/1.1 needs the header Host (RFC 9112 §3.2).'), {
  statusCode: 400,
});

/** Answers requests that no route ever sees. */
const unreadable = (
  errors: HttpErrors,
  answers: AnswerListener | undefined,
): Pick<FastifyServerOptions, 'frameworkErrors' | 'clientErrorHandler'> => ({
  // Fastify runs no hooks for these.
  frameworkErrors: (error, request, given) => {
    const reply = given as unknown as FastifyReply;
    giveCorrelationBack(request as FastifyRequest, reply);
    const send = reply.send.bind(reply);
    reply.send = (payload) => {
      answers?.answered(request as FastifyRequest, reply, payload);
      return send(payload);
    };
    errors.send(error, reply);
  },
  clientErrorHandler: ({ code }, socket) => {
    if (code === 'ECONNRESET' || !socket.writable) return;
    const { status, mediaType, body } = errors.unread(code);
    const correlationId = uuidv7();
    answers?.unread({ address: socket.remoteAddress ?? '', correlationId, status, body });
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${CORRELATION_HEADER}: ${correlationId}\r\ncontent-type: ${mediaType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  },
});

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
  const setting = ['ADMIN_PORT', 'HEALTH_PORT'].find((name) => process.env[name] === String(port)) ?? 'PORT';
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
    const exitCode = exitCodeOf(cause);
    sayError(name, cause, exitCode !== undefined);
    process.exit(exitCode ?? 1);
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
