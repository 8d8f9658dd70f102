import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { keepBody } from '#owner';

/**
 * Reads bodies as Fastify does by itself, and keeps what came for the record. The gateway, where it shares the port, has
 * a parser of its own for all.
 */
export const takeJson = (app: NestFastifyApplication): void => {
  const fastify = app.getHttpAdapter().getInstance();
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    keepBody(request, body as Buffer);
    void parse(request, body.toString(), done);
  });
};
