import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { errorBody, errorStatus, Rejected } from '#scim';
import { isDatabaseAway, isTimeOut, type Logger } from '#runtime';

export const SCIM_MEDIA_TYPE = 'application/scim+json; charset=utf-8';
const RETRY_AFTER_SECONDS = 1;

/** Every error leaves as a SCIM error (RFC 7644 §3.12); stack traces, SQL and tokens never leave. */
@Catch()
export class ScimErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger, private readonly maxBodyBytes: number) {}

  catch(error: unknown, host: ArgumentsHost): void {
    this.send(error, host.switchToHttp().getResponse<FastifyReply>());
  }

  send(error: unknown, reply: FastifyReply): void {
    const { code, detail } = this.rejected(error);
    const status = errorStatus(code);
    if (status === 503 || status === 429) void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
    void reply.status(status).header('content-type', SCIM_MEDIA_TYPE).send(errorBody(code, detail));
  }

  private rejected(error: unknown): Rejected {
    if (error instanceof Rejected) return error;
    const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
    const status = error instanceof HttpException ? error.getStatus() : statusCode;
    if (status === 404) return new Rejected('notFound', 'There is nothing at this path. The SCIM base path is /api/scim/v2.');
    if (status === 413) {
      return new Rejected('tooLarge', `The body is longer than ${this.maxBodyBytes} bytes, the limit of this server (MAX_BODY_BYTES).`);
    }
    if (status === 415) return new Rejected('unsupportedMediaType', 'Send application/scim+json or application/json.');
    if (status === 400) return new Rejected('invalidSyntax', message ?? 'The request cannot be read.');
    this.logger.error({ error: String(error), code }, 'request failed');
    if (isTimeOut(error)) return new Rejected('unavailable', 'The database took longer than a query may take (QUERY_TIMEOUT_MS). Send the request again.');
    return isDatabaseAway(error)
      ? new Rejected('unavailable', 'The database is away. Send the request again.')
      : new Rejected('internal', 'The server failed to answer this request; the reason is in its log.');
  }
}
