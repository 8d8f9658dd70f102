import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { errorBody, errorStatus, Rejected } from '#scim';
import { isDatabaseAway, isOver, isTimeOut, logAway, MAX_HEADER_BYTES, type HttpErrors, type Logger } from '#runtime';

/**
 * RFC 7644 §8.1 registers this media type without parameters, and JSON is always UTF-8. Some clients compare it letter
 * by letter.
 */
const SCIM_MEDIA_TYPE = 'application/scim+json';
/** RFC 8259 §11: this media type has no charset parameter either. */
const JSON_MEDIA_TYPE = 'application/json';
export const WRONG_TYPE = 'Send application/scim+json or application/json.';
const RETRY_AFTER_SECONDS = 1;

/** RFC 7644 §3.8: a client that accepts application/json alone gets that, every other one the media type of SCIM. */
export const mediaTypeFor = (accept = ''): string =>
  accept !== '' && /\bapplication\/json\b/i.test(accept) && !/\bapplication\/(?:scim\+json|\*)|\*\/\*/i.test(accept)
    ? JSON_MEDIA_TYPE
    : SCIM_MEDIA_TYPE;

/** Every error leaves as a SCIM error (RFC 7644 §3.12); stack traces, SQL and tokens never leave. */
export class ScimErrors implements HttpErrors {
  private readonly logAway: ReturnType<typeof logAway>;

  constructor(
    private readonly logger: Logger,
    private readonly maxBodyBytes: number,
  ) {
    this.logAway = logAway(logger);
  }

  send(error: unknown, reply: FastifyReply): void {
    const { code, detail } = this.rejected(error, reply);
    const status = errorStatus(code);
    if ((status === 503 || status === 429) && !reply.hasHeader('retry-after'))
      void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
    // It is sent as bytes: to a text Fastify would add a charset, which no hook removes where the request has no route.
    void reply
      .status(status)
      .header('content-type', mediaTypeFor(reply.request.headers.accept))
      .send(Buffer.from(JSON.stringify(errorBody(code, detail))));
  }

  unread(code: string): ReturnType<HttpErrors['unread']> {
    const { code: rejection, detail } = unread(code);
    return {
      status: errorStatus(rejection),
      mediaType: SCIM_MEDIA_TYPE,
      body: JSON.stringify(errorBody(rejection, detail)),
    };
  }

  private rejected(error: unknown, reply: FastifyReply): Rejected {
    if (error instanceof Rejected) return error;
    const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
    const status = error instanceof HttpException ? error.getStatus() : statusCode;
    if (status === 404)
      return new Rejected('notFound', 'There is nothing at this path. The SCIM base path is /api/scim/v2.');
    if (status === 413) {
      const { url, bodyLimit } = reply.request.routeOptions;
      if (url?.endsWith('/Bulk'))
        return new Rejected(
          'tooLarge',
          `The body is longer than the maxPayloadSize of ${bodyLimit} bytes (MAX_BULK_BODY_BYTES).`,
        );
      return new Rejected(
        'tooLarge',
        `The body is longer than ${this.maxBodyBytes} bytes, the limit of this server (MAX_BODY_BYTES).`,
      );
    }
    if (status === 415) return new Rejected('unsupportedMediaType', WRONG_TYPE);
    if (status === 429) return new Rejected('tooManyRequests', message!);
    if (code === 'FST_ERR_BAD_URL')
      return new Rejected(
        'invalidSyntax',
        'The path cannot be decoded: what follows a % must be two hexadecimal digits, and all of it UTF-8.',
      );
    if (status === 400) return new Rejected('invalidSyntax', message ?? 'The request cannot be read.');
    // The answer was given up because nobody is there to read it: a client could fill the log with this.
    if (code === 'ERR_STREAM_PREMATURE_CLOSE' && isOver(reply))
      return new Rejected('unavailable', 'The client has hung up.');
    const correlationId = reply.request.id;
    if (isTimeOut(error) || isDatabaseAway(error)) this.logAway(error as Error, correlationId);
    else this.logger.error({ error: String(error), code, correlationId }, 'request failed');
    if (isTimeOut(error))
      return new Rejected(
        'unavailable',
        'The database took longer than a query may take (QUERY_TIMEOUT_MS). Send the request again.',
      );
    return isDatabaseAway(error)
      ? new Rejected('unavailable', 'The database is away. Send the request again.')
      : new Rejected('internal', 'The server failed to answer this request; the reason is in its log.');
  }
}

/** The answer to what Node's HTTP parser refuses, before there is a request. */
const unread = (code: string): Rejected => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Rejected(
        'headersTooLarge',
        `Path, query and headers are longer than ${MAX_HEADER_BYTES} bytes together. Send a long filter with POST to /Users/.search (RFC 7644 §3.4.3).`,
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Rejected(
        'requestTimeout',
        'The request did not arrive in the time that it may take (REQUEST_TIMEOUT_MS). Send it again.',
      );
    default:
      return new Rejected(
        'invalidSyntax',
        'This is no HTTP request that can be read: is everything in its path percent-encoded, and its length right?',
      );
  }
};
