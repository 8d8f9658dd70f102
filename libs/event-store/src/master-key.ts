import type { Pool } from 'pg';
import { newKey, seal, unseal } from './seal.js';
import { UnfitDatabase } from './unfit-database.js';

/** The source of a master key. */
export interface MasterKeySource {
  /** The name of the source, for the administrator who has to correct it: MASTER_KEY, or the path of the file. */
  readonly name: string;
  /** The key in base64; null = there is none. */
  read(): string | null;
  /** Makes a key; null: none is made, and nothing is written to the database. */
  readonly make: (() => string) | null;
}

type Queryable = Pick<Pool, 'query'>;

/**
 * The master key, once it has opened the text that the database keeps for this purpose. A new database is given that
 * text at its first start, with the key that is then made unless there is one. Throws UnfitDatabase when the key is
 * lost or is another one: beside data none is made.
 */
export const openMasterKey = async (database: Queryable, source: MasterKeySource): Promise<Buffer> => {
  const check = await readCheck(database);
  const found = source.read();
  if (found === null && (check || !source.make)) {
    throw new UnfitDatabase(
      `${source.name} is missing, and what this database holds was sealed with it. Restore it from the backup: no new one is made beside data.`,
    );
  }
  const key = Buffer.from(found ?? source.make!(), 'base64');
  if (!check && !source.make) return key;
  if (!check)
    await database.query('INSERT INTO keys.master_check (sealed) VALUES ($1) ON CONFLICT DO NOTHING', [
      seal(key, CONTEXT, newKey()),
    ]);
  // When several processes start at once, the key of the first one counts.
  if (!opens(key, check ?? (await readCheck(database))!)) {
    throw new UnfitDatabase(
      `${source.name} is not the key of this database: it does not open what was sealed there. Set the key that the database was made with.`,
    );
  }
  return key;
};

const CONTEXT = 'master check';

const UNDEFINED_TABLE = '42P01';

const readCheck = async (database: Queryable): Promise<string | undefined> => {
  try {
    return (await database.query<{ sealed: string }>('SELECT sealed FROM keys.master_check')).rows[0]?.sealed;
  } catch (error) {
    if ((error as { code?: string }).code !== UNDEFINED_TABLE) throw error;
    throw new UnfitDatabase(
      'The database has not been migrated to this version yet: start Muster, or run npm run migrate.',
    );
  }
};

const opens = (key: Buffer, sealed: string): boolean => {
  try {
    unseal(key, CONTEXT, sealed);
    return true;
  } catch {
    return false;
  }
};
