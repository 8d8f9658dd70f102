import type { ClientBase, Pool } from 'pg';
import type { Message, Owner, OwnerOnLog } from '#contracts';
import type {
  Behaviour,
  ConsumedEvent,
  Fold,
  LaneWatch,
  Progress,
  Recording as EventRecording,
  Verification,
} from '#event-store';
import type { Config, Logger } from '#runtime';

/** Settings that only those processes are given whose owner or face names them. */
export type Secret = 'MASTER_KEY' | 'MUSTER_API_KEY' | 'MUSTER_CLI_KEY';

/** The tools that an owner works with. */
export interface OwnerTools {
  readonly config: Config;
  /** Connections as the role of the owner. */
  readonly pool: Pool;
  readonly logger: Logger;
  /** Sees work that is tried again and again without success: the process is then not ready. */
  readonly watch: LaneWatch;
  /** Sends commands to the lane of the owner itself. Resolves when the log has them; throws LogUnavailable. */
  readonly send: (messages: readonly Message[]) => Promise<void>;
  /** Throws unless MASTER_KEY is among the secrets of the owner. */
  readonly masterKey: () => Buffer;
}

/** Work of an owner that no message asks for: a timer, or what one transaction would take too long for. */
export interface Job {
  start(): void;
  /** Resolves when the piece that is under way is done. */
  stop(): Promise<void>;
  /**
   * Types of commands after which there may be something to do: `nudge` is called when a batch with one is committed.
   */
  readonly nudgedBy?: readonly string[];
  nudge?(): void;
  /** Events of these tenants are stored: called for a source that the owner only notices. */
  notice?(tenants: readonly string[]): void;
}

/**
 * The use that an owner makes of the events of another one. Its role must be allowed to read the view `events_v1` of
 * that, unless it only notices them.
 */
export type Consumption = Reacting | Recording | Noticing;

/** An event may cause commands to the owner's own lane: for what is decided, and may be refused. */
interface Reacting {
  /** The owner whose events these are. */
  readonly source: Owner;
  /** `commandId` is derived from the event, so that an event that comes twice causes one command. */
  react(event: ConsumedEvent, commandId: string): readonly Message[];
}

/** Events become rows, in one transaction with the position: for what only records. */
interface Recording {
  /** The owner whose events these are. */
  readonly source: Owner;
  readonly record: EventRecording;
}

/**
 * An event says that there is something to read in the store of its owner, and nothing else: a job of the owner reads it
 * (`notice`). What is not heard, or twice, changes nothing, because the job looks for itself now and then.
 */
interface Noticing {
  /** The owner whose events these are. */
  readonly source: Owner;
  readonly notices: true;
}

/**
 * THE owner: whatever Muster does for each owner is made of this. An owner is the only writer of its schema, which has
 * its name, and of its topics; it connects to Postgres and to Kafka as a user of its own.
 */
export interface OwnerDefinition extends OwnerOnLog {
  readonly secrets?: readonly Secret[];
  /** The setting that names its folder of files, which has to outlive a container. */
  readonly keepsFilesIn?: 'AUDIT_CHECKPOINT_FOLDER';
  /** Its part in the transaction of its lane: commands, tables, load, decide. */
  behaviour(tools: OwnerTools): Behaviour<unknown>;
  readonly consumes?: readonly Consumption[];
  jobs?(tools: OwnerTools): readonly Job[];
  /** Makes its rows from its events, for verify and rebuild. */
  fold?(masterKey: Buffer): Fold;
  /**
   * Compares its tables with its events, on a live database and as the owner of the database; sequences, versions and
   * outcomes are compared for every owner already. `config` = the settings of the program that verifies; `second` = another
   * connection to the same database, for what takes so long that two cores should share it.
   */
  verify?(
    client: ClientBase,
    masterKey: Buffer,
    progress: Progress | undefined,
    config: Config,
    second: ClientBase,
  ): Promise<Verification>;
}
