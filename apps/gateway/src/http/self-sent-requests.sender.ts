import { hash, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import {
  isReplayablePath,
  type DryDecision,
  type DryRunRequest,
  type DryRunResult,
  type Message,
  type Outcome,
  type ReplayRequest,
  type ScimResponse,
  type TokenRow,
} from '#contracts';
import type { Questions } from '#log';
import { CORRELATION_HEADER } from '#runtime';
import { errorBody, errorStatus, Rejected } from '#scim';
import type { Replay } from '../caller.js';
import {
  CALLER_COLUMNS,
  callerOf,
  DIRECTORIES_AS_CALLERS,
  ofActiveDirectory,
  type KnownToken,
} from '../read/scim-tokens.queries.js';

/** Headers of an answer that say something about the request. */
const TOLD_HEADERS = ['content-type', 'etag', 'location', 'retry-after', 'allow'];
const REQUEST_TIMEOUT_MS = 15_000;
const WRITES: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** A request of this process to itself that is under way. */
export interface SelfSent {
  /** In the place of a token of the directory. */
  readonly token: KnownToken;
  /** Of a dry run: asks the owner of a command what it would decide, in the place of sending it. */
  readonly ask: ((command: Message) => Promise<Outcome>) | null;
  /** Of one that an administrator sends again. */
  readonly replay: Replay | null;
}

/**
 * Sends a request to the gateway itself, so that it takes the way of any other one, with a token that is good for this
 * one request. In a dry run, the owner of a command is asked what it would decide, where the command would be sent; in a
 * replay, the request is one of its directory but for the name under which it is recorded.
 */
export class SelfSentRequests {
  private app: NestFastifyApplication | null = null;
  /** Those that are under way, by the hash of their token. */
  private readonly running = new Map<string, SelfSent>();

  constructor(
    private readonly pool: Pool,
    private readonly dryRuns: Questions,
  ) {}

  /** Questions that come before this are not answered. */
  listensAt(app: NestFastifyApplication): void {
    this.app = app;
  }

  /** The request whose token this is. */
  of(tokenHash: string): SelfSent | undefined {
    return this.running.size === 0 ? undefined : this.running.get(tokenHash);
  }

  /** Says what would become of a request; null = nobody knows the directory. */
  async answerDryRun({ data, directory, correlationId }: Message): Promise<DryRunResult | null> {
    const token = directory === null ? null : await this.tokenOf(directory, 'dry-run');
    if (!this.app || !token) return null;
    const decisions: (DryDecision & { readonly command: unknown })[] = [];
    const ask = async (command: Message): Promise<Outcome> => {
      const owner = command.type.startsWith('muster.group.') ? 'group' : 'identity';
      const decision = (await this.dryRuns.ask(owner, command)) as DryDecision;
      decisions.push({ command: (command.data as { readonly command: unknown }).command, ...decision });
      return decision.outcome;
    };
    const response = await this.send(data as DryRunRequest, { token, ask, replay: null }, correlationId);
    return { decisions, response };
  }

  /**
   * Sends a request again as its directory; null = it is too late, or nobody knows the directory. Each process of the
   * gateway that hears the question does so: they send one command, and tell one record.
   */
  async answerReplay({ data, tenant, directory, correlationId }: Message): Promise<ScimResponse | null> {
    const asked = data as ReplayRequest;
    const { method, path, by, expiresAt } = asked;
    const token = directory === null ? null : await this.tokenOf(directory, by.actor);
    if (!this.app || token?.tenant !== tenant || Date.parse(expiresAt) <= Date.now()) return null;
    // Its sender has looked at it as well; whatever that sends, it leads to users and groups alone.
    if (!WRITES.includes(method) || !isReplayablePath(path))
      throw new Error(`${method} of a path that is no write of users or groups is not sent again`);
    try {
      ofActiveDirectory(token);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { code, detail } = error;
      return { status: errorStatus(code), headers: {}, body: errorBody(code, detail) };
    }
    return this.send(asked, { token, ask: null, replay: asked }, correlationId);
  }

  private async send(request: DryRunRequest, selfSent: SelfSent, correlationId: string): Promise<ScimResponse> {
    const secret = randomBytes(32).toString('base64url');
    const tokenHash = hash('sha256', secret);
    this.running.set(tokenHash, selfSent);
    try {
      return await this.fetch(request, secret, correlationId);
    } finally {
      this.running.delete(tokenHash);
    }
  }

  private async fetch(
    { method, path, headers, body }: DryRunRequest,
    secret: string,
    correlationId: string,
  ): Promise<ScimResponse> {
    const { address, family, port } = this.app!.getHttpServer().address() as AddressInfo;
    const isAny = address === '0.0.0.0' || address === '::';
    const host = isAny ? 'localhost' : family === 'IPv6' ? `[${address}]` : address;
    const response = await fetch(`http://${host}:${port}/api/scim/v2${path}`, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: {
        ...headers,
        authorization: `Bearer ${secret}`,
        [CORRELATION_HEADER]: correlationId,
        ...(body === null ? {} : { 'content-type': 'application/scim+json' }),
      },
      ...(body === null ? {} : { body }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: Object.fromEntries(
        TOLD_HEADERS.flatMap((name) => {
          const value = response.headers.get(name);
          return value === null ? [] : [[name, value]];
        }),
      ),
      body: text === '' ? null : JSON.parse(text),
    };
  }

  private async tokenOf(directory: string, actor: string): Promise<KnownToken | null> {
    const { rows } = await this.pool.query<Omit<TokenRow, 'expiresAt'>>(
      `SELECT ${CALLER_COLUMNS} FROM ${DIRECTORIES_AS_CALLERS} t WHERE id = $1`,
      [directory],
    );
    return rows[0] ? callerOf({ ...rows[0], expiresAt: null }, actor) : null;
  }
}
