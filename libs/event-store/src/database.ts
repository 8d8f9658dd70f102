import { createHmac } from 'node:crypto';
import pg from 'pg';
import { allRoles } from './migration-list.js';
import { ReadingClient } from './reading-client.js';
import { UnfitDatabase } from './unfit-database.js';

/** The name of a role that connects, without the prefix of the installation. */
export type Role = string;

/** The names of an installation's roles, and their passwords. */
export interface RoleSettings {
  /** Roles are the server's and not the database's: two installations on one server need different ones. */
  readonly prefix: string;
  /**
   * The passwords of roles; those that are left out are derived from the password of the owner, so that one URL
   * configures an installation.
   */
  readonly passwords: Readonly<Partial<Record<Role, string>>>;
}
export const DEFAULT_ROLES: RoleSettings = { prefix: 'muster', passwords: {} };

export const roleName = ({ prefix }: RoleSettings, role: Role): string => `${prefix}_${role}`;

/** The password that `migrate` gives to a role. Throws UnfitDatabase when it would be one that anybody can compute. */
export const rolePassword = (ownerUrl: string, role: Role, roles: RoleSettings): string => {
  const given = roles.passwords[role];
  if (given !== undefined) return given;
  const { password, searchParams } = new URL(ownerUrl);
  const secret = decodeURIComponent(password) || searchParams.get('password');
  if (!secret) {
    throw new UnfitDatabase(
      `DATABASE_URL has no password, from which those of Muster's roles could be made: set DATABASE_ROLE_PASSWORDS to ${allRoles()
        .map((name) => `${name}=…`)
        .join(',')}, each of 16 characters or more.`,
    );
  }
  return createHmac('sha256', secret).update(roleName(roles, role)).digest('base64url');
};

/** The URL with which a service connects as its own role, made of the owner's. */
export const roleUrl = (ownerUrl: string, role: Role, roles: RoleSettings = DEFAULT_ROLES): string => {
  const url = new URL(ownerUrl);
  url.password = encodeURIComponent(rolePassword(ownerUrl, role, roles));
  url.username = roleName(roles, role);
  // The driver would take these parameters instead.
  for (const name of ['user', 'password']) url.searchParams.delete(name);
  return url.href;
};

/**
 * The URL of a service that is a process of its own. Throws UnfitDatabase unless it names the role of that service:
 * nothing else is its business.
 */
export const ownRoleUrl = (url: string, role: Role): string => {
  const { username, searchParams } = new URL(url);
  const user = searchParams.get('user') ?? decodeURIComponent(username);
  if (!user.endsWith(`_${role}`)) {
    throw new UnfitDatabase(
      `DATABASE_URL names the user ${user}: this service connects as its own role, such as muster_${role}, with the password that DATABASE_ROLE_PASSWORDS gave it when npm run migrate ran.`,
    );
  }
  return url;
};

export interface DatabaseOptions {
  readonly poolConnections: number;
  readonly queryTimeoutMs: number;
}

/**
 * Connects with the URL of a role. On the write path SQL is written as SQL, with named prepared statements. Throws the
 * error of the driver when the database is away.
 */
export const connectDatabase = async (url: string, role: Role, options: DatabaseOptions): Promise<pg.Pool> => {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `muster-${role}`,
    max: options.poolConnections,
    Client: ReadingClient,
    statement_timeout: options.queryTimeoutMs,
    connectionTimeoutMillis: options.queryTimeoutMs,
    keepAlive: true,
  });
  // A broken idle connection must not end the process: the pool replaces it and the next query tells. Nor must one that
  // breaks while it is lent out and nothing is asked, in the middle of a transaction.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => void client.on('error', () => undefined));
  try {
    (await pool.connect()).release();
    return pool;
  } catch (error) {
    await pool.end();
    throw error;
  }
};
