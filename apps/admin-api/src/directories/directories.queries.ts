import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  DELETABLE_AFTER_MS,
  DIRECTORIES_VIEW,
  issuerOf,
  LAST_USES_VIEW,
  LISTED_TOKENS_VIEW,
  presetsIn,
  redirectUrisOf,
  settingsOf,
  settingWarnings,
  type DirectoryKind,
  tokenEndpointOf,
  type DirectorySettings,
  type RedirectUris,
  type SettingName,
  type DirectoryStatus,
  type TokenStatus,
} from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { POOL, SCIM_BASE_URL, SIGN_IN_URL } from '../injected.js';
import { statusOf } from '../tokens/expiry.js';

export interface DirectoryView {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly kind: DirectoryKind;
  readonly status: DirectoryStatus;
  /** When it may be deleted, if it is empty by then, ISO 8601; null = it has to be disconnected first. */
  readonly deletableAt: string | null;
  readonly settings: DirectorySettings;
  /** The settings that are as the kind of the directory sets them, and not as the defaults are. */
  readonly presets: readonly SettingName[];
  /** Sentences, one for each pair of settings that contradict each other. */
  readonly warnings: readonly string[];
  readonly scimBaseUrl: string;
  /** Where clients of OAuth 2.0 get access tokens, and who then has issued them. */
  readonly tokenEndpoint: string;
  readonly issuer: string;
  /** For HTTP Basic, with a token as the password. */
  readonly userName: string;
  readonly redirectUris: RedirectUris;
  /** Its tokens, the newest first. */
  readonly tokens: readonly {
    readonly id: string;
    readonly description: string;
    readonly status: TokenStatus | 'expired';
    readonly expiresAt: string | null;
    /** To a minute, ISO 8601, UTC; null = not yet. */
    readonly lastUsedAt: string | null;
  }[];
}

interface DirectoryRow {
  id: string;
  tenant: string;
  name: string;
  kind: DirectoryKind;
  status: DirectoryStatus;
  disconnected_at: Date | null;
  settings: Partial<DirectorySettings>;
  tokens:
    | { id: string; description: string; status: TokenStatus; expires_at: string | null; last_used_at: string | null }[]
    | null;
}

/** Reads what is published of directories and their tokens. No query opens a token: tokens.sender.ts reveals one. */
@Injectable()
export class Directories {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(SCIM_BASE_URL) private readonly scimBaseUrl: string,
    @Inject(SIGN_IN_URL) private readonly signInUrl: string,
  ) {}

  /** Those of one tenant, or of all, after `after`; the oldest first. */
  page(tenant: string | undefined, after: string, limit: number): Promise<DirectoryView[]> {
    return this.read('WHERE d.id > $1 AND ($3::uuid IS NULL OR d.tenant = $3) ORDER BY d.id LIMIT $2', [
      after,
      limit,
      tenant ?? null,
    ]);
  }

  /** The oldest directory, if there is any; of one tenant, unless that is null. */
  async first(tenant: string | null = null): Promise<DirectoryView | undefined> {
    return (await this.read('WHERE $1::uuid IS NULL OR d.tenant = $1 ORDER BY d.id LIMIT 1', [tenant]))[0];
  }

  /** Without an id: the first one, of one tenant unless that is null. Throws Rejected(notFound). */
  async show(id?: string, tenant: string | null = null): Promise<DirectoryView> {
    if (id === undefined) {
      const first = await this.first(tenant);
      if (!first) throw new Rejected('notFound', 'There is no directory yet.');
      return first;
    }
    const [found] = isUuid(id) ? await this.read('WHERE d.id = $1', [id]) : [];
    if (!found) throw new Rejected('notFound', `There is no directory with the id ${id}.`);
    return found;
  }

  /** False: another directory takes the tokens of this tenant of Entra. */
  async mayTakeEntraTenant(id: string, entraTenantId: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `SELECT FROM ${DIRECTORIES_VIEW} WHERE settings->>'entraTenantId' = $1 AND id <> $2`,
      [entraTenantId, id],
    );
    return rowCount === 0;
  }

  private async read(which: string, values: readonly (string | number | null)[] = []): Promise<DirectoryView[]> {
    const { rows } = await this.pool.query<DirectoryRow>(
      `
      SELECT d.id, d.tenant, d.name, d.kind, d.settings, d.status, d.disconnected_at,
        (SELECT json_agg(json_build_object('id', t.id, 'description', t.description, 'status', t.status,
          'expires_at', t.expires_at, 'last_used_at', u.last_used_at) ORDER BY t.id DESC)
         FROM ${LISTED_TOKENS_VIEW} t LEFT JOIN ${LAST_USES_VIEW} u ON u.id = t.id WHERE t.tenant = d.tenant AND t.directory = d.id) AS tokens
      FROM ${DIRECTORIES_VIEW} d ${which}`,
      [...values],
    );
    const now = Date.now();
    return rows.map(({ settings, tokens, disconnected_at: disconnectedAt, ...row }) => ({
      ...row,
      deletableAt: disconnectedAt && new Date(disconnectedAt.getTime() + DELETABLE_AFTER_MS).toISOString(),
      settings: settingsOf(settings),
      presets: presetsIn(row.kind, settings),
      warnings: settingWarnings(settingsOf(settings)),
      scimBaseUrl: this.scimBaseUrl,
      tokenEndpoint: tokenEndpointOf(this.signInUrl, row.id),
      issuer: issuerOf(this.signInUrl, row.id),
      userName: row.id,
      redirectUris: redirectUrisOf(this.signInUrl, row.id),
      tokens: (tokens ?? []).map(({ id, description, status, expires_at, last_used_at }) => ({
        id,
        description,
        status: statusOf(status, expires_at, now),
        expiresAt: expires_at,
        lastUsedAt: last_used_at && new Date(last_used_at).toISOString(),
      })),
    }));
  }
}
