import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { LISTED_TOKENS_VIEW, REVEALED_TOKENS_VIEW } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { Directories, type DirectoryView } from '../directories/directories.queries.js';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { POOL, TOKEN_SEAL } from '../injected.js';
import { lastsLongestFirst } from './expiry.js';

/** Seals with the master key what the database keeps of a token. */
export interface TokenSeal {
  seal(context: string, token: string): string;
  /** Null when it was sealed with another key, or in another context. */
  open(context: string, sealed: string): string | null;
}

/** A directory and one of its tokens, to be shown. */
export interface RevealedDirectory extends DirectoryView {
  /**
   * The token that works longest, or the newest of several that do; null when all are revoked or expired, or none of
   * them can be opened.
   */
  readonly token: string | null;
  /** When that one expires; null = never, or there is none. */
  readonly tokenExpiresAt: string | null;
  /** The token once more: HTTP Basic takes it as the password of `userName`. */
  readonly password: string | null;
}
export const revealed = (
  directory: DirectoryView,
  token: string | null,
  tokenExpiresAt: string | null = null,
): RevealedDirectory => ({ ...directory, token, tokenExpiresAt, password: token });

/** So many tokens of a directory are tried, each by a command, until one can be opened. */
const MAX_TRIED_TOKENS = 10;

/**
 * Makes, revokes and reveals tokens. This process seals each new token, so it holds the master key in any case, and is
 * the only one that opens them: were their owner to do it, the key would lie in two places, and the token in an
 * outcome. The sealed token of a directory cannot be read here before the owner has recorded that it is revealed.
 */
@Injectable()
export class Tokens {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(TOKEN_SEAL) private readonly seal: TokenSeal,
    private readonly directories: Directories,
    private readonly commands: Commands,
  ) {}

  /** `expiresAt` is ISO 8601; null = never. Throws Rejected(notFound). */
  async create(
    asked: Asked,
    directoryId: string,
    description: string,
    expiresAt: string | null,
  ): Promise<{ id: string; token: string }> {
    const { id, tenant } = await this.directories.show(directoryId);
    return this.createIn(asked, tenant, id, description, expiresAt);
  }

  /** The same in a directory of which the tenant is known. */
  async createIn(
    asked: Asked,
    tenant: string,
    directoryId: string,
    description: string,
    expiresAt: string | null,
  ): Promise<{ id: string; token: string }> {
    const tokenId = asked.newId();
    const token = `muster_${asked.newSecret(tokenId)}`;
    await this.commands.toDirectory(asked, tenant, {
      type: 'CreateToken',
      tokenId,
      directoryId,
      description,
      expiresAt,
      hash: createHash('sha256').update(token).digest('hex'),
      sealed: this.seal.seal(contextOf(tenant, tokenId), token),
    });
    return { id: tokenId, token };
  }

  /** Throws Rejected(notFound). */
  async revoke(asked: Asked, tokenId: string): Promise<void> {
    const { rows } = isUuid(tokenId)
      ? await this.pool.query<{ id: string; tenant: string }>(
          `SELECT id, tenant FROM ${LISTED_TOKENS_VIEW} WHERE id = $1`,
          [tokenId],
        )
      : { rows: [] };
    if (!rows[0]) throw new Rejected('notFound', `There is no token with the id ${tokenId}.`);
    await this.commands.toDirectory(asked, rows[0].tenant, { type: 'RevokeToken', tokenId: rows[0].id });
  }

  /**
   * Records that somebody is to see the token that works longest, and then opens it. Without an id: that of the first
   * directory. Throws Rejected(notFound).
   */
  async reveal(asked: Asked, directoryId?: string): Promise<RevealedDirectory> {
    const directory = await this.directories.show(directoryId);
    const working = directory.tokens.filter(({ status }) => status === 'active').toSorted(lastsLongestFirst);
    for (const { id, expiresAt } of working.slice(0, MAX_TRIED_TOKENS)) {
      await this.commands.toDirectory(asked, directory.tenant, { type: 'RevealToken', tokenId: id });
      const token = await this.open(directory.tenant, id);
      if (token !== null) return revealed(directory, token, expiresAt);
    }
    return revealed(directory, null);
  }

  /** Null when it was sealed with another master key: it still works for whoever has it, and can be revoked. */
  private async open(tenant: string, tokenId: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ sealed: string }>(
      `SELECT sealed FROM ${REVEALED_TOKENS_VIEW} WHERE id = $1`,
      [tokenId],
    );
    return rows[0] ? this.seal.open(contextOf(tenant, tokenId), rows[0].sealed) : null;
  }
}

const contextOf = (tenant: string, tokenId: string): string => `${tenant}|${tokenId}|token`;
