import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PARTITIONS } from '#contracts';
import {
  checksumOf,
  migrate,
  readMigrations,
  roleUrl,
  untilMigrated,
  type Migration,
  type RoleSettings,
} from '#event-store';
import { startPostgres, type PostgresProcess } from '#host';
import { dumpSchema } from './support/dump-schema.js';
import { query } from './support/postgres.js';

// A server of its own: the roles are those of one database.
const dataDir = mkdtempSync(join(tmpdir(), 'muster-migrations-'));
let postgres: PostgresProcess;
vi.setConfig({ testTimeout: 60_000 });
beforeAll(async () => {
  postgres = await startPostgres(dataDir);
}, 60_000);
afterAll(async () => {
  await postgres?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

let databases = 0;
/** Another one on the server, with roles of its own. */
const newDatabase = async (): Promise<{ url: string; prefix: string }> => {
  const name = `migrated_${++databases}`;
  await query(postgres.url, `CREATE DATABASE ${name}`);
  return { url: Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href, prefix: name };
};

/** The number of objects of each kind; the tables of single days, and what belongs to them, come and go. */
const EVERYTHING = `
  WITH ours AS (
    SELECT * FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema$)' AND relname !~ '_[0-9]{8}'
  ), functions AS (SELECT * FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema$)'),
  granted AS (
    SELECT 'class' AS what, a.* FROM ours, aclexplode(relacl) a WHERE a.grantee <> relowner
    UNION ALL SELECT 'function', a.* FROM functions, aclexplode(proacl) a WHERE a.grantee <> proowner
    UNION ALL SELECT 'schema', a.* FROM pg_namespace, aclexplode(nspacl) a WHERE a.grantee <> nspowner AND nspname !~ '^(pg_|information_schema$)'
  )
  SELECT what, count(*)::int FROM (
    SELECT concat_ws(' ', 'class', relkind) AS what FROM ours
    UNION ALL SELECT concat_ws(' ', 'option', unnest(reloptions)) FROM ours
    UNION ALL SELECT concat_ws(' ', 'column', format_type(atttypid, atttypmod), attnotnull, atthasdef, attcollation::regcollation)
      FROM pg_attribute JOIN ours ON ours.oid = attrelid WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT concat_ws(' ', 'constraint', contype) FROM pg_constraint JOIN ours ON ours.oid = conrelid
    UNION ALL SELECT concat_ws(' ', 'trigger', tgtype) FROM pg_trigger JOIN ours ON ours.oid = tgrelid
    UNION ALL SELECT concat_ws(' ', 'index', indisunique, indnkeyatts, indnatts, indpred IS NULL)
      FROM pg_index JOIN ours ON ours.oid = indrelid
    UNION ALL SELECT concat_ws(' ', 'view', md5(pg_get_viewdef(oid))) FROM ours WHERE relkind = 'v'
    UNION ALL SELECT concat_ws(' ', 'function', prosecdef, provolatile, proconfig, md5(prosrc)) FROM functions
    UNION ALL SELECT concat_ws(' ', 'grant', what, grantee::regrole, privilege_type) FROM granted
    UNION ALL SELECT concat_ws(' ', 'default', defaclobjtype) FROM pg_default_acl
    UNION ALL SELECT concat_ws(' ', 'schema', nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
  ) AS everything GROUP BY what ORDER BY what COLLATE "C"`;

describe('the database as the migrations make it', () => {
  let dump: string;
  beforeAll(async () => {
    await migrate(postgres.url);
    dump = await dumpSchema(postgres.url);
  });

  it('is docs/schema.sql: npm run docs makes it', async () => {
    const head =
      '-- The database in its newest shape, made by `npm run docs` from one that the migrations have made.\n\n';
    await expect(head + dump).toMatchFileSnapshot('../docs/schema.sql');
  });

  it('is dumped as a whole: the dump makes it again, with as many of everything', async () => {
    const { url } = await newDatabase();
    await query(url, dump);
    expect(await dumpSchema(url)).toBe(dump);
    const counts = await query<{ what: string; count: number }>(url, EVERYTHING);
    expect(counts.length).toBeGreaterThan(10);
    expect(counts).toEqual(await query(postgres.url, EVERYTHING));
  });

  it.each([
    ['a sequence', 'CREATE SEQUENCE log.numbers'],
    ['a type', "CREATE TYPE log.kind AS ENUM ('a')"],
    ['a rule', 'CREATE RULE nothing AS ON INSERT TO log.ended DO INSTEAD NOTHING'],
    ['a right on a column', 'GRANT SELECT (topic) ON log.ended TO muster_log'],
  ])('is not dumped with %s, which the dump would leave out', async (_what, sql) => {
    const { url } = await newDatabase();
    await query(url, dump);
    await query(url, sql);
    await expect(dumpSchema(url)).rejects.toThrow(/^The dump of a database does not know/);
  });

  it('has a position for each partition of a topic', async () => {
    const rows = await query<{ partitions: number[] }>(
      postgres.url,
      `SELECT array_agg(partition ORDER BY partition) AS partitions FROM (
         SELECT * FROM identity.positions UNION ALL SELECT * FROM "group".positions
       ) AS p GROUP BY topic`,
    );
    expect(rows).toHaveLength(3);
    for (const { partitions } of rows) expect(partitions).toEqual(Array.from({ length: PARTITIONS }, (_, n) => n));
    await query(postgres.url, `INSERT INTO log.ended SELECT 't', n, 1 FROM generate_series(-1, 99) AS n`);
    const ends = await query(postgres.url, "SELECT FROM log.ends(ARRAY['t'])");
    expect(ends).toHaveLength(PARTITIONS);
    await query(postgres.url, "DELETE FROM log.ended WHERE topic = 't'");
  });
});

/** The last migration that test/fixtures/database/rows.sql was written for. */
const FIRST_RELEASE = '0005-group';
const made = (name: string, sql: string): Migration => ({ name, checksum: checksumOf(sql), sql: () => sql });
const madeUp = (name: string): Migration => made(name, readFileSync(`test/fixtures/database/${name}.sql`, 'utf8'));
const MIGRATIONS = readMigrations();
const TITLES = madeUp('9001-titles');
const COUNTER = madeUp('9002-counter');

describe('a migration of a database with rows in every table', () => {
  let url: string;
  let roles: RoleSettings;
  beforeEach(async () => {
    const database = await newDatabase();
    ({ url } = database);
    roles = { prefix: database.prefix, passwords: {} };
    const first = MIGRATIONS.slice(0, MIGRATIONS.findIndex(({ name }) => name === FIRST_RELEASE) + 1);
    await migrate(url, roles, { migrations: first });
    await query(url, readFileSync('test/fixtures/database/rows.sql', 'utf8'));
  });

  type Rows = Record<string, Record<string, unknown>[]>;
  /** Every row of every table, in an order of its own. */
  const rowsOf = async (): Promise<Rows> => {
    const tables = await query<{ name: string }>(
      url,
      `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
         AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$)' ORDER BY 1`,
    );
    const rows: Rows = {};
    for (const { name } of tables) {
      rows[name] = (
        await query<{ row: Record<string, unknown> }>(url, `SELECT to_jsonb(t) AS row FROM ${name} t ORDER BY t::text`)
      ).map(({ row }) => row);
    }
    return rows;
  };
  const of = (list: readonly Migration[]): { migrations: readonly Migration[] } => ({ migrations: list });
  const asRole = (role: 'gateway' | 'identity'): string => roleUrl(url, role, roles);

  it('keeps every row, and makes what is new of them', async () => {
    const before = await rowsOf();
    expect(Object.entries(before).filter(([, rows]) => rows.length === 0)).toEqual([]);
    expect(Object.keys(before).length).toBeGreaterThan(25);

    await migrate(url, roles, of([...MIGRATIONS, TITLES]));
    const after = await rowsOf();
    const { 'identity.users': users, muster_migrations: done, ...others } = before;
    expect(after).toMatchObject(others);
    expect(after['identity.users']).toEqual(
      users!.map((user) => {
        const made = { title_length: user.user_name_folded === 'ada@x.org' ? 8 : null };
        return expect.objectContaining({ ...user, ...made }) as unknown;
      }),
    );
    expect(after.muster_migrations).toEqual([
      ...done!,
      ...after.muster_migrations!.slice(done!.length, -1),
      expect.objectContaining({ name: TITLES.name, checksum: TITLES.checksum }),
    ]);
    const lengths = 'SELECT title_length FROM identity.users_v2 ORDER BY title_length';
    expect(await query(asRole('gateway'), lengths)).toEqual([{ title_length: 8 }, { title_length: null }]);
  });

  it('lets a program of before refuse to start, and one of now wait until it is done', async () => {
    const migrations = [...MIGRATIONS, TITLES];
    await migrate(url, roles);
    const wait = (known: readonly Migration[]): Promise<void> =>
      untilMigrated(asRole('gateway'), () => undefined, 0, known);
    await wait(MIGRATIONS);
    await expect(wait(migrations)).rejects.toThrow(/has not been migrated to this version yet/);
    await migrate(url, roles, of(migrations));
    await wait(migrations);
    const before = await rowsOf();
    const newer = /^The database was migrated by a newer Muster \(9001-titles\)/;
    await expect(wait(MIGRATIONS)).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringMatching(newer) as string,
    });
    await expect(migrate(url, roles)).rejects.toThrow(newer);
    expect(await rowsOf()).toEqual(before);
  });

  it('is refused where the database was made with another text of one, or lacks one', async () => {
    await migrate(url, roles, of([...MIGRATIONS, TITLES]));
    const before = await rowsOf();
    const changed = [...MIGRATIONS, made(TITLES.name, `${TITLES.sql()} `), COUNTER];
    await expect(migrate(url, roles, of(changed))).rejects.toThrow(/another text of the migration 9001-titles/);
    await expect(untilMigrated(asRole('gateway'), () => undefined, 0, changed)).rejects.toThrow(/another text/);
    const between = [...MIGRATIONS, made('8000-late', 'SELECT 1'), TITLES];
    await expect(migrate(url, roles, of(between))).rejects.toThrow(
      /lacks the migration 8000-late, and has 9001-titles/,
    );
    expect(await rowsOf()).toEqual(before);
  });

  it('leaves nothing behind when one fails, also of those before it, and can be run again', async () => {
    const [before, shape] = [await rowsOf(), await dumpSchema(url)];
    const failing = made('9002-failing', "DELETE FROM identity.claims; INSERT INTO identity.claims VALUES ('no uuid')");
    await expect(migrate(url, roles, of([...MIGRATIONS, TITLES, failing]))).rejects.toThrow(
      /^The migration 9002-failing failed: invalid input syntax for type uuid/,
    );
    expect([await rowsOf(), await dumpSchema(url)]).toEqual([before, shape]);
    await migrate(url, roles, of([...MIGRATIONS, TITLES]));
    expect(await dumpSchema(url)).not.toBe(shape);
  });

  it('gives a new owner all that an owner has with one call, and nothing of others', async () => {
    await migrate(url, roles, of([...MIGRATIONS, COUNTER]));

    /** All that the owner has, and the rights of its own role, as if the owner were called X. */
    const ofOwner = (dump: string, owner: string): string[] =>
      dump
        .replaceAll(new RegExp(`\\b${roles.prefix}_${owner}\\b`, 'g'), 'ROLE')
        .replaceAll(new RegExp(`"${owner}"|\\b${owner}\\b`, 'g'), 'X')
        .replaceAll(/ TO .*;$/gm, (to) => (/\bROLE\b/.test(to) ? ' TO ROLE;' : ' TO others;'))
        .replaceAll(/^GRANT .* TO others;\n?/gm, '')
        .split('\n\n')
        .map((part) => part.trim())
        .filter((part) => /^CREATE (SCHEMA|TABLE|VIEW) X\b/.test(part));
    const dump = await dumpSchema(url);
    const ofCounter = ofOwner(dump, 'counter').filter((part) => !part.startsWith('CREATE TABLE X.counts'));
    expect(ofCounter.length).toBeGreaterThan(8);
    expect(ofOwner(dump, 'group')).toEqual(expect.arrayContaining(ofCounter));
    expect(await query(url, 'SELECT DISTINCT topic FROM counter.positions ORDER BY 1')).toEqual([
      { topic: 'counter.commands' },
      { topic: 'identity.events' },
    ]);

    // Its role is made with it.
    const own = roleUrl(url, 'counter', roles);
    const append = (topic: string): Promise<unknown[]> =>
      query(own, "SELECT log.append(ARRAY[$1], ARRAY[0], ARRAY[0::bigint], ARRAY[gen_random_uuid()], '[{}]')", [topic]);
    await append('counter.events');
    await expect(append('identity.events')).rejects.toThrow(/may not write topic identity\.events/);
    await expect(append('counters.events')).rejects.toThrow(/may not write topic counters\.events/);
    expect(await query(own, 'SELECT type FROM identity.events_v1')).toEqual([{ type: 'muster.user.created.v1' }]);
    for (const statement of [
      'SELECT FROM identity.events',
      'SELECT FROM identity.users',
      'SELECT FROM "group".events_v1',
    ])
      await expect(query(own, statement), statement).rejects.toThrow(/permission denied/);
    await expect(query(own, "UPDATE counter.events SET type = ''")).rejects.toThrow(/permission denied/);
    await expect(query(url, 'DELETE FROM counter.events')).rejects.toThrow(/append-only/);
    await expect(query(own, "SELECT public.create_owner('more')")).rejects.toThrow(/permission denied/);
  });
});
