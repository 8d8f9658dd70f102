import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { roleName, rolePassword, type RoleSettings } from './database.js';
import { UnfitDatabase } from './unfit-database.js';

/** Runs a statement on the connection of the owner. */
export type Query = (sql: string, values?: unknown[]) => Promise<unknown>;

const OLDEST_POSTGRES = 18;
/** The number of Postgres itself (scram_iterations). */
const SCRAM_ITERATIONS = 4_096;

/**
 * Makes the verifier that a server keeps instead of a password (RFC 5802 §3, and the form of Postgres's pg_authid):
 * statements are logged, so a password stands in none of them. The password is ASCII, which SASLprep (RFC 4013) leaves
 * as it is.
 */
export const scramVerifier = (password: string, salt = randomBytes(16)): string => {
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${key('Server Key').toString('base64')}`;
};

interface Owner {
  readonly version: number;
  readonly user: string;
  readonly database: string;
  readonly is_superuser: boolean;
  readonly may_make_roles: boolean;
  readonly owns: boolean;
  readonly may_create: boolean;
  readonly migrated: boolean;
  /** The role that may use the schema of the log now: it bears the prefix that the database was started with last. */
  readonly log_role: string | null;
}

const OWNER = `
  SELECT current_setting('server_version_num')::int / 10000 AS version, current_user::text AS user, current_database()::text AS database,
    r.rolsuper AS is_superuser, r.rolcreaterole AS may_make_roles, pg_has_role(d.datdba, 'USAGE') AS owns,
    has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE') AS may_create,
    to_regclass('public.muster_migrations') IS NOT NULL AS migrated,
    (SELECT g.rolname::text FROM pg_namespace n, aclexplode(n.nspacl) a JOIN pg_roles g ON g.oid = a.grantee
     WHERE n.nspname = 'log' AND g.rolname LIKE '%\\_log' ORDER BY g.rolname LIMIT 1) AS log_role
  FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`;

interface Found {
  readonly name: string;
  /** The database that the role belongs to, if that is known and there is such a database. */
  readonly database: string | null;
  readonly is_marked: boolean;
  readonly may_alter: boolean;
}

const MARK = 'Muster: database ';
const FOUND = `
  SELECT r.rolname::text AS name, d.datname::text AS database, starts_with(coalesce(shobj_description(r.oid, 'pg_authid'), ''), '${MARK}') AS is_marked,
    pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') AS may_alter FROM pg_roles r
  LEFT JOIN pg_database d ON '${MARK}' || d.datname = shobj_description(r.oid, 'pg_authid') WHERE r.rolname = ANY ($1)`;

/** Throws UnfitDatabase when the owner, the server or the names of the roles cannot be used. Changes nothing. */
const checkOwner = (
  owner: Owner,
  found: readonly Found[],
  roles: RoleSettings,
  names: readonly string[],
  oldest: number,
): void => {
  const { version, user, database, migrated, log_role } = owner;
  if (version < oldest)
    throw new UnfitDatabase(`DATABASE_URL leads to Postgres ${version}: Muster needs Postgres ${oldest} or newer.`);
  if (names.includes(user)) {
    throw new UnfitDatabase(
      `DATABASE_URL names ${user}, a role of Muster's services: give it the owner of the database, or set DATABASE_ROLE_PREFIX to something else than ${roles.prefix}.`,
    );
  }
  const lacks = [
    ...(owner.owns ? [] : [`own the database (ALTER DATABASE "${database}" OWNER TO "${user}")`]),
    ...(owner.may_make_roles || owner.is_superuser ? [] : [`make roles (ALTER ROLE "${user}" CREATEROLE)`]),
    ...(owner.may_create
      ? []
      : [`create schemas in it, and tables in its schema public (GRANT CREATE ON SCHEMA public TO "${user}")`]),
  ];
  if (lacks.length > 0)
    throw new UnfitDatabase(`The user ${user} of DATABASE_URL has to ${lacks.join(', and ')}, or be a superuser.`);
  if (migrated && log_role === null) {
    throw new UnfitDatabase(
      `The database ${database} was restored without its grants: make the roles ${names.join(', ')} (CREATE ROLE …), and restore it once more with them.`,
    );
  }
  const other = found.find((role) => role.database !== null && role.database !== database);
  if (other) {
    throw new UnfitDatabase(
      `The role ${other.name} of this server is that of the database ${other.database}: set DATABASE_ROLE_PREFIX for the database ${database} to something else than ${roles.prefix}.`,
    );
  }
  const unknown = migrated ? undefined : found.find((role) => !role.is_marked);
  if (unknown) {
    throw new UnfitDatabase(
      `There is a role ${unknown.name} already, and nothing says that it is this database's: set DATABASE_ROLE_PREFIX to something else than ${roles.prefix}, or drop the role if nobody uses it.`,
    );
  }
  const fixed = found.find(({ may_alter }) => !may_alter);
  if (fixed)
    throw new UnfitDatabase(
      `The user ${user} may not change the role ${fixed.name}: GRANT ${fixed.name} TO "${user}" WITH ADMIN OPTION.`,
    );
};

