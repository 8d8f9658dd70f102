import type { AskedFace } from '#contracts';

/** A request as it is stored, without its body. */
export interface RequestRow {
  readonly tenant: string;
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly face: AskedFace;
  readonly directory: string | null;
  readonly actor: string | null;
  readonly method: string;
  readonly path: string;
  readonly resourceType: string | null;
  readonly object: string | null;
  readonly name: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly address: string;
  readonly userAgent: string | null;
  readonly correlationId: string;
  readonly bodyBytes: number;
  readonly replayOf: string | null;
}
