import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { eventsViewOf, KEY_SCOPES } from '#contracts';
import { uuidv7 } from '#runtime';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { adminRoutes } from '../support/admin-routes.js';
import { startMuster, type Client } from '../support/muster.js';

vi.setConfig({ testTimeout: 120_000 });

const ALL = [...KEY_SCOPES];

describe.each(['Postgres', 'Kafka'] as const)('keys of the admin API, on the %s log', (log) => {
  const muster = startMuster({ log });
  const { admin, adminWith } = muster;

  const newKey = async (
    name: string,
    scopes: readonly string[],
    rest: object = {},
    by: Client = admin,
  ): Promise<{ id: string; client: Client; key: string }> => {
    const { status, body } = await by('POST', '/keys', { name, scopes, ...rest });
    expect(status, JSON.stringify(body)).toBe(201);
    return { id: body.id, key: body.key, client: adminWith(body.key) };
  };
  const tenantsBy = async (client: Client): Promise<number> => (await client('GET', '/tenants')).status;

  it('a key has a name, scopes and an end, is shown once, and the event says who made it', async () => {
    const bootstrap = adminWith(muster.bootstrapKey);
    const ada = await newKey('Ada', ALL, { expiresAt: '2199-01-01T00:00:00Z', reason: 'new colleague' }, bootstrap);
    expect(ada.key).toMatch(/^muster_key_[\w-]{43}$/);
    const bob = await newKey('Bob', ['read'], {}, ada.client);
    const { items } = (await bob.client('GET', '/keys')).body;
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['command line', 'Ada', 'Bob']);
    expect(items[1]).toMatchObject({
      scopes: ALL,
      tenant: null,
      status: 'active',
      expiresAt: '2199-01-01T00:00:00.000Z',
    });
    expect(JSON.stringify(items)).not.toContain(ada.key);
    const made = await muster.owner.query<{ stream: string; actor: string; reason: string | null }>(
      "SELECT stream, actor, data->>'reason' AS reason FROM directory.events_v1 WHERE type = 'muster.api-key.created.v1' ORDER BY sequence",
    );
    expect(made.rows.slice(1)).toEqual([
      { stream: ada.id, actor: 'admin', reason: 'new colleague' },
      { stream: bob.id, actor: `key:${ada.id}`, reason: null },
    ]);
  });

  it('the acting key is the actor of what it changes, and is seen to be used', async () => {
    const { id, client } = await newKey('Carol', ['manage']);
    const tenant = (await client('POST', '/tenants', { name: 'Carol Ltd' })).body.id as string;
    const { rows } = await muster.owner.query('SELECT actor FROM directory.events_v1 WHERE stream = $1', [tenant]);
    expect(rows).toEqual([{ actor: `key:${id}` }]);
    await vi.waitFor(async () => expect((await admin('GET', `/keys/${id}`)).body.lastUsedAt).toMatch(/^\d{4}-/), {
      timeout: 20_000,
      interval: 200,
    });
    // It makes no event of the key, and verify, which compares rows with events, misses none.
    const events = await muster.owner.query('SELECT FROM directory.events_v1 WHERE stream = $1', [id]);
    expect(events.rowCount).toBe(1);
    expect((await muster.verify()).findings).toEqual([]);
  });

  it('a key that was revoked, or has expired, lets nobody in', async () => {
    const { id, client } = await newKey('Dave', ALL);
    expect(await tenantsBy(client)).toBe(200);
    expect((await admin('DELETE', `/keys/${id}`)).status).toBe(204);
    await vi.waitFor(async () => expect(await tenantsBy(client)).toBe(401), { timeout: 20_000, interval: 100 });
    expect((await client('GET', '/tenants')).body.detail).toMatch(/"Dave" has been revoked/);
    expect((await admin('GET', `/keys/${id}`)).body.status).toBe('revoked');
    const soon = await newKey('Erin', ALL, { expiresAt: new Date(Date.now() + 3_000).toISOString() });
    await vi.waitFor(async () => expect(await tenantsBy(soon.client)).toBe(401), { timeout: 20_000, interval: 100 });
    expect((await soon.client('GET', '/tenants')).body.detail).toMatch(/"Erin" expired on/);
  });

  it('a key gives no scope that it does not have, and the bootstrap key does nothing but keys', async () => {
    const { client } = await newKey('Frank', ['manage']);
    expect(await client('POST', '/keys', { name: 'More', scopes: ['manage', 'reveal'] })).toMatchObject({
      status: 403,
      body: { detail: expect.stringMatching(/cannot give what it does not have: reveal/) as unknown },
    });
    const bootstrap = adminWith(muster.bootstrapKey);
    for (const { method, path, need } of adminRoutes()) {
      if (need!.of === 'keys') continue;
      const { status, body } = await bootstrap(
        method,
        path.replaceAll(/:\w+/g, uuidv7()),
        method === 'GET' ? undefined : {},
      );
      expect([`${method} ${path}`, status]).toEqual([`${method} ${path}`, 403]);
      expect(body.detail).toMatch(/only makes, lists and revokes keys/);
    }
    expect((await bootstrap('GET', '/keys')).status).toBe(200);
  });

  it.each([
    ['no name', { scopes: ALL }, 400],
    ['a blank name', { name: ' ', scopes: ALL }, 400],
    ['a name of two lines', { name: 'a\nb', scopes: ALL }, 400],
    ['no scope', { name: 'x', scopes: [] }, 400],
    ['an unknown scope', { name: 'x', scopes: ['root'] }, 400],
    ['a tenant that is not there', { name: 'x', scopes: ALL, tenant: uuidv7() }, 404],
    ['a moment that has passed', { name: 'x', scopes: ALL, expiresAt: '2020-01-01T00:00:00Z' }, 400],
    ['a name that is taken', { name: 'COMMAND LINE', scopes: ALL }, 409],
  ])('%s makes no key', async (_what, body, status) => {
    expect((await admin('POST', '/keys', body)).status).toBe(status);
  });
});

