import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { GuardedRequests } from '#runtime';
import { ISSUER_KEYS, IssuerKeys, KeysAway } from './issuer-keys.js';

let server: Server;
let requests: GuardedRequests;
let issuer: string;
const jwk: Record<string, JWK> = {};
/** Paths that were asked for, and what is answered; null = the server is away. */
let asked: string[] = [];
let answer: unknown = null;
let discovery: unknown;

beforeAll(async () => {
  for (const kid of ['one', 'two']) {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    jwk[kid] = { ...(await exportJWK(publicKey)), kid };
  }
  server = createServer(({ url }, response) => {
    asked.push(url!);
    if (answer === null) return response.destroy();
    response.end(JSON.stringify(url === '/jwks' ? answer : discovery));
    return undefined;
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  requests = new GuardedRequests({ networks: ['127.0.0.0/8'], timeoutMs: 5_000, maxBodyBytes: 262_144 });
});
afterAll(async () => {
  await requests.close();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  answer = { keys: [jwk.one] };
  discovery = { issuer, jwks_uri: `${issuer}/jwks` };
});

/** With a clock that the test moves. */
const world = () => {
  let nowMs = 0;
  const keys = new IssuerKeys(requests, ISSUER_KEYS, () => nowMs);
  return {
    find: (kid: string) => keys.find({ issuer, jwksUri: `${issuer}/jwks`, namedBy: 'a' }, kid, 'ES256'),
    discover: (kid: string) => keys.find({ issuer, jwksUri: null, namedBy: 'a' }, kid, 'ES256'),
    later: (ms: number) => void (nowMs += ms),
  };
};

it('a tenant whose issuers do not answer leaves room for those of another one', async () => {
  const unanswered: ((answered: object) => void)[] = [];
  const slow = {
    getJson: (url: string) =>
      url.endsWith('/slow') ? new Promise<object>((end) => void unanswered.push(end)) : requests.getJson(url),
  };
  const keys = new IssuerKeys(slow);
  const slowOnes = Array.from({ length: ISSUER_KEYS.maxAtOnce }, (_, at) =>
    keys
      .find({ issuer: `${issuer}/${at}`, jwksUri: `${issuer}/${at}/slow`, namedBy: 'a' }, 'one', 'ES256')
      .catch(String),
  );
  const found = await keys.find({ issuer, jwksUri: `${issuer}/jwks`, namedBy: 'b' }, 'one', 'ES256');
  expect(found?.type).toBe('public');
  for (const end of unanswered) end({ keys: [] });
  const answers = await Promise.all(slowOnes);
  expect(unanswered).toHaveLength(ISSUER_KEYS.maxAtOnceEach);
  expect(answers.at(-1)).toMatch(/Too many issuers/);
});

it('the keys of an issuer are read once for all who ask meanwhile, and then remembered', async () => {
  const { find } = world();
  const found = await Promise.all(Array.from({ length: 50 }, () => find('one')));
  expect(found.every((key) => key?.type === 'public')).toBe(true);
  expect(asked).toEqual(['/jwks']);
});

it('200 unknown kids make one request in half a minute, and a new key is found after it', async () => {
  const { find, later } = world();
  await find('one');
  later(ISSUER_KEYS.pauseMs);
  asked = [];
  for (let index = 0; index < 200; index++) expect(await find(`made up ${index}`)).toBeNull();
  await Promise.all(Array.from({ length: 200 }, (_, index) => find(`also made up ${index}`)));
  expect(asked).toEqual(['/jwks']);
  answer = { keys: [jwk.one, jwk.two] };
  expect(await find('two')).toBeNull();
  later(ISSUER_KEYS.pauseMs);
  expect(await find('two')).not.toBeNull();
  expect(asked).toEqual(['/jwks', '/jwks']);
});

it('keys work for a day while their server is away, and an unknown kid is then not said to be wrong', async () => {
  const { find, later } = world();
  await find('one');
  answer = null;
  later(ISSUER_KEYS.freshMs * 2);
  expect(await find('one')).not.toBeNull();
  later(ISSUER_KEYS.keptMs - ISSUER_KEYS.freshMs * 2);
  expect(await find('one')).not.toBeNull();
  await expect(find('two')).rejects.toThrow(KeysAway);
  later(1);
  await expect(find('one')).rejects.toThrow('It cannot be reached.');
  answer = { keys: [jwk.one] };
  later(ISSUER_KEYS.pauseMs);
  expect(await find('one')).not.toBeNull();
});

it('keys that are not fresh are read again while they still work, so that a retired one goes', async () => {
  const { find, later } = world();
  await find('one');
  answer = { keys: [jwk.two] };
  later(ISSUER_KEYS.freshMs + 1);
  expect(await find('one')).not.toBeNull();
  await expect.poll(() => find('one')).toBeNull();
  expect(asked).toEqual(['/jwks', '/jwks']);
});

it('without their address the discovery document of the issuer names it, and has to be that of this issuer', async () => {
  expect(await world().discover('one')).not.toBeNull();
  expect(asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
  discovery = { issuer: `${issuer}/`, jwks_uri: `${issuer}/jwks` };
  await expect(world().discover('one')).rejects.toThrow('another issuer');
  discovery = { issuer };
  await expect(world().discover('one')).rejects.toThrow('names no jwks_uri');
  discovery = { issuer, jwks_uri: 'https://169.254.169.254/keys' };
  await expect(world().discover('one')).rejects.toThrow('not public');
});

it.each([
  ['a text', 'keys'],
  ['nothing', undefined],
  ['no list', { keys: 'one' }],
  ['members that are none', { keys: [1, null] }],
  ['too many keys', { keys: Array.from({ length: 101 }, () => ({ kty: 'EC' })) }],
])('a set of keys that is %s is away, and breaks nothing', async (_what, body) => {
  answer = body ?? {};
  await expect(world().find('one')).rejects.toThrow(KeysAway);
});

it('a key that cannot be used is none, beside others that can', async () => {
  answer = { keys: [{ kty: 'EC', kid: 'bad', crv: 'P-256', x: '!', y: '?' }, { ...jwk.two, use: 'enc' }, jwk.one] };
  const { find } = world();
  expect(await find('bad')).toBeNull();
  expect(await find('two')).toBeNull();
  expect(await find('one')).not.toBeNull();
});
