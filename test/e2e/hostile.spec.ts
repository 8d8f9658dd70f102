import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { startMuster, type Answer as AnswerOf } from '../support/muster.js';

/**
 * Requests that no client of good will sends. The faults of a body or a filter are in the files of
 * apps/cli/src/check/cases/rfc.
 */
const BASE = '/api/scim/v2';
const PAGE_BYTES = 200_000;
const IN_FLIGHT_BYTES = 400_000;
const muster = startMuster({
  settings: {
    REQUEST_TIMEOUT_MS: '5000',
    MAX_RESOURCE_BYTES: '1048576',
    MAX_PAGE_BYTES: String(PAGE_BYTES),
    MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT: String(IN_FLIGHT_BYTES),
  },
});

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: any;
}

/** Bytes as they are, and the answer after which the server closes. */
const raw = (bytes: string | Buffer): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(muster.server.port, '127.0.0.1', () => void socket.write(bytes));
    socket
      .setEncoding('utf8')
      .on('data', (chunk: string) => (text += chunk))
      .on('error', reject)
      .on('close', () => {
        const [headers = '', body = ''] = text.split('\r\n\r\n');
        resolve({
          status: Number(/^HTTP\/1.1 (\d+)/.exec(headers)?.[1]),
          headers,
          body: body === '' ? undefined : JSON.parse(body),
        });
      });
  });
const request = (line: string, headers: readonly string[] = [], body = ''): string =>
  [
    `${line} HTTP/1.1`,
    'Host: scim.example.org',
    `Authorization: Bearer ${muster.token}`,
    'Connection: close',
    ...headers,
    '',
    body,
  ].join('\r\n');
const json = (line: string, body: unknown): Promise<Answer> => {
  const text = JSON.stringify(body);
  return raw(
    request(line, ['Content-Type: application/scim+json', `Content-Length: ${Buffer.byteLength(text)}`], text),
  );
};

const expectError = (answer: Answer, status: number, scimType: string | undefined, detail: RegExp): void => {
  expect(answer.status, JSON.stringify(answer)).toBe(status);
  expect(/^content-type: (.*)$/im.exec(answer.headers)?.[1]).toBe('application/scim+json');
  expect(answer.body).toMatchObject({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
    detail: expect.stringMatching(detail) as unknown,
  });
  expect(answer.body.scimType).toBe(scimType);
  expect(answer.body.detail.length).toBeLessThan(400);
};

