import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import module from 'node:module';
import { basename, dirname, join } from 'node:path';
import { UnfitDatabase } from './unfit-database.js';

/** A file of SQL that brings the database one step further. */
export interface Migration {
  /** `0004-identity`: the number is its place in the one order of all owners. */
  readonly name: string;
  /** SHA-256 of the file, in hexadecimal. */
  readonly checksum: string;
  /** Throws UnfitDatabase when the file is not the one that the list tells of. */
  sql(): string;
}

/** A row of `public.muster_migrations`. */
export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

/** SQL: all of them, in the order of their names. */
export const APPLIED = 'SELECT name, checksum FROM public.muster_migrations ORDER BY name COLLATE "C"';

/**
 * SQL stays where it was written, beside its owner: the compiler copies only what it compiles, and a copy of a file
 * that was renamed would stay behind.
 */
const PROJECT = dirname(module.findPackageJSON('..', import.meta.url)!);
/** From the root of the project, as sha256sum reads it. A file that is not in it is never run. */
export const MIGRATION_LIST = 'libs/event-store/src/migrations/SHA256SUMS';

export const checksumOf = (sql: string): string => createHash('sha256').update(sql).digest('hex');

/** A restart brings back no file. */
const incomplete = (reason: string): UnfitDatabase =>
  new UnfitDatabase(`This copy of Muster is not complete (${reason}): install it again.`);

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw incomplete((error as Error).message);
  }
};

/** The migrations of a list, in their order. Throws UnfitDatabase when the list cannot be read. */
export const readMigrations = (list = MIGRATION_LIST, root = PROJECT): Migration[] => {
  const lines = [...textOf(join(root, list)).matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)];
  if (lines.length === 0) throw incomplete(`${list} names no migration`);
  return lines.map(([, checksum, path]) => ({
    name: basename(path!, '.sql'),
    checksum: checksum!,
    sql: () => {
      const sql = textOf(join(root, path!));
      if (checksumOf(sql) === checksum) return sql;
      throw new UnfitDatabase(`${path} is not the file that ${list} tells of: npm run docs says what to do.`);
    },
  }));
};

/**
 * The roles that migrations name, behind their prefix: one for each service, which each writes its own schema only;
 * `log` is the Postgres log's own. `create_owner` grants to that of the owner.
 */
export const rolesNamedBy = (migrations: readonly Migration[]): readonly string[] => {
  const named = migrations.flatMap((migration) =>
    [...migration.sql().matchAll(/\bmuster_([a-z][a-z_]*)\b|\bcreate_owner\('([a-z_]+)'\)/g)].map(
      ([, role, owner]) => role ?? owner!,
    ),
  );
  return [...new Set(named)].sort();
};

let known: readonly string[] | undefined;
/** Those of the product. */
export const allRoles = (): readonly string[] => (known ??= rolesNamedBy(readMigrations()));

/**
 * The migrations that a database still needs. `applied` are in the order of their names. Throws UnfitDatabase when
 * running them would damage it: it was migrated by another version than the ones before this one.
 */
export const pendingMigrations = (
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] => {
  const newer = applied.findLast(({ name }) => !known.some((migration) => migration.name === name));
  if (newer) {
    throw new UnfitDatabase(
      `The database was migrated by a newer Muster (${newer.name}), and this one would damage it. Start that version or a newer one, or restore a backup of before.`,
    );
  }
  for (const [index, { name, checksum }] of applied.entries()) {
    const due = known[index]!;
    if (due.name !== name) {
      throw new UnfitDatabase(
        `The database lacks the migration ${due.name}, and has ${name}, which comes later: no release of Muster has made it. Restore a backup of before.`,
      );
    }
    if (due.checksum !== checksum) {
      throw new UnfitDatabase(
        `The database was made with another text of the migration ${name} than this Muster has: no release of Muster has made it. Start the version that made it, or remove its data if it was for development.`,
      );
    }
  }
  return known.slice(applied.length);
};
