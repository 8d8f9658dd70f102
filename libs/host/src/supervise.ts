import { fork } from 'node:child_process';
import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import {
  EXIT_USAGE,
  isTerminal,
  isUsageError,
  outliveReaders,
  PRIVATE_UMASK,
  sayAsJson,
  sayEnd,
  sayError,
  sayLine,
  sayStart,
  UsageError,
} from '#runtime';
import { stopChild, whenEnded } from './child-process.js';

/** A process that runs. */
export interface Running {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason, with its exit code where that is known. */
  readonly exited: Promise<unknown>;
  /** Asks it to end. Resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * A process that is to be kept running. When it is started again, it has to be found where it was, on the same port.
 */
export interface Kept<R extends Running = Running> {
  readonly name: string;
  start(): Promise<R>;
  /** Called after each start. */
  readonly started?: (running: R) => void;
  /** The reason of its end and what to do about it, in one line; null = that is not known. */
  readonly whyEnded?: () => string | null;
  /** Tells whether it can serve; without this, it can as soon as it is started. */
  readonly ready?: () => Promise<boolean>;
}

export interface Supervisor {
  /**
   * Starts it, and from then on again whenever it ends, 200 ms later at first and 5 s at most, without a limit.
   * Resolves when it is ready for the first time; rejects when the first start throws, or after 60 s.
   */
  keep<R extends Running>(kept: Kept<R>): Promise<R>;
  /** Stops everything, the last one first. A start that is under way is waited for and undone. */
  stop(): Promise<void>;
}

const FIRST_RESTART_AFTER_MS = 200;
const LAST_RESTART_AFTER_MS = 5_000;
/** A process that lived this long did not fail at its start. */
const HEALTHY_AFTER_MS = 2_000;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 100;

/** A process that ended with EXIT_USAGE: it has said why, and a restart is of no use. */
export class Refused extends UsageError {}

/** `fail` is told of a process that refuses to run; `report` gets a line for each restart. */
export const createSupervisor = (fail: (refused: Refused) => void, report: (line: string) => void): Supervisor => {
  const end = new AbortController();
  const stops: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;
  // A caller that would still start something, or wait for it, while everything ends cannot go on.
  const never = new Promise<never>(() => undefined);

  const keep = async <R extends Running>(kept: Kept<R>): Promise<R> => {
    if (end.signal.aborted) return never;
    const start = async (): Promise<R> => {
      const started = await kept.start();
      kept.started?.(started);
      return started;
    };
    let running = start();
    stops.push(() =>
      running.then(
        (process) => process.stop(),
        () => undefined,
      ),
    );
    const first = await running;
    const keepOn = async (): Promise<void> => {
      for (
        let restartAfterMs = FIRST_RESTART_AFTER_MS;
        ;
        restartAfterMs = Math.min(restartAfterMs * 2, LAST_RESTART_AFTER_MS)
      ) {
        const since = performance.now();
        let why = '';
        const code = await running.then(
          ({ exited }) =>
            exited.then((exitCode) => {
              const reason = kept.whyEnded?.();
              if (reason) why = ` ${reason}`;
              return exitCode;
            }),
          (error: Error) => report(`${kept.name} did not start: ${error.message}`),
        );
        if (end.signal.aborted) return;
        if (code === EXIT_USAGE) return fail(new Refused(`${kept.name} cannot run like this.`));
        if (performance.now() - since > HEALTHY_AFTER_MS) restartAfterMs = FIRST_RESTART_AFTER_MS;
        report(`${kept.name} has ended; it is started again in ${restartAfterMs} ms.${why}`);
        await delay(restartAfterMs, undefined, { signal: end.signal }).catch(() => undefined);
        if (end.signal.aborted) return;
        running = start();
      }
    };
    void keepOn();
    for (const since = performance.now(); kept.ready && !(await kept.ready()); await delay(POLL_MS)) {
      if (end.signal.aborted) return never;
      if (performance.now() - since > READY_TIMEOUT_MS)
        throw new Error(`${kept.name} was not ready after ${READY_TIMEOUT_MS / 1_000} s.`);
    }
    return end.signal.aborted ? never : first;
  };

  const stopAll = async (): Promise<void> => {
    end.abort();
    for (const stop of stops.reverse()) await stop();
  };
  return { keep, stop: () => (stopped ??= stopAll()) };
};

const NAME = 'supervisor';

/**
 * Runs a process that keeps others running, until a signal comes or it cannot go on; then stops them all and ends. A
 * usage error is one line and exit code 64.
 */
export const runSupervisor = (main: (supervisor: Supervisor) => Promise<void>): void => {
  process.umask(PRIVATE_UMASK);
  outliveReaders();
  sayStart(NAME);
  let ending = false;
  const end = async (code: number, reason: string | null): Promise<void> => {
    if (ending) return;
    ending = true;
    await supervisor.stop();
    // Null: the reason has been said.
    if (reason !== null) sayEnd(NAME, reason);
    process.exit(code);
  };
  const fail = (error: Error): void => {
    if (ending) return;
    const isUsage = isUsageError(error);
    const code = isUsage ? EXIT_USAGE : 1;
    // A process that was refused has said why it cannot run, but not that everything ends with it.
    if (error instanceof Refused) return void end(code, error.message);
    sayError(NAME, error, isUsage);
    void end(code, null);
  };
  const supervisor = createSupervisor(fail, (line) => sayLine(NAME, 'warn', line));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0, signal));
  // No late error may leave kept processes behind.
  process.on('uncaughtException', fail);
  main(supervisor).catch(fail);
};

export interface NodeProcess {
  /** A JavaScript file. It finds our end by `disconnect` of its IPC channel. */
  readonly file: string;
  readonly args?: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** A prefix of each line that it prints, where there are several. */
  readonly prefix?: string;
  readonly onMessage?: (message: unknown) => void;
  /** After this time it is killed. */
  readonly stopTimeoutMs?: number;
}

/**
 * Starts Node on a file, in a session of its own: Ctrl-C does not reach it, so that what others need ends after them.
 */
export const startNode = async ({
  file,
  args = [],
  environment,
  prefix,
  onMessage,
  stopTimeoutMs = STOP_TIMEOUT_MS,
}: NodeProcess): Promise<Running> => {
  // Without a prefix its log lines go where ours go. Node itself writes a crash to standard error, as text.
  const [output, errors] =
    prefix === undefined ? (['inherit', isTerminal() ? 'inherit' : 'pipe'] as const) : (['pipe', 'pipe'] as const);
  const child = fork(file, args, {
    env: environment,
    execArgv: [],
    detached: true,
    stdio: ['ignore', output, errors, 'ipc'],
  });
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    if (!from) continue;
    const tell =
      prefix === undefined
        ? (line: string): void => sayAsJson(`${basename(dirname(dirname(file)))}/${basename(file)}`, 'error', line)
        : (line: string): unknown => to.write(`${prefix}${line}\n`);
    createInterface(from).on('line', tell);
  }
  if (onMessage) child.on('message', onMessage);
  const exited = whenEnded(child);
  await once(child, 'spawn');
  return { pid: child.pid!, exited, stop: () => stopChild(child, stopTimeoutMs) };
};

/** Tells whether a URL answers 200. */
export const answers = async (url: string): Promise<boolean> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
  await response?.arrayBuffer().catch(() => undefined);
  return response?.status === 200;
};