describe('a SCIM error answers', () => {
  it.each<[string, string]>([
    ['an unknown method', `FOO ${BASE}/Users`],
    ['another protocol', 'PRI * HTTP/2.0\r\nX:'],
    ['a space in the path', `GET ${BASE}/Users/a b`],
    ['letters that are not encoded', `GET ${BASE}/Users?filter=userName+eq+"é"`],
  ])('%s', async (_name, line) => {
    expectError(await raw(request(line)), 400, 'invalidSyntax', /no HTTP request/);
  });

  it.each<[string, string[], string]>([
    ['two lengths', ['Content-Length: 2', 'Transfer-Encoding: chunked'], '{}'],
    ['a length below zero', ['Content-Length: -5'], '{}'],
    ['a chunk without a length', ['Transfer-Encoding: chunked'], 'ZZ\r\n{}'],
  ])('%s', async (_name, headers, body) => {
    expectError(
      await raw(request(`POST ${BASE}/Users`, ['Content-Type: application/json', ...headers], body)),
      400,
      'invalidSyntax',
      /length/,
    );
  });

  it.each(['%', '%zz', '%ff', '%E0%A4%A'])('the path /Users/%s', async (id) => {
    expectError(await raw(request(`GET ${BASE}/Users/${id}`)), 400, 'invalidSyntax', /cannot be decoded/);
    expect((await raw(request(`GET ${BASE}/Users/${id}`, ['Accept: application/json']))).headers).toMatch(
      /^content-type: application\/json$/im,
    );
  });

  it.each(['x'.repeat(600), 'x'.repeat(9_000), '%00', '%22', "x'%20OR%201=1", '..%2f..', '%F0%9F%98%80'])(
    'an id that is none: %s',
    async (id) => {
      for (const method of ['GET', 'DELETE'])
        expectError(await raw(request(`${method} ${BASE}/Users/${id}`)), 404, undefined, /no user with the id "/);
      expectError(await raw(request(`GET ${BASE}/Schemas/${id}`)), 404, undefined, /no schema "/);
      expectError(await raw(request(`GET ${BASE}/ResourceTypes/${id}`)), 404, undefined, /no resource type "/);
    },
  );

  it('a path or headers of more than 16 KB, and says how a long filter is sent', async () => {
    expectError(
      await raw(request(`GET ${BASE}/Users?filter=${'x'.repeat(17_000)}`)),
      431,
      undefined,
      /16384 bytes.*POST to \/Users\/\.search/,
    );
    expectError(
      await raw(
        request(
          `GET ${BASE}/Users`,
          Array.from({ length: 1_500 }, (_, index) => `x-${index}: xxxxx`),
        ),
      ),
      431,
      undefined,
      /16384 bytes/,
    );
  });

  it('a body that does not come', async () => {
    expectError(
      await raw(
        request(`POST ${BASE}/Users`, ['Content-Type: application/json', 'Content-Length: 100'], '{"userName":'),
      ),
      408,
      undefined,
      /REQUEST_TIMEOUT_MS/,
    );
  }, 60_000);

  it('a body that is packed', async () => {
    const packed = gzipSync('{"userName":"x"}');
    const head = request(`POST ${BASE}/Users`, [
      'Content-Type: application/json',
      'Content-Encoding: gzip',
      `Content-Length: ${packed.length}`,
    ]);
    expectError(await raw(Buffer.concat([Buffer.from(head), packed])), 415, undefined, /Content-Encoding "gzip"/);
  });

  it.each([
    ['', 'not ""'],
    ['x'.repeat(5_000), 'not "xx'],
    [',', 'not ","'],
    ['3', 'not "3"'],
  ])('the If-Match %s', async (header, detail) => {
    const { body } = await json(`POST ${BASE}/Users`, { userName: `if-match-${detail}` });
    for (const name of ['If-Match', 'If-None-Match']) {
      expectError(
        await raw(
          request(`${name === 'If-Match' ? 'DELETE' : 'GET'} ${BASE}/Users/${body.id}`, [`${name}: ${header}`]),
        ),
        400,
        'invalidSyntax',
        new RegExp(`^${name} .*${detail}`),
      );
    }
  });
});

describe('what is odd and no error', () => {
  const nothing = 'Content-Length: 0';
  const inPieces = 'Transfer-Encoding: chunked';
  it.each([
    ['a form', ['Content-Type: application/x-www-form-urlencoded', nothing]],
    ['a text', ['Content-Type: text/plain', nothing]],
    ['bytes, without a length', ['Content-Type: application/octet-stream']],
    ['what is no media type', ['Content-Type: nonsense', nothing]],
    ['an empty media type', ['Content-Type:', nothing]],
    ['JSON', ['Content-Type: application/json', nothing]],
    ['nothing that comes in pieces', [inPieces]],
    [
      'a form that comes in pieces, of which there are none',
      ['Content-Type: application/x-www-form-urlencoded', inPieces],
    ],
    ['JSON that comes in pieces, of which there are none', ['Content-Type: application/json', inPieces]],
    ['what is packed', ['Content-Encoding: gzip', nothing]],
    [
      'what is packed and comes in pieces, of which there are none',
      ['Content-Encoding: br', 'Content-Type: application/scim+json', inPieces],
    ],
    ['what is packed, without a length', ['Content-Encoding: gzip']],
  ])('a DELETE whose headers speak of %s, where no body is', async (_what, headers) => {
    for (const path of [`${BASE}/Users`, `${BASE}/Groups`]) {
      const { body } = await json(`POST ${path}`, {
        userName: `no-body-${randomUUID()}`,
        displayName: `no-body-${randomUUID()}`,
      });
      const sent = request(`DELETE ${path}/${body.id}`, headers, headers.includes(inPieces) ? '0\r\n\r\n' : '');
      expect((await raw(sent)).status).toBe(204);
    }
  });

  it('headers that speak of a body are right where one is', async () => {
    for (const [headers, detail] of [
      [['Content-Type: text/plain', inPieces], /application\/scim\+json/],
      [['Content-Type: application/json', 'Content-Encoding: gzip', inPieces], /Content-Encoding "gzip"/],
      [[inPieces], /application\/scim\+json/],
    ] as const) {
      expectError(await raw(request(`POST ${BASE}/Users`, headers, '2\r\n{}\r\n0\r\n\r\n')), 415, undefined, detail);
    }
    expectError(
      await raw(request(`POST ${BASE}/Users`, ['Content-Type: text/plain', nothing])),
      400,
      'invalidSyntax',
      /body/,
    );
  });

  it('an expectation that nobody knows', async () => {
    expect((await raw(request(`GET ${BASE}/Users?count=0`, ['Expect: wonders']))).status).toBe(200);
  });

  it('a whole URL in the request line, with the methods and media type of its path', async () => {
    const answer = await raw(request(`GET https://scim.example.org${BASE}/Users?count=0`));
    expect([answer.status, /content-type: (.*)/i.exec(answer.headers)?.[1]]).toEqual([200, 'application/scim+json']);
    expectError(await raw(request(`DELETE https://scim.example.org${BASE}/Users`)), 405, undefined, /GET, POST/);
  });

  it('an ETag that nobody gave out: it matches nothing', async () => {
    const { body } = await json(`POST ${BASE}/Users`, { userName: 'odd-etag' });
    for (const tag of ['w/"1"', 'W/"01"', 'W/"-1"', '"*"', 'W/"99999999999"', '"a,b"', 'W/"1" W/"2"']) {
      expect((await raw(request(`DELETE ${BASE}/Users/${body.id}`, [`If-Match: ${tag}`]))).status, tag).toBe(412);
    }
    expect((await raw(request(`DELETE ${BASE}/Users/${body.id}`, ['If-Match: W/"7", "1"']))).status).toBe(204);
  });
});

describe('a page of long users', () => {
  it('ends before it is too long, has at least one, and leads through all of them', async () => {
    const names: string[] = [];
    // Some of them packed by Postgres, the last one alone longer than a page.
    for (const [index, displays] of [0, 1, 1, 0, 1, 1, 1, 0, 5].entries()) {
      names.push(`long-${index}`);
      const entitlements = Array.from({ length: displays }, (_, role) => ({
        value: String(role),
        display: 'é'.repeat(index === 4 ? 2 : 35_000),
      }));
      expect((await json(`POST ${BASE}/Users`, { userName: names.at(-1), title: 'Long', entitlements })).status).toBe(
        201,
      );
    }
    for (const list of [
      'filter=title%20eq%20%22long%22',
      'filter=title%20eq%20%22long%22&sortBy=userName',
      'sortBy=title',
    ]) {
      const found: string[] = [];
      const pages: number[] = [];
      for (let startIndex = 1; ; startIndex += pages.at(-1)!) {
        const { status, body } = await raw(request(`GET ${BASE}/Users?${list}&startIndex=${startIndex}&count=1000`));
        expect(status).toBe(200);
        if (startIndex > body.totalResults) break;
        pages.push(body.itemsPerPage);
        expect(body.Resources).toHaveLength(body.itemsPerPage);
        found.push(
          ...body.Resources.flatMap(({ title, userName }: { title?: string; userName: string }) =>
            title === 'Long' ? [userName] : [],
          ),
        );
      }
      expect(pages.length, list).toBeGreaterThan(2);
      expect(found, list).toEqual(names);
    }
  }, 60_000);
});

describe('writes that are long together', () => {
  const long = (userName: string): object => ({
    userName,
    entitlements: [0, 1].map((role) => ({ value: String(role), display: 'x'.repeat(IN_FLIGHT_BYTES / 8) })),
  });
  /** Until so many of these are answered nothing can be written. */
  const whileNothingIsWritten = async (
    count: number,
    writes: readonly (() => Promise<AnswerOf>)[],
  ): Promise<{ refused: AnswerOf[]; others: AnswerOf[] }> => {
    const answers: AnswerOf[] = [];
    await muster.owner.query('BEGIN; LOCK identity.outcomes IN ACCESS EXCLUSIVE MODE');
    const all = writes.map(async (write) => answers.push(await write()));
    try {
      await vi.waitFor(() => expect(answers.length).toBeGreaterThanOrEqual(count), { timeout: 30_000 });
    } finally {
      await muster.owner.query('COMMIT');
    }
    await Promise.all(all);
    return {
      refused: answers.filter(({ status }) => status === 429),
      others: answers.filter(({ status }) => status !== 429),
    };
  };

  it('wait for each other, because other tenants wait for the transaction that writes them, and are refused when that takes long', async () => {
    const { scim } = await muster.newDirectory('long writes');
    const writes = (name: string): (() => Promise<AnswerOf>)[] =>
      Array.from({ length: 5 }, (_, index) => () => scim('POST', '/Users', long(`${name}-${index}`)));
    const { refused, others } = await whileNothingIsWritten(4, writes('refused'));
    for (const { status, headers, body } of refused) {
      expect([status, body.detail, headers.get('retry-after')]).toEqual([
        429,
        expect.stringMatching(/not begun.*before it take long.*this one again/),
        '1',
      ]);
    }
    expect(others.map(({ status }) => status)).toEqual([201]);
    expect((await Promise.all(writes('heavy').map((write) => write()))).map(({ status }) => status)).toEqual([
      201, 201, 201, 201, 201,
    ]);
    // One alone is let in, however long.
    expect((await scim('POST', '/Users', { userName: 'heavy', password: 'x'.repeat(IN_FLIGHT_BYTES) })).status).toBe(
      201,
    );
  }, 60_000);

  it('also short ones that change long users; another tenant is not limited for it', async () => {
    const [heavy, light] = [await muster.newDirectory('long users'), await muster.newDirectory('short users')];
    const ids: string[] = [];
    for (let index = 0; index < 8; index++)
      ids.push((await heavy.scim('POST', '/Users', long(`long-${index}`))).body.id as string);
    const patches = ids.map(
      (id) => () => heavy.scim('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'title', value: 'x' }] }),
    );
    const creates = Array.from(
      { length: 20 },
      (_, index) => () => light.scim('POST', '/Users', { userName: `short-${index}` }),
    );
    // Each reads and writes more than 200,000 bytes: of 400,000 one has room.
    const { refused, others } = await whileNothingIsWritten(7, [...patches, ...creates]);
    expect(refused).toHaveLength(7);
    expect(others.filter(({ status }) => status === 201)).toHaveLength(20);
    // They may be sent one after the other.
    for (const patch of patches) expect((await patch()).status).toBe(200);
  }, 60_000);
});
