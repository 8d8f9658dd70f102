import { Inject, Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { ADMIN_COMMAND_TYPES, type AdminCommand, type DirectoryKind, type DirectorySettings } from '#contracts';
import { seal, unseal } from '#event-store';
import type { RequestReply } from '#log';
import { uuidv7 } from '#runtime';
import { Rejected, uniqueKey } from '#scim';
import { sendCommand } from './commands.sender.js';
import { lastsLongestFirst, statusOf } from './expiry.js';

export const ADMIN_POOL = Symbol('pg.Pool of admin');
export const ADMIN_REQUESTS = Symbol('RequestReply of admin');
export const MASTER_KEY = Symbol('master key');
export const SCIM_BASE_URL = Symbol('SCIM base URL');

export interface TenantView {
  readonly id: string;
  readonly name: string;
  /** How many directories it has. */
  readonly directories: number;
}

export interface DirectoryView {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly kind: string;
  readonly settings: DirectorySettings;
  readonly scimBaseUrl: string;
  /**
   * Of the tokens that work, the one that works longest, and of those the newest; null when all are revoked or expired,
   * or none of them can be opened.
   */
  readonly token: string | null;
  /** When that one expires; null = never, or there is none. */
  readonly tokenExpiresAt: string | null;
  readonly tokens: readonly {
    readonly id: string;
    readonly description: string;
    readonly status: 'active' | 'revoked' | 'expired';
    readonly expiresAt: string | null;
  }[];
}

interface DirectoryRow {
  id: string;
  tenant: string;
  name: string;
  kind: string;
  settings: DirectorySettings;
  tokens:
    | { id: string; description: string; status: 'active' | 'revoked'; sealed: string; expires_at: string | null }[]
    | null;
}

/** Any number that nothing else in the database locks. */
const TENANTS_LOCK = 7_216_004;
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_POLL_MS = 50;
const FIRST_TOKEN = 'Made with the directory';

/** The administration of directories and tokens: reads its own tables, writes by commands like everybody. */
@Injectable()
export class Directories {
  /** The tenant that is being made. */
  private making: Promise<void> = Promise.resolve();

  constructor(
    @Inject(ADMIN_POOL) private readonly pool: Pool,
    @Inject(ADMIN_REQUESTS) private readonly requests: RequestReply,
    @Inject(MASTER_KEY) private readonly masterKey: Buffer,
    @Inject(SCIM_BASE_URL) private readonly scimBaseUrl: string,
  ) {}

  /** All tenants, the oldest first. */
  async tenants(): Promise<TenantView[]> {
    const { rows } = await this.pool.query<TenantView>(`
      SELECT t.id, t.name, (SELECT count(*)::int FROM admin.directories d WHERE d.tenant = t.id) AS directories
      FROM admin.tenants t ORDER BY t.id`);
    return rows;
  }

  /** Without an id: the first one. Throws Rejected(notFound). */
  async tenant(id: string | undefined): Promise<TenantView> {
    const tenants = await this.tenants();
    const found = id === undefined ? tenants[0] : tenants.find((tenant) => tenant.id === id);
    if (!found)
      throw new Rejected(
        'notFound',
        id === undefined ? 'There is no tenant yet.' : `There is no tenant with the id ${id}.`,
      );
    return found;
  }

  /** Throws Rejected(conflict) when there is one of this name. */
  createTenant(name: string): Promise<TenantView> {
    // One after the other: each tenant has a lane of its own, so none of them sees what the others are about to make.
    const made = this.making.then(() => this.makeTenant(name));
    this.making = made.then(
      () => undefined,
      () => undefined,
    );
    return made;
  }

  private async makeTenant(name: string): Promise<TenantView> {
    const connection = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await waitForTurn(connection);
      const same = (await this.tenants()).find((tenant) => uniqueKey(tenant.name) === uniqueKey(name));
      if (same)
        throw new Rejected(
          'conflict',
          `There is a tenant "${same.name}" already, with the id ${same.id}. Choose another name.`,
        );
      const id = uuidv7();
      await this.send(id, { type: 'CreateTenant', tenantId: id, name });
      return { id, name, directories: 0 };
    } finally {
      await connection.query('SELECT pg_advisory_unlock_all()').catch((error: Error) => (broken = error));
      connection.release(broken);
    }
  }

  /** All directories, the oldest first. */
  async list(): Promise<DirectoryView[]> {
    const { rows } = await this.pool.query<DirectoryRow>(`
      SELECT d.id, d.tenant, d.name, d.kind,
        json_build_object('offerExistingUsers', d.offer_existing_users, 'emailIsLoginName', d.email_is_login_name,
          'offerLocalGroups', d.offer_local_groups) AS settings,
        (SELECT json_agg(json_build_object('id', t.id, 'description', t.description, 'status', t.status, 'sealed', t.sealed,
          'expires_at', t.expires_at) ORDER BY t.id DESC) FROM admin.tokens t WHERE t.tenant = d.tenant AND t.directory = d.id) AS tokens
      FROM admin.directories d ORDER BY d.id`);
    return rows.map((row) => this.view(row));
  }

  /** Throws Rejected(notFound). Without an id: the first one. */
  async show(id?: string): Promise<DirectoryView> {
    const all = await this.list();
    const found = id === undefined ? all[0] : all.find((directory) => directory.id === id);
    if (!found)
      throw new Rejected('notFound', id ? `There is no directory with the id ${id}.` : 'There is no directory yet.');
    return found;
  }

  /** Makes a directory and its first token. Without a tenant: in the first one. Throws Rejected(notFound). */
  async create(name: string, kind: DirectoryKind, tenant?: string): Promise<DirectoryView> {
    const owner = await this.tenant(tenant);
    const directoryId = uuidv7();
    await this.send(owner.id, { type: 'CreateDirectory', directoryId, name, kind });
    await this.createToken(directoryId, FIRST_TOKEN, null, owner.id);
    return this.show(directoryId);
  }

  /** Changes what is named, and leaves the rest. Throws Rejected(notFound). */
  async change(directoryId: string, settings: Partial<DirectorySettings>): Promise<DirectoryView> {
    const { tenant } = await this.show(directoryId);
    await this.send(tenant, { type: 'ChangeDirectory', directoryId, settings });
    return this.show(directoryId);
  }

  /** `expiresAt` is ISO 8601; null = never. The token is shown again by show(). */
  async createToken(
    directoryId: string,
    description: string,
    expiresAt: string | null,
    tenant?: string,
  ): Promise<{ id: string; token: string }> {
    const owner = tenant ?? (await this.show(directoryId)).tenant;
    const tokenId = uuidv7();
    const token = `muster_${randomBytes(32).toString('base64url')}`;
    await this.send(owner, {
      type: 'CreateToken',
      tokenId,
      directoryId,
      description,
      expiresAt,
      hash: createHash('sha256').update(token).digest('hex'),
      sealed: seal(this.masterKey, tokenContext(owner, tokenId), token),
    });
    return { id: tokenId, token };
  }

  async revokeToken(tokenId: string): Promise<void> {
    const directory = (await this.list()).find(({ tokens }) => tokens.some(({ id }) => id === tokenId));
    if (!directory) throw new Rejected('notFound', `There is no token with the id ${tokenId}.`);
    await this.send(directory.tenant, { type: 'RevokeToken', tokenId });
  }

  /**
   * A new installation gets a tenant, a directory and a token, so that there is something to connect to. A start that
   * was killed in between is finished by the next one.
   */
  async firstStart(): Promise<{ directory: DirectoryView; isNew: boolean }> {
    const [first] = await this.list();
    if (!first) {
      const tenant = (await this.tenants())[0] ?? (await this.createTenant('Default'));
      return { directory: await this.create('Microsoft Entra ID', 'entra', tenant.id), isNew: true };
    }
    if (first.tokens.length > 0) return { directory: first, isNew: false };
    await this.createToken(first.id, FIRST_TOKEN, null, first.tenant);
    return { directory: await this.show(first.id), isNew: true };
  }

  private view({ tokens, ...row }: DirectoryRow): DirectoryView {
    const now = Date.now();
    const views = (tokens ?? []).map(({ id, description, status, expires_at }) => ({
      id,
      description,
      status: statusOf(status, expires_at, now),
      expiresAt: expires_at,
    }));
    const sealed = new Map((tokens ?? []).map((token) => [token.id, token.sealed]));
    for (const { id, expiresAt } of views.filter(({ status }) => status === 'active').toSorted(lastsLongestFirst)) {
      const token = this.open(row.tenant, id, sealed.get(id)!);
      if (token !== null)
        return { ...row, scimBaseUrl: this.scimBaseUrl, token, tokenExpiresAt: expiresAt, tokens: views };
    }
    return { ...row, scimBaseUrl: this.scimBaseUrl, token: null, tokenExpiresAt: null, tokens: views };
  }

  /** Null when it was sealed with another master key: it still works for who has it, and can be revoked. */
  private open(tenant: string, tokenId: string, sealed: string): string | null {
    try {
      return unseal(this.masterKey, tokenContext(tenant, tokenId), sealed).toString();
    } catch {
      return null;
    }
  }

  /** Throws Rejected: what admin says to the command. */
  async send(tenant: string, command: AdminCommand): Promise<void> {
    await sendCommand(this.requests, {
      type: ADMIN_COMMAND_TYPES[command.type],
      subject: tenant,
      tenant,
      directory: null,
      command,
    });
  }
}

/**
 * Other processes of admin make tenants as well, one after the other. A statement that waits would be ended by
 * QUERY_TIMEOUT_MS, as if the database were away. Throws Rejected(unavailable) when it takes too long.
 */
const waitForTurn = async (connection: PoolClient): Promise<void> => {
  for (const since = performance.now(); ; await delay(LOCK_POLL_MS)) {
    const { rows } = await connection.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
      TENANTS_LOCK,
    ]);
    if (rows[0]!.mine) return;
    if (performance.now() - since > LOCK_TIMEOUT_MS) {
      throw new Rejected(
        'unavailable',
        'Another process of Muster is making a tenant, and no tenant of this name was made. Send this again.',
      );
    }
  }
};

const tokenContext = (tenant: string, tokenId: string): string => `${tenant}|${tokenId}|token`;
