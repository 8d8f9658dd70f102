import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Rejected } from '#scim';
import type { Caller } from '../caller.js';
import { NO_TOKEN } from '../credentials.js';

/** A request whose token has been accepted. */
export type ScimRequest = FastifyRequest & { caller: Caller };

/**
 * The token was accepted before the body was read (request-limits.guard.ts). It is checked again here, because the body may
 * have taken long to come.
 */
@Injectable()
export class ScimTokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const { caller } = context.switchToHttp().getRequest<FastifyRequest & Partial<ScimRequest>>();
    if (!caller) throw new Rejected('unauthorized', NO_TOKEN);
    return caller.requireToken()?.then(() => true) ?? true;
  }
}
