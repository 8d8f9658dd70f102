import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { startMuster, type Directory } from '../support/muster.js';

const muster = startMuster();
const { admin } = muster;

/** Two tenants with a directory each, and a second directory of the first tenant. */
const strangers = async (): Promise<{ mine: Directory; sibling: Directory; foreign: Directory }> => {
  const mine = await muster.newDirectory('A1');
  return { mine, sibling: await muster.newDirectory('A2', mine.tenant), foreign: await muster.newDirectory('B1') };
};

const reveal = (directory: string) => admin('POST', `/directories/${directory}/reveal-token`);

it('a tenant is made, listed and given a directory', async () => {
  const made = await admin('POST', '/tenants', { name: 'Branch office' });
  expect(made).toMatchObject({ status: 201, body: { name: 'Branch office', directories: 0 } });
  await muster.newDirectory('Okta', made.body.id);
  expect((await admin('GET', '/tenants')).body.items).toContainEqual({ ...made.body, directories: 1 });
  expect((await admin('GET', '/directories')).body.items).toContainEqual(
    expect.objectContaining({ name: 'Okta', tenant: made.body.id }),
  );
});

it('wrong input about tenants is told in one sentence', async () => {
  expect(await admin('POST', '/tenants', {})).toMatchObject({
    status: 400,
    body: { detail: expect.stringContaining('name') },
  });
  expect(await admin('POST', '/directories', { name: 'x', tenant: 'nobody' })).toMatchObject({
    status: 400,
    body: { detail: expect.stringContaining('tenant') },
  });
  const unknown = uuidv7();
  expect(await admin('POST', '/directories', { name: 'x', tenant: unknown })).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining(unknown) },
  });
});

