import type { Outcome } from './outcome.js';

/** The content of a question to the gateway: a request of SCIM, as the identity provider of a directory would send it. */
export interface DryRunRequest {
  readonly method: string;
  /** Below the SCIM base URL, with its query: `/Users?count=1`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON as text; null = it has none. */
  readonly body: string | null;
}

/** The decision that an owner would make about a command. */
export interface DryDecision {
  readonly outcome: Outcome;
  /** Events that would happen, with all that is in them. */
  readonly events: readonly { readonly stream: string; readonly version: number; readonly event: unknown }[];
  /** How it comes to that: of a user the mapping, the rules of matching and their candidates. */
  readonly explanation: unknown;
}

/** The answer to a request of SCIM as it would be, and the decisions behind it. */
export interface DryRunResult {
  /** The commands that it would be, and what their owner would decide, each for itself. */
  readonly decisions: readonly (DryDecision & { readonly command: unknown })[];
  readonly response: ScimResponse;
}

/** An answer of the gateway, as far as it says something about the request. */
export interface ScimResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Read as JSON; null = there is none. */
  readonly body: unknown;
}
