import type { DirectoryKind, Effect, Message, Outcome, ReplayRequest } from '#contracts';
import type { Definitions } from '#scim';

/** The sender of a request, as its token says. */
export interface Caller {
  readonly tenant: string;
  readonly directory: string;
  /** The kind of the directory's identity provider. */
  readonly kind: DirectoryKind;
  readonly actor: string;
  /** True if the directory also sees the users that nobody manages. */
  readonly seesUnmanaged: boolean;
  /** True if it also sees local groups. */
  readonly seesLocalGroups: boolean;
  /** The version with which the directory moved to another identity provider last; null = it never did. */
  readonly movedVersion: number | null;
  /** Null but in a dry run: then it is asked what would become of a command, which is sent to nobody. */
  readonly ask: ((command: Message) => Promise<Outcome>) | null;
  /** Not null: an administrator sends the request again, as the directory that sent it. */
  readonly replay: Replay | null;
  /** The same in all that the request causes. */
  readonly correlationId: string;
  /** The length of the body of the request. */
  readonly bodyBytes: number;
  /** The attributes that users and groups of its tenant may have. */
  readonly definitions: Definitions;
  /**
   * Looks the token up again unless it is still remembered (then it returns undefined): a request that takes long asks
   * for this before it goes on. Throws Rejected(unauthorized).
   */
  readonly requireToken: () => Promise<unknown> | undefined;
  /** Notes what the request did, for its record. */
  readonly noteEffect: (effect: Effect) => void;
  /** Throws Rejected(unavailable) once the client has hung up: nobody would get the answer. */
  readonly requireClient: () => void;
}

/** A request that is sent again, as far as its command and its record say so. */
export type Replay = Pick<ReplayRequest, 'id' | 'replayOf' | 'by' | 'commandId' | 'request' | 'expiresAt'>;
