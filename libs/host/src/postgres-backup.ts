import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { makeFolder, UsageError } from '#runtime';

export interface BackupReport {
  /** Everything that was acknowledged before this moment is in the copy. */
  readonly holdsUntil: Date;
  readonly bytes: number;
}

const CHUNK_BYTES = 1_048_576;
/** Files that Postgres makes anew at its start, or must not find there (its manual, "Making a Base Backup"). */
const NOT_COPIED = new Set(['postmaster.pid', 'postmaster.opts', 'pg_internal.init', 'backup_label', 'tablespace_map']);
const EMPTIED = new Set([
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/**
 * Copies the embedded database of `dataDir` to a new data directory while it serves, in Postgres' backup mode: files as
 * they are, and the log of what was written meanwhile, from which the next start makes them whole. The keys are not
 * copied (master.key, admin.key, cli.key): who has the copy alone must not be able to read the events, or to reach the
 * installation. Throws UsageError when the folder is not empty.
 */
export const backUpPostgres = async (
  dataDir: string,
  ownerUrl: string,
  target: string,
  progress: (done: number, total: number) => void,
): Promise<BackupReport> => {
  const source = realpathSync(join(dataDir, 'postgres'));
  const folder = resolve(target);
  if (existsSync(folder) && (!lstatSync(folder).isDirectory() || readdirSync(folder).length > 0)) {
    throw new UsageError(`There is something at ${folder} already: name a folder that is empty, or is not there.`);
  }
  if (`${folder}/`.startsWith(`${realpathSync(dataDir)}/`))
    throw new UsageError(`${folder} lies in the data directory: name a folder elsewhere, best on another disk.`);
  // A backup that was not finished does not look like one.
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  makeFolder(unfinished);
  const session = new pg.Client({ connectionString: ownerUrl, application_name: 'muster-backup', keepAlive: true });
  session.on('error', () => undefined);
  await session.connect();
  try {
    const copy = new Copy(source, join(unfinished, 'postgres'), progress);
    // The backup mode ends with the session, and until then keeps the log that the copy needs.
    await session.query("SELECT pg_create_physical_replication_slot('muster_backup_' || pg_backend_pid(), true, true)");
    const {
      rows: [start],
    } = await session.query<{ lsn: string; file: string }>(
      "SELECT lsn, pg_walfile_name(lsn) AS file FROM pg_backup_start('muster', fast => true) AS lsn",
    );
    copy.files();
    const holdsUntil = new Date();
    const {
      rows: [stop],
    } = await session.query<{ file: string; label: string; spaces: string }>(
      'SELECT pg_walfile_name(lsn) AS file, labelfile AS label, spcmapfile AS spaces FROM pg_backup_stop(wait_for_archive => false)',
    );
    if (stop!.spaces.trim() !== '')
      throw new UsageError('The database has tablespaces outside of its folder, which this backup does not know.');
    copy.text('backup_label', stop!.label);
    copy.log(start!.file, stop!.file);
    copy.beside(join(dataDir, 'postgres.password'), join(unfinished, 'postgres.password'));
    copy.finish(unfinished);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    syncFolder(dirname(folder));
    return { holdsUntil, bytes: copy.done };
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  } finally {
    await session.end().catch(() => undefined);
  }
};

const syncFolder = (path: string): void => {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
};

/** Sizes of the files below a folder, as Postgres' own backup would take them. */
const sizeOf = (folder: string): number => {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !EMPTIED.has(entry.name)) bytes += sizeOf(path);
    else if (entry.isFile()) bytes += lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
};

class Copy {
  done = 0;
  private readonly total: number;
  private readonly folders: string[] = [];

  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly progress: (done: number, total: number) => void,
  ) {
    this.total = sizeOf(source);
  }

  files(): void {
    this.folder('');
  }

  /** A file that Postgres wrote into its answer. */
  text(name: string, text: string): void {
    const path = join(this.target, name);
    writeFileSync(path, text, { mode: 0o600 });
    this.own(path, this.source);
  }

  /** Files of the write-ahead log, from the first that the copy needs to the last; all of them are complete. */
  log(first: string, last: string): void {
    // The first eight digits are the timeline, which changes with a failover only.
    for (const name of readdirSync(join(this.source, 'pg_wal')).filter(
      (file) => /^[0-9A-F]{24}$/.test(file) && file >= first && file <= last,
    )) {
      this.file(join(this.source, 'pg_wal', name), join(this.target, 'pg_wal', name));
    }
  }

  beside(from: string, to: string): void {
    this.file(from, to);
  }

  /** Flushes the copy to the disk, with all folders. */
  finish(top: string): void {
    for (const folder of [...this.folders, top]) syncFolder(folder);
    this.progress(this.total, this.total);
  }

  private folder(name: string): void {
    const [from, to] = [join(this.source, name), join(this.target, name)];
    mkdirSync(to, { mode: 0o700 });
    this.own(to, from);
    this.folders.push(to);
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      const path = name === '' ? entry.name : join(name, entry.name);
      if (entry.isDirectory()) {
        if (entry.name === 'pgsql_tmp') continue;
        if (name === '' && EMPTIED.has(entry.name)) this.emptied(path);
        else this.folder(path);
      } else if (entry.isFile() && !NOT_COPIED.has(entry.name) && !entry.name.startsWith('pgsql_tmp')) {
        this.file(join(this.source, path), join(this.target, path));
      }
    }
  }

  /** Makes the folder without its files and folders: Postgres makes those of its log itself, and needs no others. */
  private emptied(path: string): void {
    const to = join(this.target, path);
    mkdirSync(to, { mode: 0o700 });
    this.own(to, join(this.source, path));
    this.folders.push(to);
  }

  /** A table that is dropped meanwhile is gone, and the log says so. */
  private file(from: string, to: string): void {
    let input: number;
    try {
      input = openSync(from, constants.O_RDONLY);
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    const output = openSync(to, 'wx', 0o600);
    try {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let read = readSync(input, chunk); read > 0; read = readSync(input, chunk)) {
        writeSync(output, chunk, 0, read);
        this.done += read;
        this.progress(Math.min(this.done, this.total), this.total);
      }
      fsyncSync(output);
    } finally {
      closeSync(input);
      closeSync(output);
    }
    this.own(to, from);
  }

  /** Postgres refuses files of another user: those that root lends it stay lent. */
  private own(path: string, like: string): void {
    const found = lstatSync(like, { throwIfNoEntry: false });
    if (!found || process.getuid?.() !== 0) return;
    chownSync(path, found.uid, found.gid);
    chmodSync(path, found.isDirectory() ? 0o700 : 0o600);
  }
}
