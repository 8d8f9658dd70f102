import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { errorBody, errorStatus, Rejected } from '#scim';
import { LogUnavailable } from '#log';

/** The admin API answers errors in the shape of SCIM's too: one shape for one installation. */
@Catch()
export class RejectedFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const { code, detail } = toRejected(error);
    void host.switchToHttp().getResponse<FastifyReply>().status(errorStatus(code)).send(errorBody(code, detail));
  }
}

const toRejected = (error: unknown): Rejected => {
  if (error instanceof Rejected) return error;
  if (error instanceof LogUnavailable) return new Rejected('unavailable', 'The message log or the database is away. Try again.');
  const status = error instanceof HttpException ? error.getStatus() : ((error as { statusCode?: number }).statusCode ?? 500);
  if (status === 404) return new Rejected('notFound', 'There is nothing at this path of the admin API.');
  if (status < 500) return new Rejected('invalidSyntax', (error as Error).message);
  return new Rejected('internal', 'The admin API failed to answer; the reason is in its log.');
};
