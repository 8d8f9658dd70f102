import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { newDatabase } from '../../../test/support/postgres.js';
import { roleUrl } from './database.js';
import { openMasterKey, type MasterKeySource } from './master-key.js';

let identity: pg.Pool;
let admin: pg.Pool;
let owner: pg.Pool;
beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Pool({ connectionString: url });
  identity = new pg.Pool({ connectionString: roleUrl(url, 'identity') });
  admin = new pg.Pool({ connectionString: roleUrl(url, 'admin_api') });
}, 60_000);
afterAll(() => Promise.all([identity, admin, owner].map((pool) => pool.end())));
beforeEach(() => owner.query('DELETE FROM keys.master_check'));

const newKey = (): string => randomBytes(32).toString('base64');
/** A file that may be there. */
const file = (key: string | null): MasterKeySource & { made: number } => ({
  name: '.data/master.key',
  made: 0,
  read: () => key,
  make() {
    this.made++;
    return (key = newKey());
  },
});
const setting = (key: string): MasterKeySource => ({ name: 'MASTER_KEY', read: () => key, make: () => key });

it('makes a key for a new database, which every service then opens and no other key does', async () => {
  const source = file(null);
  const key = await openMasterKey(identity, source);
  expect(await openMasterKey(admin, source)).toEqual(key);
  expect(source.made).toBe(1);
  await expect(openMasterKey(admin, setting(newKey()))).rejects.toThrow(
    /^MASTER_KEY is not the key of this database[^\n]*$/,
  );
  await expect(openMasterKey(identity, file(newKey()))).rejects.toThrow(
    /^\.data\/master\.key is not the key of this database/,
  );
});

it('makes none beside data: a lost file is said in one line, as a usage error', async () => {
  await openMasterKey(identity, setting(newKey()));
  const source = file(null);
  await expect(openMasterKey(admin, source)).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringMatching(/^\.data\/master\.key is missing[^\n]*backup[^\n]*$/),
  });
  expect(source.made).toBe(0);
});

it('lets the first of several win that start at once with keys of their own', async () => {
  const results = await Promise.allSettled(
    [identity, admin, identity, admin].map((pool) => openMasterKey(pool, setting(newKey()))),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

it('neither makes nor writes anything for who only looks', async () => {
  await expect(openMasterKey(owner, { ...file(null), make: null })).rejects.toThrow(/is missing/);
  await openMasterKey(owner, { ...setting(newKey()), make: null });
  expect((await owner.query('SELECT FROM keys.master_check')).rowCount).toBe(0);
});

it('says in one line that a database has not been migrated', async () => {
  await owner.query('ALTER TABLE keys.master_check RENAME TO hidden');
  try {
    await expect(openMasterKey(owner, setting(newKey()))).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(/^The database has not been migrated[^\n]*$/),
    });
  } finally {
    await owner.query('ALTER TABLE keys.hidden RENAME TO master_check');
  }
});
