import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keepBody } from '#owner';
import type { Logger } from '#runtime';
import { OAuthError } from '../oauth-error.js';
import { OAuthErrors } from './oauth-error.filter.js';

const FORM = 'application/x-www-form-urlencoded';
/** A form with the longest assertion has 20 kB. */
const MAX_FORM_BYTES = 32_768;
const IS_FORM = /^application\/x-www-form-urlencoded *(;|$)/i;

const isOurs = ({ routeOptions }: FastifyRequest): boolean => routeOptions.url?.startsWith('/oauth/') === true;

/**
 * The token endpoint takes forms alone (RFC 6749 §3.2), and short ones. What is wrong is said before the body is read,
 * in the words of OAuth: other faces that share the port speak their own.
 */
export const takeForms = (app: NestFastifyApplication, logger: Logger): void => {
  const filter = new OAuthErrors(logger);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRoute', (route) => {
    if (route.url.startsWith('/oauth/')) route.bodyLimit = MAX_FORM_BYTES;
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    const error = request.method === 'POST' && isOurs(request) ? unfit(request) : null;
    if (error) filter.send(error, close(reply));
    else done();
  });
  fastify.addContentTypeParser(FORM, { parseAs: 'string' }, (request, body, done) => {
    // To other faces on this port a form is a type that they do not take.
    if (isOurs(request)) {
      keepBody(request, Buffer.from(body), true);
      done(null, body);
    } else done(Object.assign(new Error('A form is not taken here.'), { statusCode: 415 }));
  });
};

const unfit = ({ headers }: FastifyRequest): OAuthError | null => {
  if (!IS_FORM.test(headers['content-type'] ?? ''))
    return new OAuthError('invalid_request', `Send a body of the type ${FORM}.`);
  if (headers['content-encoding'] !== undefined)
    return new OAuthError('invalid_request', 'Send the form as it is: no Content-Encoding is supported.');
  return Number(headers['content-length'] ?? 0) > MAX_FORM_BYTES
    ? new OAuthError('invalid_request', `The form is longer than ${MAX_FORM_BYTES} bytes.`, 413)
    : null;
};

/** The body that follows is not read. */
const close = (reply: FastifyReply): FastifyReply => reply.header('connection', 'close');
