import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { AUTHENTICATIONS_VIEW, LAST_USES_VIEW, LISTED_CLIENTS_VIEW, type Federation } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { POOL } from '../injected.js';

/** A client of OAuth 2.0, as administrators see it. */
export interface ClientView {
  readonly id: string;
  readonly directory: string;
  readonly name: string;
  readonly status: 'active' | 'revoked';
  /** ISO 8601, UTC. */
  readonly created: string;
  /** When one of its access tokens was used, to a minute; ISO 8601, UTC; null = not yet. */
  readonly lastUsedAt: string | null;
  /** The tokens of another issuer that prove who it is; null = it has secrets. */
  readonly federation: Federation | null;
  /** Its secrets, the oldest first; a secret itself is shown once, when it is made. */
  readonly secrets: readonly {
    readonly id: string;
    readonly description: string;
    readonly status: 'active' | 'expired';
    readonly expiresAt: string | null;
  }[];
}

/** One authentication at a directory: what was expected, and what came. */
export interface AuthenticationView {
  readonly accepted: boolean;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly method: string;
  readonly client: string | null;
  readonly checks: readonly {
    readonly check: string;
    readonly expected: string;
    readonly received: string;
    readonly passed: boolean;
  }[];
}

interface ClientRow {
  readonly id: string;
  readonly directory: string;
  readonly name: string;
  readonly status: 'active' | 'revoked';
  readonly created: Date;
  readonly lastUsedAt: Date | null;
  readonly federation: Federation | null;
  readonly secrets: readonly { readonly id: string; readonly description: string; readonly expiresAt: string | null }[];
}

/** Reads what is published of the clients of a directory. */
@Injectable()
export class Clients {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those after `after`, the oldest first. */
  page(directory: string, after: string, limit: number): Promise<ClientView[]> {
    return this.read('c.directory = $1 AND c.id > $2 ORDER BY c.id LIMIT $3', [directory, after, limit]);
  }

  /** By its id, or by the name of an active one. Throws Rejected(notFound). */
  async show(directory: string, idOrName: string): Promise<ClientView> {
    const [found] = isUuid(idOrName)
      ? await this.read('c.directory = $1 AND c.id = $2', [directory, idOrName])
      : await this.read(`c.directory = $1 AND c.name = $2 AND c.status = 'active' LIMIT 1`, [
          directory,
          idOrName.replaceAll('\0', ''),
        ]);
    if (!found) throw new Rejected('notFound', `The directory has no client ${idOrName}: client list shows them.`);
    return found;
  }

  /** The last accepted and the last refused authentication of a directory, the newer one first. */
  async authentications(directory: string): Promise<AuthenticationView[]> {
    const { rows } = await this.pool.query<{
      accepted: boolean;
      at: Date;
      trace: Omit<AuthenticationView, 'accepted' | 'at'>;
    }>(`SELECT accepted, at, trace FROM ${AUTHENTICATIONS_VIEW} WHERE directory = $1 ORDER BY at DESC`, [directory]);
    return rows.map(({ accepted, at, trace }) => ({ accepted, at: at.toISOString(), ...trace }));
  }

  private async read(which: string, values: readonly (string | number)[]): Promise<ClientView[]> {
    const { rows } = await this.pool.query<ClientRow>(
      `SELECT c.id, c.directory, c.name, c.status, c.created, c.federation, c.secrets, u.last_used_at AS "lastUsedAt"
       FROM ${LISTED_CLIENTS_VIEW} c LEFT JOIN ${LAST_USES_VIEW} u ON u.id = c.id WHERE ${which}`,
      [...values],
    );
    const now = Date.now();
    return rows.map(({ created, lastUsedAt, secrets, ...row }) => ({
      ...row,
      created: created.toISOString(),
      lastUsedAt: lastUsedAt && lastUsedAt.toISOString(),
      secrets: secrets.map(({ id, description, expiresAt }) => ({
        id,
        description,
        status: expiresAt !== null && Date.parse(expiresAt) <= now ? 'expired' : 'active',
        expiresAt,
      })),
    }));
  }
}
