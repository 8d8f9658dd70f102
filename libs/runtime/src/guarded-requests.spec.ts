import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GuardedRequests, NoAnswer } from './guarded-requests.js';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
let server: Server;
let base: string;
/** Paths that were asked for. */
const asked: string[] = [];
const made: GuardedRequests[] = [];

const PAGES: Readonly<Record<string, RequestListener>> = {
  '/good': (_request, response) => response.end('{"a":1}'),
  '/text': (_request, response) => response.end('<html>'),
  '/missing': (_request, response) => response.writeHead(404).end('{}'),
  '/redirect': (_request, response) => response.writeHead(302, { location: '/good' }).end(),
  '/long': (_request, response) => response.end(JSON.stringify('x'.repeat(10_000_000))),
  '/long-in-pieces': (_request, response) => {
    const more = (): void => {
      if (!response.destroyed && response.write(`"${'x'.repeat(60_000)}"`)) setImmediate(more);
    };
    response.on('drain', more).on('error', () => undefined);
    more();
  },
  '/never': () => undefined,
  '/half': (_request, response) => void response.write('{"a":'),
};

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    PAGES[request.url!]!(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await Promise.all(made.map((requests) => requests.close()));
  server.closeAllConnections();
  server.close();
});

const requests = (networks: readonly string[], timeoutMs = 5_000): GuardedRequests => {
  const one = new GuardedRequests({ networks, timeoutMs, maxBodyBytes: 262_144 });
  made.push(one);
  return one;
};
const why = (url: string, networks = LOOPBACK, timeoutMs?: number): Promise<string> =>
  requests(networks, timeoutMs)
    .getJson(url)
    .then(
      (value) => `it answered ${JSON.stringify(value)}`,
      (error: unknown) => (error instanceof NoAnswer ? error.message : `a fault: ${String(error)}`),
    );

it('a network that is allowed is asked, also by plain http on this machine', async () => {
  expect(await requests(LOOPBACK).getJson(`${base}/good`)).toEqual({ a: 1 });
  expect(await requests(LOOPBACK).getJson(`${base.replace('127.0.0.1', 'localhost')}/good`)).toEqual({ a: 1 });
});

it('nothing of our own network is asked: neither by its address nor by a name that leads there', async () => {
  asked.length = 0;
  const port = base.slice(base.lastIndexOf(':'));
  for (const host of ['127.0.0.1', '[::1]', 'localhost', '[::ffff:127.0.0.1]', '0x7f000001', '2130706433', '127.1']) {
    expect(await why(`https://${host}${port}/good`, []), host).toMatch(/not public/);
    expect(await why(`http://${host}${port}/good`, []), host).toMatch(/https:/);
  }
  expect(await why(`http://10.0.0.1/good`, ['10.0.0.0/8'])).toMatch(/https:/);
  expect(asked).toEqual([]);
});

it.each([
  ['/redirect', /status 302/],
  ['/missing', /status 404/],
  ['/text', /no JSON/],
  ['/long', /longer than 262144 bytes/],
  ['/long-in-pieces', /longer than 262144 bytes/],
])('%s is no answer', async (path, reason) => {
  asked.length = 0;
  expect(await why(base + path)).toMatch(reason);
  expect(asked).toEqual([path]);
});

it.each(['/never', '/half'])('%s is given up', async (path) => {
  expect(await why(base + path, LOOPBACK, 200)).toBe('It does not answer within 0.2 s.');
});

it.each([
  ['ftp://example.org/', /https:/],
  ['file:///etc/passwd', /https:/],
  ['https://user:word@example.org/', /user name/],
  ['not a url', /no URL/],
  [`https://example.org/${'a'.repeat(3_000)}`, /no URL/],
  ['https://nobody.invalid/', /not known/],
  ['https://127.0.0.1:1/', /cannot be reached/],
])('%s is not asked', async (url, reason) => {
  expect(await why(url)).toMatch(reason);
});
