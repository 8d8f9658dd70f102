import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LogUnavailable } from '#log';
import { isDatabaseAway, isTimeOut, logAway, NoSlot, type HttpErrors, type Logger } from '#runtime';
import { LOGGER } from '../injected.js';
import { OAuthError, oauthErrorBody } from '../oauth-error.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * Every error of the sign-in leaves in the shape of RFC 6749 §5.2; stack traces, SQL and secrets never leave. Its
 * controllers name it, because some of their paths are not below the one of the face.
 */
@Catch()
export class OAuthErrors implements ExceptionFilter, HttpErrors {
  private readonly logAway: ReturnType<typeof logAway>;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {
    this.logAway = logAway(logger);
  }

  catch(error: unknown, host: ArgumentsHost): void {
    this.send(error, host.switchToHttp().getResponse<FastifyReply>());
  }

  send(error: unknown, reply: FastifyReply): void {
    const told = this.told(error, reply.request.id);
    // RFC 6749 §5.2: a client that sent an Authorization header is told which scheme is taken.
    if (told.status === 401) void reply.header('www-authenticate', 'Basic realm="muster"');
    const retryAfterSeconds = told.status === 503 ? RETRY_AFTER_SECONDS : told.retryAfterSeconds;
    if (retryAfterSeconds !== null) void reply.header('retry-after', String(retryAfterSeconds));
    void reply
      .status(told.status)
      .header('cache-control', 'no-store')
      .header('pragma', 'no-cache')
      .send(oauthErrorBody(told));
  }

  unread(code: string): ReturnType<HttpErrors['unread']> {
    const [status, description] =
      code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'The request did not arrive in the time that it may take (REQUEST_TIMEOUT_MS). Send it again.']
        : [400, 'This is no HTTP request that can be read.'];
    const body = JSON.stringify(oauthErrorBody(new OAuthError('invalid_request', description as string)));
    return { status: status as number, mediaType: 'application/json', body };
  }

  private told(error: unknown, correlationId: string): OAuthError {
    if (error instanceof OAuthError) return error;
    if (error instanceof NoSlot) {
      return new OAuthError(
        'temporarily_unavailable',
        'Too many requests for tokens of this directory come at once. Send it again.',
      );
    }
    const { statusCode, message, code } = error as { statusCode?: number; message: string; code?: string };
    const status = error instanceof HttpException ? error.getStatus() : (statusCode ?? 500);
    if (status === 404) return new OAuthError('invalid_request', 'There is nothing at this path of the sign-in.', 404);
    if (status < 500) return new OAuthError('invalid_request', message, status);
    const isAway = isDatabaseAway(error) || isTimeOut(error) || error instanceof LogUnavailable;
    if (isAway) this.logAway(error as Error, correlationId);
    else this.logger.error({ error: String(error), code, correlationId }, 'request of the sign-in failed');
    return isAway
      ? new OAuthError('temporarily_unavailable', 'The database is away. Send the request again.')
      : new OAuthError('server_error', 'The sign-in failed to answer; the reason is in its log.');
  }
}
