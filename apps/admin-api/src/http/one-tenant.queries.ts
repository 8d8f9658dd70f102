import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { DIRECTORIES_VIEW, eventsViewOf, type Owner } from '#contracts';
import { isUuid } from '#runtime';
import { Rejected } from '#scim';
import { OWNERS_SENT_TO, POOL } from '../injected.js';

type Members = Record<string, unknown>;

/**
 * Keeps the request of a key of one tenant to that tenant, for every route alike: an id of another tenant is none, and
 * what a request leaves out is its own tenant instead of the first one.
 */
@Injectable()
export class OneTenant {
  private readonly foreign: string;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(OWNERS_SENT_TO) owners: readonly Owner[],
  ) {
    // Each thing that has an id has events, and these say whose it is.
    const isForeign = owners.map(
      (owner) => `EXISTS (SELECT FROM ${eventsViewOf(owner)} e WHERE e.stream = u.id AND e.tenant <> $2)`,
    );
    this.foreign = `SELECT u.id FROM unnest($1::uuid[]) AS u(id) WHERE ${isForeign.join(' OR ')} LIMIT 1`;
  }

  /** Throws Rejected(notFound). */
  async confine(tenant: string, request: FastifyRequest): Promise<void> {
    const [params, query] = [request.params as Members, request.query as Members];
    const body = membersOf(request.body);
    if (params.id === 'first') params.id = await this.firstDirectory(tenant);
    const named = [params, query, body ?? {}].flatMap((members) =>
      Object.values(members).filter((value): value is string => typeof value === 'string' && isUuid(value)),
    );
    const { rows } = await this.pool.query<{ id: string }>({
      name: 'ids-of-other-tenants',
      text: this.foreign,
      values: [named, tenant],
    });
    if (rows[0]) throw new Rejected('notFound', `There is nothing with the id ${rows[0].id}.`);
    query.tenant ??= tenant;
    // Where a path names a thing, its tenant is known, and a body may be anything.
    if (!Object.values(params).some((value) => isUuid(String(value))) && body) body.tenant ??= tenant;
  }

  private async firstDirectory(tenant: string): Promise<string> {
    const { rows } = await this.pool.query<{ id: string }>(
      `SELECT id FROM ${DIRECTORIES_VIEW} WHERE tenant = $1 ORDER BY id LIMIT 1`,
      [tenant],
    );
    if (!rows[0]) throw new Rejected('notFound', 'There is no directory yet.');
    return rows[0].id;
  }
}

const membersOf = (body: unknown): Members | null =>
  typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Members) : null;
