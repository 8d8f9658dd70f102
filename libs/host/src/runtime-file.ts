import { accessSync, constants, renameSync, writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { commandLineKeyOf, type Config, makePrivate, sayLine, unusableDataDirectory } from '#runtime';
import type { Kept, Running } from './supervise.js';

/** The host by which this machine reaches a server that listens on an address. */
export const urlHere = (host: string, port: number): string => {
  const name = ['0.0.0.0', '::', 'localhost'].includes(host) ? '127.0.0.1' : host;
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}`;
};

/**
 * DATA_DIR/runtime.json tells other programs of this machine where a running installation is. Only its owner can read
 * it.
 */
export class RuntimeFile {
  private readonly path: string;
  private readonly apiKey: string;
  private readonly pids: Record<string, number> = {};
  private databaseUrl: string | undefined;

  /** Throws UsageError when the folder cannot be written. */
  constructor(
    config: Config,
    private readonly urls: { readonly url: string; readonly adminUrl: string },
  ) {
    const { DATA_DIR } = config;
    try {
      makePrivate(DATA_DIR);
      accessSync(DATA_DIR, constants.W_OK);
    } catch (error) {
      throw unusableDataDirectory(DATA_DIR, error);
    }
    this.path = join(DATA_DIR, 'runtime.json');
    this.apiKey = commandLineKeyOf(config);
  }

  /** Writes it, and from then on again whenever a process is started. `databaseUrl` is the owner's. */
  tell(databaseUrl: string): void {
    this.databaseUrl = databaseUrl;
    this.write();
  }

  /** The same, but its process number is told at each start. */
  telling<R extends Running>(name: string, kept: Kept<R>): Kept<R> {
    const started = ({ pid }: R): void => {
      this.pids[name] = pid;
      this.write();
    };
    return { ...kept, started };
  }

  private write(): void {
    const { databaseUrl, apiKey, pids } = this;
    if (databaseUrl === undefined) return;
    const unfinished = `${this.path}.new`;
    try {
      // A reader at this moment gets the old one, not half of the new one.
      writeFileSync(unfinished, `${JSON.stringify({ ...this.urls, databaseUrl, apiKey, pids })}\n`, { mode: 0o600 });
      renameSync(unfinished, this.path);
    } catch (error) {
      // A full disk must not keep a process down that could serve.
      sayLine('supervisor', 'error', `${this.path} could not be written: ${(error as Error).message}`);
    }
  }
}
