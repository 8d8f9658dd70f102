import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startMuster, type Directory } from '../support/muster.js';

const DAY_MS = 86_400_000;

describe.each(['Postgres', 'Kafka'] as const)('on the %s log', (log) => {
  const lines: string[] = [];
  const muster = startMuster({ log, lines });
  const { admin } = muster;

  const statusWith = async (token: string): Promise<number> =>
    (await muster.scim('GET', '/Users?count=1', undefined, { authorization: `Bearer ${token}` })).status;
  /** The only token of a directory that was just made. */
  const tokenOf = async ({ id }: Directory): Promise<string> =>
    (await admin('GET', `/tokens?directory=${id}`)).body.items[0].id as string;
  const eventsOf = async (stream: string): Promise<{ type: string; data: Record<string, unknown> }[]> =>
    (
      await muster.owner.query<{ type: string; data: Record<string, unknown> }>(
        'SELECT type, data FROM directory.events WHERE stream = $1 ORDER BY version',
        [stream],
      )
    ).rows;

  it('a directory has several tokens, which are listed page by page, without the tokens themselves', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body: second } = await admin('POST', `/directories/${directory.id}/tokens`, {
      description: 'From 2030',
      expiresAt: '2040-01-01T00:00:00Z',
    });
    expect([await statusWith(directory.token), await statusWith(second.token)]).toEqual([200, 200]);
    const first = await admin('GET', `/tokens?directory=${directory.id}&limit=1`);
    expect(first.body).toMatchObject({ items: [{ status: 'active', expiresAt: null, replacedBy: null }] });
    const { body } = await admin(
      'GET',
      `/tokens?directory=${directory.id}&limit=1&cursor=${encodeURIComponent(first.body.next)}`,
    );
    expect(body).toMatchObject({
      items: [{ id: second.id, description: 'From 2030', status: 'active', expiresAt: '2040-01-01T00:00:00.000Z' }],
      next: null,
    });
    expect(JSON.stringify([first.body, body])).not.toMatch(/muster_|hash|sealed/);
    const { body: shown } = await admin('GET', `/tokens/${second.id}`);
    // Its use above may be written down between the two requests.
    expect({ ...shown, lastUsedAt: null }).toEqual({ ...body.items[0], lastUsedAt: null });
  });

  it('each request of a connection is let in by what it shows itself, whatever the one before it has shown', async () => {
    const [one, other] = [await muster.newDirectory('One'), await muster.newDirectory('Other')];
    const { body } = await one.scim('POST', '/Users', { userName: 'of-one@example.org' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    const statusOf = (authorization?: string): Promise<number> =>
      new Promise((resolve, reject) => {
        request(`${muster.scimUrl}/Users/${body.id}`, { agent, headers: authorization ? { authorization } : {} })
          .on('socket', (socket) => sockets.add(socket))
          .on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode!)))
          .on('error', reject)
          .end();
      });
    try {
      const [own, ofOther] = [`Bearer ${one.token}`, `Bearer ${other.token}`];
      const statuses: number[] = [];
      for (const shown of [own, own, ofOther, undefined, own, `${own}x`, `${own}x`, own])
        statuses.push(await statusOf(shown));
      expect(statuses).toEqual([200, 200, 404, 401, 200, 401, 401, 200]);
      expect(sockets.size).toBe(1);
    } finally {
      agent.destroy();
    }
  });

  it('a token says when it was used last, to a minute, wherever it is listed', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body: unused } = await admin('POST', `/directories/${directory.id}/tokens`, {});
    const begunMs = Date.now();
    await statusWith(directory.token);
    const usesOf = async (path: string): Promise<(string | null)[]> => {
      const { body } = await admin('GET', path);
      return (body.items ?? body.tokens).map(({ lastUsedAt }: { lastUsedAt: string | null }) => lastUsedAt);
    };
    await expect
      .poll(() => usesOf(`/tokens?directory=${directory.id}`), { timeout: 20_000 })
      .toEqual([expect.stringMatching(/Z$/), null]);
    const [used] = await usesOf(`/tokens?directory=${directory.id}`);
    expect(Math.abs(Date.parse(used!) - begunMs)).toBeLessThan(60_000);
    expect(await usesOf(`/directories/${directory.id}`)).toEqual([null, used]);
    expect((await admin('GET', `/tokens/${unused.id}`)).body.lastUsedAt).toBeNull();
  });

  it('an inactive token opens nothing, says so, and opens its directory again when it is active', async () => {
    const directory = await muster.newDirectory('Entra');
    const id = await tokenOf(directory);
    const set = (status: string) => admin('PATCH', `/tokens/${id}`, { status, reason: 'The key was lost' });
    expect((await set('inactive')).body).toMatchObject({ id, status: 'inactive' });
    await expect.poll(() => statusWith(directory.token)).toBe(401);
    expect((await directory.scim('GET', '/Users')).body.detail).toMatch(/inactive.*activate/);
    expect((await set('active')).body).toMatchObject({ status: 'active' });
    await expect.poll(() => statusWith(directory.token)).toBe(200);
    expect((await eventsOf(id)).slice(1)).toMatchObject([
      { type: 'muster.token.changed.v1', data: { status: 'inactive', reason: 'The key was lost' } },
      { type: 'muster.token.changed.v1', data: { status: 'active' } },
    ]);
    expect((await admin('PATCH', `/tokens/${id}`, { description: 'Production' })).body.description).toBe('Production');
    for (const body of [{ status: 'revoked' }, { status: null }, { description: 7 }])
      expect((await admin('PATCH', `/tokens/${id}`, body)).status, JSON.stringify(body)).toBe(400);
  });

  it('a rotated token works beside its successor until the overlap is over, and a revoked one is over at once', async () => {
    const directory = await muster.newDirectory('Entra');
    const id = await tokenOf(directory);
    const before = Date.now();
    const { status, body } = await admin('POST', `/tokens/${id}/rotate`);
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { status: 'active', expiresAt: null, old: { id, status: 'active', replacedBy: body.id } },
    });
    expect(Math.abs(Date.parse(body.old.expiresAt) - before - DAY_MS)).toBeLessThan(60_000);
    expect([await statusWith(directory.token), await statusWith(body.token)]).toEqual([200, 200]);

    const again = await admin('POST', `/tokens/${body.id}/rotate`, { overlapSeconds: 0 });
    expect(again.body.old).toMatchObject({ id: body.id, status: 'expired' });
    await expect.poll(() => statusWith(body.token)).toBe(401);
    expect(await statusWith(again.body.token)).toBe(200);
    expect((await admin('DELETE', `/tokens/${again.body.id}?reason=Done`)).status).toBe(204);
    await expect.poll(() => statusWith(again.body.token)).toBe(401);
    expect((await admin('POST', `/tokens/${id}/rotate`)).body.detail).toContain(body.id);
    for (const overlapSeconds of [-1, 1.5, '1d', 91 * 86_400])
      expect((await admin('POST', `/tokens/${directory.id}/rotate`, { overlapSeconds })).status).toBeLessThan(500);
  });

  it('a token is revealed to whom asks, which is recorded, unless its tenant has that switched off', async () => {
    const directory = await muster.newDirectory('Entra');
    const id = await tokenOf(directory);
    const reveal = () => admin('POST', `/tokens/${id}/reveal`, { reason: 'Entra was set up anew' });
    expect((await reveal()).body).toMatchObject({ id, token: directory.token });
    expect((await eventsOf(id)).at(-1)).toMatchObject({
      type: 'muster.token.revealed.v1',
      data: { reason: 'Entra was set up anew' },
    });
    // A request that is sent again is no exception, whatever its first answer was.
    const again = { 'idempotency-key': `again-${id}` };
    const paths = [`/tokens/${id}/reveal`, `/directories/${directory.id}/reveal-token`];
    for (const path of [...paths, ...paths])
      expect((await admin('POST', path, {}, again)).body.token).toBe(directory.token);
    const { body: off } = await admin('PATCH', `/tenants/${directory.tenant}`, { revealTokens: false });
    expect(off).toMatchObject({ id: directory.tenant, revealTokens: false });
    for (const [path, headers] of paths.flatMap((path) => [[path, {}] as const, [path, again] as const])) {
      expect(await admin('POST', path, {}, headers)).toMatchObject({
        status: 403,
        body: { detail: expect.stringMatching(/manages the installation.*--reveal-tokens on/) },
      });
    }
    expect((await eventsOf(id)).filter(({ type }) => type === 'muster.token.revealed.v1')).toHaveLength(5);
    await admin('PATCH', `/tenants/${directory.tenant}`, { revealTokens: true });
    expect((await reveal()).body.token).toBe(directory.token);
  });

  it('an event says on time that a token is going to expire', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body } = await admin('POST', `/directories/${directory.id}/tokens`, {
      expiresAt: new Date(Date.now() + 7 * DAY_MS + 2_000).toISOString(),
    });
    await expect
      .poll(async () => (await eventsOf(body.id)).map(({ type, data: { days } }) => ({ type, days })), {
        timeout: 20_000,
      })
      .toEqual([{ type: 'muster.token.created.v1' }, { type: 'muster.token.expiring.v1', days: 7 }]);
  }, 30_000);

  it('a tenant gets another name, unless another one has it', async () => {
    const [one, other] = [await muster.newDirectory('Entra'), await muster.newDirectory('Entra')];
    const name = `Renamed ${one.tenant}`;
    expect((await admin('PATCH', `/tenants/${one.tenant}`, { name })).body).toMatchObject({ name });
    expect((await admin('PATCH', `/tenants/${one.tenant}`, { name: name.toUpperCase() })).status).toBe(200);
    expect(await admin('PATCH', `/tenants/${other.tenant}`, { name })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining(one.tenant) },
    });
    expect((await admin('GET', `/tenants/${one.tenant}`)).body).toMatchObject({ name: name.toUpperCase() });
    for (const body of [{ name: '' }, { name: null }, { revealTokens: 'off' }])
      expect((await admin('PATCH', `/tenants/${one.tenant}`, body)).status, JSON.stringify(body)).toBe(400);
  });

  it('a token that was made, rotated and revealed stands in no log, no message, no view and no event', async () => {
    const directory = await muster.newDirectory('Entra');
    const id = await tokenOf(directory);
    const { body } = await admin('POST', `/tokens/${id}/rotate`);
    await admin('POST', `/tokens/${body.id}/reveal`);
    const secrets = [directory.token, body.token].flatMap((token: string) => [
      token,
      createHash('sha256').update(token).digest('hex'),
    ]);
    const { rows: sealed } = await muster.owner.query<{ sealed: string }>(
      'SELECT sealed FROM directory.tokens WHERE directory = $1',
      [directory.id],
    );
    const planted = [...secrets, ...sealed.map((row) => row.sealed)];
    expect(planted).toHaveLength(6);
    const texts = async (sql: string): Promise<string> =>
      (await muster.owner.query<{ text: string }>(sql)).rows.map(({ text }) => text).join('\n');
    const seen = [
      await texts('SELECT message::text AS text FROM log.messages'),
      await texts('SELECT data::text AS text FROM directory.events_v1'),
      await texts('SELECT outcome::text AS text FROM directory.outcomes'),
      await texts('SELECT t::text AS text FROM directory.listed_tokens_v1 t'),
      lines.join('\n'),
    ];
    expect(seen[1]).toContain('TokenRotated');
    for (const text of seen) for (const secret of planted) expect(text.includes(secret)).toBe(false);
    // Not even the store has the token as it is.
    expect(await texts('SELECT data::text AS text FROM directory.events')).not.toContain(directory.token);
  });
});
