import type { DryRunResult, RequestRecord, ScimResponse } from '#contracts';

/** The answers of the auditors' API, as far as the command line looks at them. */

export interface NamedView {
  readonly id: string;
  readonly name: string | null;
}

export interface EntryView {
  readonly tenant: string;
  readonly number: number;
  readonly at: string;
  readonly action: string;
  readonly sentence: string;
  readonly subject: NamedView & { readonly type: string };
  readonly actor: NamedView;
  readonly directory: NamedView | null;
  readonly result: string;
  readonly reason: string | null;
  readonly matching: string | null;
  readonly correlationId: string;
}

export interface ChangeView {
  readonly attribute: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly added?: readonly unknown[];
  readonly removed?: readonly unknown[];
}

interface Moves {
  readonly added: readonly NamedView[];
  readonly removed: readonly NamedView[];
}

export interface ShownEntryView extends EntryView {
  readonly values: 'shown' | 'erased' | 'purged';
  readonly changes: readonly ChangeView[];
  readonly members: Moves;
  readonly received: Readonly<Record<string, unknown>> | null;
  readonly client: { readonly request: string; readonly address: string; readonly userAgent: string | null } | null;
}

export interface StateView {
  readonly subject: NamedView & { readonly type: string };
  readonly at: string;
  readonly state: string;
  readonly version: number;
  readonly since: string | null;
  readonly isComplete: boolean;
  readonly purgedUntil: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly memberCount: number;
  readonly members: readonly NamedView[];
}
export interface ComparedView extends StateView {
  readonly compared: (StateView & Moves & { readonly changes: readonly ChangeView[] }) | null;
}

/** A write, or a request that was refused. */
export interface RequestView extends Omit<RequestRecord, 'directory' | 'actor' | 'body' | 'resourceType'> {
  readonly directory: NamedView | null;
  readonly actor: NamedView | null;
}
export interface ShownRequestView extends RequestView {
  readonly body: string | null;
  readonly whatToDo: string | null;
  readonly commands: readonly string[];
  /** Null = it can be sent again. */
  readonly notReplayable: string | null;
  readonly replays: readonly {
    readonly id: string;
    readonly at: string;
    readonly status: number;
    readonly replayOf: string | null;
  }[];
}

/** The answer that a request would have if it were sent again. */
export interface DryReplayView extends DryRunResult {
  readonly refusal: string | null;
  readonly later: { readonly id: string; readonly at: string } | null;
}

/** The answer of one that was sent again. */
export interface SentReplayView {
  readonly id: string;
  readonly replayOf: string;
  readonly correlationId: string;
  readonly response: ScimResponse;
}
