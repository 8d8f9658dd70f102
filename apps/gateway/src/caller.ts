import type { DirectoryKind } from '#contracts';
import type { Definitions } from '#scim';

/** The sender of a request, as its token says. */
export interface Caller {
  readonly tenant: string;
  readonly directory: string;
  /** The kind of the directory's identity provider. */
  readonly kind: DirectoryKind;
  readonly actor: string;
  /** Whether the directory also sees the users that nobody manages. */
  readonly seesUnmanaged: boolean;
  /** Whether it also sees local groups. */
  readonly seesLocalGroups: boolean;
  /** How long the body of the request is. */
  readonly bodyBytes: number;
  /** The attributes that users and groups of its tenant may have. */
  readonly definitions: Definitions;
  /**
   * Looks the token up again, when it is no longer remembered: for what goes on for long. undefined = it is remembered.
   * Throws Rejected(unauthorized).
   */
  readonly requireToken: () => Promise<unknown> | undefined;
}
