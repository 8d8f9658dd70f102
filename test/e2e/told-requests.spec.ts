import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bodiesContext, bodyKeyText, INSTALLATION, MAX_KEPT_BODY_BYTES } from '#contracts';
import { keySeal, openMasterKey } from '#event-store';
import { masterKeySource, uuidv7 } from '#runtime';
import { textOf } from '../support/kafka-client.js';
import { startMuster, type Answer } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

const SECRET = 'hunter2-planted';
const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

interface Row {
  readonly id: string;
  readonly tenant: string;
  readonly object: string | null;
  readonly told_by: string;
  readonly body: number | null;
  readonly body_bytes: number;
  readonly path: string;
  readonly status: number;
}

const unpacked = (bodies: string): string => inflateRawSync(Buffer.from(bodies, 'base64')).toString();

describe.each(['Postgres', 'Kafka'] as const)('on the log of %s', (log) => {
  const lines: string[] = [];
  const muster = startMuster({ log, lines });
  const { scim, admin } = muster;

  /** The rows of the requests of one correlation id, as soon as there are so many. */
  const recorded = async (correlationId: string, count = 1): Promise<Row[]> => {
    let rows: Row[] = [];
    await expect
      .poll(
        async () => {
          ({ rows } = await muster.owner.query<Row>(
            'SELECT * FROM audit.requests WHERE correlation_id = $1 ORDER BY id',
            [correlationId],
          ));
          return rows.length;
        },
        { timeout: 30_000 },
      )
      .toBe(count);
    return rows;
  };
  /** Sends with an id of its own, and returns what was answered and recorded. */
  const send = async (
    ...[method, path, body, headers]: Parameters<typeof scim>
  ): Promise<{ answer: Answer; row: Row; id: string }> => {
    const id = uuidv7();
    const answer = await scim(method, path, body, { 'x-request-id': id, ...headers });
    expect(answer.headers.get('x-request-id')).toBe(id);
    return { answer, id, row: (await recorded(id))[0]! };
  };
  /** The ciphertext of the bodies that were told with the one of a row. */
  const sealedOf = async ({ tenant, told_by }: Row): Promise<string> =>
    (
      await muster.owner.query<{ sealed: string }>(
        'SELECT sealed FROM audit.bodies WHERE tenant = $1 AND told_by = $2',
        [tenant, told_by],
      )
    ).rows[0]!.sealed;
  const opened = async (row: Row, context = bodiesContext(row.tenant, row.told_by)): Promise<string | null> => {
    if (row.body === null) return null;
    const key = await openMasterKey(muster.owner as never, masterKeySource({ DATA_DIR: muster.environment.DATA_DIR! }));
    const packed = keySeal(keySeal(key).derive(bodyKeyText(row.tenant))).open(context, await sealedOf(row));
    if (packed === null) return null;
    return (JSON.parse(unpacked(packed)) as string[])[row.body]!;
  };
  const first = async (): Promise<{ id: string; tenant: string }> => (await admin('GET', '/directories/first')).body;

  it('a write and a refused one are kept with who, what, when, why, and the body, which is sealed', async () => {
    const { id: directory, tenant } = await first();
    const body = JSON.stringify({ userName: 'told-ada', displayName: 'Ada', active: true });
    const made = await send('POST', '/Users?attributes=userName', body, { 'user-agent': 'Entra' });
    const common = {
      tenant,
      directory,
      face: 'scim',
      actor: expect.stringMatching(/^token:/),
      resource_type: 'User',
      address: '127.0.0.1',
      duration_ms: expect.any(Number),
      at: expect.any(Date),
      replay_of: null,
    };
    expect(made.row).toMatchObject({
      ...common,
      method: 'POST',
      path: '/api/scim/v2/Users?attributes=userName',
      object: made.answer.body.id,
      name: 'told-ada',
      status: 201,
      scim_type: null,
      detail: null,
      user_agent: 'Entra',
      correlation_id: made.id,
      body_bytes: body.length,
    });
    expect(await opened(made.row)).toBe(body);
    expect(await opened(made.row, bodiesContext(tenant, uuidv7()))).toBeNull();
    // The events of the request have its id, too.
    const events = (await admin('GET', `/users/${made.answer.body.id}/events`)).body.items;
    expect(events[0]).toMatchObject({ correlationId: made.id });

    const refused = await send('POST', '/Users', body);
    expect(refused.row).toMatchObject({ ...common, status: 409, scim_type: 'uniqueness', object: null });
    expect(refused.row).toMatchObject({ detail: refused.answer.body.detail });
    const changed = await send('PATCH', `/Users/${made.answer.body.id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'title', value: 'Engineer' }],
    });
    expect(changed.row).toMatchObject({ ...common, method: 'PATCH', status: 200, object: made.answer.body.id });
    const gone = await send('GET', `/Users/${uuidv7()}`);
    expect(gone.row).toMatchObject({ ...common, method: 'GET', status: 404, name: null, body: null, body_bytes: 0 });
    const unread = await send('POST', '/Users', '{"userName": "told-');
    expect(unread.row).toMatchObject({ ...common, status: 400, scim_type: 'invalidSyntax', body_bytes: 19 });
    expect(await opened(unread.row)).toBe('{"userName": "told-');
    const long = await send('POST', '/Users', JSON.stringify({ userName: 'told-long', title: 'é'.repeat(50_000) }));
    expect(long.row.body_bytes).toBeGreaterThan(100_000);
    const kept = (await opened(long.row))!;
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(MAX_KEPT_BODY_BYTES);
    expect(kept).toMatch(/^\{"userName":"told-long","title":$/);
  }, 120_000);

  it('requests of nobody that is known are those of the installation', async () => {
    const wrong = await send('GET', '/Users', undefined, { authorization: 'Bearer wrong-planted' });
    expect(wrong.row).toMatchObject({ tenant: INSTALLATION, status: 401, actor: null, directory: null, face: 'scim' });
    const nowhere = await send('GET', '/Nothing');
    expect(nowhere.row).toMatchObject({ tenant: INSTALLATION, status: 404, resource_type: null });
    const outside = await send('GET', '/../../../else');
    expect(outside.row).toMatchObject({ tenant: INSTALLATION, status: 404, path: '/else' });
    const undecodable = await send('GET', '/Users/%zz');
    expect(undecodable.row).toMatchObject({ status: 400, path: '/api/scim/v2/Users/%zz' });
    const tooLong = await send('POST', '/Users', ' '.repeat(1_100_000));
    expect(tooLong.row).toMatchObject({ status: 413, body: null, body_bytes: 1_100_000 });
    const wrongType = await send('POST', '/Users', 'a', { 'content-type': 'text/plain' });
    expect(wrongType.row).toMatchObject({ status: 415 });
  }, 120_000);

  it('a bulk request is one record, and one more for each operation that failed', async () => {
    const id = uuidv7();
    const target = uuidv7();
    const { status } = await scim(
      'POST',
      '/Bulk',
      {
        schemas: [BULK],
        Operations: [
          { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'told-bulk' } },
          { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: 'told-bulk' } },
          { method: 'DELETE', path: `/Users/${target}` },
          {
            method: 'PATCH',
            path: `/Users/${target}`,
            data: { schemas: [PATCH_OP], Operations: [{ op: 'add', path: `password.x eq ${SECRET}`, value: 'x' }] },
          },
        ],
      },
      { 'x-request-id': id },
    );
    expect(status).toBe(200);
    const rows = await recorded(id, 4);
    expect(rows.map(({ path, status: one, object }) => ({ path, status: one, object }))).toEqual([
      { path: '/api/scim/v2/Bulk', status: 200, object: null },
      { path: '/api/scim/v2/Bulk#2/Users', status: 409, object: null },
      { path: `/api/scim/v2/Bulk#3/Users/${target}`, status: 404, object: target },
      { path: `/api/scim/v2/Bulk#4/Users/${target}`, status: 400, object: target },
    ]);
    expect(rows[3]).toMatchObject({ detail: expect.stringContaining('***') });
    expect(JSON.stringify(rows)).not.toContain(SECRET);
    expect(rows[1]).toMatchObject({
      name: 'told-bulk',
      scim_type: 'uniqueness',
      detail: expect.stringContaining('taken'),
    });
    const { rows: events } = await muster.owner.query(
      "SELECT DISTINCT correlation_id FROM identity.events WHERE correlation_id = $1 AND type LIKE 'muster.user.%'",
      [id],
    );
    expect(events).toHaveLength(1);
  }, 60_000);

  it('the admin API and the token endpoint tell what they were asked, too', async () => {
    const { id: directory, tenant } = await first();
    const [made, refused, denied] = [uuidv7(), uuidv7(), uuidv7()];
    const client = await admin('POST', `/directories/${directory}/clients`, { name: 'Told' }, { 'x-request-id': made });
    expect(client.status).toBe(201);
    expect((await recorded(made))[0]).toMatchObject({
      tenant,
      directory,
      face: 'admin',
      actor: expect.stringMatching(/^key:/),
      method: 'POST',
      path: `/api/admin/v1/directories/${directory}/clients`,
      resource_type: 'directories',
      object: directory,
      name: 'Told',
      status: 201,
    });
    await admin('POST', '/tenants', { name: 7 }, { 'x-request-id': refused });
    expect((await recorded(refused))[0]).toMatchObject({
      status: 400,
      resource_type: 'tenants',
      detail: expect.stringContaining('name'),
    });
    await admin('GET', '/tenants', undefined, { authorization: 'Bearer wrong', 'x-request-id': denied });
    expect((await recorded(denied))[0]).toMatchObject({
      tenant: INSTALLATION,
      face: 'admin',
      status: 401,
      actor: null,
    });

    const { id: clientId, secret } = client.body as { id: string; secret: string };
    const [wrong, right] = [uuidv7(), uuidv7()];
    const form = { grant_type: 'client_credentials', client_id: clientId };
    await muster.askForToken(directory, { ...form, client_secret: SECRET }, { 'x-request-id': wrong });
    const [row] = await recorded(wrong);
    expect(row).toMatchObject({
      tenant,
      directory,
      face: 'sign-in',
      actor: null,
      status: 401,
      resource_type: 'token',
      detail: expect.stringMatching(/^invalid_client: /),
    });
    expect(await opened(row!)).toBe(`grant_type=client_credentials&client_id=${clientId}&client_secret=***`);
    await muster.askForToken(directory, { ...form, client_secret: secret }, { 'x-request-id': right });
    expect((await recorded(right))[0]).toMatchObject({ actor: `client:${clientId}`, status: 200 });
  }, 60_000);

  it('other reads are counted, and the object that was shown is seen', async () => {
    const { tenant } = await first();
    const { body: user } = await scim('POST', '/Users', { userName: 'told-seen' });
    const { body: found } = await scim('POST', '/Users', { userName: 'told-found' });
    await scim('GET', `/Users/${user.id}`);
    await scim('GET', `/Users?filter=${encodeURIComponent('userName eq "told-found"')}`);
    const seen = async (): Promise<string[]> =>
      (await muster.owner.query<{ id: string }>('SELECT id FROM audit.seen WHERE tenant = $1', [tenant])).rows.map(
        ({ id }) => id,
      );
    await expect.poll(seen, { timeout: 30_000 }).toEqual(expect.arrayContaining([user.id, found.id]));
    const { rows } = await muster.owner.query(
      'SELECT kind, sum(count)::int AS count FROM audit.read_counts WHERE tenant = $1 GROUP BY kind',
      [tenant],
    );
    expect(rows).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'User' }), expect.objectContaining({ kind: 'Users' })]),
    );
  }, 60_000);

  it('a dry run is recorded as the question of an administrator, and not as a request of the directory', async () => {
    const { id: directory } = await first();
    const id = uuidv7();
    const { status, body } = await admin(
      'POST',
      `/directories/${directory}/dry-run`,
      { method: 'POST', path: '/Users', body: { userName: 7, password: SECRET } },
      { 'x-request-id': id },
    );
    expect({ status, inner: body.response.status }).toEqual({ status: 200, inner: 400 });
    const [row] = await recorded(id);
    expect(row).toMatchObject({ face: 'admin', status: 200 });
    expect(await opened(row!)).toContain('"password":"***"');
  }, 60_000);

  it('each answer says by which id and trace it is known, also before there is a route', async () => {
    const traced = await scim('GET', '/Users?count=1', undefined, { traceparent: TRACEPARENT });
    expect(traced.headers.get('x-request-id')).toBe(TRACE);
    expect(traced.headers.get('traceparent')).toBe(TRACEPARENT);
    const both = await scim('GET', '/Users?count=1', undefined, { traceparent: TRACEPARENT, 'x-request-id': 'mine' });
    expect(both.headers.get('x-request-id')).toBe('mine');
    const invalid = await scim('GET', '/Users?count=1', undefined, { traceparent: 'x', 'x-request-id': 'a b' });
    expect(invalid.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(invalid.headers.get('traceparent')).toBeNull();
    const bases = [
      `http://127.0.0.1:${muster.server.port}/api/scim/v2/Users`,
      `http://127.0.0.1:${muster.server.port}/else`,
      `http://127.0.0.1:${muster.server.port}/api/scim/v2/Users/%zz`,
      `http://127.0.0.1:${muster.server.port}/health/live`,
      `http://127.0.0.1:${muster.server.adminPort}/api/admin/v1/tenants`,
      `http://127.0.0.1:${muster.server.adminPort}/else`,
      `http://127.0.0.1:${muster.server.signInPort}/oauth/v1/x/token`,
      `http://127.0.0.1:${muster.server.signInPort}/.well-known/oauth-authorization-server/oauth/v1/x`,
    ];
    for (const url of bases) {
      const { headers } = await fetch(url, { headers: { 'x-request-id': 'mine', traceparent: TRACEPARENT } });
      expect([url, headers.get('x-request-id'), headers.get('traceparent')]).toEqual([url, 'mine', TRACEPARENT]);
    }
    const unread: [string, number][] = [
      ['nonsense\r\n\r\n', 400],
      [requestHead('GET /x', null, [`x: ${'y'.repeat(20_000)}`]), 431],
      ['GET /api/scim/v2/Users HTTP/1.1\r\n\r\n', 400],
    ];
    for (const [bytes, status] of unread) {
      const connection = new RawConnection(muster.server.port).send(bytes);
      const answer = await connection.answer();
      connection.close();
      expect([bytes.slice(0, 20), answer.status]).toEqual([bytes.slice(0, 20), status]);
      const id = /\r\nx-request-id: ([0-9a-f-]{36})(\r\n|$)/.exec(answer.head)![1]!;
      expect((await recorded(id))[0]).toMatchObject({
        tenant: INSTALLATION,
        face: 'scim',
        status,
        address: '127.0.0.1',
        detail: JSON.parse(Buffer.from(answer.body, 'latin1').toString()).detail,
      });
    }
  }, 60_000);

  it('a line of the log about a request has its id', async () => {
    const id = uuidv7();
    const rename = (from: string, to: string): Promise<unknown> =>
      muster.owner.query(`ALTER VIEW identity.${from} RENAME TO ${to}`);
    await rename('users_v1', 'users_away');
    try {
      const { status } = await scim('GET', `/Users/${uuidv7()}`, undefined, { 'x-request-id': id });
      expect(status).toBe(500);
    } finally {
      await rename('users_away', 'users_v1');
    }
    expect(lines.filter((line) => line.includes(`"correlationId":"${id}"`)).map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ msg: 'request failed', code: '42P01' }),
    ]);
    expect((await recorded(id))[0]).toMatchObject({ status: 500 });
  }, 60_000);

  it('a body is nowhere on the disk of the database as it came', async () => {
    const planted = `on-disk-${uuidv7()}`;
    // Nobody knows the attribute, so that it is in the record alone.
    const { row, answer } = await send('POST', '/Users', { userName: 'told-disk', planted });
    expect(answer.status).toBe(201);
    expect(await opened(row)).toContain(planted);
    await muster.owner.query('CHECKPOINT');
    // The tables of this database and what Postgres has written ahead.
    const holding = async (text: string): Promise<string[]> =>
      (
        await muster.owner.query<{ path: string }>(
          `SELECT path FROM (
             SELECT 'pg_wal/' || name AS path FROM pg_ls_waldir()
             UNION ALL SELECT f.folder || '/' || pg_ls_dir(f.folder)
             FROM (SELECT 'base/' || oid AS folder FROM pg_database WHERE datname = current_database()) AS f
           ) AS files
           WHERE NOT (pg_stat_file(path, true)).isdir AND position(convert_to($1, 'UTF8') IN pg_read_binary_file(path, true)) > 0`,
          [text],
        )
      ).rows.map(({ path }) => path);
    expect(await holding((await sealedOf(row)).slice(0, 40))).toContainEqual(expect.stringMatching(/^base/));
    expect(await holding(planted)).toEqual([]);
  }, 120_000);

  it('secrets that clients send stand in no table, no topic and no line of the log', async () => {
    const { id: directory } = await first();
    const token = 'token-planted-0123456789';
    const id = uuidv7();
    const headers = { 'x-request-id': id };
    await scim('POST', '/Users', { userName: 'told-secret', password: SECRET }, headers);
    await scim('POST', '/Users', { userName: 7, password: SECRET }, headers);
    await scim('POST', '/Users', `{"userName":"told-x","pass\\u0077ord":"${SECRET}"`, headers);
    await scim('POST', '/Users', `{"userName":"told-x","password":${SECRET}}`, headers);
    await scim(
      'PATCH',
      `/Users/${uuidv7()}`,
      { Operations: [{ op: 'add', value: SECRET, path: 'password' }] },
      headers,
    );
    await scim('GET', `/Users?filter=${encodeURIComponent(`password eq "${SECRET}"`)}`, undefined, headers);
    await scim('POST', '/Users/.search', { filter: `password eq "${SECRET}"` }, headers);
    await scim('GET', `/Users?access_token=${token}&filter=x`, undefined, headers);
    await scim('GET', '/Users', undefined, { ...headers, authorization: `Bearer ${token}` });
    await admin('GET', '/tenants', undefined, { ...headers, authorization: `Bearer ${token}` });
    await admin('POST', `/directories/${directory}/clients`, { name: 'X', secret: SECRET, federation: 7 }, headers);
    await muster.askForToken(directory, { client_secret: SECRET, client_assertion: token, [SECRET]: 'x' }, headers);
    const rows = await recorded(id, 12);
    for (const row of rows) {
      const text = JSON.stringify([row, await opened(row)]);
      for (const secret of [SECRET, token]) expect(text).not.toContain(secret);
    }
    const { rows: tables } = await muster.owner.query<{ name: string }>(
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const { rows: found } = await muster.owner.query(
        `SELECT 1 FROM ${name} t WHERE t::text LIKE '%' || $1 || '%' OR t::text LIKE '%' || $2 || '%' LIMIT 1`,
        [SECRET, token],
      );
      expect([name, found]).toEqual([name, []]);
    }
    for (const line of lines) for (const secret of [SECRET, token]) expect(line).not.toContain(secret);
    if (log === 'Kafka') {
      // Bodies of requests as they are meant.
      const text = (await textOf(muster.environment, 'audit.commands')).replaceAll(/(?<="bodies":")[^"]+/g, unpacked);
      expect(text).toContain('{\\"userName\\":\\"told-secret\\"');
      for (const secret of [SECRET, token]) expect(text).not.toContain(secret);
    }
  }, 120_000);
});
