import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import type { Config } from './config.js';
import { makeFolder } from './private-folder.js';
import { unusableDataDirectory, UsageError } from './usage-error.js';

const KEY = /^[A-Za-z0-9+/]{43}=$/;

/**
 * Reads a key of 32 random bytes (base64) from DATA_DIR; null = there is no such file. Throws UsageError for a file
 * that holds anything else.
 */
export const readKeyFile = (dataDir: string, name: string): string | null => {
  const path = join(dataDir, name);
  let key: string;
  try {
    key = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unusableDataDirectory(dataDir, error);
  }
  // A full disk once left an empty file, and the empty key opened the admin API to everybody.
  if (!KEY.test(key)) {
    throw new UsageError(
      `${path} holds no key: it ${key === '' ? 'is empty' : 'is not 32 bytes in base64'}. Restore it from the backup; in a new installation, delete it and start again.`,
    );
  }
  return key;
};

/**
 * The same, but a key that is missing is made, readable by its owner only. Processes that make it at once get the same
 * one.
 */
export const keyFile = (dataDir: string, name: string): string =>
  readKeyFile(dataDir, name) ?? makeKeyFile(dataDir, name);

/** The bootstrap key of the admin API. */
export const apiKeyOf = ({ MUSTER_API_KEY, DATA_DIR }: Pick<Config, 'MUSTER_API_KEY' | 'DATA_DIR'>): string =>
  MUSTER_API_KEY ?? keyFile(DATA_DIR, 'admin.key');

/** The key with which the command line comes to the admin API. */
export const commandLineKeyOf = ({ MUSTER_CLI_KEY, DATA_DIR }: Pick<Config, 'MUSTER_CLI_KEY' | 'DATA_DIR'>): string =>
  MUSTER_CLI_KEY ?? keyFile(DATA_DIR, 'cli.key');

/** The master key; the caller knows whether one may be made. */
export const masterKeySource = ({
  MASTER_KEY,
  DATA_DIR,
}: Pick<Config, 'MASTER_KEY' | 'DATA_DIR'>): {
  readonly name: string;
  read(): string | null;
  readonly make: () => string;
} => {
  const file = 'master.key';
  return MASTER_KEY === undefined
    ? { name: join(DATA_DIR, file), read: () => readKeyFile(DATA_DIR, file), make: () => keyFile(DATA_DIR, file) }
    : { name: 'MASTER_KEY', read: () => MASTER_KEY, make: () => MASTER_KEY };
};

const makeKeyFile = (dataDir: string, name: string): string => {
  const path = join(dataDir, name);
  const unfinished = `${path}.${randomUUID()}`;
  const key = randomBytes(32).toString('base64');
  try {
    makeFolder(dataDir);
    try {
      writeFileSync(unfinished, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
      // Unlike a rename, a link never takes the place of a key that another process has made meanwhile.
      linkSync(unfinished, path);
    } finally {
      rmSync(unfinished, { force: true });
    }
    syncFolder(dataDir);
    return key;
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code === 'EEXIST' ? readKeyFile(dataDir, name) : null;
    if (found !== null) return found;
    throw unusableDataDirectory(dataDir, error);
  }
};

/** A file may be gone after a power failure until its folder is on disk, too; Windows has no such call. */
const syncFolder = (folder: string): void => {
  if (platform() === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};