/** Ways to name the other tenant beside the path. */
const named = ({ tenant, directory }: Readonly<Record<string, string>>): readonly Record<string, string>[] => [
  { tenant: tenant! },
  { directory: directory! },
  { tenant: tenant!, directory: directory! },
];

describe('the key of one tenant', () => {
  const muster = startMuster();
  const { admin } = muster;

  /** A tenant with one of everything. */
  const world = async (name: string): Promise<Readonly<Record<string, string>>> => {
    const { id: directory, tenant, token, scim } = await muster.newDirectory(name);
    const user = (await scim('POST', '/Users', { userName: `${name}@example.org` })).body.id as string;
    const group = (await admin('POST', '/groups', { displayName: name, members: [user], tenant })).body.id as string;
    const urn = `urn:example:${name}:2.0:User`;
    const schema = (
      await admin('PUT', `/schemas/${urn}`, { tenant, name, attributes: [{ name: 'badge', type: 'string' }] })
    ).body.id as string;
    const { tokens } = (await admin('GET', `/directories/${directory}`)).body;
    return { tenant, directory, user, group, schema, token: tokens[0].id as string, urn, secret: token };
  };
  const eventsOf = async (tenant: string): Promise<number> => {
    const count = OWNERS.map(({ name }) => `(SELECT count(*) FROM ${eventsViewOf(name)} WHERE tenant = $1)`);
    const { rows } = await muster.owner.query<{ n: string }>(`SELECT ${count.join(' + ')} AS n`, [tenant]);
    return Number(rows[0]!.n);
  };

  it('sees and changes its own, and nothing of another one, over each route that there is', async () => {
    const [mine, foreign] = [await world('mine'), await world('foreign')];
    const made = await admin('POST', '/keys', { name: 'Of mine', scopes: ALL, tenant: mine.tenant });
    const key = muster.adminWith(made.body.key as string);
    const before = await eventsOf(foreign.tenant!);
    const { urn: _urn, secret: _secret, ...foreignIds } = foreign;
    const body = {
      name: 'Taken over',
      displayName: 'Taken over',
      kind: 'scim',
      loginType: 'oidc',
      providerId: 'p',
      upn: 'u@example.org',
      attributes: [],
      scopes: ALL,
    };
    const seen = (text: string): string[] => Object.values(foreign).filter((value) => text.includes(value));
    for (const { method, path } of adminRoutes()) {
      const route = `${method} ${path}`;
      const paths = path.includes(':id')
        ? Object.values(foreignIds).map((id) => path.replace(':id', id).replaceAll(/:\w+/g, uuidv7()))
        : [path.replace(/:\w+/, encodeURIComponent(foreign.urn!))];
      for (const one of paths) {
        for (const beside of method === 'GET' ? [{}, ...named(foreign)] : named(foreign)) {
          const query = method === 'GET' || method === 'DELETE' ? `?${new URLSearchParams(beside).toString()}` : '';
          const { status, body: answer } = await key(
            method,
            `${one}${query}`,
            query ? undefined : { ...body, ...beside },
          );
          // A list that is asked for nothing of the other tenant has its own things.
          const isOwnList = method === 'GET' && !path.includes(':') && Object.keys(beside).length === 0;
          if (!isOwnList) expect([400, 403, 404], `${route} ${JSON.stringify(beside)}: ${status}`).toContain(status);
          const text = JSON.stringify(answer ?? null);
          // The requests of the key are its own, and hold the ids that it asked for.
          if (status < 400 && route !== 'GET /audit/requests') expect([route, seen(text)]).toEqual([route, []]);
          expect([route, /"name":"[^"]*foreign/.exec(text)?.[0]]).toEqual([route, undefined]);
          expect(text).not.toContain('foreign@example.org');
        }
      }
    }
    expect(await eventsOf(foreign.tenant!)).toBe(before);
    for (const [list, id] of [
      ['tenants', mine.tenant],
      ['directories', mine.directory],
      ['groups', mine.group],
      ['schemas', mine.schema],
    ])
      expect([list, (await key('GET', `/${list}`)).body.items.map((one: { id: string }) => one.id)]).toEqual([
        list,
        [id],
      ]);
    expect((await key('GET', '/directories/first')).body.id).toBe(mine.directory);
    const group = await key('POST', '/groups', { displayName: 'Of the key', members: [mine.user] });
    expect(group).toMatchObject({ status: 201, body: { tenant: mine.tenant } });
    expect((await key('POST', `/directories/first/reveal-token`)).body.token).toBe(mine.secret);
    const signedIn = await key('POST', '/sign-ins', { loginType: 'oidc', providerId: 'p', upn: 'u@example.org' });
    expect(signedIn, JSON.stringify(signedIn.body)).toMatchObject({ status: 201 });
  });

  it('has nothing to do with tenants to come, and with keys', async () => {
    const { tenant } = await muster.newDirectory('Small');
    const key = muster.adminWith(
      (await admin('POST', '/keys', { name: 'Of small', scopes: ALL, tenant })).body.key as string,
    );
    for (const [method, path] of [
      ['POST', '/tenants'],
      ['GET', '/keys'],
      ['POST', '/keys'],
    ] as const)
      expect((await key(method, path, method === 'GET' ? undefined : { name: 'x', scopes: ['read'] })).status).toBe(
        403,
      );
  });
});

