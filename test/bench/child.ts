import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { stopChild } from '#host';
import { projectRoot } from './installation.js';
import type { Job, LoadMessage, LoadResult } from './load.js';

type ServerFile = 'floor' | 'empty';

const start = (file: string, env: Record<string, string>): ChildProcess =>
  fork(join(projectRoot(), `dist/test/bench/${file}.js`), { env: { ...process.env, ...env } });

const STOP_TIMEOUT_MS = 10_000;

/** The floor or the empty server as a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(file: ServerFile, env: Record<string, string> = {}): Promise<ServerProcess> {
    const child = start(file, env);
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
    });
    return new ServerProcess(child, port);
  }

  stop(): Promise<void> {
    return stopChild(this.child, STOP_TIMEOUT_MS);
  }
}

/** The load generator as a process of its own; one job at a time. */
export class LoadProcess {
  private readonly child = start('load', {});

  /** Rejects when an answer was wrong or the process ended. `progress` gets the number of requests done so far. */
  run(job: Job, progress?: (done: number) => void): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      const end = (): void => void this.child.off('message', take).off('exit', fail);
      const fail = (code: number | null): void => reject(new Error(`the load generator ended with ${code}`));
      const take = (message: LoadMessage): void => {
        if (message.type === 'progress') return progress?.(message.done);
        end();
        if (message.type === 'result') resolve(message.result);
        else reject(new Error(message.reason));
      };
      this.child.on('message', take).on('exit', fail);
      this.child.send(job);
    });
  }

  stop(): Promise<void> {
    return stopChild(this.child, STOP_TIMEOUT_MS);
  }
}
