import { createHash, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LastUses } from '#owner';
import { MIN_API_KEY_CHARACTERS, UsageError, WrongCredentials } from '#runtime';
import { Rejected } from '#scim';
import { BOOTSTRAP_KEY } from '../injected.js';
import { KnownKeys, type KnownKey } from '../keys/known-keys.queries.js';
import { BOOTSTRAP, refusalOf, type ActingKey, type Need } from './acting-key.js';
import { OneTenant } from './one-tenant.queries.js';
import { AUDIT_BASE_PATH, BASE_PATH } from './version.js';

const NO_KEY =
  'The admin API needs a key: "Authorization: Bearer <key>". The command line reads it from MUSTER_API_KEY, or finds that of npm start in DATA_DIR.';
const UNKNOWN_KEY = 'The key is not known: check MUSTER_API_KEY, or make another one.';
const BEARER = /^Bearer +(\S+) *$/i;

/** A request whose key has been accepted. */
export type KeyedRequest = FastifyRequest & { key: ActingKey };

const NEEDS = Symbol('needs of a route');

/**
 * Each route of the admin API says which scope it needs: without this no key may use it. `tenant`: its handler keeps to
 * the `tenant` of its query or body, or to what the ids in its path name, which the guard has checked for a key of one
 * tenant. All else is `installation`.
 */
export const Needs = (scope: Need['scope'], of: Need['of'] = 'tenant', and?: Need['and']): MethodDecorator =>
  SetMetadata(NEEDS, { scope, of, ...(and && { and }) } satisfies Need);

/** The needs that the handler of a route has declared. */
export const needOf = (handler: () => unknown): Need | undefined => new Reflector().get(NEEDS, handler);

/** Lets in by key: it is looked up before the body is read, and its scopes are compared with what the route needs. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly bootstrapHash: Buffer;

  constructor(
    @Inject(BOOTSTRAP_KEY) bootstrapKey: string,
    private readonly keys: KnownKeys,
    private readonly wrong: WrongCredentials,
    private readonly oneTenant: OneTenant,
    private readonly uses: LastUses,
  ) {
    if (bootstrapKey.length < MIN_API_KEY_CHARACTERS)
      throw new UsageError(`The key of the admin API has less than ${MIN_API_KEY_CHARACTERS} characters.`);
    this.bootstrapHash = sha256(bootstrapKey);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<KeyedRequest>();
    // The body may have taken long to come, and the key may have been revoked meanwhile.
    await this.letIn(request, http.getResponse<FastifyReply>());
    const { key } = request;
    const refusal = refusalOf(needOf(context.getHandler() as () => unknown), key);
    if (refusal !== null) throw new Rejected('forbidden', refusal);
    if (key.tenant !== null) await this.oneTenant.confine(key.tenant, request);
    return true;
  }

  /** Notes in the request whose key it has. Throws Rejected: unauthorized, tooManyRequests. */
  async letIn(request: FastifyRequest & Partial<KeyedRequest>, reply: FastifyReply): Promise<void> {
    const text = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (text === undefined) throw new Rejected('unauthorized', NO_KEY);
    const hash = sha256(text);
    if (timingSafeEqual(hash, this.bootstrapHash)) {
      request.key = BOOTSTRAP;
      return;
    }
    const row = await this.keys.find(hash.toString('hex'));
    if (!row) throw this.unknown(request, reply);
    request.key = acting(row);
    this.uses.seen(row.id);
  }

  private unknown({ ip }: FastifyRequest, reply: FastifyReply): Rejected {
    const retryAfterSeconds = this.wrong.count(ip);
    if (retryAfterSeconds === null) return new Rejected('unauthorized', UNKNOWN_KEY);
    void reply.header('retry-after', String(retryAfterSeconds));
    return new Rejected(
      'tooManyRequests',
      `Too many keys that nobody knows came from this address (MAX_WRONG_CREDENTIALS_PER_MINUTE). A key that is known is let in all the same.`,
    );
  }
}

const acting = ({ id, name, scopes, tenant, status, expiresAt }: KnownKey): ActingKey => {
  if (status !== 'active')
    throw new Rejected('unauthorized', `The key "${name}" has been revoked. Use another one, or make one.`);
  if (expiresAt !== null && expiresAt.getTime() <= Date.now())
    throw new Rejected('unauthorized', `The key "${name}" expired on ${expiresAt.toISOString()}. Make another one.`);
  return { actor: `key:${id}`, name, scopes, tenant };
};

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Refuses whoever has no key before the body is read, on each route of the admin API. */
export const requireApiKeyFirst = (app: NestFastifyApplication): void => {
  const guard = app.get(ApiKeyGuard);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request, reply) => {
      const { url, config } = request.routeOptions;
      const isOurs = [BASE_PATH, AUDIT_BASE_PATH].some((path) => url?.startsWith(`${path}/`));
      if (isOurs && !config.withoutKey) await guard.letIn(request, reply);
    });
};
