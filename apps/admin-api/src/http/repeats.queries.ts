import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Pool } from 'pg';
import { derivedId, idTime, outcomesViewOf, type Outcome, type Owner, type RepeatableRequest } from '#contracts';
import { Rejected } from '#scim';
import { OWNERS_SENT_TO, POOL, TOKEN_SEAL } from '../injected.js';
import type { KeyedRequest } from './api-key.guard.js';

const DAY_MS = 86_400_000;
/** A command that came too late was not carried out: a repetition gets another one, so many times. */
const MAX_ATTEMPTS = 4;
/** A key as the Internet-Draft has it, a string in quotes, or the characters alone. */
const KEY = /^"?([\x21\x23-\x7e](?:[\x20\x21\x23-\x7e]{0,253}[\x21\x23-\x7e])?)"?$/;

const hashOf = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** A request with an Idempotency-Key. */
export interface Repeatable {
  readonly request: RepeatableRequest;
  /** True: its first command has been carried out, or refused, before. */
  readonly isKnown: boolean;
  /** Makes the ids of its commands, one after the other: the same ones each time. */
  newCommandId(): string;
}

/** Ids and secrets that a request with an Idempotency-Key makes, each time the same. */
interface Repetition {
  readonly newId: () => string;
  readonly newSecret: (id: string) => string;
  readonly repeatable: Repeatable;
}

/** A request and its answer. */
export interface Exchange {
  readonly request: KeyedRequest;
  readonly reply: FastifyReply;
}

/** A place for the commands of a request: the day by which their ids begin, and which attempt they are. */
interface Place {
  readonly day: string;
  readonly attempt: number;
  readonly firstId: string;
}

const commandId = (name: string, day: string, attempt: number, count: number): string =>
  derivedId(day, hashOf(name, attempt, count));

/**
 * Requests that are repeated (draft-ietf-httpapi-idempotency-key-header). No table remembers them: the ids of the
 * commands follow from the key, and a command has exactly one outcome, with which its owner keeps what the request was.
 * A key is good for a day at least, and for two at most.
 */
@Injectable()
export class Repeats {
  private readonly underWay = new Set<string>();

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(TOKEN_SEAL) private readonly seal: { derive(text: string): Buffer },
    @Inject(OWNERS_SENT_TO) private readonly owners: readonly Owner[],
  ) {}

  /**
   * Says of a request with a key which ids and commands are its own; null = it has none. Throws Rejected: invalidValue for what is no key,
   * conflict while the first one is under way, keyReused when the first one was another.
   */
  async recognise({ request, reply }: Exchange, actor: string): Promise<Repetition | null> {
    const header = request.headers['idempotency-key'];
    if (request.method !== 'POST' || header === undefined) return null;
    const key = KEY.exec(String(header))?.[1];
    if (key === undefined)
      throw new Rejected('invalidValue', 'Idempotency-Key must be 1 to 255 characters of ASCII, such as a UUID.');
    const name = hashOf(actor, request.routeOptions.url, key);
    if (this.underWay.has(name))
      throw new Rejected('conflict', 'The first request with this Idempotency-Key is still under way. Wait for it.');
    this.underWay.add(name);
    reply.raw.once('close', () => this.underWay.delete(name));
    const fingerprint = hashOf(name, request.url, request.body ?? null);
    const { place, first } = await this.placeOf(name);
    if (first && first.request?.fingerprint !== fingerprint)
      throw new Rejected(
        'keyReused',
        'Another request was sent with this Idempotency-Key. Send that one again, or this one with a new key.',
      );
    const atMs = first?.request?.atMs ?? Date.now();
    let [commands, ids] = [0, 0];
    return {
      // Nobody but the sender knows the key.
      newSecret: (id) => this.seal.derive(JSON.stringify([name, fingerprint, key, id])).toString('base64url'),
      newId: () => derivedId(idTime(atMs), hashOf(name, fingerprint, ids++)),
      repeatable: {
        request: { fingerprint, atMs },
        isKnown: first !== undefined,
        newCommandId: () => commandId(name, place.day, place.attempt, commands++),
      },
    };
  }

  /** Where the commands of a request are, and the outcome of the first one, if it has one. */
  private async placeOf(name: string): Promise<{ place: Place; first?: Outcome }> {
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const places = [today - DAY_MS, today].flatMap((dayMs) =>
      Array.from({ length: MAX_ATTEMPTS }, (_, attempt): Place => {
        const day = idTime(dayMs);
        return { day, attempt, firstId: commandId(name, day, attempt, 0) };
      }),
    );
    const { rows } = await this.pool.query<{ command_id: string; outcome: Outcome }>(
      this.owners
        .map((owner) => `SELECT command_id, outcome FROM ${outcomesViewOf(owner)} WHERE command_id = ANY ($1::uuid[])`)
        .join(' UNION ALL '),
      [places.map(({ firstId }) => firstId)],
    );
    const outcomes = new Map(rows.map(({ command_id, outcome }) => [command_id, outcome]));
    for (const place of places) {
      const first = outcomes.get(place.firstId);
      if (first && !(first.status === 'rejected' && first.code === 'unavailable')) return { place, first };
    }
    const free = places.find(({ day, firstId }) => day === idTime(today) && !outcomes.has(firstId));
    if (free) return { place: free };
    throw new Rejected('unavailable', 'No attempt at this request was in time. Send it with a new Idempotency-Key.');
  }
}
