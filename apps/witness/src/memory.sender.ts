import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCosigner, SEED_BYTES, verifierKeyOf, WITNESS_KEY, writeSecretKey } from '#tlog';

const KEY_FILE = 'witness.key';
const PUBLIC_FILE = 'witness.pub';
const LOCK_FILE = 'lock';
/** More than that prove nothing more. */
const MAX_REFUSED = 100;
const OWNER_ONLY = 0o600;

/** The folder cannot be used. The message says what to do. */
export class UnfitFolder extends Error {}

/**
 * The folder of a witness: its key, and of each log the checkpoint that it has cosigned last, which is all that it has to
 * remember. It leaves the process with this file alone, so that none can be given out and then be forgotten.
 */
export class Memory {
  private constructor(
    private readonly folder: string,
    /** A secret key of C2SP signed-note. */
    readonly secretKey: string,
    readonly verifierKey: string,
  ) {}

  /** Opens the folder, and makes it and the key where they are not there. Only one witness has it open. Throws UnfitFolder. */
  static async open(folder: string, name: string): Promise<Memory> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await lock(join(folder, LOCK_FILE));
    const path = join(folder, KEY_FILE);
    const secretKey = (await readIfThere(path)) ?? (await makeKey(folder, name));
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new UnfitFolder(`${path} can be read by others than its owner: chmod 600 ${path}, or make another key.`);
    const verifierKey = verifierKeyOf(secretKey.trim());
    await writeWhole(folder, PUBLIC_FILE, `${verifierKey}\n`);
    return new Memory(folder, secretKey.trim(), verifierKey);
  }

  /** The checkpoint of a log that was cosigned last; null = none was. */
  last(origin: string): Promise<string | null> {
    return readIfThere(join(this.folder, this.fileOf(origin)));
  }

  /** The name of the file in which it is. */
  fileOf(origin: string): string {
    const readable = origin.replaceAll(/[^\w.-]+/g, '_').slice(-100);
    return `${readable}-${createHash('sha256').update(origin).digest('hex').slice(0, 8)}.checkpoint`;
  }

  /** Resolves when it is on the disk. */
  keep(origin: string, checkpoint: string): Promise<void> {
    return writeWhole(this.folder, this.fileOf(origin), checkpoint);
  }

  /** Keeps a checkpoint that was refused beside the one before: both are signed by the log. Gives the path. */
  async keepRefused(origin: string, why: string, last: string | null, refused: string): Promise<string> {
    const name = `${this.fileOf(origin)}.${createHash('sha256').update(refused).digest('hex').slice(0, 16)}.refused`;
    const names = await readdir(this.folder);
    if (!names.includes(name) && names.filter((one) => one.endsWith('.refused')).length < MAX_REFUSED)
      await writeWhole(this.folder, name, `${why}\n\nCosigned before:\n${last ?? 'nothing\n'}\nRefused:\n${refused}`);
    return join(this.folder, name);
  }

  async close(): Promise<void> {
    await rm(join(this.folder, LOCK_FILE), { force: true });
  }

  cosigner(timeS: number): ReturnType<typeof readCosigner> {
    return readCosigner(this.secretKey, timeS);
  }
}

const readIfThere = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

const makeKey = async (folder: string, name: string): Promise<string> => {
  const secretKey = writeSecretKey(name, WITNESS_KEY, randomBytes(SEED_BYTES));
  await writeWhole(folder, KEY_FILE, `${secretKey}\n`);
  return secretKey;
};

/** The file is there as a whole or as it was before, also after a loss of power. */
const writeWhole = async (folder: string, name: string, text: string): Promise<void> => {
  const path = join(folder, name);
  const file = await open(`${path}.part`, 'w', OWNER_ONLY);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  if (!name.endsWith('.key')) await chmod(`${path}.part`, 0o644);
  await rename(`${path}.part`, path);
  const directory = await open(folder, 'r');
  await directory.sync().finally(() => directory.close());
};

/** Two that remember apart could cosign two logs of the same name. */
const lock = async (path: string): Promise<void> => {
  for (let tries = 0; tries < 3; tries++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(await readIfThere(path));
    // A container gives its first process the same id each time: what this id has left behind is of nobody.
    if (holder > 0 && holder !== process.pid && isAlive(holder))
      throw new UnfitFolder(`The witness with the process id ${holder} has ${path}: stop it, or name another folder.`);
    await rm(path, { force: true });
  }
  throw new UnfitFolder(`${path} cannot be taken: another witness starts at the same time.`);
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
