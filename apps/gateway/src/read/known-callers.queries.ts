import { Credentials } from '#runtime';
import { Rejected } from '#scim';

/** Looks callers up by their keys, such as the hashes of tokens; those that nobody knows are left out. */
export type ReadCallers<Row> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Row>>;

/** Callers by the hash of their token, or by the id that a token of another issuer has. */
export class KnownCallers<Row extends { readonly status: string }> extends Credentials<Row> {
  /** `what`: what the keys are, in the plural. */
  constructor(read: ReadCallers<Row>, cacheMs: number, what: string) {
    super({
      read,
      cacheMs,
      isActive: ({ status }) => status === 'active',
      tooMany: (most) =>
        new Rejected(
          'tooManyRequests',
          `More than ${most} ${what} that are not known are tried at once. Send the request again later.`,
        ),
    });
  }
}
