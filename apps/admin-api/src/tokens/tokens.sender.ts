import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { REVEALED_TOKENS_VIEW, type TokenChanges } from '#contracts';
import { Directories, type DirectoryView } from '../directories/directories.queries.js';
import type { Asked } from '../http/asked.guard.js';
import { Commands } from '../http/commands.sender.js';
import { POOL, TOKEN_SEAL } from '../injected.js';
import { lastsLongestFirst } from './expiry.js';
import { ListedTokens, type TokenView } from './tokens.queries.js';

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

/** A token as its maker is shown it. */
export interface MadeToken {
  readonly id: string;
  readonly token: string;
}

export interface RevealedToken extends TokenView {
  /** Null when it was sealed with another master key. */
  readonly token: string | null;
}

/** The new token, and the old one, which lives on until it expires. */
export interface RotatedToken extends TokenView {
  readonly token: string;
  readonly old: TokenView;
}

/** So many tokens of a directory are tried, each by a command, until one can be opened. */
const MAX_TRIED_TOKENS = 10;

/**
 * Makes, changes, rotates, revokes and reveals tokens. This process seals each of them, so it has the master key, and is
 * the only one that opens them: were their owner to do it, the key would lie in two places, and the token in an
 * outcome. The sealed token of a directory cannot be read here before the owner has recorded that it is revealed.
 */
@Injectable()
export class Tokens {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(TOKEN_SEAL) private readonly seal: TokenSeal,
    private readonly directories: Directories,
    private readonly listed: ListedTokens,
    private readonly commands: Commands,
  ) {}

  /** `expiresAt` is ISO 8601; null = never. Throws Rejected(notFound). */
  async create(asked: Asked, directoryId: string, description: string, expiresAt: string | null): Promise<MadeToken> {
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
  ): Promise<MadeToken> {
    const tokenId = asked.newId();
    const { token, ...kept } = this.newToken(asked, tenant, tokenId);
    await this.commands.toDirectory(asked, tenant, {
      type: 'CreateToken',
      tokenId,
      directoryId,
      description,
      expiresAt,
      ...kept,
    });
    return { id: tokenId, token };
  }

  /**
   * Makes another token in the place of this one. `expiresAt` is ISO 8601; null = never, undefined = it lives as long as
   * the old one was to live. Throws Rejected.
   */
  async rotate(
    asked: Asked,
    id: string,
    overlapSeconds: number,
    expiresAt: string | null | undefined,
  ): Promise<RotatedToken> {
    const { id: tokenId, tenant } = await this.listed.show(id);
    const newTokenId = asked.newId();
    const { token, ...kept } = this.newToken(asked, tenant, newTokenId);
    await this.commands.toDirectory(asked, tenant, {
      type: 'RotateToken',
      tokenId,
      newTokenId,
      overlapSeconds,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...kept,
    });
    return { ...(await this.listed.show(newTokenId)), token, old: await this.listed.show(tokenId) };
  }

  /** Throws Rejected(notFound). */
  async change(asked: Asked, id: string, changes: TokenChanges): Promise<TokenView> {
    const { id: tokenId, tenant } = await this.listed.show(id);
    await this.commands.toDirectory(asked, tenant, { type: 'ChangeToken', tokenId, ...changes });
    return this.listed.show(tokenId);
  }

  /** Throws Rejected(notFound). */
  async revoke(asked: Asked, id: string): Promise<void> {
    const { id: tokenId, tenant } = await this.listed.show(id);
    await this.commands.toDirectory(asked, tenant, { type: 'RevokeToken', tokenId });
  }

  /** Records that somebody is to see the token, and then opens it. Throws Rejected. */
  async reveal(asked: Asked, id: string): Promise<RevealedToken> {
    const shown = await this.listed.show(id);
    await this.commands.toDirectory(eachTime(asked), shown.tenant, { type: 'RevealToken', tokenId: shown.id });
    return { ...shown, token: await this.open(shown.tenant, shown.id) };
  }

  /**
   * Records that somebody is to see the token that works longest, and then opens it. Without an id: that of the first
   * directory. Throws Rejected(notFound).
   */
  async revealOf(asked: Asked, directoryId?: string): Promise<RevealedDirectory> {
    const directory = await this.directories.show(directoryId);
    const working = directory.tokens.filter(({ status }) => status === 'active').toSorted(lastsLongestFirst);
    for (const { id, expiresAt } of working.slice(0, MAX_TRIED_TOKENS)) {
      await this.commands.toDirectory(eachTime(asked), directory.tenant, { type: 'RevealToken', tokenId: id });
      const token = await this.open(directory.tenant, id);
      if (token !== null) return revealed(directory, token, expiresAt);
    }
    return revealed(directory, null);
  }

  /** A token, and what the database keeps of it. */
  private newToken(asked: Asked, tenant: string, tokenId: string): { token: string; hash: string; sealed: string } {
    const token = `muster_${asked.newSecret(tokenId)}`;
    return {
      token,
      hash: createHash('sha256').update(token).digest('hex'),
      sealed: this.seal.seal(contextOf(tenant, tokenId), token),
    };
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

/**
 * The request without its Idempotency-Key. To show a token once more is decided and recorded once more: somebody may have
 * switched it off since the first time.
 */
const eachTime = ({ repeatable: _repeatable, ...asked }: Asked): Asked => asked;

const contextOf = (tenant: string, tokenId: string): string => `${tenant}|${tokenId}|token`;
