import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { MIN_API_KEY_CHARACTERS, UsageError } from '#runtime';
import { Rejected } from '#scim';
import { API_KEY } from '../injected.js';
import { BASE_PATH } from './version.js';

const NO_KEY = 'The admin API needs the key of this installation: DATA_DIR/admin.key or MUSTER_API_KEY.';

/** The admin API takes the key of the installation as its bearer token. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(@Inject(API_KEY) private readonly apiKey: string) {
    if (apiKey.length < MIN_API_KEY_CHARACTERS)
      throw new UsageError(`The key of the admin API has less than ${MIN_API_KEY_CHARACTERS} characters.`);
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.isOpenTo(context.switchToHttp().getRequest<FastifyRequest>())) return true;
    throw new Rejected('unauthorized', NO_KEY);
  }

  isOpenTo({ headers: { authorization = '' } }: FastifyRequest): boolean {
    const given = Buffer.from(authorization.replace(/^Bearer /i, ''));
    const wanted = Buffer.from(this.apiKey);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

/** Refuses whoever has no key before the body is read, on each route of the admin API. */
export const requireApiKeyFirst = (app: NestFastifyApplication): void => {
  const guard = app.get(ApiKeyGuard);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      const { url, config } = request.routeOptions;
      const isOpen = !url?.startsWith(`${BASE_PATH}/`) || config.withoutKey || guard.isOpenTo(request);
      done(isOpen ? undefined : new Rejected('unauthorized', NO_KEY));
    });
};
