import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { migrate, roleUrl, allRoles, untilMigrated, type RoleSettings } from '#event-store';
import { startPostgres, type PostgresProcess } from '#host';
import { query } from '../../../test/support/postgres.js';

const ROLES = allRoles();

// A server of its own: roles are the server's, and this is about the time before there are any.
const dataDir = mkdtempSync(join(tmpdir(), 'muster-migrate-'));
let postgres: PostgresProcess;

vi.setConfig({ testTimeout: 60_000 });

beforeAll(async () => {
  postgres = await startPostgres(dataDir);
}, 60_000);

afterAll(async () => {
  await postgres?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

it('a service that starts before the migration waits for it, and says why', async () => {
  const reasons: string[] = [];
  const waiting = untilMigrated(roleUrl(postgres.url, 'gateway'), (reason) => reasons.push(reason));
  await expect.poll(() => reasons).toHaveLength(1);
  await migrate(postgres.url);
  await waiting;
  expect(reasons).toEqual([expect.stringMatching(/muster_gateway/)]);
});

it('a database of an older shape is not enough', async () => {
  const take =
    'DELETE FROM muster_migrations WHERE name = (SELECT max(name) FROM muster_migrations) RETURNING name, checksum';
  const [newest] = await query<{ name: string; checksum: string }>(postgres.url, take);
  await expect(untilMigrated(roleUrl(postgres.url, 'identity'), () => undefined, 0)).rejects.toThrow(
    /not been migrated to this version/,
  );
  await query(postgres.url, 'INSERT INTO muster_migrations (name, checksum) VALUES ($1, $2)', [
    newest!.name,
    newest!.checksum,
  ]);
  await untilMigrated(roleUrl(postgres.url, 'identity'), () => undefined, 0);
});

it('whoever waits for another migration says so when it has waited for too long, and changes nothing', async () => {
  const other = new pg.Client({ connectionString: postgres.url });
  await other.connect();
  try {
    await other.query('SELECT pg_advisory_lock(7216001)');
    await expect(migrate(postgres.url, undefined, { lockTimeoutMs: 200 })).rejects.toThrow(
      /Another process has been migrating this database/,
    );
    await other.query('SELECT pg_advisory_unlock(7216001)');
    await migrate(postgres.url, undefined, { lockTimeoutMs: 200 });
  } finally {
    await other.end();
  }
});

it('a database that does not answer ends the wait in time', async () => {
  const nobody = 'postgres://muster:secret@127.0.0.1:1/muster';
  await expect(untilMigrated(nobody, () => undefined, 0)).rejects.toThrow(/^The database is not ready: .*ECONNREFUSED/);
});

describe('the roles', () => {
  let number = 0;
  /** A new database, and the URL of its owner; an owner of its own is no superuser. */
  const newDatabase = async (owner?: { readonly name: string; readonly attributes: string }): Promise<string> => {
    const name = `other_${++number}`;
    const url = new URL(postgres.url);
    if (owner) {
      await query(postgres.url, `CREATE ROLE "${owner.name}" LOGIN PASSWORD 'the password' ${owner.attributes}`);
      Object.assign(url, { username: owner.name, password: 'the password' });
    }
    await query(postgres.url, `CREATE DATABASE ${name}${owner ? ` OWNER "${owner.name}"` : ''}`);
    url.pathname = `/${name}`;
    return url.href;
  };
  const roleCount = async (prefix: string): Promise<number> =>
    (await query(postgres.url, `SELECT FROM pg_roles WHERE rolname LIKE '${prefix}\\_%'`)).length;
  const called = (prefix: string, passwords: RoleSettings['passwords'] = {}): RoleSettings => ({ prefix, passwords });
  const usage = (pattern: RegExp): object => ({
    name: 'UsageError',
    message: expect.stringMatching(pattern) as string,
  });

  it('of two installations on one server have names of their own; a second one with the same names is refused and changes nothing', async () => {
    await migrate(postgres.url);
    const second = await newDatabase();
    await expect(migrate(second)).rejects.toMatchObject(
      usage(/^The role muster_\w+ of this server is that of the database muster: set DATABASE_ROLE_PREFIX [^\n]*$/),
    );
    expect(await query(second, "SELECT FROM pg_namespace WHERE nspname = 'log'")).toEqual([]);
    const roles = called('second');
    await migrate(second, roles);
    for (const role of ROLES) {
      await untilMigrated(roleUrl(second, role, roles), () => undefined, 0);
      await untilMigrated(roleUrl(postgres.url, role), () => undefined, 0);
      // Neither the one nor the other may even connect.
      await expect(query(roleUrl(second, role), 'SELECT 1')).rejects.toThrow(/permission denied for database/);
    }
    const append = "SELECT log.append(ARRAY[$1], ARRAY[0], ARRAY[0::bigint], ARRAY[gen_random_uuid()], '[{}]')";
    await query(roleUrl(second, 'identity', roles), append, ['identity.events']);
    await expect(query(roleUrl(second, 'identity', roles), append, ['directory.events'])).rejects.toThrow(
      /second_identity may not write/,
    );
    await expect(query(roleUrl(second, 'gateway', roles), append, ['identity.events'])).rejects.toThrow(
      /permission denied/,
    );
    // As the last word: the same as at the first start.
    await migrate(second, roles);
  });

  it('of a copy of a database are its own: what they may do moves to them, and the ones of the original keep nothing there', async () => {
    const original = await newDatabase();
    await migrate(original, called('first'));
    const copy = new URL(original);
    copy.pathname = `/other_${++number}`;
    await query(
      postgres.url,
      `CREATE DATABASE ${copy.pathname.slice(1)} TEMPLATE ${new URL(original).pathname.slice(1)}`,
    );
    await expect(migrate(copy.href, called('first'))).rejects.toMatchObject(
      usage(/^The role first_\w+ of this server is that of the database other_\d+: set DATABASE_ROLE_PREFIX/),
    );
    await migrate(copy.href, called('copied'));
    const grants = `SELECT 'schema ' || nspname AS object, nspacl::text AS acl FROM pg_namespace WHERE nspname !~ '^pg_' UNION ALL
      SELECT 'table ' || oid::regclass, relacl::text FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_|^information' AND relkind IN ('r', 'p', 'v') UNION ALL
      SELECT 'function ' || oid::regprocedure || ' ' || prosrc, proacl::text FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^pg_|^information' ORDER BY 1`;
    const inOrder = async (url: string, prefix: string): Promise<string[]> =>
      (await query<{ object: string; acl: string | null }>(url, grants)).map(({ object, acl }) =>
        `${object} ${(acl ?? '').replace(/[{}]/g, '').split(',').sort().join()}`.replaceAll(
          new RegExp(`\\b${prefix}_(?=${ROLES.join('|')})`, 'g'),
          '*_',
        ),
      );
    expect(await inOrder(copy.href, 'copied')).toEqual(await inOrder(original, 'first'));
    expect(await inOrder(original, 'first')).not.toEqual(await inOrder(original, 'none'));
    for (const role of ROLES) await untilMigrated(roleUrl(original, role, called('first')), () => undefined, 0);
    await expect(query(roleUrl(copy.href, 'identity', called('first')), 'SELECT 1')).rejects.toThrow(
      /permission denied for database/,
    );
  });

  it('have to be there when a database is restored, or nobody may do anything in it', async () => {
    const restored = await newDatabase();
    await migrate(restored, called('lost'));
    // As a restore leaves it that finds no roles.
    for (const role of ROLES) await query(restored, `DROP OWNED BY lost_${role}; DROP ROLE lost_${role}`);
    await expect(migrate(restored, called('lost'))).rejects.toMatchObject(
      usage(/^The database other_\d+ was restored without its grants: make the roles lost_admin_api, /),
    );
    expect(await roleCount('lost')).toBe(0);
  });

  it('that somebody else made are not taken; those of a database that is gone are', async () => {
    await query(postgres.url, 'CREATE ROLE taken_log');
    await expect(migrate(await newDatabase(), called('taken'))).rejects.toMatchObject(
      usage(/^There is a role taken_log already/),
    );
    const gone = await newDatabase();
    await migrate(gone, called('gone'));
    await query(postgres.url, `DROP DATABASE ${new URL(gone).pathname.slice(1)}`);
    await migrate(await newDatabase(), called('gone'));
  });

  it('are made by an owner who is no superuser, also by one with a name like theirs', async () => {
    const url = await newDatabase({ name: 'muster_owner', attributes: 'CREATEROLE' });
    const roles = called('modest');
    await migrate(url, roles);
    await untilMigrated(roleUrl(url, 'gateway', roles), () => undefined, 0);
    await migrate(url, roles);
  });

  it.each([
    ['may make no roles', '', true, /has to make roles \(ALTER ROLE "poor" CREATEROLE\), or be a superuser/],
    ['does not own the database', 'CREATEROLE', false, /has to own the database .* and create schemas in it/],
  ])(
    'are refused in one line, before anything is changed, to a user who %s',
    async (_title, attributes, owns, line) => {
      const url = await newDatabase({ name: 'poor', attributes });
      const database = new URL(url).pathname.slice(1);
      try {
        if (!owns) await query(postgres.url, `ALTER DATABASE ${database} OWNER TO muster`);
        await expect(migrate(url, called('poor_s'))).rejects.toMatchObject(
          usage(new RegExp(`^The user poor of DATABASE_URL ${line.source}`)),
        );
        expect(await roleCount('poor_s')).toBe(0);
      } finally {
        await query(postgres.url, `DROP DATABASE ${database}`);
        await query(postgres.url, 'DROP ROLE poor');
      }
    },
  );

  it('are no owners, and no role can be its own', async () => {
    const url = await newDatabase();
    await migrate(url, called('own'));
    await query(postgres.url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO own_admin_api`);
    await expect(migrate(roleUrl(url, 'admin_api', called('own')), called('own'))).rejects.toMatchObject(
      usage(/^DATABASE_URL names own_admin_api, a role of Muster's services/),
    );
  });

  it('have passwords that nobody can compute: without one of the owner they have to be set', async () => {
    const url = new URL(await newDatabase());
    url.password = '';
    await expect(migrate(url.href, called('bare'))).rejects.toMatchObject(
      usage(/^The database refuses the user of DATABASE_URL: .*password/),
    );
    // A server that trusts its owner, as with peer or a certificate.
    const access = join(dataDir, 'postgres', 'pg_hba.conf');
    writeFileSync(access, `host ${url.pathname.slice(1)} muster 127.0.0.1/32 trust\n${readFileSync(access, 'utf8')}`);
    await query(postgres.url, 'SELECT pg_reload_conf()');
    await expect.poll(() => query(url.href, 'SELECT 1').catch(() => []), { timeout: 10_000 }).toHaveLength(1);
    const line = /^DATABASE_URL has no password, [^\n]*DATABASE_ROLE_PASSWORDS[^\n]*$/;
    await expect(migrate(url.href, called('bare'))).rejects.toMatchObject(usage(line));
    expect(await roleCount('bare')).toBe(0);
    expect(() => roleUrl(url.href, 'gateway')).toThrow(line);
    const passwords = Object.fromEntries(ROLES.map((role) => [role, `${role}: %/@ ${'p'.repeat(20)}`]));
    await migrate(url.href, called('bare', passwords));
    for (const role of ROLES)
      await untilMigrated(roleUrl(url.href, role, called('bare', passwords)), () => undefined, 0);
  });

  it('are known by name: a password for any other is refused before anything is changed, and not repeated', async () => {
    const url = await newDatabase();
    await expect(
      migrate(url, called('named', { gateway: 'p'.repeat(16), nobody: 's'.repeat(16) })),
    ).rejects.toMatchObject(
      usage(/^DATABASE_ROLE_PASSWORDS names a role that Muster does not have: it takes admin_api=…,(?!.*(nobody|sss))/),
    );
    expect(await roleCount('named')).toBe(0);
  });

  it('have passwords that stand in no statement, and so in no log of the server', async () => {
    const url = await newDatabase();
    const log = join(dataDir, 'postgres.log');
    // A setting of the database comes before those with which the server was started.
    await query(url, `ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET log_statement = 'all'`);
    expect(await query(url, 'SHOW log_statement')).toEqual([{ log_statement: 'all' }]);
    await migrate(url, called('quiet'));
    expect(readFileSync(log, 'utf8')).toMatch(/CREATE ROLE quiet_gateway LOGIN PASSWORD/);
    for (const role of ROLES) {
      const password = new URL(roleUrl(url, role, called('quiet'))).password;
      expect(password).toHaveLength(43);
      expect(readFileSync(log, 'utf8')).not.toContain(password);
      // It is the right one all the same.
      await query(roleUrl(url, role, called('quiet')), 'SELECT 1');
    }
    await expect(
      query(roleUrl(url, 'gateway', called('quiet', { gateway: 'another password' })), 'SELECT 1'),
    ).rejects.toThrow(/password authentication failed/);
  });

  it('are not made on a server that is too old', async () => {
    await expect(migrate(await newDatabase(), called('old'), { oldestPostgres: 99 })).rejects.toMatchObject(
      usage(/^DATABASE_URL leads to Postgres 18: Muster needs Postgres 99 or newer\.$/),
    );
    expect(await roleCount('old')).toBe(0);
  });

  it('need a user whom the server lets in: a wrong password, user or database is one line', async () => {
    const wrong = (change: object): Promise<void> => migrate(Object.assign(new URL(postgres.url), change).href);
    for (const change of [{ password: 'wrong' }, { username: 'nobody' }, { pathname: '/none' }]) {
      await expect(wrong(change)).rejects.toMatchObject(
        usage(/^The database refuses the user of DATABASE_URL: [^\n]*$/),
      );
    }
  });

  it('leave the database and its schema public to nobody else', async () => {
    await query(postgres.url, "CREATE ROLE visitor LOGIN PASSWORD 'a visitor'");
    const visitor = Object.assign(new URL(postgres.url), { username: 'visitor', password: 'a visitor' }).href;
    await expect(query(visitor, 'SELECT 1')).rejects.toThrow(/permission denied for database/);
    for (const role of ROLES) {
      for (const statement of ['CREATE TABLE public.a (a int)', 'CREATE TEMP TABLE a (a int)', 'CREATE SCHEMA a']) {
        await expect(query(roleUrl(postgres.url, role), statement), `${role}: ${statement}`).rejects.toThrow(
          /permission denied/,
        );
      }
    }
  });
});