describe('wrong keys and tokens', () => {
  const muster = startMuster();
  const AT_ONCE = 100;
  const LIMIT = 100;

  /** Sends many wrong ones, and between them a good one. Returns how often each status came. */
  const flood = async (
    total: number,
    wrong: (made: string) => Promise<{ status: number; headers: Headers }>,
    good: () => Promise<{ status: number }>,
  ): Promise<Map<number, number>> => {
    const statuses = new Map<number, number>();
    for (let sent = 0; sent < total; sent += AT_ONCE) {
      const answers = Promise.all(Array.from({ length: AT_ONCE }, () => wrong(randomBytes(24).toString('base64url'))));
      expect((await good()).status).toBe(200);
      for (const { status, headers } of await answers) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 429) expect(headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
      }
    }
    return statuses;
  };

  it('10,000 wrong keys from an address are told to wait, and its good client notices nothing, with a new key either', async () => {
    const statuses = await flood(
      10_000,
      (made) => muster.adminWith(`muster_key_${made}`)('GET', '/tenants'),
      () => muster.admin('GET', '/tenants'),
    );
    // A flood that lasts longer than a minute may begin anew.
    expect([...statuses.keys()].toSorted()).toEqual([401, 429]);
    expect(statuses.get(401)).toBeLessThan(10 * LIMIT);
    expect(await muster.adminWith('wrong')('GET', '/tenants')).toMatchObject({
      status: 429,
      body: { code: 'tooManyRequests', detail: expect.stringMatching(/keys that nobody knows/) as unknown },
    });
    const { key } = (await muster.admin('POST', '/keys', { name: 'New', scopes: ['read'] })).body;
    expect((await muster.adminWith(key as string)('GET', '/tenants')).status).toBe(200);
  });

  it('so are wrong tokens at the gateway', async () => {
    const scim = (token: string) =>
      muster.scim('GET', '/Users?count=1', undefined, { authorization: `Bearer ${token}` });
    const statuses = await flood(2_000, scim, () => muster.scim('GET', '/Users?count=1'));
    expect([...statuses.keys()].toSorted()).toEqual([401, 429]);
    const { token } = await muster.newDirectory('Connected meanwhile');
    expect((await scim(token)).status).toBe(200);
  });
});
