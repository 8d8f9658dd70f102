import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Rounds, type Job } from '#owner';
import { fileNamesOf, lastCheckpointIn, lineOf, MAX_FILE_BYTES, tenantOf } from './checkpoint-lines.js';

const WRITE_EVERY_MS = 1_000;
/** Each is waited for until it is on the disk. The others have their turn a second later, with a newer checkpoint. */
const MAX_FILES_PER_ROUND = 100;
/** Tenants with a checkpoint that is not written yet; one more is left out, and has another one with its next entry. */
const MAX_WAITING = 100_000;

/** The last checkpoint of a tenant in a folder; null = there is none. */
export const readKeptCheckpoint = async (folder: string, tenant: string): Promise<string | null> => {
  for (const name of fileNamesOf(tenant)) {
    const last = lastCheckpointIn((await readIfThere(join(folder, name))) ?? '');
    if (last !== null) return last;
  }
  return null;
};

/** Tenants of whom there are checkpoints in a folder; a folder that is not there has none. */
export const readKeptTenants = async (folder: string): Promise<readonly string[]> =>
  ((await ifThere(readdir(folder))) ?? []).flatMap((name) => tenantOf(name) ?? []);

const readIfThere = (path: string): Promise<string | null> => ifThere(readFile(path, 'utf8'));

const ifThere = async <T>(reading: Promise<T>): Promise<T | null> => {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

/**
 * Writes checkpoints to files, where an administrator of the database does not reach them: of each tenant the newest, at
 * most once a second, after it was committed. A file is appended to, and has MAX_FILE_BYTES; the one before is kept. A
 * later checkpoint vouches for all that earlier ones did.
 */
export class CheckpointFiles implements Job {
  private readonly waiting = new Map<string, string>();
  private readonly rounds: Rounds;

  constructor(
    private readonly folder: string,
    logger: { warn(facts: object, text: string): void },
  ) {
    this.rounds = new Rounds(() => this.write(), {
      logger,
      fault: `checkpoints of the audit log cannot be written to ${folder}`,
    });
  }

  start(): void {
    this.rounds.start();
  }

  async stop(): Promise<void> {
    await this.rounds.stop();
    await this.write(Number.POSITIVE_INFINITY).catch(() => undefined);
  }

  /** This checkpoint of a tenant is committed. */
  keep(tenant: string, note: string): void {
    if (this.waiting.size < MAX_WAITING || this.waiting.has(tenant)) this.waiting.set(tenant, note);
  }

  private async write(maxFiles = MAX_FILES_PER_ROUND): Promise<number> {
    if (this.waiting.size > 0) await mkdir(this.folder, { recursive: true, mode: 0o700 });
    for (const [tenant, note] of [...this.waiting].slice(0, maxFiles)) {
      await this.append(tenant, note);
      if (this.waiting.get(tenant) === note) this.waiting.delete(tenant);
    }
    return WRITE_EVERY_MS;
  }

  private async append(tenant: string, note: string): Promise<void> {
    const [path, before] = fileNamesOf(tenant).map((name) => join(this.folder, name));
    if (((await ifThere(stat(path!)))?.size ?? 0) >= MAX_FILE_BYTES) await rename(path!, before!);
    const file = await open(path!, 'a', 0o600);
    try {
      await file.appendFile(lineOf(new Date().toISOString(), note));
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}
