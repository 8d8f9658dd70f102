import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { entriesOfAll } from '../support/audit-entries.js';
import { startMuster, type Directory } from '../support/muster.js';

/** Exports that are asked for by clients who read nothing, go away, or ask for many; and connections that break. */

const PEOPLE = 120;
/** The contents of each entry are made so long that an export is longer than what sockets hold. */
const CHARACTERS = 300_000;
// Each test starts processes, or waits for some.
vi.setConfig({ testTimeout: 120_000 });

const muster = startMuster();
const folder = mkdtempSync(join(tmpdir(), 'muster-exports-'));
const at = (...path: string[]): string => join(folder, ...path);
let directory: Directory;
let [key, otherKey, thirdKey] = ['', '', ''];
const running: IncomingMessage[] = [];

beforeAll(async () => {
  directory = await muster.newDirectory('Contoso Entra');
  for (let n = 0; n < PEOPLE; n++)
    await directory.scim('POST', '/Users', { userName: `user-${n}@example.org` }, { 'x-request-id': `-1:${n}` });
  await entriesOfAll(muster.owner);
  await muster.owner.query('SET session_replication_role = replica');
  await muster.owner.query(
    `UPDATE audit.payloads SET data = json_build_object('long', repeat('x', $2)) WHERE tenant = $1 AND personal IS NOT NULL`,
    [directory.tenant, CHARACTERS],
  );
  await muster.owner.query('SET session_replication_role = DEFAULT');
  const newKey = async (name: string): Promise<string> =>
    (await muster.admin('POST', '/keys', { name, scopes: ['audit'] })).body.key as string;
  [key, otherKey, thirdKey] = [await newKey('One'), await newKey('Two'), await newKey('Three')];
});
afterEach(async () => {
  for (const response of running.splice(0)) response.destroy();
  await expect.poll(() => statusOf(key), { timeout: 10_000 }).toBe(200);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Asks for an export, and takes nothing of it until somebody reads the answer. */
const ask = (by: string, port = muster.server.adminPort, query = ''): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const path = `/api/audit/v1/export?tenant=${directory.tenant}${query}`;
    const headers = { authorization: `Bearer ${by}` };
    get({ port, host: '127.0.0.1', path, headers, agent: false }, resolve).once('error', reject);
  });
const begin = async (by: string): Promise<IncomingMessage> => {
  const response = await ask(by);
  expect(response.statusCode).toBe(200);
  running.push(response);
  return response;
};
/** The end of an answer is thrown away. */
const statusOf = async (by: string): Promise<number> => {
  const response = await ask(by, undefined, '&from=0&to=1');
  for await (const _ of response);
  return response.statusCode!;
};
const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += String(piece);
  return text;
};

it('a third export with one key is refused, and others are served', async () => {
  const first = await begin(key);
  await begin(key);
  const third = await ask(key);
  expect(third.statusCode).toBe(429);
  expect(JSON.parse(await textOf(third))).toMatchObject({
    detail: '2 exports run already with this key: wait until one of them has ended.',
  });
  await begin(otherKey);
  await begin(otherKey);
  const fifth = await ask(thirdKey);
  expect(fifth.statusCode).toBe(429);
  expect(JSON.parse(await textOf(fifth))).toMatchObject({ detail: expect.stringMatching(/^4 exports run already: /) });
  // One that goes away makes room.
  first.destroy();
  await expect.poll(() => statusOf(key), { timeout: 10_000 }).toBe(200);
});

it('a client that is slow gets all of it', async () => {
  const response = await begin(key);
  await expect.poll(() => response.readableLength).toBeGreaterThan(0);
  const text = await textOf(response);
  expect(text.length).toBeGreaterThan(PEOPLE * CHARACTERS);
  expect(text.endsWith('}\n')).toBe(true);
});

it('an answer that fails does not end as one that is whole', async () => {
  const response = await begin(key);
  await expect.poll(() => response.readableLength).toBeGreaterThan(0);
  await muster.owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE '%_admin_api'`);
  await muster.owner.query('ALTER TABLE audit.payloads RENAME TO payloads_away');
  await muster.owner.query('ALTER VIEW audit.payloads_v1 RENAME TO payloads_v1_away');
  try {
    await expect(textOf(response)).rejects.toThrow(/aborted/);
  } finally {
    await muster.owner.query('ALTER VIEW audit.payloads_v1_away RENAME TO payloads_v1');
    await muster.owner.query('ALTER TABLE audit.payloads_away RENAME TO payloads');
  }
});

it('a cell of a table is carried out by no spreadsheet', async () => {
  const text = await textOf(await ask(key, undefined, '&format=csv'));
  const lines = text.split('\r\n').slice(1, -1);
  expect(lines.length).toBeGreaterThan(PEOPLE);
  expect(lines.filter((line) => line.includes(`,'-1:`))).toHaveLength(PEOPLE);
  // Each cell that begins so, quoted or not; a hash, which nobody chose, may.
  const withoutHashes = text.replaceAll(/,[A-Za-z0-9+/]{43}=,/g, ',,');
  expect(withoutHashes).not.toMatch(/(?:^|,|\n)"?\s*[=+\-@]/m);
});

interface Ran {
  readonly code: number;
  readonly out: string;
}
const cli = (port: number, ...args: string[]): Promise<Ran> => {
  const env = { ...process.env, MUSTER_URL: `http://127.0.0.1:${port}`, MUSTER_API_KEY: muster.server.apiKey };
  return promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', 'audit', ...args], { env }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout + error.stderr,
    }),
  );
};

it('an export whose connection breaks leaves a folder that says so', async () => {
  const servers: Server[] = [];
  /** Hands on what comes and goes, until so many bytes of answers have gone. */
  const breakingAfter = async (bytes: number): Promise<number> => {
    const server = createServer((client) => {
      const upstream = connect(muster.server.adminPort, '127.0.0.1');
      let gone = 0;
      client.pipe(upstream);
      upstream.on('data', (chunk) => {
        gone += chunk.length;
        if (gone > bytes) client.destroy();
        else client.write(chunk);
      });
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  try {
    const port = await breakingAfter(10_000_000);
    writeFileSync(at('muster.key'), (await cli(port, 'key', '--tenant', directory.tenant)).out);
    const exported = await cli(port, 'export', '--tenant', directory.tenant, '--out', at('broken'));
    expect(exported.out).toMatch(/was cut off/);
    expect(exported.code).toBe(1);
    expect(readdirSync(at('broken'))).toContain('entries.jsonl');
    expect(existsSync(at('broken', 'export.json'))).toBe(false);
    const verified = await cli(port, 'verify', at('broken'), '--key', at('muster.key'));
    expect(verified.out).toMatch(/has no export\.json, which is written last: .*cut off\. Export again/);
    expect(verified.code).toBe(1);
    const again = await cli(muster.server.adminPort, 'export', '--tenant', directory.tenant, '--out', at('broken'));
    expect(again).toMatchObject({ code: 1, out: expect.stringMatching(/is not empty: name a new folder/) });
  } finally {
    for (const server of servers) server.close();
  }
});
