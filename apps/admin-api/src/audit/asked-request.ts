import type { RequestRecord } from '#contracts';

/** A request as it is stored, without its body. */
export interface RequestRow extends Omit<RequestRecord, 'body'> {
  readonly tenant: string;
}
