import type { Pool } from 'pg';
import {
  allPassed,
  check,
  checkClaims,
  checkHeader,
  checkSignature,
  failureOf,
  type Check,
  type Jwt,
  type Traces,
} from '#auth';
import {
  ACCESS_TOKEN_ALGORITHM,
  ACCESS_TOKEN_TYPE,
  CLIENTS_VIEW,
  issuerOf,
  SCIM_SCOPE,
  type TokenRow,
} from '#contracts';
import { isUuid, type Config } from '#runtime';
import { refused, type JwtReader, type ReadToken } from './bearers.queries.js';
import { KnownCallers } from './known-callers.queries.js';
import { PublicKeys } from './public-keys.queries.js';
import { CALLER_COLUMNS, callerOf, type KnownToken } from './scim-tokens.queries.js';

/** Access tokens that the sign-in of this installation has given to clients of OAuth 2.0 (RFC 9068). */
export class AccessTokens implements JwtReader {
  private readonly clients: KnownCallers<KnownToken>;
  private readonly keys: PublicKeys;
  /** Every issuer of ours begins with it. */
  private readonly issuers: string;

  constructor(
    private readonly pool: Pool,
    private readonly traces: Traces,
    private readonly config: Pick<Config, 'signInUrl' | 'scimBaseUrl' | 'TOKEN_CACHE_MS'>,
  ) {
    this.clients = new KnownCallers((ids) => this.readClients(ids), config.TOKEN_CACHE_MS, 'clients');
    this.keys = new PublicKeys(pool);
    this.issuers = issuerOf(config.signInUrl, '');
  }

  isFor({ claims: { iss } }: Jwt): boolean {
    return typeof iss === 'string' && iss.startsWith(this.issuers) && isUuid(iss.slice(this.issuers.length));
  }

  async read(jwt: Jwt): Promise<ReadToken> {
    const { iss, client_id, scope, exp } = jwt.claims;
    const issuer = String(iss);
    const directory = issuer.slice(this.issuers.length);
    const client = typeof client_id === 'string' && isUuid(client_id) ? client_id : null;
    const header = checkHeader(jwt, [ACCESS_TOKEN_ALGORITHM], [ACCESS_TOKEN_TYPE]);
    const signature = allPassed(header)
      ? await checkSignature(jwt, (kid) => this.keys.find(kid), 'this installation')
      : null;
    // Without a signature of ours nothing says that it is about the directory which it names.
    if (!signature?.passed) throw refused(failureOf(signature ? [signature] : header)!);
    const checks = [
      ...header,
      signature,
      ...checkClaims(jwt.claims, { issuer, audiences: [this.config.scimBaseUrl] }, Date.now()),
      check('scope', SCIM_SCOPE, scope, scope === SCIM_SCOPE),
    ];
    return {
      checks,
      expiresMs: Number(exp) * 1_000,
      find: () => (client === null ? null : this.clients.find(client)),
      isRight: (caller) => caller.status === 'active' && caller.directory === directory,
      explain: (caller) => explain(caller, directory, client),
      trace: (accepted, all) =>
        this.traces.record({ directory, accepted, method: 'access token', client, checks: all }),
    };
  }

  private async readClients(ids: readonly string[]): Promise<ReadonlyMap<string, KnownToken>> {
    const { rows } = await this.pool.query<Omit<TokenRow, 'expiresAt'>>({
      name: 'clients-by-id',
      text: `SELECT ${CALLER_COLUMNS} FROM ${CLIENTS_VIEW} t WHERE id = ANY ($1)`,
      values: [ids],
    });
    return new Map(rows.map((row) => [row.id, callerOf({ ...row, expiresAt: null }, `client:${row.id}`)]));
  }
}

const explain = (caller: KnownToken | null, directory: string, client: string | null): readonly Check[] => [
  check('client id (client_id)', 'a client of this directory', client ?? 'no id', caller?.directory === directory),
  check('status of the client', 'active', caller?.status, caller?.status === 'active'),
];
