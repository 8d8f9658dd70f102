import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import type { Rejection } from '#scim';

/** The fold of a stream of this owner: of each kind of aggregate at least this is known. */
export interface State {
  /** The kind of aggregate: `token`. */
  readonly kind: string;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly created: string;
}

export type CommandType = DirectoryCommand['type'];
export type EventType = DirectoryEvent['type'];
export type CommandOf<Type extends CommandType> = Extract<DirectoryCommand, { readonly type: Type }>;
export type EventOf<Type extends EventType> = Extract<DirectoryEvent, { readonly type: Type }>;

/** The columns of one row, by their names; moments are ISO 8601. */
export type Columns = Readonly<Record<string, unknown>>;

/** A decision may look at this besides the aggregate itself; all of it is of the command's tenant. */
export interface World {
  /** ISO 8601, UTC: the same for all commands of a batch. */
  readonly now: string;
  /** The aggregate with this id, of any kind; null = there is none. */
  get(id: string): State | null;
  /** How much belongs to a directory, up to a limit; only a DeleteDirectory asks. */
  belongingTo(directory: string): Belongings;
  /** All aggregates of one kind, with their ids. */
  all<Kind extends State>(of: { readonly kind: Kind['kind']; readonly isOfKind?: Kind }): readonly Known<Kind>[];
}
/** Users and groups that other owners keep for a directory; more than MAX_BELONGINGS are not counted. */
export interface Belongings {
  readonly users: number;
  readonly groups: number;
}
export const MAX_BELONGINGS = 1_000;

export interface Known<Kind extends State> {
  readonly id: string;
  readonly state: Kind;
}

/** An event of another stream than the one that the command is about: a directory that goes takes its tokens along. */
export interface Elsewhere {
  readonly at: string;
  readonly event: DirectoryEvent;
}
export type Decided = readonly (DirectoryEvent | Elsewhere)[] | Rejection;

/**
 * A kind of aggregate of this owner, whole: its words, its rules and its table. It is one pure file and one line in the
 * list of aggregates.ts.
 */
export interface Aggregate<Kind extends State, Commands extends CommandType, Events extends EventType> {
  /** Its name in messages: `token`. */
  readonly kind: Kind['kind'];
  /** Never set: it tells the compiler what `World.all` returns. */
  readonly isOfKind?: Kind;
  /** The table of its rows, in the schema of the owner. */
  readonly table: string;
  /** Column → its SQL type. */
  readonly columns: Readonly<Record<string, string>>;
  /** The columns that events after the first one may change. */
  readonly changing: readonly string[];
  /** True if `evolve` may return null: then a row is deleted. */
  readonly mayGo?: true;
  /** Other columns that are unique together. */
  readonly unique?: readonly (readonly string[])[];
  /** The column with the tenant; left out = `tenant`. */
  readonly tenant?: string;
  readonly commands: readonly Commands[];
  readonly events: readonly Events[];
  /** The stream that a command is about. */
  streamOf(command: CommandOf<Commands>, world: World): string;
  /** Returns the events that should happen; [] means that nothing changed. `state` null = there is none of this kind. */
  decide(command: CommandOf<Commands>, state: Kind | null, world: World): Decided;
  /** Returns the state after an event that has happened; null = it is gone. Never throws. */
  evolve(state: Kind | null, event: EventOf<Events>, recordedAt: string): Kind | null;
  /**
   * The event by which it ends with the access of its directory's identity provider; null = it does not. Left out = it
   * gives no access.
   */
  disconnected?(state: Kind, directoryId: string): EventOf<Events> | null;
  /** The row of its table, without id and tenant, version and time of creation. */
  rowOf(state: Kind, id: string): Columns;
  /** The state that a row shows, but for its kind, version and time of creation. */
  stateOf(row: Columns): Omit<Kind, keyof State>;
}
