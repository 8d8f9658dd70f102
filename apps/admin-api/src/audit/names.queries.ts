import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  ADMINISTERED_USERS_VIEW,
  API_KEYS_VIEW,
  DELETED_USERS_VIEW,
  DIRECTORIES_VIEW,
  eventsViewOf,
  GROUPS_VIEW,
  INSTALLATION,
  LISTED_CLIENTS_VIEW,
  LISTED_TOKENS_VIEW,
  TENANTS_VIEW,
} from '#contracts';
import { isUuid } from '#runtime';
import { POOL } from '../injected.js';
import type { Names } from './words.js';

const MAX_NAME_CHARACTERS = 400;
/** `token:<id>`, and the same of a client or key. */
const ACTOR = /^(token|client|key):(.+)$/;

const OF_DIRECTORY = `(SELECT d.name FROM ${DIRECTORIES_VIEW} d WHERE d.id = t.directory)`;
/**
 * A request may name what is of another tenant: it is not told how that is called. The installation sees all. A key is
 * named where it has acted, and not where somebody has put its id into a path.
 */
const seen = (tenant: string): string => `($1 = '${INSTALLATION}'::uuid OR ${tenant} = $1)`;
const firstName = (view: string): string => `
  SELECT 9 AS place, id, (SELECT coalesce(e.data->>'name', e.data->>'shownName', e.data->>'description', e.data->'schema'->>'id',
      e.data->'resource'->>'displayName') FROM ${view} e WHERE e.stream = id AND e.version = 1 AND ${seen('e.tenant')}) AS name
  FROM unnest($2::uuid[]) AS i(id)`;

/** The names that there are now; of what was deleted, the name of a user as it was last, and of others their first one. */
const NAMES = `
  SELECT DISTINCT ON (id) id, left(name, ${MAX_NAME_CHARACTERS}) AS name FROM (
    SELECT 1 AS place, u.id, u.resource->>'userName' AS name FROM unnest($2::uuid[]) AS i(id)
      CROSS JOIN LATERAL (SELECT * FROM ${ADMINISTERED_USERS_VIEW} WHERE tenant = $1 AND id = i.id OFFSET 0) u
    UNION ALL SELECT 2, u.id, u.user_name FROM unnest($2::uuid[]) AS i(id)
      CROSS JOIN LATERAL (SELECT * FROM ${DELETED_USERS_VIEW} WHERE tenant = $1 AND id = i.id OFFSET 0) u
    UNION ALL SELECT 3, g.id, g.resource->>'displayName' FROM unnest($2::uuid[]) AS i(id)
      CROSS JOIN LATERAL (SELECT * FROM ${GROUPS_VIEW} WHERE id = i.id AND ${seen('tenant')} OFFSET 0) g
    UNION ALL SELECT 4, id, name FROM ${DIRECTORIES_VIEW} WHERE id = ANY ($2) AND ${seen('tenant')}
    UNION ALL SELECT 5, id, name FROM ${TENANTS_VIEW} WHERE id = ANY ($2) AND ${seen('id')}
    UNION ALL SELECT 6, t.id, concat_ws(' of ', nullif(t.description, ''), ${OF_DIRECTORY}) FROM ${LISTED_TOKENS_VIEW} t WHERE t.id = ANY ($2) AND ${seen('t.tenant')}
    UNION ALL SELECT 7, t.id, concat_ws(' of ', t.name, ${OF_DIRECTORY}) FROM ${LISTED_CLIENTS_VIEW} t WHERE t.id = ANY ($2) AND ${seen('t.tenant')}
    UNION ALL SELECT 8, id, name FROM ${API_KEYS_VIEW} WHERE id = ANY ($2::uuid[] || $3::uuid[]) AND (id = ANY ($3) OR ${seen('of_tenant')})
    UNION ALL ${firstName(eventsViewOf('directory'))}
    UNION ALL ${firstName(eventsViewOf('group'))}
  ) AS n WHERE name IS NOT NULL ORDER BY id, place`;

/** Actors who have a name that says enough. */
const THEMSELVES: Readonly<Record<string, string>> = { admin: 'bootstrap key, or Muster itself' };

/** Names for the ids in the audit log. */
@Injectable()
export class AuditNames {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** `ids` are of users, groups and other things of the tenant, and actors. */
  async of(tenant: string, ids: readonly (string | null)[]): Promise<Names> {
    const wanted = new Set<string>();
    const keys = new Set<string>();
    for (const id of ids) {
      const [, kind, plain = id ?? ''] = ACTOR.exec(id ?? '') ?? [];
      if (isUuid(plain)) (kind === 'key' ? keys : wanted).add(plain.toLowerCase());
    }
    const { rows } =
      wanted.size + keys.size === 0
        ? { rows: [] }
        : await this.pool.query<{ id: string; name: string }>({
            name: 'names-in-audit-log',
            text: NAMES,
            values: [tenant, [...wanted], [...keys]],
          });
    const names = new Map(rows.map(({ id, name }) => [id, name]));
    return { nameOf: (id) => names.get(ACTOR.exec(id)?.[2] ?? id) ?? THEMSELVES[id] ?? null };
  }

  /**
   * The actors that somebody means: by `key:<id>` and the like, the name of a key or client, the description of a token, or the
   * name of a directory, which is all that its identity provider gets in by. `tenant` null = the installation.
   */
  async actors(tenant: string, given: string): Promise<readonly string[]> {
    if (ACTOR.test(given) || given in THEMSELVES) return [given];
    const { rows } = await this.pool.query<{ actor: string }>(
      `SELECT 'key:' || id AS actor FROM ${API_KEYS_VIEW} WHERE lower(name) = lower($2) AND (of_tenant IS NULL OR ${seen('of_tenant')})
       UNION ALL SELECT 'client:' || t.id FROM ${LISTED_CLIENTS_VIEW} t
         WHERE t.tenant = $1 AND (lower(t.name) = lower($2) OR lower(${OF_DIRECTORY}) = lower($2))
       UNION ALL SELECT 'token:' || t.id FROM ${LISTED_TOKENS_VIEW} t
         WHERE t.tenant = $1 AND (lower(t.description) = lower($2) OR lower(${OF_DIRECTORY}) = lower($2))
       LIMIT ${MAX_ACTORS}`,
      [tenant, given],
    );
    return rows.map(({ actor }) => actor);
  }
}
const MAX_ACTORS = 1_000;
