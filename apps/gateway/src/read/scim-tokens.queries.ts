import type { Pool } from 'pg';
import { DIRECTORIES_VIEW, schemasAsJson, settingsSql, TOKENS_VIEW, type TokenRow } from '#contracts';
import { definitionsOf, Rejected, type Definitions } from '#scim';
import { KnownCallers } from './known-callers.queries.js';

/** A caller whose token has been looked up. */
export type KnownToken = TokenRow & {
  readonly definitions: Definitions;
  /** The name under which its writes are recorded. */
  readonly actor: string;
};

/** SQL: what a directory lets its callers see, of a view that has its kind and settings. */
export const CALLER_COLUMNS = `id, tenant, directory, kind, status,
        directory_name AS "directoryName", directory_status AS "directoryStatus", moved_version AS "movedVersion",
        json_build_object(${settingsSql('gateway', 't.settings')}) AS settings,
        ${schemasAsJson('= t.tenant')} AS schemas`;

/** SQL: directories in the place of tokens, for callers who have none. */
export const DIRECTORIES_AS_CALLERS = `(SELECT id, tenant, id AS directory, kind, settings, 'active' AS status,
        name AS directory_name, status AS directory_status, moved_version FROM ${DIRECTORIES_VIEW})`;

export const callerOf = (row: TokenRow, actor: string): KnownToken => ({
  ...row,
  definitions: definitionsOf(row.schemas),
  actor,
});

/** Nobody knows the token, or it is not what it says: whoever tries many is told to wait. */
export class UnknownToken extends Rejected {
  constructor(detail: string) {
    super('unauthorized', detail);
  }
}

/** SCIM tokens. They are compared by hash. */
export class ScimTokens {
  private readonly known: KnownCallers<KnownToken>;

  constructor(
    private readonly pool: Pool,
    cacheMs: number,
  ) {
    this.known = new KnownCallers((hashes) => this.read(hashes), cacheMs, 'tokens');
  }

  /**
   * Returns the token at once if it is remembered. Throws Rejected: unauthorized with what to do, or tooManyRequests.
   */
  require(tokenHash: string): KnownToken | Promise<KnownToken> {
    const found = this.known.find(tokenHash);
    return found instanceof Promise ? found.then(accepted) : accepted(found);
  }

  private async read(tokenHashes: readonly string[]): Promise<ReadonlyMap<string, KnownToken>> {
    const { rows } = await this.pool.query<TokenRow & { readonly hash: string }>({
      name: 'tokens-by-hash',
      text: `SELECT hash, ${CALLER_COLUMNS}, expires_at AS "expiresAt"
        FROM ${TOKENS_VIEW} t WHERE hash = ANY ($1)`,
      values: [tokenHashes],
    });
    return new Map(rows.map(({ hash, ...row }) => [hash, callerOf(row, `token:${row.id}`)]));
  }
}

const accepted = (row: KnownToken | null): KnownToken => {
  if (!row) throw new UnknownToken('The token is not known. Copy the token of the directory anew.');
  if (row.status !== 'active' && row.directoryStatus === 'disconnected')
    throw new Rejected(
      'unauthorized',
      `The directory "${row.directoryName}" is disconnected, and its tokens are revoked. Connect it again, and use its new token.`,
    );
  if (row.status === 'inactive')
    throw new Rejected(
      'unauthorized',
      'The token is inactive. Let an administrator activate it, or use another token of the directory.',
    );
  if (row.status !== 'active')
    throw new Rejected('unauthorized', 'The token has been revoked. Use another token of the directory.');
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now())
    throw new Rejected('unauthorized', `The token expired on ${row.expiresAt.toISOString()}. Make a new one.`);
  return ofActiveDirectory(row);
};

/** Throws Rejected(forbidden) that says why a directory takes no requests. */
export const ofActiveDirectory = (row: KnownToken): KnownToken => {
  if (row.directoryStatus === 'active') return row;
  throw new Rejected(
    'forbidden',
    `The directory "${row.directoryName}" is ${row.directoryStatus}, and takes no requests until an administrator of Muster enables it again.`,
  );
};
