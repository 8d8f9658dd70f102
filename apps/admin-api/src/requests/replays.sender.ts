import { Inject, Injectable } from '@nestjs/common';
import { idMs, QUESTION_TYPES, type DryRunResult, type ReplayRequest, type ScimResponse } from '#contracts';
import type { Questions } from '#log';
import { isUuid, uuidv7 } from '#runtime';
import { Rejected } from '#scim';
import type { KeptRequest } from '../audit/asked-request.js';
import { NO_DIRECTORY, pathOf, unrepeatable, unsendable } from '../audit/replayable.js';
import { Replays, type LaterWrite } from '../audit/replays.queries.js';
import { Readings } from '../audit/readings.sender.js';
import type { Reader } from '../audit/reader.guard.js';
import { AskedRequests } from '../audit/requests.queries.js';
import { DirectoryDryRuns } from '../directories/dry-runs.sender.js';
import type { Asked } from '../http/asked.guard.js';
import { REPLAYS, REQUEST_KEEP_DAYS } from '../injected.js';

const DAY_MS = 86_400_000;
/** The rest is for the answer to come back. */
const SHARE_OF_SENDING = 4 / 5;

/** The answer to a request that is only tried. */
export interface DryReplay extends DryRunResult {
  /** Why it is not sent again as things are now; null = it may be. */
  readonly refusal: string | null;
  /** The last write of the same user or group that was done since: what it wrote may be overwritten. */
  readonly later: LaterWrite | null;
}

/** The answer to a request that was sent again. */
export interface SentReplay {
  /** Of the request as it was sent now. */
  readonly id: string;
  readonly replayOf: string;
  readonly tenant: string;
  readonly directory: string;
  readonly correlationId: string;
  readonly response: ScimResponse;
}

/** Sends requests that were refused again, as the directories that sent them. */
@Injectable()
export class SentAgain {
  constructor(
    private readonly requests: AskedRequests,
    private readonly replays: Replays,
    private readonly readings: Readings,
    private readonly dryRuns: DirectoryDryRuns,
    @Inject(REPLAYS) private readonly questions: Questions,
    @Inject(REQUEST_KEEP_DAYS) private readonly keepDays: number,
  ) {}

  /** Throws Rejected, or LogUnavailable when nobody answers. */
  async dryRun(reader: Reader, id: string): Promise<DryReplay> {
    const request = await this.sendable(reader, id);
    const { method, directory, body } = request;
    const facts = await this.replays.circumstances(request);
    if (!facts.directory) throw new Rejected('conflict', `This request cannot be tried. ${NO_DIRECTORY}`);
    await this.readings.record(reader, request.tenant, 'request', { id });
    const result = await this.dryRuns.send(directory!, request.tenant, {
      method: method === 'HEAD' ? 'GET' : method,
      path: pathOf(request)!,
      headers: conditionsOf(request),
      body,
      correlationId: reader.correlationId ?? uuidv7(),
    });
    return { ...result, refusal: unrepeatable(request, facts), later: await this.replays.laterWrite(request) };
  }

  /**
   * Sends a request once more. The answer of the gateway may refuse it again. Throws Rejected, or LogUnavailable when
   * nobody can say what became of it.
   */
  async send(
    asked: Asked,
    id: string,
    client: { readonly address: string; readonly userAgent: string | null },
  ): Promise<SentReplay> {
    const { key, reason, correlationId = uuidv7(), concerns, repeatable } = asked;
    const reader = { key, correlationId, ...(concerns && { concerns }) };
    const request = await this.sendable(reader, id);
    const facts = await this.replays.circumstances(request);
    // A repetition of this very request gets the answer of the first one.
    const refusal = unrepeatable(request, repeatable?.isKnown ? { ...facts, done: null } : facts);
    if (refusal !== null) throw new Rejected('conflict', `This request is not sent again. ${refusal}`);
    const { tenant, method, body } = request;
    const directory = request.directory!;
    // Its answer shows what the body says: nothing is sent unless that is recorded.
    await this.readings.record(reader, tenant, 'request', { id });
    const nowMs = Date.now();
    const question: ReplayRequest = {
      id: asked.newId(),
      replayOf: request.id,
      method,
      path: pathOf(request)!,
      headers: conditionsOf(request),
      body,
      by: { actor: key.actor, ...(reason === undefined ? {} : { reason }), ...client },
      commandId: repeatable?.newCommandId() ?? (await this.replays.commandId(request, facts.family)),
      ...(repeatable && { request: repeatable.request }),
      expiresAt: new Date(nowMs + this.questions.timeoutMs * SHARE_OF_SENDING).toISOString(),
    };
    const response = (await this.questions.ask('gateway', {
      id: uuidv7(),
      type: QUESTION_TYPES.replay,
      source: 'muster/admin-api',
      subject: directory,
      time: new Date(nowMs).toISOString(),
      tenant,
      directory,
      correlationId,
      causationId: null,
      data: question,
    })) as ScimResponse;
    return { id: question.id, replayOf: request.id, tenant, directory, correlationId, response };
  }

  /** Throws Rejected: notFound, and conflict for one that nobody can send. */
  private async sendable({ key, concerns }: Reader, id: string): Promise<KeptRequest> {
    const request = await this.requests.show(key.tenant, id).catch((error: unknown) => {
      throw error instanceof Rejected && error.code === 'notFound' ? this.goneOr(id, error) : error;
    });
    concerns?.(request.tenant);
    const why = unsendable(request);
    if (why !== null) throw new Rejected('conflict', `This request cannot be sent again. ${why}`);
    return request;
  }

  /** An id says when the request was made: one that is old enough was deleted. */
  private goneOr(id: string, notFound: Rejected): Rejected {
    if (!isUuid(id) || idMs(id) > Date.now() - this.keepDays * DAY_MS) return notFound;
    return new Rejected(
      'conflict',
      `A request with this id would be of ${new Date(idMs(id)).toISOString().slice(0, 10)}, and requests are kept for ${this.keepDays} days (REQUEST_KEEP_DAYS): there is nothing left that could be sent again.`,
    );
  }
}

const conditionsOf = ({ ifMatch, ifNoneMatch }: KeptRequest): Readonly<Record<string, string>> => ({
  ...(ifMatch === null ? {} : { 'if-match': ifMatch }),
  ...(ifNoneMatch === null ? {} : { 'if-none-match': ifNoneMatch }),
});
