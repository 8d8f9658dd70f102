import type { DirectoryStatus, RequestRecord } from '#contracts';

/** A request as it is stored, without its body. */
export interface RequestRow extends Omit<RequestRecord, 'body'> {
  readonly tenant: string;
}

/** With its body, as the face kept it. */
export interface KeptRequest extends RequestRow {
  readonly body: string | null;
}

/** The directory that sent a request, as it is now. */
export interface SendingDirectory {
  readonly name: string;
  readonly status: DirectoryStatus;
  /** When it was moved to another identity provider last, ISO 8601; null = it never was. */
  readonly movedAt: string | null;
}
