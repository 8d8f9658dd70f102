import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { CLIENT_SECRETS_VIEW, DIRECTORIES_VIEW, type DirectoryStatus, type Federation } from '#contracts';
import { isUuid } from '#runtime';
import { POOL } from '../injected.js';

/** A client that asks for an access token, and what it has to prove. */
export interface KnownClient {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly status: 'active' | 'revoked';
  readonly secrets: readonly { readonly id: string; readonly hash: string; readonly expiresAt: string | null }[];
  readonly federation: Federation | null;
}

/** A directory holds 50 active clients at most; of those that were revoked nobody has to be told more. */
const MAX_CLIENTS = 50;

/** Reads directories and their clients as their owner publishes them. */
@Injectable()
export class Clients {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Undefined = there is no such directory. */
  async directory(
    directory: string,
  ): Promise<{ readonly tenant: string; readonly status: DirectoryStatus } | undefined> {
    if (!isUuid(directory)) return undefined;
    const { rows } = await this.pool.query<{ tenant: string; status: DirectoryStatus }>({
      name: 'directory-by-id',
      text: `SELECT tenant, status FROM ${DIRECTORIES_VIEW} WHERE id = $1`,
      values: [directory],
    });
    return rows[0];
  }

  /** The client of this id in this directory. */
  async find(directory: string, clientId: string): Promise<KnownClient | undefined> {
    if (!isUuid(clientId)) return undefined;
    const { rows } = await this.pool.query<KnownClient>({
      name: 'client-by-id',
      text: `SELECT id, tenant, name, status, secrets, federation FROM ${CLIENT_SECRETS_VIEW} WHERE id = $1 AND directory = $2`,
      values: [clientId, directory],
    });
    return rows[0];
  }

  /** The active clients of a directory whose tokens this issuer signs for this subject. */
  async findFederated(directory: string, issuer: unknown, subject: unknown): Promise<readonly KnownClient[]> {
    if (typeof issuer !== 'string' || typeof subject !== 'string' || issuer.includes('\0') || subject.includes('\0'))
      return [];
    const { rows } = await this.pool.query<KnownClient>({
      name: 'federated-clients',
      text: `SELECT c.id, c.tenant, c.name, c.status, c.secrets, c.federation FROM ${DIRECTORIES_VIEW} d
        JOIN ${CLIENT_SECRETS_VIEW} c ON c.tenant = d.tenant AND c.directory = d.id
        WHERE d.id = $1 AND c.status = 'active' AND c.federation->>'issuer' = $2 AND c.federation->>'subject' = $3
        LIMIT ${MAX_CLIENTS}`,
      values: [directory, issuer, subject],
    });
    return rows;
  }
}
