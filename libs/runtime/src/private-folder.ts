import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { platform } from 'node:os';
import { dirname, join } from 'node:path';

/** The umask of this process and its children: only the owner may touch their files. */
export const PRIVATE_UMASK = 0o077;
const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;
/**
 * A server that root lends to another user reaches its files by their path with this: it passes through, and lists
 * nothing.
 */
const PASSABLE_FOLDER = 0o711;

/**
 * Makes a folder, or closes it and everything in it to all but the owner of each file: a copy, an unpacked archive or
 * an older version may have left it open. A file of another user stays as it is, such as a mounted volume whose top is
 * root's. Links are not followed.
 */
export const makePrivate = (folder: string): void => {
  makeFolder(folder);
  if (platform() === 'win32') return;
  const uid = process.getuid!();
  const isLent = uid === 0 && !existsSync('/proc/self/cwd');
  const close = (path: string, folderMode: number): void => {
    const { mode, uid: owner } = lstatSync(path);
    const isFolder = (mode & 0o170000) === 0o040000;
    if (!isFolder && (mode & 0o170000) !== 0o100000) return;
    const right = isFolder ? folderMode : PRIVATE_FILE;
    if ((mode & 0o7777) !== right && (uid === 0 || owner === uid)) chmodSync(path, right);
    if (isFolder) for (const name of readdirSync(path)) closeIfThere(join(path, name));
  };
  /** Servers that outlived their parent may be at work in it. */
  const closeIfThere = (path: string): void => {
    try {
      close(path, PRIVATE_FOLDER);
    } catch (error) {
      if (!['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  close(folder, isLent ? PASSABLE_FOLDER : PRIVATE_FOLDER);
};

/**
 * Makes a private folder, and those above it that are not there. Node's own way of doing so never ends where a folder
 * that is there refuses with ENOENT, as /proc does.
 */
export const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { mode: PRIVATE_FOLDER });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    makeFolder(folder);
  }
};
