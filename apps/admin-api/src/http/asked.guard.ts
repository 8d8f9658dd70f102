import { randomBytes } from 'node:crypto';
import { createParamDecorator, Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { MAX_REASON_CHARACTERS } from '#contracts';
import { note } from '#owner';
import { uuidv7 } from '#runtime';
import { checkText, Rejected } from '#scim';
import { BOOTSTRAP, type ActingKey } from './acting-key.js';
import type { KeyedRequest } from './api-key.guard.js';
import { Repeats, type Exchange, type Repeatable } from './repeats.queries.js';

/** The one who asks for a change, and the reason: each command says both, and so does each event that it makes. */
export interface Asked {
  readonly key: ActingKey;
  readonly reason?: string;
  /** The same in all that the request causes; left out = no request caused it. */
  readonly correlationId?: string;
  /** Is told whose it is, as soon as somebody knows; left out = no request caused it. */
  readonly concerns?: (tenant: string) => void;
  /** Makes an id for something new: the same ids, one after the other, for a request that is repeated. */
  newId(): string;
  /**
   * Makes a secret, 32 bytes as 43 characters of base64url, for one purpose, such as the id of what it belongs to: the same one for a
   * request that is repeated.
   */
  newSecret(purpose: string): string;
  /** The part of it that is repeated: of requests with an Idempotency-Key. */
  readonly repeatable?: Repeatable;
}

const AT_RANDOM = { newId: uuidv7, newSecret: () => randomBytes(32).toString('base64url') };

/** Muster itself, when it starts for the first time. */
export const BY_ITSELF: Asked = { key: BOOTSTRAP, ...AT_RANDOM };

/**
 * A reason is one line, which people read in lists and terminals; blank, or null = none. Throws Rejected(invalidValue).
 */
export const reasonIn = (value: unknown): { readonly reason?: string } => {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'string' || value.length > MAX_REASON_CHARACTERS || /\p{Cc}/u.test(value))
    throw new Rejected('invalidValue', `reason must be one line of ${MAX_REASON_CHARACTERS} characters at most.`);
  checkText(value);
  const reason = value.trim();
  return reason === '' ? {} : { reason };
};

const memberOf = (body: unknown, name: string): unknown =>
  typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)[name] : undefined;

/** Reads from a request what its commands say: `reason` is a member of the body, and of DELETE, which has none, a parameter of the query. */
export const askedBy = (request: KeyedRequest): Asked => {
  const { key, id: correlationId, method, body, query } = request;
  return {
    key,
    correlationId,
    ...AT_RANDOM,
    ...reasonIn(memberOf(method === 'DELETE' ? query : body, 'reason')),
    concerns: (tenant) => note(request, { tenant }),
  };
};

const EXCHANGE = createParamDecorator((_data: unknown, context: ExecutionContext): Exchange => ({
  request: context.switchToHttp().getRequest<KeyedRequest>(),
  reply: context.switchToHttp().getResponse<FastifyReply>(),
}));

/** Waits for what is known of a request that is repeated. */
@Injectable()
export class AskedPipe implements PipeTransform<Exchange, Promise<Asked>> {
  constructor(private readonly repeats: Repeats) {}

  async transform(exchange: Exchange): Promise<Asked> {
    const asked = askedBy(exchange.request);
    return { ...asked, ...(await this.repeats.recognise(exchange, asked.key.actor)) };
  }
}

/** The parameter of each route that changes something. */
export const Asks = (): ParameterDecorator => EXCHANGE(AskedPipe);
