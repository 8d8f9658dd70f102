import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { freePort } from '#host';
import { createLogger, readConfig, uuidv7 } from '#runtime';
import { startServer } from '../../apps/muster/src/server.module.js';
import { startMuster } from '../support/muster.js';
import { RawConnection } from '../support/raw-connection.js';

/** All routes of the admin API have this in common: errors, lists, reasons. */

const muster = startMuster();
const { admin } = muster;

const MEDIA_TYPE = 'application/problem+json';
const ATTRIBUTE = { name: 'badge', type: 'string' };
const problem = (status: number, code: string, detail: RegExp): object => ({
  type: `urn:muster:problem:${code}`,
  title: expect.stringMatching(/^[A-Z]/),
  status,
  detail: expect.stringMatching(detail),
  instance: expect.stringMatching(/^(\/[^?]*)?$/),
  code,
});

describe('errors are problems (RFC 9457)', () => {
  it.each<[string, () => ReturnType<typeof admin>, number, string, RegExp]>([
    ['an unknown path', () => admin('GET', '/nothing?a=b'), 404, 'notFound', /nothing at this path/],
    ['an unknown method', () => admin('PUT', '/tenants', {}), 404, 'notFound', /nothing at this path/],
    ['an unknown id', () => admin('GET', `/groups/${uuidv7()}`), 404, 'notFound', /no group/],
    ['what is no JSON', () => admin('POST', '/tenants', '{"name"'), 400, 'invalidSyntax', /JSON/],
    ['what is no object', () => admin('POST', '/tenants', '7'), 400, 'invalidValue', /must be a JSON object/],
    ['a wrong value', () => admin('POST', '/tenants', { name: 7 }), 400, 'invalidValue', /name must be/],
    [
      'a wrong media type',
      () => admin('POST', '/tenants', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'unsupportedMediaType',
      /application\/json/,
    ],
    [
      'a text',
      () => admin('POST', '/tenants', 'name', { 'content-type': 'text/plain' }),
      415,
      'unsupportedMediaType',
      /application\/json/,
    ],
    ['no key', () => admin('GET', '/tenants', undefined, { authorization: '' }), 401, 'unauthorized', /needs a key/],
    ['too long a body', () => admin('POST', '/tenants', { name: 'x'.repeat(3e6) }), 413, 'tooLarge', /larger/],
    ['a path that cannot be decoded', () => admin('GET', '/groups/%ff'), 400, 'invalidSyntax', /cannot be decoded/],
  ])('%s', async (_name, ask, status, code, detail) => {
    const answer = await ask();
    expect(answer.body).toEqual(problem(status, code, detail));
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe(MEDIA_TYPE);
    if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('also where no request can be read', async () => {
    const asked = new RawConnection(muster.server.adminPort).send('no HTTP at all\r\n\r\n');
    const answer = await asked.answer();
    asked.close();
    expect(answer.head).toContain(`content-type: ${MEDIA_TYPE}`);
    expect(JSON.parse(answer.body)).toEqual(problem(400, 'invalidSyntax', /no HTTP/));
  });

  it('also where the admin API shares its port with SCIM, which has errors of its own', async () => {
    await muster.stop();
    const PORT = String(await freePort());
    const server = await startServer(
      readConfig({ ...muster.environment, PORT, ADMIN_PORT: PORT }),
      muster.database,
      createLogger('test'),
    );
    try {
      const ask = async (method: string, path: string, headers: object = {}, body?: string) => {
        const answer = await fetch(`http://127.0.0.1:${PORT}${path}`, {
          method,
          headers: { authorization: `Bearer ${server.apiKey}`, ...headers },
          ...(body && { body }),
        });
        return [answer.status, answer.headers.get('content-type')];
      };
      const json = { 'content-type': 'application/json' };
      expect(await ask('GET', '/api/admin/v1/nothing')).toEqual([404, MEDIA_TYPE]);
      expect(await ask('GET', '//api/%61dmin/v1/nothing')).toEqual([404, MEDIA_TYPE]);
      expect(await ask('POST', '/api/admin/v1/tenants', json, '{')).toEqual([400, MEDIA_TYPE]);
      expect(await ask('POST', '/api/admin/v1/tenants', { 'content-type': 'text/plain' }, 'x')).toEqual([
        415,
        MEDIA_TYPE,
      ]);
      expect(await ask('GET', '/api/admin/v1/tenants', { authorization: '' })).toEqual([401, MEDIA_TYPE]);
      expect(await ask('GET', '/api/admin/v1/groups/%ff')).toEqual([400, MEDIA_TYPE]);
      expect(await ask('GET', '/api/scim/v2/Nothing')).toEqual([404, 'application/scim+json']);
      expect(await ask('GET', '/nothing')).toEqual([404, 'application/scim+json']);
    } finally {
      await server.stop();
      await muster.start();
    }
  }, 60_000);
});

describe('lists', () => {
  /** All ids of a list, in pages of one. */
  const idsOf = async (path: string): Promise<string[]> => {
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = new URLSearchParams({ limit: '1', cursor }).toString();
      const { status, body } = await admin('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`);
      expect(status, JSON.stringify(body)).toBe(200);
      expect(Object.keys(body)).toEqual(['items', 'next']);
      expect(body.items.length).toBeLessThanOrEqual(1);
      ids.push(...body.items.map(({ id, sequence }: { id?: string; sequence?: number }) => id ?? sequence));
      cursor = body.next;
    }
    return ids;
  };

  it('are read by cursor, each row exactly once', async () => {
    const { body: tenant } = await admin('POST', '/tenants', { name: 'Listed' });
    await admin('POST', '/tenants', { name: 'Listed too' });
    for (const name of ['One', 'Two', 'Three']) {
      await admin('POST', '/directories', { name, tenant: tenant.id });
      await admin('POST', '/groups', { displayName: name, tenant: tenant.id });
      await admin('PUT', `/schemas/urn:example:${name}:User`, { name, attributes: [ATTRIBUTE], tenant: tenant.id });
    }
    const { body: group } = await admin('POST', '/groups', { displayName: 'Renamed', tenant: tenant.id });
    for (const displayName of ['A', 'B']) await admin('PATCH', `/groups/${group.id}`, { displayName });
    for (const [path, least] of [
      ['/tenants', 3],
      ['/directories', 4],
      [`/groups?tenant=${tenant.id}`, 4],
      ['/schemas', 3],
      [`/schemas?tenant=${tenant.id}`, 3],
      [`/groups/${group.id}/events`, 3],
    ] as const) {
      const ids = await idsOf(path);
      expect(ids.length, path).toBeGreaterThanOrEqual(least);
      expect(new Set(ids).size, path).toBe(ids.length);
      const { body: all } = await admin('GET', `${path}${path.includes('?') ? '&' : '?'}limit=99999999`);
      expect(all.items).toHaveLength(ids.length);
      expect(all.next).toBeNull();
    }
  });

  it('take no cursor but their own', async () => {
    for (const name of ['Mine', 'Yours']) await admin('POST', '/directories', { name });
    const { body: first } = await admin('GET', '/directories?limit=1');
    const refused = { status: 400, body: problem(400, 'invalidCursor', /none of this list/) };
    for (const path of ['/tenants', '/schemas', '/groups', `/groups/${uuidv7()}/members`, `/users/${uuidv7()}/events`])
      expect(await admin('GET', `${path}?cursor=${first.next}`), path).toMatchObject(refused);
    for (const cursor of ['made-up', `${first.next}A`, first.next.slice(1), uuidv7()])
      expect(await admin('GET', `/directories?cursor=${cursor}`), cursor).toMatchObject(refused);
    for (const query of ['limit=0', 'limit=-1', 'limit=1.5', 'limit=many', `cursor=${'x'.repeat(5_000)}`])
      expect((await admin('GET', `/directories?${query}`)).status, query).toBe(400);
  });
});

describe('the reason of a change', () => {
  /** The reasons of the last event of a stream: as it is stored, and as it was published. */
  const reasonsOf = async (owner: string, stream: string): Promise<unknown[]> => {
    const { rows } = await muster.owner.query(
      `SELECT e.data->>'reason' AS stored, m.message->'data'->>'reason' AS published
       FROM ${owner}.events_v1 e JOIN log.messages m ON m.message->>'subject' = e.stream::text AND (m.message->'data'->>'version')::int = e.version
       WHERE e.stream = $1 ORDER BY e.version DESC LIMIT 1`,
      [stream],
    );
    return rows;
  };
  const both = (reason: string | null): unknown[] => [{ stored: reason, published: reason }];

  it('is kept in the events of directory', async () => {
    const { body: tenant } = await admin('POST', '/tenants', { name: 'Reasons', reason: 'A branch was founded.' });
    expect(await reasonsOf('directory', tenant.id)).toEqual(both('A branch was founded.'));
    const { body: directory } = await admin('POST', '/directories', { name: 'R', tenant: tenant.id });
    expect(await reasonsOf('directory', directory.id)).toEqual(both(null));
    await admin('PATCH', `/directories/${directory.id}`, { offerLocalGroups: true, reason: 'Asked for by the board' });
    expect(await reasonsOf('directory', directory.id)).toEqual(both('Asked for by the board'));
    const [token] = (await admin('GET', `/directories/${directory.id}`)).body.tokens;
    await admin('POST', `/directories/${directory.id}/reveal-token`, { reason: 'To set it up again' });
    expect(await reasonsOf('directory', token.id)).toEqual(both('To set it up again'));
    await admin('DELETE', `/tokens/${token.id}?reason=${encodeURIComponent('It was in a chat – "by mistake"')}`);
    expect(await reasonsOf('directory', token.id)).toEqual(both('It was in a chat – "by mistake"'));
    const schema = { name: 'S', attributes: [ATTRIBUTE], tenant: tenant.id, reason: 'For the badges' };
    const { body: defined } = await admin('PUT', '/schemas/urn:example:reasons:User', schema);
    expect(await reasonsOf('directory', defined.id)).toEqual(both('For the badges'));
    expect(JSON.stringify(defined.schema)).not.toContain('For the badges');
  });

  it('is kept in those of identity and group, and listed', async () => {
    const { body: user } = await muster.scim('POST', '/Users', { userName: 'reasons@example.org' });
    await admin('POST', `/users/${user.id}/unlink`, { reason: '  She works for herself now.  ' });
    expect(await reasonsOf('identity', user.id)).toEqual(both('She works for herself now.'));
    const listed = (await admin('GET', `/users/${user.id}/events`)).body.items;
    expect(listed.map(({ data }: { data: { reason?: string } }) => data.reason)).toEqual([
      undefined,
      'She works for herself now.',
    ]);
    const { body: group } = await admin('POST', '/groups', { displayName: 'Reasons', reason: 'first' });
    expect(await reasonsOf('"group"', group.id)).toEqual(both('first'));
    await admin('PATCH', `/groups/${group.id}`, { add: [user.id], reason: 'second' });
    expect(await reasonsOf('"group"', group.id)).toEqual(both('second'));
    await admin('DELETE', `/groups/${group.id}?reason=third`);
    expect((await admin('GET', `/groups/${group.id}/events`)).body.items.map(({ data }: any) => data.reason)).toEqual([
      'first',
      'second',
      'third',
    ]);
  });

  it('is one line of 500 characters at most', async () => {
    for (const reason of ['x'.repeat(501), 7, {}, ['a'], 'two\nlines', '\u001b[31mred', 'half a \ud800'])
      expect(await admin('POST', '/groups', { displayName: 'Never', reason }), JSON.stringify(reason)).toMatchObject({
        status: 400,
        body: { code: expect.stringMatching(/^invalid(Value|Syntax)$/) },
      });
    for (const [index, reason] of ['x'.repeat(500), '   ', '', null].entries())
      expect((await admin('POST', '/groups', { displayName: `Made ${index}`, reason })).status).toBe(201);
    expect((await admin('GET', '/groups?limit=1000')).body.items).not.toContainEqual(
      expect.objectContaining({ displayName: 'Never' }),
    );
  });

  it('does not change what events make: nothing is found by verify', async () => {
    expect((await muster.verify()).findings).toEqual([]);
  });
});

describe('the page of the API', () => {
  const get = async (path: string): Promise<{ status: number; headers: Headers; text: string }> => {
    const answer = await fetch(`http://127.0.0.1:${muster.server.adminPort}/api/admin/v1/${path}`);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  it('is read without a key, loads nothing from elsewhere, and runs no script but its own files', async () => {
    const page = await get('docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(page.text).not.toMatch(/https?:|<script(?![^>]* src=)| style=| on\w+=/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!);
    expect(files).toHaveLength(4);
    for (const path of files) {
      const file = await fetch(`http://127.0.0.1:${muster.server.adminPort}${path}`);
      expect(file.status, path).toBe(200);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(50);
      expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('shows docs/openapi.json', async () => {
    const { status, text } = await get('openapi.json');
    expect(status).toBe(200);
    expect(text).toBe(readFileSync('docs/openapi.json', 'utf8'));
  });

  it('opens nothing else', async () => {
    for (const path of [
      'docs/package.json',
      'docs/..%2ftenants',
      'docs/../tenants',
      'openapi.json/',
      'docs%2f../tenants',
    ])
      expect([200, 401, 404]).toContain((await get(path)).status);
    expect((await get('tenants')).status).toBe(401);
    expect((await get('docs/../tenants')).status).toBe(401);
    expect((await get('docs/package.json')).status).toBe(404);
  });
});
