/** A SCIM body as far as the demo looks at it. */
export interface ScimBody {
  readonly id?: string;
  readonly userName?: string;
  readonly displayName?: string;
  readonly nickName?: string;
  readonly active?: boolean;
  readonly members?: readonly { readonly value?: string }[];
  readonly totalResults?: number;
  readonly Resources?: readonly ScimBody[];
  readonly detail?: string;
}

/** All requests of one step. */
export interface Row {
  readonly cycle: string;
  readonly step: string;
  readonly statuses: Map<number, number>;
  readonly timesMs: number[];
  firstMs: number;
  lastMs: number;
}

export interface Expected {
  readonly status: number;
  /** A condition that the body has to fulfil, in words that end "an answer with …". */
  readonly body?: readonly [words: string, holds: (body: ScimBody) => boolean];
}
