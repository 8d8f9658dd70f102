/**
 * The envelope that every message wears on every log: CloudEvents 1.0 with Muster's extensions. `type` carries the
 * version of the shape of `data` (`muster.user.create.v1`); a consumer that does not know the version dead-letters the
 * message.
 */
export interface Message<Data = unknown> {
  /** UUIDv7. For a command this is the command id; a redelivery carries the same one. */
  readonly id: string;
  readonly type: string;
  readonly source: string;
  /** The aggregate that the message is about. */
  readonly subject: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly tenant: string;
  readonly directory: string | null;
  readonly correlationId: string;
  /** The message that caused this one. */
  readonly causationId: string | null;
  readonly data: Data;
}

/** An administrator may say why something is changed, in so many characters at most. */
export const MAX_REASON_CHARACTERS = 500;

/** A request that its sender may repeat, as its commands and their outcomes name it. */
export interface RepeatableRequest {
  /** Tells it from another one that was sent with the same key. */
  readonly fingerprint: string;
  /** When it came first, ms. */
  readonly atMs: number;
}

/** The content of a command message: who wants it, until when it is worth doing, and the command itself. */
export interface CommandData<Command> {
  /** The one who asked, for the record: `token:<id>`, `admin`. */
  readonly actor: string;
  /** Why, in the words of the one who asked: it is kept in each event that the command makes. */
  readonly reason?: string;
  /** The request that an administrator has sent again as its directory: it is kept in each event, too. */
  readonly replayOf?: string;
  /** Kept with the outcome, where there is one. */
  readonly request?: RepeatableRequest;
  /** ISO 8601, UTC. After it the owner refuses: the client was told 503 and may have gone on to something else. */
  readonly expiresAt: string;
  readonly command: Command;
}

/** The content of an event message. `sequence` is dense for each (tenant, owner); `version` for each stream. */
export interface EventData<Event> {
  readonly sequence: number;
  readonly version: number;
  readonly actor: string;
  /** Why, in the words of the one who asked; left out = nobody said. */
  readonly reason?: string;
  /** The request that the actor has sent again as the directory; left out = it came by itself. */
  readonly replayOf?: string;
  readonly event: Event;
}
