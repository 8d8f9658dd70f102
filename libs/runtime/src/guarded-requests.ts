import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { PublicAddresses } from './public-addresses.js';

export interface GuardedRequestsOptions {
  /** Networks that are allowed besides public addresses, such as 10.1.0.0/16. */
  readonly networks: readonly string[];
  /** For everything together: finding the address, connecting, and the whole answer. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
}

/**
 * There is no answer. The message says why, in words that are fit for the one who typed the URL: they tell nothing of
 * our own network.
 */
export class NoAnswer extends Error {}

const MAX_URL_CHARACTERS = 2_000;
/** A server that is asked again within this time is asked on the same connection. */
const KEEP_ALIVE_MS = 4_000;
const MAX_CONNECTIONS_PER_HOST = 4;

/**
 * Asks servers whose URLs somebody else has typed: a tenant must not reach through us what only we can reach. It speaks
 * https, to public addresses, follows no redirect, and reads no more than so many bytes in so much time. The address is
 * checked when it is connected to, so that a name that leads elsewhere the second time gains nothing.
 */
export class GuardedRequests {
  private readonly addresses: PublicAddresses;
  private readonly agent: Agent;

  constructor(private readonly options: GuardedRequestsOptions) {
    this.addresses = new PublicAddresses(options.networks);
    this.agent = new Agent({
      connect: { lookup: this.lookUp, timeout: options.timeoutMs },
      connections: MAX_CONNECTIONS_PER_HOST,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      maxHeaderSize: 16_384,
    });
  }

  /** The JSON at a URL. Throws NoAnswer that says why there is none. */
  async getJson(url: string): Promise<unknown> {
    const text = await this.get(url);
    try {
      return JSON.parse(text);
    } catch {
      throw new NoAnswer('What it answers is no JSON.');
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async get(text: string): Promise<string> {
    const url = this.allowed(text);
    const signal = AbortSignal.timeout(this.options.timeoutMs);
    try {
      const { statusCode, headers, body } = await request(url, {
        dispatcher: this.agent,
        signal,
        headers: { accept: 'application/json', 'user-agent': 'muster' },
      });
      // A body that is thrown away says so by an error, which would end the process if nobody heard it.
      body.on('error', () => undefined);
      if (statusCode !== 200) {
        body.destroy();
        // A redirect is followed nowhere: it would lead past the check of the URL.
        throw new NoAnswer(`It answers with the status ${statusCode} instead of 200.`);
      }
      if (Number(headers['content-length'] ?? 0) > this.options.maxBodyBytes) {
        body.destroy();
        throw this.tooLong();
      }
      return await this.read(body);
    } catch (error) {
      throw error instanceof NoAnswer ? error : this.why(error as Error & { code?: string }, signal.aborted);
    }
  }

  private async read(body: AsyncIterable<Buffer>): Promise<string> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of body) {
      bytes += piece.length;
      // Leaving the loop closes the connection.
      if (bytes > this.options.maxBodyBytes) throw this.tooLong();
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  private tooLong(): NoAnswer {
    return new NoAnswer(`Its answer is longer than ${this.options.maxBodyBytes} bytes.`);
  }

  /** Throws NoAnswer for a URL that is not asked. */
  private allowed(text: string): URL {
    if (text.length > MAX_URL_CHARACTERS || !URL.canParse(text)) throw new NoAnswer('It is no URL that can be read.');
    const url = new URL(text);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (url.username !== '' || url.password !== '') throw new NoAnswer('Its URL holds a user name or a password.');
    const mayBePlain = this.addresses.isOwn(host === 'localhost' ? '127.0.0.1' : host);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && mayBePlain))
      throw new NoAnswer('Its URL has to begin with https://.');
    // An address that stands in the URL itself is never looked up.
    if (isIP(host) !== 0 && !this.addresses.has(host)) throw notPublic();
    return url;
  }

  private readonly lookUp: LookupFunction = (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, []);
      const refused = found.length === 0 || found.some(({ address }) => !this.addresses.has(address));
      if (refused) return done(notPublic() as NodeJS.ErrnoException, []);
      if (options.all) return done(null, found);
      const [{ address, family }] = found as [LookupAddress];
      return done(null, address, family);
    });
  };

  private why({ code = '' }: Error & { code?: string }, isTooLate: boolean): NoAnswer {
    if (isTooLate || /TIMEOUT|TIMEDOUT/.test(code))
      return new NoAnswer(`It does not answer within ${this.options.timeoutMs / 1_000} s.`);
    if (/^ENOTFOUND|^EAI_/.test(code)) return new NoAnswer('The name of its host is not known.');
    if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code))
      return new NoAnswer('Its certificate is not one that can be trusted.');
    return new NoAnswer('It cannot be reached.');
  }
}

const notPublic = (): NoAnswer =>
  new NoAnswer('Its host leads to an address that is not public; OUTBOUND_NETWORKS allows others.');
