import { afterEach, describe, expect, it, vi } from 'vitest';
import { startMuster } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

/** Bodies that nobody has to read, and bodies that do not end. */
const BASE = '/api/scim/v2';
const LONG = 8_000_000;
const PER_TENANT = 100_000;
const muster = startMuster({
  settings: {
    MAX_RECEIVED_BYTES_PER_TENANT: String(PER_TENANT),
    MAX_RECEIVED_BYTES: String(1.5 * PER_TENANT),
    // Nothing here is ended by time.
    REQUEST_TIMEOUT_MS: '200000',
    SEND_TIMEOUT_MS: '600000',
  },
});

const open: RawConnection[] = [];
const connection = (port = muster.server.port): RawConnection => {
  const made = new RawConnection(port);
  open.push(made);
  return made;
};
afterEach(() => {
  for (const made of open.splice(0)) made.close();
});

const typed = (...headers: readonly string[]): string[] => ['Content-Type: application/json', ...headers];

describe('without a token, or with a wrong one, no body is read', () => {
  it.each([
    ['POST', `${BASE}/Users`, 401],
    ['POST', `${BASE}/Bulk`, 401],
    ['POST', `${BASE}/.search`, 401],
    ['POST', `${BASE}/Groups/.search`, 401],
    ['PATCH', `${BASE}/Users/x`, 401],
    ['PUT', `${BASE}//Groups/x/`, 401],
    ['DELETE', `${BASE}/Users/x`, 401],
    ['GET', `${BASE}/Users`, 401],
    ['POST', `${BASE}/%55sers`, 401],
    ['POST', `https://scim.example.org${BASE}/Users`, 401],
    ['POST', `${BASE}/Nothing`, 404],
    ['POST', '/', 404],
    ['PUT', '/health/live', 404],
    ['POST', `${BASE}/Schemas`, 405],
    ['POST', '/api/scim/v1/Users', 400],
    ['POST', `${BASE}/Me`, 501],
    ['OPTIONS', `${BASE}/Users`, 204],
    ['GET', `${BASE}/ServiceProviderConfig`, 200],
    ['GET', '/health/live', 200],
  ])('%s %s', async (method, path, status) => {
    for (const token of [null, 'wrong']) {
      for (const length of [`Content-Length: ${LONG}`, 'Transfer-Encoding: chunked']) {
        // The rest of it never comes.
        const asked = connection().send(requestHead(`${method} ${path}`, token, typed(length)));
        const answer = await asked.answer();
        expect(answer.status, answer.body).toBe(path.endsWith('Config') && token !== null ? 401 : status);
        expect(answer.head).toContain('connection: close');
        await asked.ended;
        asked.close();
      }
    }
  });

  it.each([
    ['POST', '/api/admin/v1/tenants', 401],
    ['PUT', '/api/admin/v1/schemas/urn:x', 401],
    ['POST', '/api/admin/v1//users/x/unlink/', 401],
    ['POST', '/api/%61dmin/v1/tenants', 401],
    ['POST', '/api/admin/v1/nothing', 404],
  ])('of the admin API: %s %s', async (method, path, status) => {
    for (const token of [null, 'wrong', muster.token]) {
      const asked = connection(muster.server.adminPort).send(
        requestHead(`${method} ${path}`, token, typed(`Content-Length: ${LONG}`)),
      );
      expect((await asked.answer()).status).toBe(status);
      await asked.ended;
      asked.close();
    }
  });

  it('nor taken: the client is not told to go on', async () => {
    const expecting = typed('Content-Length: 20', 'Expect: 100-continue');
    expect(
      (
        await connection()
          .send(requestHead(`POST ${BASE}/Users`, 'wrong', expecting))
          .answer()
      ).status,
    ).toBe(401);
    const welcome = connection().send(requestHead(`POST ${BASE}/Users`, muster.token, expecting));
    expect((await welcome.answer()).status).toBe(100);
    expect((await welcome.send('{"userName":"waits"}').answer()).status).toBe(201);
  });

  it('but a short one is thrown away, and the connection serves the next request', async () => {
    const body = '{"userName":"short"}';
    const kept = connection().send(
      requestHead(`POST ${BASE}/Users`, 'wrong', typed(`Content-Length: ${body.length}`)) + body,
    );
    expect((await kept.answer()).status).toBe(401);
    expect((await kept.send(requestHead(`GET ${BASE}/Users?count=0`, muster.token)).answer()).status).toBe(200);
  });

  it('and whoever sends all of it all the same reads why it was refused', async () => {
    for (let round = 0; round < 5; round++) {
      const refused = connection().send(
        requestHead(`POST ${BASE}/Bulk`, 'wrong', typed(`Content-Length: ${LONG}`)) + 'x'.repeat(LONG),
      );
      expect((await refused.answer()).status).toBe(401);
      expect(refused.socket.bytesWritten).toBeGreaterThan(LONG / 2);
      await refused.ended;
    }
  });
});