it('nothing of a tenant is read, found, changed or deleted with a token of another', async () => {
  const { mine, foreign } = await strangers();
  const { body: user } = await mine.scim('POST', '/Users', {
    userName: 'ada@example.org',
    externalId: 'e1',
    emails: [{ type: 'work', value: 'ada@example.org' }],
  });
  for (const filter of [
    'userName eq "ada@example.org"',
    'externalId eq "e1"',
    'emails[type eq "work"].value eq "ada@example.org"',
    `id eq "${user.id}"`,
  ]) {
    expect((await foreign.scim('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body.totalResults, filter).toBe(
      0,
    );
  }
  expect((await foreign.scim('GET', '/Users')).body.totalResults).toBe(0);
  expect((await foreign.scim('GET', `/Users/${user.id}`)).status).toBe(404);
  expect(
    (await foreign.scim('PATCH', `/Users/${user.id}`, { Operations: [{ op: 'replace', path: 'title', value: 'x' }] }))
      .status,
  ).toBe(404);
  expect((await foreign.scim('DELETE', `/Users/${user.id}`)).status).toBe(404);
  expect((await mine.scim('GET', `/Users/${user.id}`)).body).toEqual(user);
});

it('a user name is unique in its tenant, also between directories, and free in another', async () => {
  const { mine, sibling, foreign } = await strangers();
  const create = ({ scim }: Directory, userName: string) => scim('POST', '/Users', { userName });
  expect((await create(mine, 'Straße')).status).toBe(201);
  expect((await create(sibling, 'STRAßE')).status).toBe(409);
  expect((await create(foreign, 'straße')).status).toBe(201);
});

it('a first start that was killed before it made its token is finished by the next start', async () => {
  await muster.stop();
  await muster.owner.query('DELETE FROM directory.tokens');
  await muster.start();
  expect(muster.server.directory).toMatchObject({
    name: 'Microsoft Entra ID',
    token: expect.stringMatching(/^muster_/),
  });
  expect((await muster.scim('GET', '/Users?count=1')).status).toBe(200);
}, 60_000);

it('two tenants, or two directories of a tenant, of one name are refused, also when they are asked for together', async () => {
  const asked = await Promise.all(
    ['Head office', ' HEAD  office', 'Head\u200b Office', 'Ｈead office'].map((name) =>
      admin('POST', '/tenants', { name }),
    ),
  );
  expect(asked.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409]);
  expect(asked.find(({ status }) => status === 409)!.body.detail).toMatch(
    /^There is a tenant ".*" already, with the id /,
  );
  const tenant = asked.find(({ status }) => status === 201)!.body.id as string;
  const directories = await Promise.all(
    ['Okta', 'okta ', 'OKTA'].map((name) => admin('POST', '/directories', { name, tenant })),
  );
  expect(directories.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
  expect((await admin('POST', '/directories', { name: 'Okta' })).status).toBe(201);
});

it('a token that cannot be opened breaks no list, and can be revoked', async () => {
  const { id, scim, token } = await muster.newDirectory('Another key');
  const { rows } = await muster.owner.query<{ sealed: string }>(
    'SELECT sealed FROM directory.tokens WHERE directory = $1',
    [id],
  );
  // As with another master key.
  await muster.owner.query('UPDATE directory.tokens SET sealed = $2 WHERE directory = $1', [
    id,
    rows[0]!.sealed.replace(/.{4}$/, 'AAAA'),
  ]);
  const { status, body } = await admin('GET', `/directories/${id}`);
  expect({ status, body }).toMatchObject({ status: 200, body: { tokens: [{ status: 'active' }] } });
  expect((await reveal(id)).body).toMatchObject({ token: null, tokenExpiresAt: null, tokens: [{ status: 'active' }] });
  expect((await admin('GET', '/directories')).body.items.length).toBeGreaterThan(1);
  expect(token).toMatch(/^muster_/);
  expect((await scim('GET', '/Users?count=1')).status).toBe(200);
  expect((await admin('DELETE', `/tokens/${body.tokens[0].id}`)).status).toBe(204);
  await expect.poll(async () => (await scim('GET', '/Users?count=1')).status).toBe(401);
});

it('no query shows a token: to reveal it is an act of its own, which is recorded with the one who asked', async () => {
  const { id, token } = await muster.newDirectory('Secretive');
  const events = async () =>
    (
      await muster.owner.query<{ type: string; actor: string; data: unknown }>(
        'SELECT e.type, e.actor, e.data FROM directory.events e JOIN directory.tokens t ON t.id = e.stream WHERE t.directory = $1 AND e.version > 1',
        [id],
      )
    ).rows;
  const shown = await admin('GET', `/directories/${id}`);
  const listed = (await admin('GET', '/directories')).body.items.find(
    (directory: { id: string }) => directory.id === id,
  );
  for (const answer of [shown.body, listed]) {
    expect(answer).toMatchObject({ id, tokens: [{ status: 'active' }] });
    expect(answer).not.toHaveProperty('token');
  }
  // Not even the role of the admin API finds what it could open.
  const role = new pg.Client({ connectionString: roleUrl(muster.database, 'admin_api') });
  await role.connect();
  const sealed = () =>
    role.query('SELECT sealed FROM directory.revealed_tokens_v1 WHERE id = $1', [shown.body.tokens[0].id]);
  try {
    expect((await sealed()).rowCount).toBe(0);
    expect(await events()).toEqual([]);
    expect(await reveal(id)).toMatchObject({ status: 200, body: { id, token, tokenExpiresAt: null } });
    expect((await sealed()).rowCount).toBe(1);
  } finally {
    await role.end();
  }
  expect(await events()).toEqual([
    { type: 'muster.token.revealed.v1', actor: expect.stringMatching(/^key:/), data: { type: 'TokenRevealed' } },
  ]);
  const outcomes = await muster.owner.query('SELECT outcome::text AS text FROM directory.outcomes');
  const messages = await muster.owner.query('SELECT message::text AS text FROM log.messages');
  expect(outcomes.rowCount).toBeGreaterThan(0);
  for (const { text } of [...outcomes.rows, ...messages.rows]) expect(text).not.toContain(token);
  expect((await admin('DELETE', `/tokens/${shown.body.tokens[0].id}`)).status).toBe(204);
  expect((await reveal(id)).body).toMatchObject({ token: null, tokens: [{ status: 'revoked' }] });
  expect((await reveal(uuidv7())).status).toBe(404);
});

it('a token ends at a moment that is to come, and is then shown as expired', async () => {
  const { id } = await muster.newDirectory('Expiry');
  const create = (expiresAt: unknown) =>
    admin('POST', `/directories/${id}/tokens`, { description: 'until', expiresAt });
  for (const expiresAt of [
    '2020-01-01T00:00:00Z',
    '2027-01-31',
    '+010000-01-01T00:00:00Z',
    '2027-02-30T00:00:00Z',
    'NaN',
    '',
    5,
  ]) {
    expect(await create(expiresAt), String(expiresAt)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('expiresAt') },
    });
  }
  const { body: made } = await create('2099-01-31T00:00:00+01:00');
  const shown = async () =>
    (await admin('GET', `/directories/${id}`)).body.tokens.find((token: { id: string }) => token.id === made.id);
  expect(await shown()).toMatchObject({ status: 'active' });
  expect(Date.parse((await shown()).expiresAt)).toBe(Date.parse('2099-01-30T23:00:00Z'));
  await muster.owner.query("UPDATE directory.tokens SET expires_at = now() - interval '1 second' WHERE id = $1", [
    made.id,
  ]);
  expect(await shown()).toMatchObject({ status: 'expired' });
});

