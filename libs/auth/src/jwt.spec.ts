import { createHmac } from 'node:crypto';
import { exportSPKI, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { allPassed, checkClaims, failureOf, type Check } from './checks.js';
import { checkHeader, checkSignature, looksLikeJwt, PROVIDER_ALGORITHMS, readJwt } from './jwt.js';

const NOW = Date.parse('2027-01-31T12:00:00Z');
const SECONDS = NOW / 1_000;
const EXPECTED = {
  issuer: 'https://issuer.example.org/v2.0',
  subject: 'the subject',
  audiences: ['api://a', 'api://a/b'],
};
const GOOD = { iss: EXPECTED.issuer, sub: EXPECTED.subject, aud: 'api://a/b', exp: SECONDS + 60, nbf: SECONDS - 60 };

const keys: Record<string, { publicKey: CryptoKey; privateKey: CryptoKey }> = {};
beforeAll(async () => {
  keys.rsa = await generateKeyPair('RS256', { extractable: true });
  keys.other = await generateKeyPair('RS256', { extractable: true });
  keys.ec = await generateKeyPair('ES256', { extractable: true });
});

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = (claims: object, header: object = {}, key = keys.rsa!.privateKey): Promise<string> =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'k', ...header }).sign(key);

/** All checks, in the order in which a caller makes them: no key is looked for before the others have passed. */
const checksOf = async (text: string): Promise<readonly Check[] | null> => {
  const jwt = readJwt(text);
  if (!jwt) return null;
  const checks = [
    ...checkHeader(jwt, PROVIDER_ALGORITHMS, ['jwt', '(none)']),
    ...checkClaims(jwt.claims, EXPECTED, NOW),
  ];
  if (!allPassed(checks)) return checks;
  return [...checks, await checkSignature(jwt, async (kid) => (kid === 'k' ? keys.rsa!.publicKey : null), 'it')];
};
const failed = async (text: string): Promise<readonly string[] | null> =>
  (await checksOf(text))?.filter(({ passed }) => !passed).map(({ check }) => check) ?? null;

it.each([
  ['as it should be', {}],
  ['with several audiences', { aud: ['other', 'api://a'] }],
  ['without a beginning', { nbf: undefined }],
  ['a clock that is 20 s late', { nbf: SECONDS + 20 }],
  ['a clock that is 20 s early', { exp: SECONDS - 20 }],
])('a token passes: %s', async (_what, more) => {
  expect(await failed(await signed({ ...GOOD, ...more }))).toEqual([]);
});

describe('a token is refused, and the check says why', () => {
  it.each([
    ['another issuer', { iss: 'https://issuer.example.org/v1.0' }, 'issuer (iss)'],
    ['an issuer that only begins so', { iss: `${EXPECTED.issuer}/` }, 'issuer (iss)'],
    ['an issuer in another case', { iss: 'https://ISSUER.example.org/v2.0' }, 'issuer (iss)'],
    ['no issuer', { iss: undefined }, 'issuer (iss)'],
    ['another subject', { sub: 'somebody' }, 'subject (sub)'],
    ['an audience that is only the beginning', { aud: 'api://a/' }, 'audience (aud)'],
    ['an audience that only begins so', { aud: 'api://a/b/c' }, 'audience (aud)'],
    ['audiences that are none', { aud: [['api://a'], null, 1] }, 'audience (aud)'],
    ['no audience', { aud: undefined }, 'audience (aud)'],
    ['expired', { exp: SECONDS - 31 }, 'expiry (exp)'],
    ['no expiry', { exp: undefined }, 'expiry (exp)'],
    ['an expiry that is a text', { exp: '9999999999' }, 'expiry (exp)'],
    ['not yet', { nbf: SECONDS + 31 }, 'beginning (nbf)'],
    ['a beginning that is a text', { nbf: 'now' }, 'beginning (nbf)'],
  ])('%s', async (_what, more, name) => {
    // jose checks the times that it is handed; these are sent by others.
    const text = `${part({ alg: 'RS256', kid: 'k' })}.${part({ ...GOOD, ...more })}.AAAA`;
    expect(await failed(text)).toEqual([name]);
  });

  it.each([
    ['a typ of something else', { typ: 'logout+jwt' }, 'type (typ)'],
    ['a kid that is none', { kid: '' }, 'key id (kid)'],
    ['an unknown kid', { kid: 'unknown' }, 'key id (kid)'],
  ])('%s', async (_what, header, name) => {
    expect(await failed(await signed(GOOD, header))).toEqual([name]);
  });

  it.each([
    ['alg none', { alg: 'none' }, ['algorithm (alg)']],
    ['alg NONE', { alg: 'NONE' }, ['algorithm (alg)']],
    ['no alg', { alg: undefined }, null],
    ['no kid', { kid: undefined }, ['key id (kid)']],
    ['a kid that is a number', { kid: 7 }, ['key id (kid)']],
    ['what must be understood', { crit: ['exp'] }, ['critical header (crit)']],
    ['a payload that is not encoded', { crit: ['b64'], b64: false }, ['critical header (crit)']],
  ])('%s', async (_what, header, names) => {
    const text = `${part({ alg: 'RS256', kid: 'k', ...header })}.${part(GOOD)}.AAAA`;
    expect(await failed(text)).toEqual(names ?? ['algorithm (alg)']);
  });

  it('HS256 with the public key as its secret', async () => {
    const text = `${part({ alg: 'HS256', kid: 'k' })}.${part(GOOD)}`;
    const secret = await exportSPKI(keys.rsa!.publicKey);
    const forged = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    expect(await failed(forged)).toEqual(['algorithm (alg)']);
  });

  it('a signature by another key, of another algorithm, damaged, or of another token', async () => {
    const good = await signed(GOOD);
    const [header, , signature] = good.split('.') as [string, string, string];
    const others = [
      await signed(GOOD, {}, keys.other!.privateKey),
      await signed(GOOD, { alg: 'ES256' }, keys.ec!.privateKey),
      `${good.slice(0, -4)}AAAA`,
      `${header}.${part({ ...GOOD, exp: GOOD.exp + 1 })}.${signature}`,
      `${header}.${part(GOOD)}.`,
    ];
    for (const other of others) expect(await failed(other), other).toEqual(['signature']);
  });

  it.each([
    ['nothing', ''],
    ['a token of SCIM', 'muster_abc'],
    ['two parts', 'eyJhIjoxfQ.eyJhIjoxfQ'],
    ['no JSON', 'eyJxx.eyJxx.AAAA'],
    ['a list', `${part([1])}.${part({})}.A`],
    ['five parts', `${part({ alg: 'dir' })}.a.b.c.d`],
    ['huge', `${part({ alg: 'RS256' })}.${part({ a: 'x'.repeat(20_000) })}.AAAA`],
  ])('%s is no token', (_what, text) => {
    expect(readJwt(text)).toBeNull();
  });
});

it('a token of SCIM is never taken for a JWT', () => {
  expect(looksLikeJwt(`muster_${'A'.repeat(43)}`)).toBe(false);
});

it('the first failure is told in one short sentence without control characters', async () => {
  const text = `${part({ alg: 'RS256', kid: 'k' })}.${part({ ...GOOD, iss: `x\n\u0000${'y'.repeat(5_000)}` })}.AAAA`;
  const told = failureOf((await checksOf(text))!)!;
  expect(told).toMatch(/^The issuer \(iss\) is x\ufffd\ufffdy+…; expected: https:/);
  expect(told.length).toBeLessThan(400);
  expect(failureOf([])).toBeNull();
});
