import type { Outcome, Owner, Rejection } from '#contracts';

/** One command of a batch, as a decision sees it. */
export interface Command<C> {
  readonly id: string;
  readonly tenant: string;
  readonly directory: string | null;
  readonly correlationId: string;
  readonly command: C;
}

/** Facts that a decision made, about one stream. */
export interface NewEvent<E> {
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  /** The event as it is published: without secrets, which nobody else needs. */
  readonly event: E;
  /**
   * The part that the store keeps readable, and the one that it keeps sealed with the person's key (`personal` is
   * ciphertext already).
   */
  readonly stored: { readonly data: object; readonly personal: string | null };
}

export interface Decision<E> {
  readonly events: readonly NewEvent<E>[];
  /** The outcome that the sender is told. */
  readonly outcome: Outcome;
  /** The part of it that is kept, and told to those who look it up; left out = all of it. */
  readonly stored?: Outcome;
}

/**
 * Rows for one table: `sql` is an INSERT, UPDATE or DELETE that ends in RETURNING and reads its rows from the
 * parameter.
 */
export interface WritePart {
  readonly name: string;
  /**
   * The type of the parameter; left out = json, which keeps texts as they are and suits short rows. Of rows with columns
   * of jsonb, json would be read once more for each of these.
   */
  readonly type?: 'jsonb';
  sql(parameter: string): string;
  /** The number of rows of the table that these are; left out = one each. */
  written?(rows: readonly unknown[]): number;
}

/**
 * An owner's part in the transaction. `begin` gets what was loaded and returns the working set of one batch: decisions
 * are applied to it at once, so that the next command of the batch sees them, and its rows are written at the end.
 */
export interface Behaviour<C> {
  readonly owner: Owner;
  /** Wire type → command, for the versions that this owner knows. */
  readonly commandTypes: ReadonlySet<string>;
  /**
   * A SELECT that returns one row with one json column; its only parameter, `$json`, is what `touches` returns, which
   * may also leave out of the text what is not asked for: each text is prepared, so let them be few.
   */
  loadSql(touched: unknown): string;
  /**
   * `wanted` is what the working sets of earlier loads of the same batch asked for beyond it; `memory` need not be
   * loaded.
   */
  touches(commands: readonly Command<C>[], wanted: readonly unknown[], memory: unknown): unknown;
  /** Tells whether all of it is in the memory; left out = never. */
  asksNothing?(touched: unknown): boolean;
  /**
   * Makes an empty memory: what a lane keeps from batch to batch, so that it is not loaded again. It is thrown away
   * after any fault, and when it is a minute old. Only what this lane alone writes may be in it; a part of the write
   * statement compares what others write.
   */
  memory?(): unknown;
  readonly parts: readonly WritePart[];
  /** Names of properties in commands that stay out of dead letters, which people read. */
  readonly secrets?: readonly string[];
  /** `loaded` is null where all was in the memory. */
  begin(loaded: unknown, now: Date, touched: unknown, memory: unknown): WorkingSet<C>;
}

export interface WorkingSet<C> {
  /** Says how a decision about the command comes about, for people; it is asked before `decide`, and for dry runs alone. */
  explain?(command: Command<C>): unknown;
  /** A fault of a client is a rejection, which changes nothing; a command for which it throws is poison. */
  decide(command: Command<C>): Decision<unknown> | Rejection;
  /**
   * This command is set aside and not carried out: effects that must not end with it are among the rows. The command
   * may have any shape, and the rows must be writable in any case, because nothing is left to be set aside in their
   * stead.
   */
  buried?(command: Command<C>): void;
  /** The rows of each part, by its name. */
  rows(): Readonly<Record<string, readonly unknown[]>>;
  /** They are committed: the memory may have them. `bytesOf` = what was written for each row of a part. */
  remember?(bytesOf: (part: string) => readonly number[]): void;
  /**
   * Decisions asked for these, which had not been loaded: unless there are none, the decisions count for nothing and
   * the batch is loaded once more.
   */
  readonly wanted?: readonly unknown[];
}
