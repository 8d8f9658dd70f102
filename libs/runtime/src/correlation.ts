import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { uuidv7 } from './uuid.js';

export const CORRELATION_HEADER = 'x-request-id';
/** A token of Muster is none: the id is in answers, events and logs. */
const REQUEST_ID = /^(?!.*muster_)[A-Za-z0-9._:-]{1,64}$/;
/**
 * W3C Trace Context §3.2.2: version, trace id, parent id and flags. A later version may append more, and version 00 may
 * not.
 */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** The one flag that version 00 knows: the caller has recorded the trace. */
const SAMPLED = 1;

/** A trace that a caller has begun. */
export interface Trace {
  readonly id: string;
  /** The header as an answer gives it back. */
  readonly parent: string;
}

/** Reads the header `traceparent`; null = there is none, or it is invalid, which is the same (§4.3). */
export const traceOf = (header: string | string[] | undefined): Trace | null => {
  if (typeof header !== 'string') return null;
  const [, version, id, parent, flags, more] = TRACEPARENT.exec(header) ?? [];
  if (id === undefined || (version === '00' && more !== undefined)) return null;
  const sampled = parseInt(flags!, 16) & SAMPLED;
  return { id, parent: `00-${id}-${parent}-0${sampled}` };
};

/** The correlation id that a caller has given; null = none that is valid. */
export const givenCorrelationId = (headers: IncomingHttpHeaders): string | null => {
  const given = headers[CORRELATION_HEADER];
  // Node joins a header that comes twice by a comma, which no id has.
  if (typeof given === 'string' && REQUEST_ID.test(given)) return given;
  return headers.traceparent === undefined ? null : (traceOf(headers.traceparent)?.id ?? null);
};

/** The part of a request that is known before anything of it has been looked at. */
export interface Arrival {
  /** UUIDv7: ours alone, whatever the caller calls the request. */
  readonly id: string;
  /** Of a clock that only goes forward. */
  readonly ms: number;
}

const ARRIVAL = Symbol('arrival of a request');
type Arrived = IncomingMessage & { [ARRIVAL]?: Arrival };

/** Notes when a request came, and returns its correlation id, which Fastify keeps as `request.id`. */
export const correlate = (raw: IncomingMessage): string => {
  const id = uuidv7();
  (raw as Arrived)[ARRIVAL] = { id, ms: performance.now() };
  return givenCorrelationId(raw.headers) ?? id;
};

export const arrivalOf = ({ raw }: Pick<FastifyRequest, 'raw'>): Arrival => (raw as Arrived)[ARRIVAL]!;

/** Each answer says by which id the request is known, also one that is refused before it has a route. */
export const giveCorrelationBack = ({ id, headers }: FastifyRequest, reply: FastifyReply): void => {
  void reply.header(CORRELATION_HEADER, id);
  if (headers.traceparent === undefined) return;
  const trace = traceOf(headers.traceparent);
  if (trace) void reply.header('traceparent', trace.parent);
};
