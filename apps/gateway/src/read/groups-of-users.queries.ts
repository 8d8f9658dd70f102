import type { Pool } from 'pg';
import { GROUPS_OF, type GroupOfUser } from '#contracts';
import { isTimeOut, isUnreadable } from '#runtime';
import { Rejected, type Selection } from '#scim';
import type { Scope } from './resource-tables.js';
import { wantsGroups } from './to-response.js';

export const isMember = (row: object): boolean => 'isMember' in row && row.isMember === true;

/**
 * Reads which groups users are in. It is a query of its own, because nearly all of its cost is its beginning, which
 * other reads are spared. So is a client that does not want to see groups, because a page of users in hundreds of
 * nested groups takes seconds.
 */
export class GroupsOfUsers {
  constructor(private readonly pool: Pool) {}

  /** The users, with their groups. Throws Rejected(tooMany) when there are more than can be read in time. */
  async of<User extends { readonly id: string }>(
    { tenant }: Pick<Scope, 'tenant'>,
    users: readonly User[],
    selection?: Selection,
  ): Promise<readonly User[]> {
    if (!wantsGroups(selection)) return users;
    const members = users.filter(isMember);
    if (members.length === 0) return users;
    const found = await this.pool
      .query<{ member: string; groups: readonly GroupOfUser[] }>({
        name: 'groups-of-members',
        text: `SELECT member, json_agg(json_build_object('id', id, 'directory', directory, 'display', display, 'direct', direct)) AS groups
        FROM ${GROUPS_OF}($1, $2::uuid[]) GROUP BY member`,
        values: [tenant, members.map(({ id }) => id)],
      })
      .catch((error: unknown) => {
        if (!(isTimeOut(error) || isUnreadable(error))) throw error;
        // Another try would end the same.
        throw new Rejected(
          'tooMany',
          'The users of this page are in more groups, directly and through other groups, than can be read in the time that a query may take. Ask for ' +
            'fewer users at once (count), leave their groups out (excludedAttributes=groups), or raise QUERY_TIMEOUT_MS.',
        );
      });
    const groups = new Map(found.rows.map((row) => [row.member, row.groups]));
    return users.map((user) => (groups.has(user.id) ? { ...user, groups: groups.get(user.id)! } : user));
  }
}
