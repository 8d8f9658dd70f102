import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unusableDataDirectory } from './usage-error.js';

/** Reads a key of 32 random bytes (base64) from DATA_DIR, or makes it there, readable by its owner only. */
export const keyFile = (dataDir: string, name: string): string => {
  const path = join(dataDir, name);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusableDataDirectory(dataDir, error);
  }
  try {
    mkdirSync(dataDir, { recursive: true });
    const key = randomBytes(32).toString('base64');
    writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
    return key;
  } catch (error) {
    // Another process of the same installation was first: its key counts.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return keyFile(dataDir, name);
    throw unusableDataDirectory(dataDir, error);
  }
};
