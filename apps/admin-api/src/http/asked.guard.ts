import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { MAX_REASON_CHARACTERS } from '#contracts';
import { uuidv7 } from '#runtime';
import { checkText, Rejected } from '#scim';
import { BOOTSTRAP, type ActingKey } from './acting-key.js';
import type { KeyedRequest } from './api-key.guard.js';

/** The one who asks for a change, and the reason: each command says both, and so does each event that it makes. */
export interface Asked {
  readonly key: ActingKey;
  readonly reason?: string;
  /** Makes an id for something new. */
  newId(): string;
}

/** Muster itself, when it starts for the first time. */
export const BY_ITSELF: Asked = { key: BOOTSTRAP, newId: uuidv7 };

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
export const askedBy = ({
  key,
  method,
  body,
  query,
}: Pick<KeyedRequest, 'key' | 'method' | 'body' | 'query'>): Asked => ({
  key,
  newId: uuidv7,
  ...reasonIn(memberOf(method === 'DELETE' ? query : body, 'reason')),
});

/** The parameter of each route that changes something. */
export const Asks = createParamDecorator((_data: unknown, context: ExecutionContext): Asked =>
  askedBy(context.switchToHttp().getRequest<KeyedRequest>()),
);
