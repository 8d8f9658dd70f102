import { createLocalJWKSet, errors, type CryptoKey } from 'jose';
import { NoAnswer, type GuardedRequests } from '#runtime';

/** The place of the keys of an issuer. */
export interface KeysPlace {
  readonly issuer: string;
  /** Null: the discovery document of the issuer says where they are (OpenID Connect Discovery 1.0 §4). */
  readonly jwksUri: string | null;
  /** The tenant, or else the setting, that has named it: none of these takes all the room for requests. */
  readonly namedBy: string;
}

export interface IssuerKeysOptions {
  /** Keys that are older are read again, in the background while they work. */
  readonly freshMs: number;
  /** Keys are trusted for so long after they were read last, while their server is away. */
  readonly keptMs: number;
  /** Between two attempts to read the keys of one issuer, whoever asks for it. */
  readonly pauseMs: number;
  readonly maxIssuers: number;
  /** Issuers that are asked at once, all of them and those that one has named. */
  readonly maxAtOnce: number;
  readonly maxAtOnceEach: number;
}

/**
 * A provider announces a key before it signs with it, and retires one for weeks (Entra: 24 h and longer). An unknown kid
 * makes one request in half a minute, however many tokens bear it.
 */
export const ISSUER_KEYS: IssuerKeysOptions = {
  freshMs: 600_000,
  keptMs: 86_400_000,
  pauseMs: 30_000,
  maxIssuers: 1_000,
  maxAtOnce: 16,
  maxAtOnceEach: 4,
};

/** A provider has a handful of keys: each token would be compared with all of them. */
const MAX_KEYS = 100;

/** The keys of an issuer are out of reach. The message says why, in words for the one who typed its address. */
export class KeysAway extends Error {}

type KeySet = ReturnType<typeof createLocalJWKSet>;

interface Known {
  set: KeySet | null;
  readAtMs: number;
  /** When it was attempted last; -Infinity = never. */
  triedAtMs: number;
  /** The reason why it failed then. */
  failure: string | null;
  reading: Promise<void> | null;
}

/**
 * The public keys of identity providers, which somebody has typed the addresses of. They are read when a token needs
 * them, remembered while their server is away, and read again for a kid that is not among them, at a bounded rate.
 */
export class IssuerKeys {
  private readonly known = new Map<string, Known>();
  /** The tenants that have named the issuers which are asked at present, once for each issuer. */
  private readonly underWay: string[] = [];

  constructor(
    private readonly requests: Pick<GuardedRequests, 'getJson'>,
    private readonly options: IssuerKeysOptions = ISSUER_KEYS,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** The key of a kid; null = the issuer has none of it. Throws KeysAway when nobody can say. */
  async find(place: KeysPlace, kid: string, algorithm: string): Promise<CryptoKey | null> {
    const known = this.entryOf(place);
    if (this.isTooOld(known)) known.set = null;
    const found = known.set && (await keyIn(known.set, kid, algorithm));
    if (found) {
      if (this.nowMs() - known.readAtMs > this.options.freshMs) void this.read(place, known);
      return found;
    }
    await this.read(place, known);
    const added = known.set && (await keyIn(known.set, kid, algorithm));
    // It may be a new key, which nobody could read.
    if (!added && (known.failure !== null || !known.set))
      throw new KeysAway(known.failure ?? 'They have not been read.');
    return added;
  }

  private isTooOld({ set, readAtMs }: Known): boolean {
    return set !== null && this.nowMs() - readAtMs > this.options.keptMs;
  }

  private entryOf({ issuer, jwksUri }: KeysPlace): Known {
    const name = JSON.stringify([issuer, jwksUri]);
    const known: Known = this.known.get(name) ?? {
      set: null,
      readAtMs: -Infinity,
      triedAtMs: -Infinity,
      failure: null,
      reading: null,
    };
    // The one that was asked for last is the newest.
    this.known.delete(name);
    if (this.known.size >= this.options.maxIssuers) this.known.delete(this.known.keys().next().value!);
    this.known.set(name, known);
    return known;
  }

  /** Reads the keys once for all who ask meanwhile, and not again before the pause is over. Never throws. */
  private read(place: KeysPlace, known: Known): Promise<void> {
    if (known.reading) return known.reading;
    if (this.nowMs() - known.triedAtMs < this.options.pauseMs) return Promise.resolve();
    const { maxAtOnce, maxAtOnceEach } = this.options;
    const { namedBy } = place;
    if (this.underWay.length >= maxAtOnce || this.underWay.filter((one) => one === namedBy).length >= maxAtOnceEach) {
      known.failure ??= 'Too many issuers are asked for their keys at once.';
      return Promise.resolve();
    }
    known.triedAtMs = this.nowMs();
    this.underWay.push(namedBy);
    known.reading = this.keysOf(place)
      .then(
        (set) => Object.assign(known, { set, readAtMs: this.nowMs(), failure: null }),
        (error: unknown) => void (known.failure = reasonOf(error)),
      )
      .then(() => {
        known.reading = null;
        this.underWay.splice(this.underWay.indexOf(namedBy), 1);
      });
    return known.reading;
  }

  private async keysOf({ issuer, jwksUri }: KeysPlace): Promise<KeySet> {
    const document = (await this.requests.getJson(jwksUri ?? (await this.discover(issuer)))) as {
      readonly keys?: readonly unknown[];
    } | null;
    if (!Array.isArray(document?.keys)) throw new NoAnswer('What it answers is no set of keys.');
    if (document.keys.length > MAX_KEYS) throw new NoAnswer(`It has more than ${MAX_KEYS} keys.`);
    return createLocalJWKSet(document as Parameters<typeof createLocalJWKSet>[0]);
  }

  private async discover(issuer: string): Promise<string> {
    const document = (await this.requests.getJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) as {
      readonly issuer?: unknown;
      readonly jwks_uri?: unknown;
    } | null;
    // OpenID Connect Discovery 1.0 §4.3: it has to be that of this issuer, letter by letter.
    if (document?.issuer !== issuer) throw new NoAnswer('Its discovery document is that of another issuer.');
    if (typeof document.jwks_uri !== 'string') throw new NoAnswer('Its discovery document names no jwks_uri.');
    return document.jwks_uri;
  }
}

/** A key that cannot be read is none: it is what the provider publishes. */
const keyIn = async (set: KeySet, kid: string, algorithm: string): Promise<CryptoKey | null> => {
  try {
    return await set({ kid, alg: algorithm });
  } catch {
    return null;
  }
};

const reasonOf = (error: unknown): string => {
  if (error instanceof NoAnswer) return error.message;
  if (error instanceof errors.JOSEError) return 'What it answers is no set of keys.';
  return 'They could not be read.';
};
