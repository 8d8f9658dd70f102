import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { ADMINISTERED_USERS_VIEW, DIRECTORY_SETTINGS, type DirectorySettings, type SettingChanges } from '#contracts';
import type { RoleRules } from '#scim';
import { RoleGroups } from '../groups/role-groups.queries.js';
import { LEAST_ID, Pages, rowsOf, type PageQuery } from '../http/pages.queries.js';
import { POOL } from '../injected.js';
import { Directories } from './directories.queries.js';
import { counted, roleChangeOf, type RoleBearer, type RoleChange, type RoleCount } from './role-preview.js';

/** One part of a preview. */
export interface RolePreview {
  /** The users whose web role would change, in the order of their ids. */
  readonly items: readonly RoleChange[];
  /** The cursor of the next part; null = this is the last one. */
  readonly next: string | null;
  /** Of all active users of the directory up to the end of this part; with the last part, of all of them. */
  readonly counts: readonly RoleCount[];
}

/** The place up to which users have been looked at, with what was counted until there. */
type Place = readonly [after: string, counts: readonly RoleCount[]];

/** Users that one query reads. */
const BATCH_USERS = 1_000;
/** Users of the tenant at which one request looks: then it answers, even if nobody's role would change. */
const MAX_LOOKED_AT = 20_000;
/** Longer than the name of any web role, also where it is written in other letters. */
const MAX_ROLE_CHARACTERS = 100;

/** Says who would gain or lose which web role, without changing anything. */
@Injectable()
export class RolePreviews {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly directories: Directories,
    private readonly groups: RoleGroups,
    private readonly pages: Pages,
  ) {}

  /**
   * One part of what would become of the users of a directory if its settings were changed so. Throws Rejected: notFound,
   * invalidValue, invalidCursor, tooMany.
   */
  async of(
    directoryId: string,
    changes: Pick<SettingChanges, 'groupRoles' | 'roleCeiling'>,
    query: PageQuery,
  ): Promise<RolePreview> {
    const { id, tenant, settings } = await this.directories.show(directoryId);
    const now = rulesIn(settings);
    const { groupRoles = now.groupRoles, roleCeiling = now.roleCeiling } = changes;
    const proposed: RoleRules = {
      groupRoles: changes.groupRoles
        ? await this.groups.named({ id, tenant }, changes.groupRoles)
        : (groupRoles ?? DIRECTORY_SETTINGS.groupRoles.default),
      roleCeiling: roleCeiling ?? DIRECTORY_SETTINGS.roleCeiling.default,
    };
    const mapped = [...new Set([now, proposed].flatMap((rules) => Object.keys(rules.groupRoles)))];
    // Counts go on from part to part, so that a cursor is void once the settings have changed.
    const list = ['role-preview', id, now, proposed];
    let [after, counts] = this.pages.placeIn<Place>(list, query) ?? [LEAST_ID, []];
    const items: RoleChange[] = [];
    for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT; lookedAt += BATCH_USERS) {
      const { users, last } = await this.users(tenant, id, after);
      const [first] = users;
      const groups = first
        ? await this.groups.memberships(tenant, mapped, first.id, users.at(-1)!.id)
        : new Map<string, readonly string[]>();
      for (const user of users) {
        const change = roleChangeOf(user, groups.get(user.id) ?? [], now, proposed);
        counts = counted(counts, change);
        if (change.from !== change.to) items.push(change);
        if (items.length === rowsOf(query)) return this.part(list, items, [user.id, counts]);
      }
      if (last === null) return { items, next: null, counts };
      after = last;
    }
    return this.part(list, items, [after, counts]);
  }

  private part(list: readonly unknown[], items: readonly RoleChange[], place: Place): RolePreview {
    return { items, next: this.pages.cursorOf(list, place), counts: place[1] };
  }

  /**
   * The active users of the directory among the next ones of its tenant, and up to whom these are; null = to the end.
   * Of their roles those that may name a web role: others may be long.
   */
  private async users(
    tenant: string,
    directory: string,
    after: string,
  ): Promise<{ readonly users: readonly RoleBearer[]; readonly last: string | null }> {
    const { rows } = await this.pool.query<RoleBearer & { readonly counts: boolean | null }>(
      `SELECT u.id, u.counts, CASE WHEN u.counts THEN left(u.resource->>'userName', 400) END AS "userName",
         CASE WHEN u.counts AND jsonb_typeof(u.resource->'roles') = 'array' THEN (
           SELECT json_agg(json_build_object('value', r->>'value')) FROM jsonb_array_elements(u.resource->'roles') r
           WHERE length(r->>'value') <= ${MAX_ROLE_CHARACTERS}) END AS roles
       FROM (SELECT id, resource, directory = $2 AND archived IS NULL AS counts FROM ${ADMINISTERED_USERS_VIEW}
             WHERE tenant = $1 AND id > $3 ORDER BY id LIMIT ${BATCH_USERS}) u ORDER BY u.id`,
      [tenant, directory, after],
    );
    return {
      users: rows.filter(({ counts }) => counts === true),
      last: rows.length < BATCH_USERS ? null : rows.at(-1)!.id,
    };
  }
}

const rulesIn = ({ groupRoles, roleCeiling }: DirectorySettings): RoleRules => ({ groupRoles, roleCeiling });
