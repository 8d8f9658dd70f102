import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { ADMINISTERED_USERS_VIEW, GROUPS_VIEW } from '#contracts';
import { POOL } from '../injected.js';
import { idsToLookUp, type Answered, type Bearer, type BearerOf } from './bearers.js';

/** Looks up the users and groups that answers seem to name. */
@Injectable()
export class Bearers {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Those of the tenant alone: an answer may hold what a client has written. */
  async named(tenant: string, refusals: readonly Answered[]): Promise<BearerOf> {
    const ids = new Set(refusals.flatMap(idsToLookUp));
    if (ids.size === 0) return () => null;
    const { rows } = await this.pool.query<Bearer>({
      name: 'bearers-named-in-answers',
      text: `
        SELECT 'user' AS type, u.id, u.resource->>'userName' AS name, u.directory, u.archived AS "isArchived",
          json_build_object('id', json_build_array(u.id), 'userName', json_build_array(u.resource->>'userName', u.former_upn_key),
            'externalId', json_build_array(u.resource->>'externalId'),
            'e-mail', jsonb_path_query_array(u.resource, '$.emails[*].value'),
            'sign-in', jsonb_path_query_array(u.sign_ins, '$[*].providerId')) AS values
        FROM unnest($2::uuid[]) AS i(id)
        CROSS JOIN LATERAL (SELECT * FROM ${ADMINISTERED_USERS_VIEW} WHERE tenant = $1 AND id = i.id OFFSET 0) AS u
        UNION ALL
        SELECT 'group', g.id, g.resource->>'displayName', g.directory, false,
          json_build_object('displayName', json_build_array(g.resource->>'displayName'))
        FROM unnest($2::uuid[]) AS i(id)
        CROSS JOIN LATERAL (SELECT * FROM ${GROUPS_VIEW} WHERE tenant = $1 AND id = i.id OFFSET 0) AS g`,
      values: [tenant, [...ids]],
    });
    const bearers = new Map(rows.map((row) => [row.id, row]));
    return (id) => bearers.get(id) ?? null;
  }
}
