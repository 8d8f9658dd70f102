import type { Pool } from 'pg';
import {
  allPassed,
  check,
  checkClaims,
  checkHeader,
  checkSignature,
  KeysAway,
  PROVIDER_ALGORITHMS,
  type Check,
  type IssuerKeys,
  type Jwt,
  type Traces,
} from '#auth';
import type { TokenRow } from '#contracts';
import { isUuid, type Config } from '#runtime';
import { Rejected } from '#scim';
import type { JwtReader, ReadToken } from './bearers.queries.js';
import { KnownCallers } from './known-callers.queries.js';
import { CALLER_COLUMNS, callerOf, DIRECTORIES_AS_CALLERS, type KnownToken } from './scim-tokens.queries.js';

/** The audience of the tokens that Entra sends where its Secret Token is empty: the same for each of its tenants. */
const AUDIENCE = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621';

/**
 * Tokens of Microsoft Entra ID itself, which it sends where its Secret Token is empty. They say which tenant of Entra
 * sent them and nothing of Muster, so a directory says whose it takes.
 */
export class EntraTokens implements JwtReader {
  private readonly tenants: KnownCallers<KnownToken>;

  constructor(
    private readonly pool: Pool,
    private readonly keys: IssuerKeys,
    private readonly traces: Traces,
    private readonly config: Pick<Config, 'TOKEN_CACHE_MS' | 'ENTRA_ISSUER' | 'ENTRA_KEYS_URL'>,
  ) {
    this.tenants = new KnownCallers((tids) => this.readTenants(tids), config.TOKEN_CACHE_MS, 'tenants of Entra');
  }

  isFor({ claims: { iss, tid } }: Jwt): boolean {
    return typeof tid === 'string' && isUuid(tid) && iss === this.issuerOf(tid);
  }

  async read(jwt: Jwt): Promise<ReadToken> {
    const tid = String(jwt.claims.tid);
    const issuer = this.issuerOf(tid);
    const before = [
      ...checkHeader(jwt, PROVIDER_ALGORITHMS, ['jwt']),
      ...checkClaims(jwt.claims, { issuer, audiences: [AUDIENCE] }, Date.now()),
    ];
    const found = await this.tenants.find(tid);
    const trace = (accepted: boolean, checks: readonly Check[]): void => {
      if (found)
        this.traces.record({ directory: found.directory, accepted, method: 'token of Entra', client: null, checks });
    };
    // Only a token that is otherwise right, and that a directory waits for, makes us ask Entra for keys.
    const signature = found && allPassed(before) ? [await this.signatureOf(jwt, issuer, before, trace)] : [];
    return {
      checks: [...before, ...signature],
      expiresMs: Number(jwt.claims.exp) * 1_000,
      find: () => this.tenants.find(tid),
      // The directory that it was good for when its signature was looked at.
      isRight: (caller) => caller.status === 'active' && caller.directory === found?.directory,
      explain: (caller) => [
        check('tenant of Entra (tid)', 'the one that a directory takes (entraTenantId)', tid, caller !== null),
        ...(caller
          ? [check('directory', found?.directory, caller.directory, caller.directory === found?.directory)]
          : []),
      ],
      trace,
    };
  }

  private issuerOf(tid: string): string {
    return this.config.ENTRA_ISSUER.replace('{tid}', tid);
  }

  private async signatureOf(
    jwt: Jwt,
    issuer: string,
    before: readonly Check[],
    trace: (accepted: boolean, checks: readonly Check[]) => void,
  ): Promise<Check> {
    const { ENTRA_ISSUER, ENTRA_KEYS_URL: jwksUri } = this.config;
    try {
      // All tenants of Entra have the same keys.
      return await checkSignature(
        jwt,
        (kid, algorithm) =>
          this.keys.find({ issuer: ENTRA_ISSUER, jwksUri, namedBy: 'ENTRA_KEYS_URL' }, kid, algorithm),
        issuer,
      );
    } catch (error) {
      if (!(error instanceof KeysAway)) throw error;
      trace(false, [...before, check('keys of the issuer', `at ${jwksUri}`, error.message, false)]);
      throw new Rejected('unavailable', `The keys of Microsoft Entra ID cannot be read: ${error.message}`);
    }
  }

  private async readTenants(tids: readonly string[]): Promise<ReadonlyMap<string, KnownToken>> {
    const { rows } = await this.pool.query<Omit<TokenRow, 'expiresAt'> & { readonly tid: string }>({
      name: 'directories-by-entra-tenant',
      text: `SELECT t.settings->>'entraTenantId' AS tid, ${CALLER_COLUMNS}
        FROM ${DIRECTORIES_AS_CALLERS} t
        WHERE t.settings->>'entraTenantId' = ANY ($1) AND t.settings->>'entraTenantId' <> ''`,
      values: [tids],
    });
    return new Map(rows.map(({ tid, ...row }) => [tid, callerOf({ ...row, expiresAt: null }, `entra:${tid}`)]));
  }
}
