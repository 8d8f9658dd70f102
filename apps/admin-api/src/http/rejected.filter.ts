import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LogUnavailable } from '#log';
import { isDatabaseAway, isUnreadable, logAway, type Logger } from '#runtime';
import { errorBody, errorStatus, Rejected } from '#scim';
import { LOGGER } from '../injected.js';
import { CHALLENGE } from './api-key.guard.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * The admin API answers errors in the shape of SCIM's too: one shape for one installation. Its controllers name this
 * filter, so that it is in force wherever they run; in a process of its own it also answers for paths that are not
 * there.
 */
@Catch()
export class RejectedFilter implements ExceptionFilter {
  private readonly logAway: (error: Error) => void;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {
    this.logAway = logAway(logger);
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const { code, detail } = this.rejected(error);
    const status = errorStatus(code);
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (status === 401) void reply.header('www-authenticate', CHALLENGE);
    if (status === 503 || status === 429) void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
    void reply.status(status).send(errorBody(code, detail));
  }

  private rejected(error: unknown): Rejected {
    if (error instanceof Rejected) return error;
    if (error instanceof LogUnavailable)
      return new Rejected('unavailable', 'The message log or the database is away. Try again.');
    if (isUnreadable(error))
      return new Rejected(
        'tooMany',
        'The group contains more groups, directly and through others, than are read at once. Ask for the members of the groups in it.',
      );
    const status =
      error instanceof HttpException ? error.getStatus() : ((error as { statusCode?: number }).statusCode ?? 500);
    if (status === 404) return new Rejected('notFound', 'There is nothing at this path of the admin API.');
    if (status === 413) return new Rejected('tooLarge', 'The body is larger than the limit of this server.');
    if (status === 415) return new Rejected('unsupportedMediaType', 'Send application/json.');
    if (status === 429) return new Rejected('tooManyRequests', (error as Error).message);
    if (status < 500) return new Rejected('invalidSyntax', (error as Error).message);
    if (isDatabaseAway(error)) this.logAway(error as Error);
    else
      this.logger.error(
        { error: String(error), code: (error as { code?: string }).code },
        'request of the admin API failed',
      );
    return isDatabaseAway(error)
      ? new Rejected('unavailable', 'The database is away. Try again.')
      : new Rejected('internal', 'The admin API failed to answer; the reason is in its log.');
  }
}
