import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Kills the server process and Postgres of a running installation while clients write, and asks afterwards what is there. */

const dataDir = mkdtempSync(join(tmpdir(), 'muster-fault-'));
const WRITERS = 16;
const ACKNOWLEDGED_BETWEEN_KILLS = 150;
let main: ChildProcess;
let url: string;
let token: string;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}/api/scim/v2/Users`;
  main = spawn(process.execPath, ['dist/apps/all-in-one/src/main.js'], {
    env: { ...process.env, DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'silent' }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  token = await new Promise<string>((resolve, reject) => {
    let output = '';
    main.stdout!.on('data', (chunk) => {
      output += String(chunk);
      const found = /muster_[\w-]+/.exec(output);
      if (found) resolve(found[0]);
    });
    main.once('exit', () => reject(new Error(`npm start ended: ${output}`)));
  });
}, 60_000);

afterAll(async () => {
  const ended = new Promise((resolve) => main.once('exit', resolve));
  main.kill('SIGTERM');
  await ended;
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

const request = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(`${url}${path}`, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }, ...(body ? { body: JSON.stringify(body) } : {}),
  });

const pidOf = {
  server: (): number => (JSON.parse(readFileSync(join(dataDir, 'runtime.json'), 'utf8')) as { pids: { server: number } }).pids.server,
  postgres: (): number => Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]),
};

it('loses nothing that was acknowledged and keeps nothing that was refused, whatever is killed', async () => {
  const acknowledged = new Map<string, { version: string | null; title?: string }>();
  const refused: string[] = [];
  let count = 0;
  let killing = true;
  let inFlight = 0;
  let noticed = (): void => undefined;
  const writer = async (): Promise<void> => {
    while (killing) {
      const userName = `fault-${++count}@example.org`;
      inFlight++;
      try {
        const created = await request('POST', '', { userName });
        const { id } = (await created.json()) as { id: string };
        if (created.status === 201) {
          // Until the PATCH is answered it is open whether it was applied.
          acknowledged.set(id, { version: null });
          const twice = await request('POST', '', { userName, displayName: 'twice' });
          if (twice.status === 409) refused.push(userName);
          await twice.arrayBuffer();
          const changed = await request('PATCH', `/${id}`, { Operations: [{ op: 'Replace', path: 'title', value: userName }] });
          await changed.arrayBuffer();
          if (changed.status === 200) acknowledged.set(id, { version: changed.headers.get('etag'), title: userName });
        }
      } catch {
        // The connection broke: nobody was told anything. A short turn of the event loop, and again.
        await new Promise((resolve) => setTimeout(resolve, 5));
      } finally {
        inFlight--;
      }
      noticed();
    }
  };
  const enough = (target: number): Promise<void> =>
    new Promise((resolve) => {
      noticed = () => acknowledged.size >= target && resolve();
    });
  const writers = Array.from({ length: WRITERS }, writer);
  for (const victim of ['server', 'postgres', 'server', 'postgres'] as const) {
    await enough(acknowledged.size + ACKNOWLEDGED_BETWEEN_KILLS);
    expect(inFlight).toBeGreaterThan(0);
    const server = pidOf.server();
    process.kill(pidOf[victim](), 'SIGKILL');
    // It comes back by itself: the writers go on until they are acknowledged again.
    await enough(acknowledged.size + ACKNOWLEDGED_BETWEEN_KILLS);
    if (victim === 'postgres') expect(pidOf.server(), 'the server process survives its database').toBe(server);
  }
  killing = false;
  await Promise.all(writers);

  for (const [id, { version, title }] of acknowledged) {
    const response = await request('GET', `/${id}`);
    const user = (await response.json()) as { title?: string };
    expect(response.status, id).toBe(200);
    if (version !== null) expect(response.headers.get('etag'), id).toBe(version);
    if (title !== undefined) expect(user.title, id).toBe(title);
  }
  for (const userName of refused) {
    const response = await request('GET', `?filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
    const { totalResults, Resources } = (await response.json()) as { totalResults: number; Resources: { displayName?: string }[] };
    expect(totalResults, userName).toBe(1);
    expect(Resources[0]!.displayName, userName).toBeUndefined();
  }
  const verified = execFileSync(process.execPath, ['dist/apps/all-in-one/src/verify.js'], { env: { ...process.env, DATA_DIR: dataDir } }).toString();
  expect(verified).toContain('Everything holds');
  expect(acknowledged.size).toBeGreaterThan(4 * ACKNOWLEDGED_BETWEEN_KILLS);
}, 180_000);
