import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LogUnavailable } from '#log';
import {
  isDatabaseAway,
  isUnreadable,
  logAway,
  MAX_HEADER_BYTES,
  NoSlot,
  type HttpErrors,
  type Logger,
} from '#runtime';
import { errorStatus, Rejected, type RejectionCode } from '#scim';
import { AUDIT_BASE_PATH, BASE_PATH } from './version.js';
/** RFC 9457 §8: it has no parameters. */
const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** The body of an error answer of the admin API (RFC 9457 §3). */
interface Problem {
  /** One for each code: it can be compared, and leads nowhere. */
  readonly type: string;
  /** The words of HTTP for the status. */
  readonly title: string;
  readonly status: number;
  /** For people: what is wrong, and what to do. */
  readonly detail: string;
  /** The path that was asked for, without its query, which may name a person. */
  readonly instance: string;
  readonly code: RejectionCode;
}

const problemOf = (code: RejectionCode, detail: string, path: string): Problem => {
  const status = errorStatus(code);
  return {
    type: `urn:muster:problem:${code}`,
    title: STATUS_CODES[status]!,
    status,
    detail,
    instance: path.split('?')[0]!,
    code,
  };
};

/** RFC 9110 §11.6.1: the header is part of every 401. */
const CHALLENGE = 'Bearer realm="muster admin"';
const RETRY_AFTER_SECONDS = 1;

/** Every error of the admin API leaves as a problem (RFC 9457); stack traces, SQL and keys never leave. */
export class Problems implements HttpErrors {
  private readonly logAway: ReturnType<typeof logAway>;

  constructor(private readonly logger: Logger) {
    this.logAway = logAway(logger);
  }

  send(error: unknown, reply: FastifyReply): void {
    const { code, detail } = this.rejected(error, reply.request.id);
    const status = errorStatus(code);
    if (status === 401) void reply.header('www-authenticate', CHALLENGE);
    if ((status === 503 || status === 429) && !reply.hasHeader('retry-after'))
      void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
    // It is sent as bytes: to a text Fastify would add a charset.
    void reply
      .status(status)
      .header('content-type', PROBLEM_MEDIA_TYPE)
      .send(Buffer.from(JSON.stringify(problemOf(code, detail, reply.request.url))));
  }

  unread(nodeCode: string): ReturnType<HttpErrors['unread']> {
    const { code, detail } = unread(nodeCode);
    return {
      status: errorStatus(code),
      mediaType: PROBLEM_MEDIA_TYPE,
      body: JSON.stringify(problemOf(code, detail, '')),
    };
  }

  private rejected(error: unknown, correlationId: string): Rejected {
    if (error instanceof Rejected) return error;
    if (error instanceof LogUnavailable)
      return new Rejected('unavailable', 'The message log or the database is away. Try again.');
    if (error instanceof NoSlot)
      return new Rejected(
        'tooManyRequests',
        `Requests of this tenant before it take long: ${error.message}. Send fewer at once, and this one again.`,
      );
    if (isUnreadable(error))
      return new Rejected(
        'tooMany',
        'The group contains more groups, directly and through others, than are read at once. Ask for the members of the groups in it.',
      );
    const { code, message } = error as { code?: string; message?: string };
    const status =
      error instanceof HttpException ? error.getStatus() : ((error as { statusCode?: number }).statusCode ?? 500);
    if (status === 404)
      return new Rejected(
        'notFound',
        `There is nothing at this path of the admin API. What there is: ${BASE_PATH}/docs, and for auditors ${AUDIT_BASE_PATH}/docs.`,
      );
    if (status === 413) return new Rejected('tooLarge', 'The body is larger than the limit of this server.');
    if (status === 415) return new Rejected('unsupportedMediaType', 'Send application/json.');
    if (status === 429) return new Rejected('tooManyRequests', message!);
    if (code === 'FST_ERR_BAD_URL')
      return new Rejected(
        'invalidSyntax',
        'The path cannot be decoded: what follows a % must be two hexadecimal digits, and all of it UTF-8.',
      );
    if (status < 500) return new Rejected('invalidSyntax', message ?? 'The request cannot be read.');
    if (isDatabaseAway(error)) this.logAway(error as Error, correlationId);
    else this.logger.error({ error: String(error), code, correlationId }, 'request of the admin API failed');
    return isDatabaseAway(error)
      ? new Rejected('unavailable', 'The database is away. Try again.')
      : new Rejected('internal', 'The admin API failed to answer; the reason is in its log.');
  }
}

/** The answer to what Node's HTTP parser refuses, before there is a request. */
const unread = (code: string): Rejected => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Rejected(
        'headersTooLarge',
        `Path, query and headers are longer than ${MAX_HEADER_BYTES} bytes together.`,
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Rejected(
        'requestTimeout',
        'The request did not arrive in the time that it may take (REQUEST_TIMEOUT_MS). Send it again.',
      );
    default:
      return new Rejected('invalidSyntax', 'This is no HTTP request that can be read.');
  }
};
