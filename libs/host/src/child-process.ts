import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Tells whether there is a process of this number, whoever owns it. */
export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Tells whether a child was started and has not ended. */
export const lives = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid !== undefined && exitCode === null && signalCode === null;

/**
 * Is to be called right after the start. Resolves when the child has ended, with its exit code where it has one, or
 * could not be started.
 */
export const whenEnded = (child: ChildProcess): Promise<number | null> =>
  // An error of a child that was started concerns a message or signal that did not reach it.
  new Promise((done) => child.once('exit', done).on('error', () => child.pid === undefined && done(null)));

/** SIGTERM, and SIGKILL when it has not ended after that time. Resolves when it has ended. */
export const stopChild = async (child: ChildProcess, timeoutMs: number): Promise<void> => {
  if (!lives(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await ended;
  clearTimeout(timer);
};

/** The last words of a server. */
export const lastLine = (logFile: string): string => readFileSync(logFile, 'utf8').trim().split('\n').pop() ?? '';
