import { hash, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import type { DryDecision, DryRunRequest, DryRunResult, Message, Outcome, TokenRow } from '#contracts';
import type { DryRuns } from '#log';
import { CORRELATION_HEADER } from '#runtime';
import { CALLER_COLUMNS, callerOf, DIRECTORIES_AS_CALLERS, type KnownToken } from '../read/scim-tokens.queries.js';

/** Headers of an answer that say something about the request. */
const TOLD_HEADERS = ['content-type', 'etag', 'location', 'retry-after', 'allow'];
const REQUEST_TIMEOUT_MS = 15_000;

/** A dry run that is under way. */
export interface DryRun {
  /** In the place of a token of the directory. */
  readonly token: KnownToken;
  /** Asks the owner of a command what it would decide, in the place of sending it. */
  readonly ask: (command: Message) => Promise<Outcome>;
}

/**
 * Says what would become of a request: it is sent to the gateway itself, so that it takes the way of any other one, with
 * a token that is good for this one request. Where a command would be sent, its owner is asked what it would decide.
 */
export class SelfSentRequests {
  private app: NestFastifyApplication | null = null;
  /** Dry runs that are under way, by the hash of their token. */
  private readonly running = new Map<string, DryRun>();

  constructor(
    private readonly pool: Pool,
    private readonly dryRuns: DryRuns,
  ) {}

  /** Questions that come before this are not answered. */
  listensAt(app: NestFastifyApplication): void {
    this.app = app;
  }

  /** The dry run whose token this is. */
  of(tokenHash: string): DryRun | undefined {
    return this.running.size === 0 ? undefined : this.running.get(tokenHash);
  }

  async answer({ data, directory, correlationId }: Message): Promise<DryRunResult | null> {
    const token = directory === null ? null : await this.tokenOf(directory);
    if (!this.app || !token) return null;
    const decisions: (DryDecision & { readonly command: unknown })[] = [];
    const secret = randomBytes(32).toString('base64url');
    const tokenHash = hash('sha256', secret);
    this.running.set(tokenHash, {
      token,
      ask: async (command) => {
        const owner = command.type.startsWith('muster.group.') ? 'group' : 'identity';
        const decision = (await this.dryRuns.ask(owner, command)) as DryDecision;
        decisions.push({ command: (command.data as { readonly command: unknown }).command, ...decision });
        return decision.outcome;
      },
    });
    try {
      return { decisions, response: await this.send(data as DryRunRequest, secret, correlationId) };
    } finally {
      this.running.delete(tokenHash);
    }
  }

  private async send(
    { method, path, headers, body }: DryRunRequest,
    secret: string,
    correlationId: string,
  ): Promise<DryRunResult['response']> {
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

  private async tokenOf(directory: string): Promise<KnownToken | null> {
    const { rows } = await this.pool.query<Omit<TokenRow, 'expiresAt'>>(
      `SELECT ${CALLER_COLUMNS} FROM ${DIRECTORIES_AS_CALLERS} t WHERE id = $1`,
      [directory],
    );
    return rows[0] ? callerOf({ ...rows[0], expiresAt: null }, 'dry-run') : null;
  }
}
