import type pg from 'pg';
import { roleSeal, roleUrl } from '#event-store';
import { StreamEvents } from '../../apps/admin-api/src/events/stream-events.queries.js';
import { RoleGroups } from '../../apps/admin-api/src/groups/role-groups.queries.js';
import { Pages } from '../../apps/admin-api/src/http/pages.queries.js';
import { Users } from '../../apps/admin-api/src/users/users.queries.js';

/** Users as the admin API reads them from the database of `url`; each statement that it sends is put into `asked`. */
export const administeredUsers = (pool: pg.Pool, url: string, asked: pg.QueryConfig[]): Users => {
  const recorded = {
    query: (asking: string | pg.QueryConfig, values: unknown[] = []) => {
      const config = typeof asking === 'string' ? { text: asking, values } : asking;
      asked.push(config);
      return pool.query(config);
    },
  } as unknown as pg.Pool;
  const pages = new Pages(roleSeal(roleUrl(url, 'admin_api'), 'admin_api', 'cursor'));
  return new Users(recorded, new StreamEvents(recorded, pages), new RoleGroups(recorded));
};