it('a body that is too long for its path is refused before it comes', async () => {
  for (const [path, length] of [
    [`${BASE}/Users`, 1_048_577],
    [`${BASE}/Bulk`, 8_388_609],
  ] as const) {
    expect(
      (
        await connection()
          .send(requestHead(`POST ${path}`, muster.token, typed(`Content-Length: ${length}`)))
          .answer()
      ).status,
    ).toBe(413);
  }
});

describe('bodies that are not whole yet', () => {
  const half = PER_TENANT * 0.6;
  const announced = (token: string): RawConnection =>
    connection().send(`${requestHead(`POST ${BASE}/Users`, token, typed(`Content-Length: ${half}`))}{"userName":"`);
  const posted = (token: string, count: number): string => {
    const body = JSON.stringify({ userName: `posted-${count}`, nickName: 'x'.repeat(half - 100) });
    return requestHead(`POST ${BASE}/Users`, token, typed(`Content-Length: ${body.length}`)) + body;
  };

  it('are limited for each tenant and together; others are served, and when one has gone there is room again', async () => {
    const [a, b, c] = await Promise.all(['A', 'B', 'C'].map((name) => muster.newDirectory(name)));
    const first = announced(a!.token);
    const second = await connection()
      .send(posted(a!.token, 1))
      .answer()
      .then(async (answer) => {
        // The first one may not have been seen yet.
        for (let count = 2; answer.status === 201; count++)
          answer = await connection().send(posted(a!.token, count)).answer();
        return answer;
      });
    expect([
      second.status,
      second.head.includes('retry-after: 1'),
      second.body.includes('MAX_RECEIVED_BYTES_PER_TENANT'),
    ]).toEqual([429, true, true]);
    expect((await connection().send(posted(b!.token, 1)).answer()).status).toBe(201);
    // A tenant that holds nothing is let in, whatever others hold.
    announced(b!.token);
    await vi.waitFor(
      async () =>
        expect(
          (await b!.scim('POST', '/Users', { userName: 'more', nickName: 'x'.repeat(PER_TENANT * 0.5) })).status,
        ).toBe(429),
      { timeout: 10_000 },
    );
    expect((await connection().send(posted(c!.token, 1)).answer()).status).toBe(201);
    first.close();
    await vi.waitFor(
      async () =>
        expect((await a!.scim('POST', '/Users', { userName: 'again', nickName: 'x'.repeat(half) })).status).not.toBe(
          429,
        ),
      { timeout: 10_000 },
    );
  });

  it('are counted while they come where they do not say how long they are', async () => {
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    const { token } = await muster.newDirectory('In pieces');
    const pieces = connection().send(
      `${requestHead(`POST ${BASE}/Users`, token, typed('Transfer-Encoding: chunked'))}${chunk('{"userName":"')}`,
    );
    const waiting = announced(token);
    for (let sent = 0; sent < PER_TENANT; sent += 10_000) pieces.send(chunk('x'.repeat(10_000)));
    expect((await pieces.answer()).status).toBe(429);
    await pieces.ended;
    waiting.close();
    const whole = connection().send(
      requestHead(`POST ${BASE}/Users`, token, typed('Transfer-Encoding: chunked')) +
        chunk('{"userName":') +
        chunk('"pieces"}') +
        chunk(''),
    );
    expect((await whole.answer()).status).toBe(201);
  });
});
