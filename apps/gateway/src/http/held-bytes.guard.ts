import type { FastifyReply } from 'fastify';
import { isOver, Quota, type Config } from '#runtime';
import { Rejected } from '#scim';
import type { HeldStream } from '../read/members.queries.js';

/**
 * Longer texts are sent as bytes: Node would hold a text twice, as it is and as the bytes that the connection has not
 * taken yet.
 */
const MAX_TEXT_CHARACTERS = 65_536;

/** The bytes that are held for one request. */
export interface Held {
  readonly tenant: string;
  bodyBytes: number;
  answerBytes: number;
}

/**
 * Bodies that have come and answers that have not been read, counted by tenant, so that none fills the memory. Each
 * request gives back what was held for it when its answer has gone.
 */
export class HeldBytes {
  private readonly bodies: Quota;
  private readonly answers: Quota;

  constructor(private readonly config: Config) {
    this.bodies = new Quota({
      maxBytesPerKey: config.MAX_RECEIVED_BYTES_PER_TENANT,
      maxBytes: config.MAX_RECEIVED_BYTES,
    });
    this.answers = new Quota({ maxBytesPerKey: config.MAX_UNSENT_BYTES_PER_TENANT, maxBytes: config.MAX_UNSENT_BYTES });
  }

  /** Holds a body, or the next piece of it. Throws Rejected(tooManyRequests). */
  takeBody(held: Held, bytes: number): void {
    if (this.bodies.isFull(held.tenant, bytes)) {
      throw new Rejected(
        'tooManyRequests',
        'The bodies of the requests that are under way for this tenant are too long together (MAX_RECEIVED_BYTES_PER_TENANT, MAX_RECEIVED_BYTES): send the next ones later.',
      );
    }
    held.bodyBytes += bytes;
    this.bodies.hold(held.tenant, bytes);
  }

  /** Throws Rejected(tooManyRequests) where an answer of so many bytes would be too much. */
  requireRoom(tenant: string, bytes: number): void {
    if (!this.answers.isFull(tenant, bytes)) return;
    throw new Rejected(
      'tooManyRequests',
      `Clients of this tenant do not read their answers: more than ${this.config.MAX_UNSENT_BYTES_PER_TENANT} bytes, or a fair share of MAX_UNSENT_BYTES, wait to be sent. Read them, ask for fewer resources at once (count), and send this again.`,
    );
  }

  /** Holds an answer, and returns it as it is sent. */
  answer(held: Held, reply: FastifyReply, payload: unknown): unknown {
    const sent = typeof payload === 'string' && payload.length > MAX_TEXT_CHARACTERS ? Buffer.from(payload) : payload;
    // The client has gone, and what was held for it has been given back already.
    if (isOver(reply)) return sent;
    const bytes = bytesOf(sent);
    held.answerBytes += bytes;
    this.answers.hold(held.tenant, bytes);
    return sent;
  }

  release({ tenant, bodyBytes, answerBytes }: Held): void {
    this.bodies.release(tenant, bodyBytes);
    this.answers.release(tenant, answerBytes);
  }
}

/** The bytes of an answer that are held at a time. */
export const bytesOf = (payload: unknown): number =>
  typeof payload === 'string' || Buffer.isBuffer(payload)
    ? payload.length
    : ((payload as Partial<HeldStream>).heldBytes ?? 0);
