import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { allRoles, roleUrl } from '#event-store';
import { newDatabase } from './support/postgres.js';

const ROLES = allRoles();

vi.setConfig({ testTimeout: 60_000 });
let url: string;
let owner: pg.Client;
beforeAll(async () => {
  url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
}, 60_000);
afterAll(() => owner?.end());

/** Every schema, table, view, sequence and function of the database, and what others than its owner may do with it. */
const WHO_MAY_WHAT = `
  WITH objects AS (
    SELECT 'schema ' || nspname AS object, nspacl AS acl, 'n'::"char" AS kind, nspowner AS owner, oid AS schema FROM pg_namespace
    UNION ALL
    SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END
        || relnamespace::regnamespace || '.' || regexp_replace(relname, '_[0-9]{8}$', '_<day>'),
      relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner, relnamespace FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'function ' || oid::regprocedure, proacl, 'f', proowner, pronamespace FROM pg_proc
  ), granted AS (
    SELECT o.object, coalesce(substr(r.rolname, 8), CASE a.grantee WHEN 0 THEN 'PUBLIC' END) AS role, a.privilege_type AS privilege
    FROM objects o JOIN pg_namespace n ON n.oid = o.schema LEFT JOIN LATERAL aclexplode(coalesce(o.acl, acldefault(o.kind, o.owner))) a ON a.grantee <> o.owner
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname !~ '^(pg_|information_schema$)'
  ), by_role AS (
    SELECT object, role, string_agg(DISTINCT privilege, ', ' ORDER BY privilege) AS privileges FROM granted GROUP BY object, role
  )
  SELECT object, coalesce(string_agg(role || ' ' || privileges, '; ' ORDER BY role), '') AS access FROM by_role GROUP BY object ORDER BY object COLLATE "C"`;

/** A new object is in nobody's hands until it stands there, with everybody who needs it and nobody else. */
const accessDocument = (rows: readonly { readonly object: string; readonly access: string }[]): string =>
  `# What each service may do in the database

Made by \`npm run docs\` of a database that the migrations have made. A service connects as the role of its name, behind \`DATABASE_ROLE_PREFIX\`. What
no role is named for is the business of the owner of the database alone. Read the difference: each right that is new has to be needed.

| object | role and rights |
|---|---|
${rows.map(({ object, access }) => `| \`${object}\` | ${access} |`).join('\n')}
`;

it('nobody may do more than docs/database-access.md lists, and what is new has to be thought about: npm run docs makes it', async () => {
  const { rows } = await owner.query<{ object: string; access: string }>(WHO_MAY_WHAT);
  expect(rows.length).toBeGreaterThan(50);
  await expect(accessDocument(rows)).toMatchFileSnapshot('../docs/database-access.md');
});

it("what is made later is nobody's either", async () => {
  await owner.query('CREATE FUNCTION log.later() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
  try {
    for (const role of ROLES) await expect(as(role, 'SELECT log.later()')).rejects.toThrow(/permission denied/);
  } finally {
    await owner.query('DROP FUNCTION log.later()');
  }
});

it('no column, type or default is granted beside that, and no role has an attribute or is in another one', async () => {
  const { rows: columns } = await owner.query(
    'SELECT attrelid::regclass, attname FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384',
  );
  expect(columns).toEqual([]);
  const { rows: defaults } = await owner.query(`
    SELECT defaclobjtype AS kind, a.grantee::regrole::text AS grantee FROM pg_default_acl, aclexplode(defaclacl) a WHERE a.grantee <> defaclrole`);
  expect(defaults).toEqual([]);
  const { rows: roles } = await owner.query(`
    SELECT rolname FROM pg_roles r WHERE rolname LIKE 'muster\\_%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
      OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid))`);
  expect(roles).toEqual([]);
});

it('a function that runs as its owner finds nothing but what its author meant', async () => {
  const { rows } = await owner.query(`
    SELECT oid::regprocedure FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text !~ '^pg_'
      AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%pg\\_temp')`);
  expect(rows).toEqual([]);
});

const as = async (role: string, sql: string, values: readonly unknown[] = []): Promise<pg.QueryResult> => {
  const client = new pg.Client({ connectionString: roleUrl(url, role) });
  await client.connect();
  try {
    return await client.query(sql, [...values]);
  } finally {
    await client.end();
  }
};
const APPEND = "SELECT log.append(ARRAY[$1], ARRAY[0], ARRAY[$2::bigint], ARRAY[gen_random_uuid()], '[{}]')";

it('the gateway cannot touch the log, and who may roll it cannot empty it', async () => {
  await owner.query(APPEND, ['identity.events', 0]);
  for (const call of [
    'log.roll(0)',
    'log.drop_old(0)',
    "log.read_some('identity.events', 0, 0, 1, 1)",
    "log.ends(ARRAY['identity.events'])",
    "log.may_use('identity.events')",
  ]) {
    await expect(as('gateway', `SELECT ${call}`), call).rejects.toThrow(/permission denied/);
  }
  for (const days of [0, -10]) await as('identity', 'SELECT log.roll($1)', [days]);
  await expect(as('identity', 'SELECT log.drop_old(0)')).rejects.toThrow(/permission denied/);
  expect((await owner.query('SELECT FROM log.messages')).rowCount).toBe(1);
  expect(
    (
      await owner.query(
        "SELECT to_regclass('log.messages_' || to_char(now() AT TIME ZONE 'utc', 'YYYYMMDD')) IS NOT NULL AS kept",
      )
    ).rows,
  ).toEqual([{ kept: true }]);
});

it("a service writes and reads its own topics, the log's role reads all of them and writes none, and a stranger does neither, whatever he was granted", async () => {
  await expect(as('log', APPEND, ['directory.commands', 0])).rejects.toThrow(/permission denied/);
  await as('directory', APPEND, ['directory.events', 0]);
  await expect(as('directory', APPEND, ['identity.events', 1])).rejects.toThrow(
    /muster_directory may not write topic identity.events/,
  );
  await expect(
    as(
      'directory',
      "SELECT log.append(ARRAY[$1, $1, $2], '{0, 0, 0}', '{1, 2, 0}', ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 3)), '[{}, {}, {}]')",
      ['directory.events', 'identity.events'],
    ),
  ).rejects.toThrow(/muster_directory may not write topic identity.events/);
  expect((await as('group', 'SELECT * FROM log.read_some($1, 0, 0, 10, 1000)', ['directory.events'])).rowCount).toBe(0);
  for (const role of ['directory', 'log'] as const)
    expect((await as(role, 'SELECT * FROM log.read_some($1, 0, 0, 10, 1000)', ['directory.events'])).rowCount).toBe(1);
  const stranger = `stranger_${process.pid}`;
  await owner.query(
    `CREATE ROLE ${stranger} LOGIN PASSWORD 'let me in'; GRANT USAGE ON SCHEMA log TO ${stranger}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA log TO ${stranger}`,
  );
  const client = new pg.Client({
    connectionString: Object.assign(new URL(url), { username: stranger, password: 'let me in' }).href,
  });
  try {
    await client.connect();
    await expect(client.query(APPEND, ['identity.events', 1])).rejects.toThrow(/may not write topic/);
    expect((await client.query('SELECT * FROM log.read_some($1, 0, 0, 10, 1000)', ['directory.events'])).rowCount).toBe(
      0,
    );
  } finally {
    await client.end();
    await owner.query(`DROP OWNED BY ${stranger}; DROP ROLE ${stranger}`);
  }
});
