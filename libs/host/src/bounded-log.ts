import { copyFileSync, statSync, truncateSync } from 'node:fs';

const MAX_BYTES = 10 * 1_048_576;
const EVERY_MS = 10_000;

/**
 * One older file is kept beside it. The server holds the file open and appends to it, so it is emptied and not
 * replaced.
 */
export const rotateLog = (file: string, maxBytes = MAX_BYTES): void => {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found || found.size <= maxBytes) return;
  copyFileSync(file, `${file}.1`);
  truncateSync(file, 0);
};

/** Keeps the log of a server below twice 10 MiB, until `ended`. A disk that is full is told by the server itself. */
export const boundLog = (file: string, ended: Promise<unknown>): void => {
  const rotate = (): void => {
    try {
      rotateLog(file);
    } catch {
      // It is tried again the next time.
    }
  };
  rotate();
  const timer = setInterval(rotate, EVERY_MS).unref();
  void ended.then(() => clearInterval(timer));
};
