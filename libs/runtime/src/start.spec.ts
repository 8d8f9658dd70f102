import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { expect, it, vi } from 'vitest';
import { readConfig } from './config.js';
import { startService, type Part } from './start.js';
import { VERSION } from './version.js';

// Several start a Node of their own, which takes seconds on a machine that does other work.
vi.setConfig({ testTimeout: 60_000 });

@Module({})
class Nothing {}

/** Fails where a line is no JSON. */
const linesOf = (output: string): Record<string, unknown>[] =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

it('is ready while all its parts are, and stops the last one first, each when those after it have ended', async () => {
  const journal: string[] = [];
  let unready: string | null = null;
  const part = (name: string): Part => ({
    name,
    start: async () => undefined,
    stop: async () => {
      journal.push(`${name} stops`);
      await new Promise((done) => setImmediate(done));
      journal.push(`${name} has ended`);
    },
    unready: () => (name === 'log' ? unready : null),
  });
  const service = await startService({
    config: readConfig({}),
    applications: [{ module: { module: Nothing }, host: '127.0.0.1', port: 0 }],
    parts: [part('database'), part('log')],
  });
  const url = `http://127.0.0.1:${service.served[0]!.port}/health/ready`;
  expect((await fetch(url)).ok).toBe(true);
  expect(await (await fetch(url)).json()).toEqual({ status: 'ok' });
  unready = 'the broker is away';
  expect((await fetch(url)).ok).toBe(false);
  expect(await (await fetch(url)).json()).toEqual({
    status: 'unavailable',
    notReady: [{ part: 'log', reason: 'the broker is away' }],
  });
  await service.stop();
  expect(journal).toEqual(['log stops', 'log has ended', 'database stops', 'database has ended']);
});

it('asks its parts once for all who want to know at the same time whether it is ready: that costs a question to the database, and nobody has to be known for it', async () => {
  let [asked, requests] = [0, 0];
  const answer = Promise.withResolvers<null>();
  const database: Part = {
    name: 'database',
    start: async () => undefined,
    stop: async () => undefined,
    unready: () => (asked++, answer.promise),
  };
  const service = await startService({
    config: readConfig({}),
    applications: [{ module: { module: Nothing }, host: '127.0.0.1', port: 0 }],
    parts: [database],
  });
  service.served[0]!.app.getHttpServer().on('request', () => requests++);
  const url = `http://127.0.0.1:${service.served[0]!.port}/health/ready`;
  const all = Array.from({ length: 20 }, () => fetch(url));
  await expect.poll(() => requests).toBe(20);
  expect(asked).toBe(1);
  answer.resolve(null);
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect((await fetch(url)).ok).toBe(true);
  expect(asked).toBe(2);
  await service.stop();
});

it.each(['PORT', 'ADMIN_PORT', 'HEALTH_PORT'])(
  'says which setting chooses a port that is taken: %s',
  async (setting) => {
    const script = `import { runProcess } from './dist/libs/runtime/src/start.js';
    runProcess('spec', () => Promise.reject(Object.assign(new Error('taken'), { syscall: 'listen', code: 'EADDRINUSE', port: 20001 })));`;
    const env = { ...process.env, PORT: '20002', [setting]: '20001' };
    const ended = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
    const { code, stdout, stderr } = await ended.then(
      () => {
        throw new Error('It went on.');
      },
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    expect({ code, stderr }).toEqual({ code: 64, stderr: '' });
    expect(linesOf(stdout)).toMatchObject([
      { msg: 'starts' },
      { level: 60, msg: `Port 20001 is taken. Stop what uses it, or set ${setting} to another one.` },
    ]);
  },
);

it('reads the query of a request that has been let in, and no other one: reading a long one takes as long as all the rest', async () => {
  const seen: unknown[] = [];
  const service = await startService({
    config: readConfig({}),
    parts: [],
    applications: [
      {
        module: { module: Nothing },
        host: '127.0.0.1',
        port: 0,
        prepare: (app) => {
          const fastify = app.getHttpAdapter().getInstance();
          fastify.addHook('onRequest', async ({ query }, reply) => {
            seen.push(query);
            if ((query as string).includes('refused')) await reply.code(401).send({});
          });
          fastify.get('/asked', ({ query }) => query);
        },
      },
    ],
  });
  const ask = (query: string): Promise<Response> => fetch(`http://127.0.0.1:${service.served[0]!.port}/asked${query}`);
  expect((await ask('?refused&a=1')).status).toBe(401);
  expect(await (await ask('?filter=userName%20eq%20%22a+b%22&a=1&a=2&count=')).json()).toEqual({
    filter: 'userName eq "a b"',
    a: ['1', '2'],
    count: '',
  });
  expect(await (await ask('')).json()).toEqual({});
  expect(seen).toEqual(['refused&a=1', 'filter=userName%20eq%20%22a+b%22&a=1&a=2&count=', '']);
  await service.stop();
});

it('has JSON lines for everything, with its version at the start and the reason at the end: also for what Node would say itself', async () => {
  const script = `import { runProcess } from './dist/libs/runtime/src/start.js';
    runProcess('spec', async (logger) => {
      process.emitWarning('something is old', 'DeprecationWarning');
      logger.info('works');
      setImmediate(() => { throw new Error('of a driver'); });
      return { stop: async () => undefined };
    });`;
  const { code, stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    script,
  ]).then(
    () => {
      throw new Error('It went on.');
    },
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(linesOf(stdout)).toMatchObject([
    { name: 'spec', msg: 'starts', version: VERSION, node: process.versions.node },
    { msg: 'works' },
    { level: 40, kind: 'DeprecationWarning', msg: 'something is old' },
    { level: 60, msg: 'of a driver', stack: expect.stringContaining('Error: of a driver') },
  ]);
});

it('says which signal ended it', async () => {
  const script = `import { runProcess } from './dist/libs/runtime/src/start.js';
    runProcess('spec', async () => {
      setInterval(() => undefined, 1_000);
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
      return { stop: async () => undefined };
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  expect(linesOf(stdout)).toMatchObject([{ msg: 'starts' }, { msg: 'ends', reason: 'SIGTERM' }]);
});
