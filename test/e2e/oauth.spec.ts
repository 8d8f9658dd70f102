import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { afterAll, describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { startMuster, type Answer, type Directory } from '../support/muster.js';
import { OpenIdProvider } from '../support/openid-provider.js';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const TID = '6babcaad-604b-40ac-a9d7-9fd97c0b779f';
const ENTRA_AUDIENCE = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621';

/** An issuer whose keys and answers the test chooses. */
class Issuer {
  url = '';
  asked = 0;
  /** Null = as it should be. */
  answer: ((end: (status: number, headers: Record<string, string>, body: string) => void) => void) | null = null;
  readonly keys: { kid: string; jwk: JWK; privateKey: CryptoKey }[] = [];
  private server!: Server;

  async start(): Promise<void> {
    await this.newKey();
    this.server = createServer((_request, response) => {
      this.asked++;
      const end = (status: number, headers: Record<string, string>, body: string): void =>
        void response.writeHead(status, headers).end(body);
      if (this.answer) this.answer(end);
      else end(200, {}, JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    });
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  async newKey(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const kid = `k${this.keys.length}`;
    this.keys.push({ kid, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' }, privateKey });
  }

  sign(claims: object, header: object = {}, key = this.keys[0]!): Promise<string> {
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT', ...header })
      .sign(key.privateKey);
  }
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const provider = new OpenIdProvider();
const issuer = new Issuer();
const entra = new Issuer();
// The settings below name their ports.
await Promise.all([provider.start(), issuer.start(), entra.start()]);
afterAll(async () => {
  issuer.stop();
  entra.stop();
  await provider.stop();
});

describe.each(['Postgres', 'Kafka'] as const)('on the log of %s', (log) => {
  const muster = startMuster({
    log,
    settings: {
      OUTBOUND_NETWORKS: '127.0.0.0/8',
      OUTBOUND_TIMEOUT_MS: '1000',
      ENTRA_KEYS_URL: `${entra.url}/keys`,
      MAX_WRONG_CREDENTIALS_PER_MINUTE: '10000',
    },
  });
  const { admin, askForToken } = muster;

  const newClient = async (directory: Directory, body: object = {}): Promise<{ id: string; secret: string }> => {
    const path = `/directories/${directory.id}/clients`;
    const { status, body: made } = await admin('POST', path, { name: `Client ${uuidv7()}`, ...body });
    expect(status, JSON.stringify(made)).toBe(201);
    return made as { id: string; secret: string };
  };
  const bySecret = ({ id: directory }: Directory, id: string, secret: string): Promise<Answer> =>
    askForToken(directory, { grant_type: 'client_credentials', client_id: id, client_secret: secret });
  const byAssertion = ({ id: directory }: Directory, id: string, assertion: string): Promise<Answer> =>
    askForToken(directory, {
      grant_type: 'client_credentials',
      client_id: id,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion,
    });
  const list = ({ scim }: Directory, token: string): Promise<Answer> =>
    scim('GET', '/Users?count=1', undefined, { authorization: `Bearer ${token}` });
  /** The trace of the last authentication of a directory that ended so; it is written within a second. */
  const trace = async ({ id }: Directory, accepted: boolean) =>
    (await admin('GET', `/directories/${id}/authentications`)).body.items.find(
      (one: { accepted: boolean }) => one.accepted === accepted,
    ) as
      | {
          method: string;
          client: string;
          checks: { check: string; expected: string; received: string; passed: boolean }[];
        }
      | undefined;

  it('a client gets an access token by its secret, in the form or in the header, and SCIM takes it', async () => {
    const directory = await muster.newDirectory('Contoso');
    const { id, secret } = await newClient(directory);
    const basic = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
    const asked = await Promise.all([
      bySecret(directory, id, secret),
      // Some administrators, and some portals, write ids in capitals.
      bySecret({ ...directory, id: directory.id.toUpperCase() }, id.toUpperCase(), secret),
      askForToken(directory.id, { grant_type: 'client_credentials', scope: 'scim' }, basic),
    ]);
    for (const [index, { status, body, headers }] of asked.entries()) {
      expect({ status, body }).toEqual({
        status: 200,
        body: { access_token: expect.any(String), token_type: 'Bearer', expires_in: 3_600, scope: 'scim' },
      });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(decodeProtectedHeader(body.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
      expect(decodeJwt(body.access_token)).toMatchObject({
        iss: `https://scim.example.org/oauth/v1/${directory.id}`,
        aud: 'https://scim.example.org/api/scim/v2',
        client_id: id,
        scope: 'scim',
      });
      const made = await directory.scim(
        'POST',
        '/Users',
        { userName: `ada-${index}` },
        { authorization: `Bearer ${body.access_token}` },
      );
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      const events = (await admin('GET', `/users/${made.body.id}/events`)).body.items;
      expect(events[0]).toMatchObject({ actor: `client:${id}` });
    }
    await expect
      .poll(async () => (await admin('GET', `/directories/${directory.id}/clients`)).body.items[0].lastUsedAt, {
        timeout: 20_000,
      })
      .toMatch(/Z$/);
    // Rows of clients and keys are the fold of their events.
    expect((await muster.verify()).findings).toEqual([]);
  });

  it('the metadata of a directory leads from its issuer to its token endpoint and the keys', async () => {
    const { id } = await muster.newDirectory('Found');
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${muster.server.signInPort}${path}`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const issuerOfIt = `https://scim.example.org/oauth/v1/${id}`;
    for (const path of [
      `/.well-known/oauth-authorization-server/oauth/v1/${id}`,
      `/oauth/v1/${id}/.well-known/oauth-authorization-server`,
    ]) {
      expect(await get(path), path).toMatchObject({
        status: 200,
        body: {
          issuer: issuerOfIt,
          token_endpoint: `${issuerOfIt}/token`,
          jwks_uri: `${issuerOfIt}/jwks.json`,
          scopes_supported: ['scim'],
        },
      });
      expect((await get(path.replace(id, id.toUpperCase()))).body).toMatchObject({ issuer: issuerOfIt });
      expect(await get(path.replace(id, uuidv7()))).toMatchObject({ status: 404, body: { error: 'invalid_request' } });
    }
    const { body } = await admin('GET', `/directories/${id}`);
    expect(body).toMatchObject({ issuer: issuerOfIt, tokenEndpoint: `${issuerOfIt}/token` });
    const { body: set } = await get(`/oauth/v1/${id}/jwks.json`);
    for (const key of set.keys as object[])
      expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('several secrets work at once; one that is removed or expired, and a client that is revoked, do not', async () => {
    const directory = await muster.newDirectory('Secrets');
    const { id, secret } = await newClient(directory, { name: 'Entra' });
    const path = `/directories/${directory.id}/clients`;
    const second = await admin('POST', `${path}/Entra/secrets`, { expiresAt: '2099-01-31T00:00:00Z' });
    expect(second.status).toBe(201);
    const statuses = async (): Promise<number[]> =>
      (await Promise.all([secret, second.body.secret].map((one) => bySecret(directory, id, one)))).map(
        ({ status }) => status,
      );
    expect(await statuses()).toEqual([200, 200]);
    const { body: shown } = await admin('GET', `${path}/${id}`);
    expect(shown.secrets).toHaveLength(2);
    expect(JSON.stringify(shown)).not.toMatch(/hash|muster_secret/);
    expect((await admin('DELETE', `${path}/Entra/secrets/${shown.secrets[0].id}`)).status).toBe(204);
    expect(await statuses()).toEqual([401, 200]);
    await muster.owner.query(
      `UPDATE directory.clients SET secrets = jsonb_set(secrets, '{0,expiresAt}', '"2020-01-01T00:00:00.000Z"') WHERE id = $1`,
      [id],
    );
    expect(await statuses()).toEqual([401, 401]);
    const other = await newClient(directory);
    const { body } = await bySecret(directory, other.id, other.secret);
    expect((await list(directory, body.access_token)).status).toBe(200);
    expect((await admin('DELETE', `${path}/${other.id}`)).status).toBe(204);
    expect((await bySecret(directory, other.id, other.secret)).status).toBe(401);
    await expect.poll(async () => (await list(directory, body.access_token)).status).toBe(401);
    expect((await list(directory, body.access_token)).body.detail).toMatch(/status of the client is revoked/);
  });

  it('a client of one directory is none of another, and neither is its access token', async () => {
    const [mine, foreign] = [await muster.newDirectory('Mine'), await muster.newDirectory('Foreign')];
    const { id, secret } = await newClient(mine);
    expect(await bySecret(foreign, id, secret)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    const { body } = await bySecret(mine, id, secret);
    await mine.scim('POST', '/Users', { userName: 'ada' });
    expect((await list(foreign, body.access_token)).body.totalResults).toBe(1);
  });

  it('a directory that is disabled gives no tokens and takes none; disconnected, its clients are revoked', async () => {
    const directory = await muster.newDirectory('Silenced');
    const { id, secret } = await newClient(directory);
    const { body } = await bySecret(directory, id, secret);
    expect((await admin('POST', `/directories/${directory.id}/disable`)).status).toBe(200);
    expect(await bySecret(directory, id, secret)).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    });
    await expect.poll(async () => (await list(directory, body.access_token)).status).toBe(403);
    expect((await admin('POST', `/directories/${directory.id}/enable`)).status).toBe(200);
    await expect.poll(async () => (await list(directory, body.access_token)).status).toBe(200);
    expect((await admin('POST', `/directories/${directory.id}/disconnect`)).status).toBe(200);
    expect((await admin('POST', `/directories/${directory.id}/connect`)).status).toBe(200);
    expect((await bySecret(directory, id, secret)).status).toBe(401);
    await expect.poll(async () => (await list(directory, body.access_token)).status).toBe(401);
  });

  it.each([
    ['no grant type', {}, 400, 'invalid_request'],
    ['another grant type', { grant_type: 'password', username: 'a', password: 'b' }, 400, 'unsupported_grant_type'],
    ['another scope', { grant_type: 'client_credentials', scope: 'scim admin' }, 400, 'invalid_scope'],
    ['no proof', { grant_type: 'client_credentials', client_id: 'x' }, 401, 'invalid_client'],
    ['a parameter twice', 'grant_type=client_credentials&grant_type=client_credentials', 400, 'invalid_request'],
    ['no client id', { grant_type: 'client_credentials', client_secret: 'x' }, 400, 'invalid_request'],
    [
      'two proofs',
      {
        grant_type: 'client_credentials',
        client_id: 'x',
        client_secret: 'x',
        client_assertion: 'x',
        client_assertion_type: ASSERTION_TYPE,
      },
      400,
      'invalid_request',
    ],
    [
      'another type of assertion',
      { grant_type: 'client_credentials', client_assertion: 'x', client_assertion_type: 'saml' },
      400,
      'invalid_request',
    ],
    [
      'an id that is none',
      { grant_type: 'client_credentials', client_id: '\0', client_secret: 'x' },
      401,
      'invalid_client',
    ],
    ['what is no form', '%%%=%', 400, 'invalid_request'],
    ['a form that is too long', `grant_type=${'x'.repeat(40_000)}`, 413, 'invalid_request'],
  ])('the token endpoint refuses %s as RFC 6749 says', async (_what, form, status, error) => {
    const { id } = await muster.newDirectory('Refusing');
    const answer = await askForToken(id, form);
    expect(answer).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body.error_description).toMatch(/^[ !#-[\]-~]+$/);
  });

  it('a body that is no form, and a directory that is none, are refused in the same shape', async () => {
    const { id } = await muster.newDirectory('Typed');
    expect(await askForToken(id, '{}', { 'content-type': 'application/json' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    for (const other of [uuidv7(), 'x', '%00'])
      expect(await askForToken(other, { grant_type: 'client_credentials' })).toMatchObject({
        status: 404,
        body: { error: 'invalid_request' },
      });
  });

  describe('whose tokens another issuer signs', () => {
    const federation = { subject: 'the-workload', audiences: ['api://muster', 'api://muster/scim'] };

    it('a client of a real OpenID provider gets an access token, also after the provider has a new key and while it is away', async () => {
      const directory = await muster.newDirectory('Federated');
      const { id } = await newClient(directory, { federation: { ...federation, issuer: provider.issuer } });
      const tokens = await Promise.all(federation.audiences.map((audience) => provider.token(audience)));
      for (const token of tokens) {
        const { status, body } = await byAssertion(directory, id, token);
        expect(status, JSON.stringify(body)).toBe(200);
        expect((await list(directory, body.access_token)).status).toBe(200);
      }
      // Without a client id, issuer and subject say who it is; and it may be exchanged (RFC 8693).
      const nameless = await askForToken(directory.id, {
        grant_type: 'client_credentials',
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: tokens[0]!,
      });
      expect(nameless.status, JSON.stringify(nameless.body)).toBe(200);
      const exchanged = await askForToken(directory.id, {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: tokens[0]!,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      });
      expect(exchanged).toMatchObject({
        status: 200,
        body: { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      });
      expect(await byAssertion(directory, id, await provider.token('api://somebody-else'))).toMatchObject({
        status: 401,
        body: { error: 'invalid_client', error_description: expect.stringContaining('audience') },
      });
      await provider.stop();
      try {
        expect((await byAssertion(directory, id, tokens[1]!)).status).toBe(200);
      } finally {
        await provider.start();
      }
    }, 60_000);

    const claims = (more: object = {}): object => ({
      iss: issuer.url,
      sub: federation.subject,
      aud: 'api://muster',
      exp: inSeconds(300),
      nbf: inSeconds(-10),
      ...more,
    });
    const federated = async (more: object = {}): Promise<{ directory: Directory; id: string }> => {
      const directory = await muster.newDirectory('Hostile');
      const { id } = await newClient(directory, {
        federation: { ...federation, issuer: issuer.url, jwksUri: `${issuer.url}/${uuidv7()}`, ...more },
      });
      return { directory, id };
    };

    it.each([
      ['another issuer', { iss: 'https://other.example.org' }, 'issuer (iss)'],
      ['an issuer that only begins so', { iss: () => `${issuer.url}/` }, 'issuer (iss)'],
      ['another subject', { sub: 'the-workload-2' }, 'subject (sub)'],
      ['an audience that only begins so', { aud: 'api://muster/scim/x' }, 'audience (aud)'],
      ['an expired token', { exp: () => inSeconds(-60) }, 'expiry (exp)'],
      ['a token that is not good yet', { nbf: () => inSeconds(60) }, 'beginning (nbf)'],
    ])(
      '%s is refused, the trace says what was expected and what came, and nobody is asked for keys',
      async (_what, more, check) => {
        const { directory, id } = await federated();
        issuer.asked = 0;
        const values = Object.fromEntries(
          Object.entries(more).map(([name, value]) => [name, typeof value === 'function' ? value() : value]),
        );
        const token = await issuer.sign(claims(values));
        const { status, body } = await byAssertion(directory, id, token);
        expect({ status, body }).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
        expect(body.error_description).toContain(check);
        // Not everybody may see the values that are expected.
        expect(body.error_description).not.toContain('the-workload');
        expect(issuer.asked).toBe(0);
        await expect.poll(() => trace(directory, false), { timeout: 5_000 }).toMatchObject({ client: id });
        const failed = (await trace(directory, false))!.checks.filter(({ passed }) => !passed);
        expect(failed.map((one) => one.check)).toEqual([check]);
        expect(failed[0]!.expected).not.toBe(failed[0]!.received);
        expect(JSON.stringify(await trace(directory, false))).not.toContain(token.split('.')[2]);
      },
    );

    it.each([
      ['alg none', { alg: 'none' }, ''],
      ['no kid', { kid: undefined }, undefined],
      ['what must be understood', { crit: ['x'], x: 1 }, undefined],
      ['HS256 with the public key', { alg: 'HS256' }, 'hmac'],
    ])('a forged token is refused: %s', async (_what, header, signature) => {
      const { directory, id } = await federated();
      issuer.asked = 0;
      const text = `${part({ alg: 'RS256', kid: 'k0', typ: 'JWT', ...header })}.${part(claims())}`;
      const hmac = createHmac('sha256', JSON.stringify(issuer.keys[0]!.jwk)).update(text).digest('base64url');
      const forged = `${text}.${signature === 'hmac' ? hmac : (signature ?? 'AAAA')}`;
      expect((await byAssertion(directory, id, forged)).status).toBe(401);
      expect(issuer.asked).toBe(0);
    });

    it('200 unknown kids make one request for keys, and a huge token none', async () => {
      const { directory, id } = await federated();
      expect((await byAssertion(directory, id, await issuer.sign(claims()))).status).toBe(200);
      issuer.asked = 0;
      const [header, payload] = [(index: number) => part({ alg: 'RS256', kid: `x${index}` }), part(claims())];
      for (let round = 0; round < 20; round++) {
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            byAssertion(directory, id, `${header(round * 10 + index)}.${payload}.AAAA`),
          ),
        );
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
      }
      expect(issuer.asked).toBeLessThanOrEqual(1);
      const huge = await issuer.sign(claims({ more: 'x'.repeat(20_000) }));
      expect((await byAssertion(directory, id, huge)).status).toBe(401);
      expect(issuer.asked).toBeLessThanOrEqual(1);
    });

    it.each([
      [
        'of 10 MB',
        (end: Parameters<NonNullable<Issuer['answer']>>[0]) => end(200, {}, 'x'.repeat(10_000_000)),
        /longer than/,
      ],
      [
        'that redirects',
        (end: Parameters<NonNullable<Issuer['answer']>>[0]) => end(302, { location: 'http://127.0.0.1:1/' }, ''),
        /status 302/,
      ],
      ['that never come', () => undefined, /does not answer within 1 s/],
    ])('keys %s are away: 503, and the trace says why', async (_what, answer, why) => {
      const { directory, id } = await federated();
      issuer.answer = answer;
      try {
        const refused = await byAssertion(directory, id, await issuer.sign(claims()));
        expect(refused).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
        expect(refused.body.error_description).toMatch(why);
        expect(refused.headers.get('retry-after')).toBe('1');
      } finally {
        issuer.answer = null;
      }
    });

    it('addresses that lead into our own network are not asked, whatever a tenant types', async () => {
      const port = issuer.url.slice(issuer.url.lastIndexOf(':'));
      issuer.asked = 0;
      for (const jwksUri of ['https://169.254.169.254/keys', 'https://10.0.0.1/keys', `https://[::1]${port}/keys`]) {
        const { directory, id } = await federated({ jwksUri });
        const answer = await byAssertion(directory, id, await issuer.sign(claims()));
        expect(answer, jwksUri).toMatchObject({
          status: 503,
          body: { error_description: expect.stringMatching(/not public/) },
        });
      }
      expect(issuer.asked).toBe(0);
    });

    it('a client that has secrets takes no token, and one with an issuer no secret', async () => {
      const { directory, id } = await federated();
      const { id: other, secret } = await newClient(directory);
      expect((await byAssertion(directory, other, await issuer.sign(claims()))).status).toBe(401);
      expect((await bySecret(directory, id, secret)).status).toBe(401);
      const path = `/directories/${directory.id}/clients`;
      expect((await admin('POST', `${path}/${id}/secrets`, {})).status).toBe(409);
      for (const wrong of [{ issuer: 'x' }, { audiences: [] }, { subject: '' }, { jwksUri: 'javascript:1' }])
        expect(
          (await admin('POST', path, { name: 'x', federation: { ...federation, issuer: issuer.url, ...wrong } }))
            .status,
          JSON.stringify(wrong),
        ).toBe(400);
    });
  });

  describe('an access token', () => {
    it('that is forged, of somebody else, or for something else is refused by SCIM', async () => {
      const directory = await muster.newDirectory('Forged');
      const { id, secret } = await newClient(directory);
      const { access_token: token } = (await bySecret(directory, id, secret)).body as { access_token: string };
      const [header, payload, signature] = token.split('.') as [string, string, string];
      const [head, claims] = [decodeProtectedHeader(token), decodeJwt(token)];
      const forged = [
        `${header}.${part({ ...claims, exp: 9_999_999_999 })}.${signature}`,
        `${part({ ...head, alg: 'none' })}.${payload}.`,
        `${part({ ...head, typ: 'JWT' })}.${payload}.${signature}`,
        `${part({ ...head, kid: uuidv7() })}.${payload}.${signature}`,
        `${part({ ...head, jwk: {} })}.${payload}.${signature}`,
        await issuer.sign(claims),
        await issuer.sign({ ...claims, iss: 'https://other.example.org' }),
        `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
        'eyJ.eyJ.',
      ];
      for (const one of forged) {
        const answer = await list(directory, one);
        expect(answer, one).toMatchObject({ status: 401, body: { detail: expect.stringContaining('not accepted') } });
        expect(answer.headers.get('www-authenticate')).toContain('invalid_token');
      }
      expect((await list(directory, token)).status).toBe(200);
    });

    it('works after its key was replaced, and new ones are signed by the new key', async () => {
      const directory = await muster.newDirectory('Rotated');
      const { id, secret } = await newClient(directory);
      const before = (await bySecret(directory, id, secret)).body.access_token as string;
      await muster.owner.query(`UPDATE directory.signing_keys SET created = now() - interval '31 days'`);
      // The face looks for the newest key once a minute: a new process does so at once.
      await muster.stop();
      await muster.start();
      const after = (await bySecret(directory, id, secret)).body.access_token as string;
      expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
      for (const token of [before, after]) expect((await list(directory, token)).status).toBe(200);
      const { rows } = await muster.owner.query('SELECT public_key::text AS text FROM directory.signing_keys');
      expect(rows.length).toBeGreaterThanOrEqual(2);
      for (const { text } of rows) expect(text).not.toContain('"d"');
    }, 60_000);
  });

  it("Entra's own token is taken by the one directory that names its tenant, and by no other", async () => {
    const directory = await muster.newDirectory('Empty secret');
    const claims = (more: object = {}): object => ({
      iss: `https://sts.windows.net/${TID}/`,
      tid: TID,
      aud: ENTRA_AUDIENCE,
      exp: inSeconds(300),
      nbf: inSeconds(-10),
      ...more,
    });
    entra.asked = 0;
    const good = await entra.sign(claims());
    const answer = await list(directory, good);
    expect(answer).toMatchObject({ status: 401, body: { detail: expect.stringContaining(TID) } });
    expect(entra.asked).toBe(0);
    // The first directory that names a tenant of Entra has it, so a key of one tenant may name none.
    const { body: made } = await admin('POST', '/keys', {
      name: `Key ${uuidv7()}`,
      scopes: ['read', 'manage'],
      tenant: directory.tenant,
    });
    const ofOneTenant = muster.adminWith(made.key);
    const name = (entraTenantId: string | null) =>
      ofOneTenant('PATCH', `/directories/${directory.id}`, { entraTenantId });
    expect(await name(TID)).toMatchObject({
      status: 403,
      body: { detail: expect.stringMatching(/good for one tenant.*administrator who manages the installation/) },
    });
    expect((await admin('PATCH', `/directories/${directory.id}`, { entraTenantId: TID })).status).toBe(200);
    // To say again what is so, or to let it go, takes nothing from anybody.
    expect((await name(TID.toUpperCase())).status).toBe(200);
    await expect.poll(async () => (await list(directory, good)).status).toBe(200);
    const ada = await directory.scim('POST', '/Users', { userName: 'ada' }, { authorization: `Bearer ${good}` });
    expect((await admin('GET', `/users/${ada.body.id}/events`)).body.items[0]).toMatchObject({ actor: `entra:${TID}` });
    const other = 'c0ffee00-0000-4000-8000-000000000000';
    const bad = [
      await entra.sign(claims({ aud: 'https://graph.microsoft.com' })),
      await entra.sign(claims({ tid: other })),
      await entra.sign(claims({ tid: other, iss: `https://sts.windows.net/${other}/` })),
      await entra.sign(claims({ exp: inSeconds(-60) })),
      await issuer.sign(claims(), { kid: 'k0' }),
      await entra.sign(claims(), { kid: 'unknown' }),
    ];
    for (const one of bad) expect((await list(directory, one)).status, one).toBe(401);
    await expect.poll(() => trace(directory, true), { timeout: 5_000 }).toMatchObject({ method: 'token of Entra' });
    // Each tenant of Entra has one directory in the whole installation.
    const second = await muster.newDirectory('Second');
    const taken = await admin('PATCH', `/directories/${second.id}`, { entraTenantId: TID });
    expect(taken).toMatchObject({ status: 409, body: { detail: expect.stringContaining(TID) } });
    expect((await admin('PATCH', `/directories/${second.id}`, { entraTenantId: 'contoso' })).status).toBe(400);
    expect((await name(null)).status).toBe(200);
    expect((await name(TID)).status).toBe(403);
  });

  it('no secret, assertion or access token is in a log, a topic, an outcome, a trace or a view', async () => {
    const directory = await muster.newDirectory('Planted');
    const { id, secret } = await newClient(directory);
    const { body } = await bySecret(directory, id, secret);
    await bySecret(directory, secret, id);
    await list(directory, body.access_token);
    await expect.poll(() => trace(directory, false), { timeout: 5_000 }).toBeDefined();
    const texts = await muster.owner.query<{ text: string }>(`
      SELECT message::text AS text FROM log.messages UNION ALL SELECT outcome::text FROM directory.outcomes
      UNION ALL SELECT data::text FROM directory.events UNION ALL SELECT trace::text FROM directory.authentications
      UNION ALL SELECT c::text FROM directory.clients c UNION ALL SELECT k::text FROM directory.signing_keys k`);
    expect(texts.rows.length).toBeGreaterThan(10);
    for (const { text } of texts.rows) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(body.access_token.split('.')[2]);
    }
  });
});
