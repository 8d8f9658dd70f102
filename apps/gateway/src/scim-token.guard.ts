import { hash } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { schemasAsJson, TOKENS_VIEW, type DirectoryKind, type TokenRow } from '#contracts';
import { definitionsOf, Rejected, type Definitions } from '#scim';
import { GATEWAY_POOL } from './resource.queries.js';

/** Who sends a request, as its token says. */
export interface Caller {
  readonly tenant: string;
  readonly directory: string;
  /** What the identity provider of the directory is. */
  readonly kind: DirectoryKind;
  readonly actor: string;
  /** Whether the directory also sees the users that nobody manages (R17). */
  readonly seesUnmanaged: boolean;
  /** Whether it also sees local groups (R19). */
  readonly seesLocalGroups: boolean;
  /** How long the body of the request is; null = it does not say. */
  readonly bodyBytes: number | null;
  /** What users and groups of its tenant may have. */
  readonly definitions: Definitions;
}

/** A request whose token has been accepted. */
export type ScimRequest = FastifyRequest & { caller: Caller };

export const TOKEN_CACHE_MS = Symbol('TOKEN_CACHE_MS');
const MAX_CACHED_TOKENS = 10_000;

type Known = TokenRow & { readonly definitions: Definitions };

/** Turns the bearer token into tenant, directory and actor. Tokens are compared by hash and looked up anew after the cache time. */
@Injectable()
export class ScimTokenGuard implements CanActivate {
  private readonly cache = new Map<string, { readonly row: Promise<Known | null>; readonly sinceMs: number }>();

  constructor(
    @Inject(GATEWAY_POOL) private readonly pool: Pool,
    @Inject(TOKEN_CACHE_MS) private readonly cacheMs: number,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<ScimRequest>();
    const bearer = /^Bearer +([\w.~+/=-]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    const refuse = (detail: string, error?: string): never => {
      // RFC 6750 §3: the header is part of every 401.
      void http.getResponse<FastifyReply>().header('www-authenticate', `Bearer realm="muster"${error ? `, error="${error}"` : ''}`);
      throw new Rejected('unauthorized', detail);
    };
    if (!bearer) return refuse('A bearer token is required: "Authorization: Bearer <token>".');
    const row = await this.lookUp(hash('sha256', bearer));
    if (!row) return refuse('The token is not known. Copy the token of the directory anew.', 'invalid_token');
    if (row.status !== 'active') return refuse('The token has been revoked. Use another token of the directory.', 'invalid_token');
    if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) {
      return refuse(`The token expired on ${row.expiresAt.toISOString()}. Make a new one.`, 'invalid_token');
    }
    const { tenant, directory, kind, offerExistingUsers: seesUnmanaged, offerLocalGroups: seesLocalGroups, definitions } = row;
    const { 'content-length': length, 'transfer-encoding': pieces } = request.headers;
    const bodyBytes = length === undefined ? (pieces === undefined ? 0 : null) : Number(length);
    request.caller = { tenant, directory, kind, actor: `token:${row.id}`, seesUnmanaged, seesLocalGroups, definitions, bodyBytes };
    return true;
  }

  private lookUp(tokenHash: string): Promise<Known | null> {
    const nowMs = performance.now();
    const cached = this.cache.get(tokenHash);
    if (cached && nowMs - cached.sinceMs < this.cacheMs) return cached.row;
    const row = this.pool
      .query<TokenRow>({
        name: 'token-by-hash',
        text: `SELECT id, tenant, directory, kind, status, expires_at AS "expiresAt", offer_existing_users AS "offerExistingUsers",
          offer_local_groups AS "offerLocalGroups",
          ${schemasAsJson('= t.tenant')} AS schemas
          FROM ${TOKENS_VIEW} t WHERE hash = $1 LIMIT 1`,
        values: [tokenHash],
      })
      .then(({ rows: [found] }) => (found ? { ...found, definitions: definitionsOf(found.schemas) } : null));
    // A failed look-up is no answer: the next request tries again.
    row.catch(() => this.cache.delete(tokenHash));
    this.cache.delete(tokenHash);
    if (this.cache.size >= MAX_CACHED_TOKENS) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(tokenHash, { row, sinceMs: nowMs });
    return row;
  }
}

/**
 * For what anybody may read: RFC 7643 §5 wants the ways of authentication to be found without any. Whoever does send a token gets
 * to know when it is wrong, because some clients try a new one here.
 */
@Injectable()
export class OptionalTokenGuard implements CanActivate {
  constructor(private readonly tokens: ScimTokenGuard) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { authorization } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    return authorization === undefined || this.tokens.canActivate(context);
  }
}
