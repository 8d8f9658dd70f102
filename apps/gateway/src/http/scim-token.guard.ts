import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DirectoryKind } from '#contracts';
import { Rejected, type Definitions } from '#scim';

/** The sender of a request, as its token says. */
export interface Caller {
  readonly tenant: string;
  readonly directory: string;
  /** The kind of the directory's identity provider. */
  readonly kind: DirectoryKind;
  readonly actor: string;
  /** Whether the directory also sees the users that nobody manages. */
  readonly seesUnmanaged: boolean;
  /** Whether it also sees local groups. */
  readonly seesLocalGroups: boolean;
  /** How long the body of the request is. */
  readonly bodyBytes: number;
  /** The attributes that users and groups of its tenant may have. */
  readonly definitions: Definitions;
  /**
   * Looks the token up again, when it is no longer remembered: for what goes on for long. undefined = it is remembered.
   * Throws Rejected(unauthorized).
   */
  readonly requireToken: () => Promise<unknown> | undefined;
}

/** A request whose token has been accepted. */
export type ScimRequest = FastifyRequest & { caller: Caller };

export const NO_TOKEN = 'A bearer token is required: "Authorization: Bearer <token>".';

/**
 * The token was accepted before the body was read (admission.guard.ts). Here it is again, after a body that may have
 * taken long to come.
 */
@Injectable()
export class ScimTokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const { caller } = context.switchToHttp().getRequest<FastifyRequest & Partial<ScimRequest>>();
    if (!caller) throw new Rejected('unauthorized', NO_TOKEN);
    return caller.requireToken()?.then(() => true) ?? true;
  }
}
