import type { Outcome } from './outcome.js';

/**
 * Questions what would become of a request, and the answers. Both are broadcast: they are no commands, no position
 * counts them, and whoever answers writes nothing.
 */
export const dryRunsOf = (service: string): string => `${service}.dry-runs`;
export const dryRunAnswersOf = (service: string): string => `${service}.dry-run-answers`;
export const DRY_RUN_TYPE = 'muster.dry-run.v1';
export const DRY_RUN_ANSWER_TYPE = 'muster.dry-run-answer.v1';

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
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    /** Read as JSON; null = there is none. */
    readonly body: unknown;
  };
}

/** The content of an answer. */
export interface DryRunAnswer {
  /** The id of the question. */
  readonly question: string;
  /** Null = it could not be answered; the reason is in the log of the service. */
  readonly answer: unknown;
}
