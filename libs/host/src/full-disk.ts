import { statfsSync } from 'node:fs';

/** The size of one file of Postgres's log. With less room than that it cannot go on, or will soon come to its end. */
const FULL_BELOW_BYTES = 16 * 1_048_576;

/** Tells an administrator what to do about a full disk, in one line; null = there is room, or nobody can say. */
export const fullDisk = (folder: string): string | null => {
  let freeBytes: number;
  try {
    const { bavail, bsize } = statfsSync(folder);
    freeBytes = bavail * bsize;
  } catch {
    return null;
  }
  if (freeBytes >= FULL_BELOW_BYTES) return null;
  const free = (freeBytes / 1_048_576).toFixed(1);
  return `The disk of ${folder} is full: ${free} MiB are free. Make room there, at least 64 MiB: Muster then goes on by itself, and nothing that it acknowledged is lost.`;
};
