import { allPassed, check, failureOf, looksLikeJwt, readJwt, type Check, type Jwt } from '#auth';
import { remember } from '#runtime';
import { Rejected } from '#scim';
import { ofActiveDirectory, UnknownToken, type KnownToken, type ScimTokens } from './scim-tokens.queries.js';

/** A JWT whose signature has been looked at, with the way to find who its caller is now. */
export interface ReadToken {
  readonly checks: readonly Check[];
  /** After this it is good for nothing; milliseconds since 1970. */
  readonly expiresMs: number;
  /** Null = nobody. */
  readonly find: () => KnownToken | null | Promise<KnownToken | null>;
  /** Whether that is who may use the token. */
  readonly isRight: (caller: KnownToken) => boolean;
  /** The same in words, for the trace. */
  readonly explain: (caller: KnownToken | null) => readonly Check[];
  readonly trace: (accepted: boolean, checks: readonly Check[]) => void;
}

/** A kind of JWT that is taken as a bearer token. */
export interface JwtReader {
  isFor(jwt: Jwt): boolean;
  /** Throws Rejected where nobody could say, or nothing can be told of it. */
  read(jwt: Jwt): Promise<ReadToken>;
}

/** So many JWTs wait until the one before them is checked: their signatures take threads that all share. */
const MAX_WAITING = 1_000;

type Recheck = () => KnownToken | Promise<KnownToken>;

/**
 * Whatever comes as a bearer token: a SCIM token, or a JWT. The signature of a JWT is checked once, by one after the
 * other; from then on it is known by its hash, like a SCIM token, until it expires. Whether its caller may still use it
 * is looked up as often as that of a SCIM token. One that is known costs 2.5 µs, because it is longer than a SCIM token,
 * which costs 1.5 µs; the first look at it costs 0.4 ms (processor time, Node 24).
 */
export class Bearers {
  /** JWTs that were good, by hash. */
  private readonly verified = new Map<string, Recheck>();
  /** Those that are being checked, by hash. */
  private readonly checking = new Map<string, Promise<KnownToken>>();
  /** The check that each reader has begun last: the keys of another issuer may take long to come. */
  private readonly last = new Map<JwtReader, Promise<unknown>>();

  constructor(
    private readonly scimTokens: ScimTokens,
    private readonly readers: readonly JwtReader[],
  ) {}

  /**
   * Returns the caller at once if it is remembered. Throws Rejected: unauthorized with what to do, tooManyRequests, or
   * unavailable.
   */
  require(bearer: string, hash: string): KnownToken | Promise<KnownToken> {
    const recheck = this.verified.get(hash);
    if (recheck) return recheck();
    return looksLikeJwt(bearer) ? this.check(bearer, hash) : this.scimTokens.require(hash);
  }

  private check(bearer: string, hash: string): Promise<KnownToken> {
    const same = this.checking.get(hash);
    if (same) return same;
    if (this.checking.size >= MAX_WAITING) {
      return Promise.reject(
        new Rejected(
          'tooManyRequests',
          `More than ${MAX_WAITING} tokens that are not known are tried at once. Send the request again later.`,
        ),
      );
    }
    const jwt = readJwt(bearer);
    if (!jwt) return Promise.reject(refused('It looks like a JWT and cannot be read as one.'));
    const reader = this.readers.find((one) => one.isFor(jwt));
    if (!reader) {
      return Promise.reject(
        refused('Its issuer is none whose tokens are taken here: ask the token endpoint of the directory for one.'),
      );
    }
    const checked = (this.last.get(reader) ?? Promise.resolve())
      .then(() => this.verify(reader, jwt, hash))
      .finally(() => this.checking.delete(hash));
    this.checking.set(hash, checked);
    this.last.set(
      reader,
      checked.catch(() => undefined),
    );
    return checked;
  }

  private async verify(reader: JwtReader, jwt: Jwt, hash: string): Promise<KnownToken> {
    const read = await reader.read(jwt);
    const recheck = recheckOf(read);
    const caller = await recheck();
    read.trace(true, [...read.checks, ...read.explain(caller)]);
    remember(this.verified, hash);
    this.verified.set(hash, recheck);
    return caller;
  }
}

const recheckOf = ({ checks, expiresMs, find, isRight, explain, trace }: ReadToken): Recheck => {
  const isGood = allPassed(checks);
  const require = (caller: KnownToken | null): KnownToken => {
    const isOver = expiresMs <= Date.now();
    if (caller && isGood && !isOver && isRight(caller)) return ofActiveDirectory(caller);
    const all = [
      ...checks,
      ...(isOver && isGood ? [check('expiry (exp)', 'to come', new Date(expiresMs).toISOString(), false)] : []),
      ...explain(caller),
    ];
    trace(false, all);
    throw refused(failureOf(all)!);
  };
  return () => {
    const caller = find();
    return caller instanceof Promise ? caller.then(require) : require(caller);
  };
};

export const refused = (why: string): Rejected => new UnknownToken(`The token is not accepted. ${why}`);
