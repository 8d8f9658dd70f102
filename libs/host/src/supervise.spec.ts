import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isAlive } from './child-process.js';
import { createSupervisor, Refused, startNode, type Kept, type Running, type Supervisor } from './supervise.js';

// Real processes: a Node takes about 50 ms to start, more on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let supervisor: Supervisor;
let reports: string[];
/** `fail` with the error, and the name of a process at each of its starts. */
let signals: EventEmitter;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-supervise-'));
  signals = new EventEmitter();
  reports = [];
  supervisor = createSupervisor(
    (error) => signals.emit('fail', error),
    (line) => reports.push(line),
  );
});

afterEach(async () => {
  await supervisor.stop();
  rmSync(folder, { recursive: true, force: true });
});

const journal = (): string[] => readFileSync(join(folder, 'journal'), 'utf8').trim().split('\n');
/** A program that tells its start, writes its end to the journal, and ends with its parent. */
const program = (name: string, onTerm = `write('${name} ends'); process.exit(0)`): string => {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `
    import { appendFileSync } from 'node:fs';
    const write = (line) => appendFileSync(${JSON.stringify(join(folder, 'journal'))}, line + '\\n');
    process.on('SIGTERM', () => { ${onTerm} });
    process.on('disconnect', () => { write('${name} is alone'); process.exit(0); });
    process.on('message', (message) => { if (message.exit !== undefined) process.exit(message.exit); });
    process.send('up');
  `,
  );
  return file;
};
/** Starts when the program is up, so that its signal handlers are. */
const node = (name: string, file = program(name), stopTimeoutMs?: number): Kept => ({
  name,
  start: async () => {
    let up = (): void => undefined;
    const isUp = new Promise<void>((done) => (up = done));
    const running = await startNode({
      file,
      environment: process.env,
      onMessage: () => up(),
      ...(stopTimeoutMs ? { stopTimeoutMs } : {}),
    });
    await Promise.race([isUp, running.exited]);
    return running;
  },
  started: (running) => signals.emit(name, running),
});

it('starts again what was killed', async () => {
  const { pid } = await supervisor.keep(node('a'));
  const again = once(signals, 'a');
  process.kill(pid, 'SIGKILL');
  const [second] = (await again) as [Running];
  expect(second.pid).not.toBe(pid);
  expect(isAlive(second.pid)).toBe(true);
  expect(reports).toEqual(['a has ended; it is started again in 200 ms.']);
});

it('says why it has ended, where that is known', async () => {
  const { pid } = await supervisor.keep({ ...node('a'), whyEnded: () => 'The disk is full: make room.' });
  const again = once(signals, 'a');
  process.kill(pid, 'SIGKILL');
  await again;
  expect(reports).toEqual(['a has ended; it is started again in 200 ms. The disk is full: make room.']);
});

it('stops the last one first, and waits for each', async () => {
  for (const name of ['a', 'b', 'c']) await supervisor.keep(node(name));
  await supervisor.stop();
  expect(journal()).toEqual(['c ends', 'b ends', 'a ends']);
});

it('kills what does not end when it is asked to', async () => {
  const { pid } = await supervisor.keep(node('deaf', program('deaf', "write('heard')"), 100));
  await supervisor.stop();
  expect(journal()).toEqual(['heard']);
  expect(isAlive(pid)).toBe(false);
});

it('tries again when a start fails, and waits longer each time', async () => {
  let failures = 0;
  const { start } = node('a');
  const flaky: Kept = {
    ...node('a'),
    start: () => (failures > 0 && failures-- ? Promise.reject(new Error('no room')) : start()),
  };
  const { pid } = await supervisor.keep(flaky);
  failures = 2;
  const again = once(signals, 'a');
  process.kill(pid, 'SIGKILL');
  await again;
  expect(reports).toEqual([
    'a has ended; it is started again in 200 ms.',
    'a did not start: no room',
    'a has ended; it is started again in 400 ms.',
    'a did not start: no room',
    'a has ended; it is started again in 800 ms.',
  ]);
});