/**
 * Makes the roles of these names, or gives them their passwords anew, and lets nobody else connect. Throws
 * UnfitDatabase before anything is changed.
 */
export const makeRoles = async (
  query: Query,
  ownerUrl: string,
  roles: RoleSettings,
  all: readonly string[],
  oldest = OLDEST_POSTGRES,
): Promise<void> => {
  const names = all.map((role) => roleName(roles, role));
  const [owner] = (await query(OWNER)) as [Owner];
  const found = (await query(FOUND, [names])) as Found[];
  checkOwner(owner, found, roles, names, oldest);
  const verifiers = all.map((role) => scramVerifier(rolePassword(ownerUrl, role, roles)));
  for (const [index, name] of names.entries()) {
    // Neither statement takes parameters: the name is of letters, the verifier of base64.
    const exists = found.some((role) => role.name === name);
    await query(`${exists ? 'ALTER' : 'CREATE'} ROLE ${name} LOGIN PASSWORD '${verifiers[index]!}'`);
    await query(`COMMENT ON ROLE ${name} IS ${quoted(`${MARK}${owner.database}`)}`);
    // Everything on the path is a look-up by key. A plan that is prepared while a table is empty reads all of it, and
    // stays.
    for (const setting of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'])
      await query(`ALTER ROLE ${name} SET ${setting} = off`);
  }
  // Without statistics a page of a walk would be read as all that is left, and sorted: an index has it in order.
  for (const reader of ['gateway', 'admin_api'])
    await query(`ALTER ROLE ${roleName(roles, reader)} SET enable_sort = off`);
  // A bitmap is made of all that an index has of a text, also where a page of it is enough.
  await query(`ALTER ROLE ${roleName(roles, 'admin_api')} SET enable_bitmapscan = off`);
  const before = owner.log_role?.replace(/_log$/, '');
  if (before !== undefined && before !== roles.prefix) await query(moveGrants(before, roles.prefix, all));
  // A user who can connect can hold the lock of the log, and fill the disk with temporary tables. A dump does not hold
  // these rights, so they are given at each start.
  const database = `DATABASE "${owner.database.replaceAll('"', '""')}"`;
  await query(`REVOKE ALL ON ${database} FROM PUBLIC`);
  await query(`GRANT CONNECT ON ${database} TO ${names.join(', ')}`);
};

/**
 * SQL: the rights of the roles of one prefix in this database are from now on those of the roles of the other: a copy
 * of a database needs roles of its own.
 */
const moveGrants = (from: string, to: string, all: readonly string[]): string => `
  DO $move$
  DECLARE
    one record;
  BEGIN
    FOR one IN
      SELECT format('GRANT %s ON %s TO %I', string_agg(a.privilege_type, ', '), o.object, '${to}' || substr(r.rolname, ${from.length + 1})) AS granted,
        format('REVOKE ALL ON %s FROM %I', o.object, r.rolname) AS revoked
      FROM (
        SELECT 'SCHEMA ' || quote_ident(nspname) AS object, nspacl AS acl FROM pg_namespace
        UNION ALL SELECT 'TABLE ' || oid::regclass, relacl FROM pg_class WHERE relkind IN ('r', 'p', 'v')
        UNION ALL SELECT 'FUNCTION ' || oid::regprocedure, proacl FROM pg_proc
        UNION ALL SELECT 'DATABASE ' || quote_ident(datname), datacl FROM pg_database WHERE datname = current_database()
      ) AS o CROSS JOIN LATERAL aclexplode(o.acl) AS a JOIN pg_roles r ON r.oid = a.grantee
      WHERE r.rolname IN (${all.map((role) => `'${from}_${role}'`).join(', ')}) GROUP BY o.object, r.rolname
    LOOP
      EXECUTE one.granted;
      EXECUTE one.revoked;
    END LOOP;
    FOR one IN SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE pronamespace = 'log'::regnamespace AND prosrc ~ '\\m${from}_(${all.join('|')})\\M' LOOP
      EXECUTE regexp_replace(one.text, '\\m${from}_(${all.join('|')})\\M', '${to}_\\1', 'g');
    END LOOP;
  END $move$`;

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
