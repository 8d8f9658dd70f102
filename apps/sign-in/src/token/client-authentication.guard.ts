import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  allPassed,
  check,
  checkClaims,
  checkHeader,
  checkSignature,
  IssuerKeys,
  KeysAway,
  PROVIDER_ALGORITHMS,
  readJwt,
  Traces,
  type Check,
  type Jwt,
} from '#auth';
import { isUuid, WrongCredentials } from '#runtime';
import { OAuthError } from '../oauth-error.js';
import { Clients, type KnownClient } from './clients.queries.js';
import type { Proof } from './token-request.js';

/**
 * The types of tokens that other issuers sign as proofs of a client: Entra says JWT, some say nothing, and an access
 * token of the issuer for us is one as well (RFC 9068). What a token is for, its audience says.
 */
const ASSERTION_TYPES = ['jwt', '(none)', 'at+jwt', 'client-authentication+jwt'];

/** A client that somebody says to be, and what speaks for it. */
interface Judged {
  readonly client: KnownClient | undefined;
  readonly checks: readonly Check[];
  /** The secret is one of the client, though it may have expired. */
  readonly isKnown?: boolean;
}

/** Decides whether a client is who it says, and writes down what was expected and what came. */
@Injectable()
export class ClientAuthentication {
  constructor(
    private readonly clients: Clients,
    private readonly keys: IssuerKeys,
    private readonly traces: Traces,
    private readonly wrong: WrongCredentials,
  ) {}

  /** The client that has proved who it is; `address` is that of the sender. Throws OAuthError. */
  async authenticate(directory: string, proof: Proof, address: string): Promise<KnownClient> {
    const { client, checks, isKnown } =
      'secret' in proof
        ? await this.bySecret(directory, proof)
        : await this.byAssertion(directory, proof.assertion, proof.clientId);
    const accepted = client !== undefined && allPassed(checks);
    this.traces.record({ directory, accepted, method: proof.method, client: client?.id ?? null, checks });
    if (accepted) return client;
    if (!isKnown) this.countUnknown(address);
    const failed = checks.find(({ passed }) => !passed);
    // Nobody has proved anything yet: the expected values are for those who may ask for the trace.
    throw new OAuthError(
      'invalid_client',
      `The client is not authenticated: its ${failed?.check ?? 'client id'} is not the one that is expected. npm run -s cli -- directory trace-auth ${directory} shows what was expected and what came.`,
    );
  }

  /** The error code of RFC 6749 §5.2 stays: 429 (RFC 6585 §4) and Retry-After say when to go on. */
  private countUnknown(address: string): void {
    const retryAfterSeconds = this.wrong.count(address);
    if (retryAfterSeconds === null) return;
    throw new OAuthError(
      'invalid_client',
      'Too many wrong secrets and assertions came from this address (MAX_WRONG_CREDENTIALS_PER_MINUTE). A client that proves who it is gets its token all the same.',
      429,
      retryAfterSeconds,
    );
  }

  private async bySecret(
    directory: string,
    { clientId, secret }: Extract<Proof, { readonly secret: string }>,
  ): Promise<Judged> {
    const client = await this.clients.find(directory, clientId);
    const checks = clientChecks(client, clientId, 'a secret');
    if (!client) return { client, checks };
    const hash = createHash('sha256').update(secret).digest('hex');
    const found = client.secrets.find((one) => one.hash === hash);
    const expired = found?.expiresAt != null && Date.parse(found.expiresAt) <= Date.now();
    return {
      client,
      isKnown: found !== undefined,
      checks: [
        ...checks,
        check(
          'secret',
          `one of the ${client.secrets.length} of the client`,
          found?.id ?? 'another text',
          found !== undefined,
        ),
        ...(found ? [check('expiry of the secret', 'to come', found.expiresAt ?? 'never', !expired)] : []),
      ],
    };
  }

  private async byAssertion(directory: string, text: string, clientId: string | null): Promise<Judged> {
    const jwt = readJwt(text);
    if (!jwt) {
      const client = clientId === null ? undefined : await this.clients.find(directory, clientId);
      return { client, checks: [check('assertion', 'a signed JWT', 'none that can be read', false)] };
    }
    const client = await this.clientOf(directory, clientId, jwt);
    const checks = [
      ...clientChecks(client, clientId ?? '(none)', 'a token of an issuer'),
      ...checkHeader(jwt, PROVIDER_ALGORITHMS, ASSERTION_TYPES),
      ...(client?.federation ? checkClaims(jwt.claims, client.federation, Date.now()) : []),
    ];
    // Only a token that is otherwise right may make us ask its issuer for keys.
    if (!client?.federation || !allPassed(checks)) return { client, checks };
    const { issuer, jwksUri } = client.federation;
    try {
      const signature = await checkSignature(
        jwt,
        (kid, algorithm) => this.keys.find({ issuer, jwksUri, namedBy: client.tenant }, kid, algorithm),
        issuer,
      );
      return { client, checks: [...checks, signature] };
    } catch (error) {
      if (!(error instanceof KeysAway)) throw error;
      const away = check('keys of the issuer', `at ${jwksUri ?? issuer}`, error.message, false);
      this.traces.record({
        directory,
        accepted: false,
        method: 'client_assertion',
        client: client.id,
        checks: [...checks, away],
      });
      throw new OAuthError('temporarily_unavailable', `The keys of the issuer cannot be read: ${error.message}`);
    }
  }

  /** RFC 7521 §4.2: without a client_id, issuer and subject say which client it is. */
  private async clientOf(
    directory: string,
    clientId: string | null,
    { claims }: Jwt,
  ): Promise<KnownClient | undefined> {
    if (clientId !== null) return this.clients.find(directory, clientId);
    const found = await this.clients.findFederated(directory, claims.iss, claims.sub);
    return found.length === 1 ? found[0] : undefined;
  }
}

/** A text that is no id may be a secret that stands in the wrong place: it is not shown. */
const clientChecks = (client: KnownClient | undefined, clientId: string, by: string): readonly Check[] => {
  const received = isUuid(clientId) || clientId === '(none)' ? clientId : 'a text that is no id';
  return [
    check('client id', 'a client of this directory', received, client !== undefined),
    ...(client
      ? [
          check('status of the client', 'active', client.status, client.status === 'active'),
          check(
            'kind of proof',
            client.federation ? 'a token of an issuer' : 'a secret',
            by,
            (by === 'a secret') === (client.federation === null),
          ),
        ]
      : []),
  ];
};
