import { hash } from 'node:crypto';
import pg from 'pg';
import { Traces } from '#auth';
import { roleUrl } from '#event-store';
import { createLogger, readConfig } from '#runtime';
import { credentialsIn, isOfAnother } from '../../apps/gateway/src/credentials.js';
import { AccessTokens } from '../../apps/gateway/src/read/access-tokens.queries.js';
import { Bearers } from '../../apps/gateway/src/read/bearers.queries.js';
import { ScimTokens } from '../../apps/gateway/src/read/scim-tokens.queries.js';
import { askAdmin } from './admin-requests.js';
import type { LoadProcess } from './child.js';
import { OPERATIONS } from './cycle.js';
import type { Installation } from './installation.js';
import { median } from './latencies.js';

const AT_MOST_SHARE = 0.05;
const IN_FLIGHT = 64;
/** A server that has just started takes longer for a request, which would make the part look small. */
const WARM_UP_SECONDS = 15;
const SECONDS = 8;
const ROUNDS = 9;
const REQUESTS_IN_ROUND = 50_000;
/** As many texts are made before a round, because each request brings one of its own. */
const TEXTS = 1_000;

interface OfKind {
  readonly kind: string;
  /** Processor time of the authentication of one request, in microseconds. */
  readonly us: number;
  /** Of the server's processor time for a request of the cycle. */
  readonly share: number;
}

export interface AuthenticationResult {
  readonly kinds: readonly OfKind[];
  readonly requestUs: number;
  readonly atMostShare: number;
  readonly reached: boolean;
}

/**
 * Measures the part of the server's processor time for a request of the cycle, at 64 in flight, that goes into finding
 * out whose token it is. The steps of the gateway are taken in this process, with the tokens of the installation.
 */
export const measureAuthentication = async (muster: Installation, load: LoadProcess): Promise<AuthenticationResult> => {
  const requestUs = await serverUsOfRequest(muster, load);
  const { id, tokenEndpoint } = await askAdmin<{ id: string; tokenEndpoint: string }>(
    muster,
    'GET',
    'directories/first',
  );
  const client = await askAdmin<{ id: string; secret: string }>(muster, 'POST', `directories/${id}/clients`, {
    name: 'Bench',
  });
  const { token } = muster.target;
  const headers = [
    ['SCIM token', `Bearer ${token}`],
    ['HTTP Basic', `Basic ${Buffer.from(`${id}:${token}`).toString('base64')}`],
    ['access token of OAuth 2.0', `Bearer ${await accessToken(tokenEndpoint, client)}`],
  ] as const;
  const config = readConfig({ PORT: String(muster.target.port) });
  const pool = new pg.Pool({ connectionString: roleUrl(muster.databaseUrl, 'gateway'), max: 2 });
  try {
    const bearers = new Bearers(new ScimTokens(pool, config.TOKEN_CACHE_MS), [
      new AccessTokens(pool, new Traces(pool, createLogger('bench')), config),
    ]);
    const kinds: OfKind[] = [];
    for (const [kind, header] of headers) {
      const us = await authenticationUs(bearers, header);
      kinds.push({ kind, us, share: us / requestUs });
    }
    return {
      kinds,
      requestUs,
      atMostShare: AT_MOST_SHARE,
      reached: kinds.every(({ share }) => share <= AT_MOST_SHARE),
    };
  } finally {
    await pool.end();
  }
};

const accessToken = async (
  endpoint: string,
  client: { readonly id: string; readonly secret: string },
): Promise<string> => {
  const form = { grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret };
  const response = await fetch(endpoint, { method: 'POST', body: new URLSearchParams(form) });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`${endpoint}: ${response.status}, and no token`);
  return token;
};

const serverUsOfRequest = async (muster: Installation, load: LoadProcess): Promise<number> => {
  const job = { kind: 'cycle', target: muster.target, inFlight: IN_FLIGHT, warmUpSeconds: 0 } as const;
  await load.run({ ...job, prefix: 'warm', seconds: WARM_UP_SECONDS });
  const before = muster.processorMs().server;
  const { completed } = await load.run({ ...job, prefix: 'auth', seconds: SECONDS });
  const after = muster.processorMs().server;
  if (before === undefined || after === undefined) throw new Error('this system does not tell the time of a process');
  return ((after - before) * 1_000) / (completed * OPERATIONS.length);
};

const authenticationUs = async (bearers: Bearers, header: string): Promise<number> => {
  /** As RequestLimits does before the body is read, and ScimTokenGuard after it. */
  const authenticate = async (authorization: string): Promise<void> => {
    const credentials = credentialsIn(authorization)!;
    const { token } = credentials;
    const tokenHash = hash('sha256', token);
    const found = bearers.require(token, tokenHash);
    const known = found instanceof Promise ? await found : found;
    if (isOfAnother(credentials, known)) throw new Error('the user name is that of another directory');
    const again = bearers.require(token, tokenHash);
    if (again instanceof Promise) await again;
  };
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const texts = Array.from({ length: TEXTS }, () => Buffer.from(header).toString('latin1'));
    const before = process.cpuUsage();
    for (let n = 0; n < REQUESTS_IN_ROUND; n++) await authenticate(texts[n % TEXTS]!);
    const { user, system } = process.cpuUsage(before);
    rounds.push((user + system) / REQUESTS_IN_ROUND);
  }
  // The first one warms up.
  return median(rounds.slice(1));
};

export const renderAuthentication = ({ kinds, requestUs, atMostShare }: AuthenticationResult): string =>
  [
    ...kinds.map(
      ({ kind, us, share }) =>
        `${share <= atMostShare ? 'reached' : 'MISSED '} authentication by ${kind}: ${us.toFixed(1)} µs, ${percent(share)} of a request, at most ${percent(atMostShare)}`,
    ),
    `        a request of the cycle at ${IN_FLIGHT} in flight takes ${requestUs.toFixed(0)} µs of the server's processor time`,
  ].join('\n');

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