it('does not keep what cannot be started at first', async () => {
  await expect(supervisor.keep({ name: 'a', start: () => Promise.reject(new Error('no room')) })).rejects.toThrow(
    'no room',
  );
  expect(reports).toEqual([]);
});

it('does not start again what says that the user has to act', async () => {
  const file = join(folder, 'refuses.mjs');
  writeFileSync(file, 'process.exit(64);');
  const failed = once(signals, 'fail');
  await supervisor.keep(node('refuses', file));
  const [error] = (await failed) as [Error];
  expect(error).toBeInstanceOf(Refused);
  expect(reports).toEqual([]);
});

it('waits until it is ready, over its restarts', async () => {
  let ready = false;
  let isDone = false;
  const kept = supervisor.keep({ ...node('a'), ready: async () => ready });
  void kept.then(() => (isDone = true));
  const [first] = (await once(signals, 'a')) as [Running];
  const again = once(signals, 'a');
  process.kill(first.pid, 'SIGKILL');
  await again;
  expect(isDone).toBe(false);
  ready = true;
  await kept;
});

it('stops also what is just being started', async () => {
  const started = once(signals, 'a');
  void supervisor.keep(node('a'));
  await supervisor.stop();
  const [{ pid }] = (await started) as [Running];
  expect(isAlive(pid)).toBe(false);
  expect(journal()).toEqual(['a ends']);
});

it('starts nothing any more once it stops', async () => {
  await supervisor.keep(node('a'));
  const stopped = supervisor.stop();
  const late = vi.fn(() => Promise.reject(new Error('late')));
  void supervisor.keep({ name: 'late', start: late });
  await stopped;
  expect(late).not.toHaveBeenCalled();
});

/** Starts the program from a process that is then killed. Resolves when both have ended: its output is the parent's. */
const killParentOf = async (file: string): Promise<void> => {
  const script = `import { startNode } from './dist/libs/host/src/supervise.js';
    await startNode({ file: ${JSON.stringify(file)}, environment: process.env, onMessage: () => console.log('up') });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(parent.stdout, 'data');
  const closed = once(parent.stdout, 'close');
  parent.kill('SIGKILL');
  await closed;
};

it('leaves nobody behind when it is killed', async () => {
  await killParentOf(program('a'));
  expect(journal()).toEqual(['a is alone']);
});

it('leaves no service behind when it is killed while that one starts', async () => {
  const file = join(folder, 'starts.mjs');
  writeFileSync(
    file,
    `import { runProcess } from ${JSON.stringify(resolve('dist/libs/runtime/src/start.js'))};
    runProcess('spec', () => new Promise(() => setInterval(() => {}, 1_000)));
    process.send('up');`,
  );
  await killParentOf(file);
});

it('puts the name before each line where there are several', async () => {
  const file = join(folder, 'talks.mjs');
  writeFileSync(file, "process.stdout.write('one\\ntw'); process.stdout.write('o\\n'); console.error('three');");
  const script = `import { startNode } from './dist/libs/host/src/supervise.js';
    await startNode({ file: ${JSON.stringify(file)}, environment: process.env, prefix: 'talks | ' });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = Promise.all([parent.stdout, parent.stderr].map(async (stream) => (await stream.toArray()).join('')));
  expect(await output).toEqual(['talks | one\ntalks | two\n', 'talks | three\n']);
});

it('makes JSON lines of what a crash leaves on standard error', async () => {
  const file = join(folder, 'crashes.mjs');
  writeFileSync(file, "console.log('its own'); throw new Error('early');");
  const script = `import { startNode } from './dist/libs/host/src/supervise.js';
    await startNode({ file: ${JSON.stringify(file)}, environment: process.env });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all(
    [parent.stdout, parent.stderr].map(async (stream) => (await stream.toArray()).join('')),
  );
  expect(stderr).toBe('');
  const [own, ...crash] = stdout!.trim().split('\n');
  expect(own).toBe('its own');
  expect(crash.map((line) => (JSON.parse(line) as { msg: string }).msg).join('\n')).toContain('Error: early');
});