it('of the tokens of a directory the one that works longest is shown, with its expiry', async () => {
  const { id, token } = await muster.newDirectory('Rotation');
  const create = async (expiresAt: string) =>
    (await admin('POST', `/directories/${id}/tokens`, { description: 'until', expiresAt })).body as {
      id: string;
      token: string;
    };
  const shown = async () => (await reveal(id)).body;
  expect(await shown()).toMatchObject({ token, tokenExpiresAt: null });
  const late = await create('2099-01-31T00:00:00Z');
  await create('2098-01-31T00:00:00Z');
  expect(await shown()).toMatchObject({ token, tokenExpiresAt: null });
  const forever = (await shown()).tokens.find(({ expiresAt }: { expiresAt: string | null }) => expiresAt === null);
  expect((await admin('DELETE', `/tokens/${forever.id}`)).status).toBe(204);
  expect(await shown()).toMatchObject({
    token: late.token,
    tokenExpiresAt: expect.stringMatching(/^2099-01-31T00:00:00/),
  });
});

it('a tenant that another process keeps waiting is refused after a while, with what to do, and made when it is asked for again', async () => {
  await muster.owner.query('SELECT pg_advisory_lock(7216004)');
  const asked = { name: 'Patient office' };
  try {
    const answer = await admin('POST', '/tenants', asked);
    expect(answer).toMatchObject({
      status: 503,
      body: { detail: expect.stringMatching(/changing the same.*Send it again/) },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  } finally {
    await muster.owner.query('SELECT pg_advisory_unlock(7216004)');
  }
  expect(await admin('POST', '/tenants', asked)).toMatchObject({ status: 201 });
}, 60_000);

describe('with as few connections as there may be', () => {
  const small = startMuster({ settings: { DATABASE_POOL_CONNECTIONS: '2' } });

  it('a new installation starts, and tenants that are asked for together are made', async () => {
    expect(small.server.directory).toMatchObject({ token: expect.stringMatching(/^muster_/) });
    const asked = await Promise.all(['One', 'Two', 'Three'].map((name) => small.admin('POST', '/tenants', { name })));
    expect(asked.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect((await small.scim('POST', '/Users', { userName: 'ada' })).status).toBe(201);
  }, 60_000);
});
