import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { MIN_API_KEY_CHARACTERS, UsageError } from '#runtime';
import { Rejected } from '#scim';

export const API_KEY = Symbol('key of the admin API');

/** The admin API takes the key of the installation as its bearer token. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(@Inject(API_KEY) private readonly apiKey: string) {
    if (apiKey.length < MIN_API_KEY_CHARACTERS) throw new UsageError(`The key of the admin API has less than ${MIN_API_KEY_CHARACTERS} characters.`);
  }

  canActivate(context: ExecutionContext): boolean {
    const { authorization = '' } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    const given = Buffer.from(authorization.replace(/^Bearer /i, ''));
    const wanted = Buffer.from(this.apiKey);
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return true;
    throw new Rejected('unauthorized', 'The admin API needs the key of this installation: DATA_DIR/admin.key or MUSTER_API_KEY.');
  }
}
