import { randomBytes } from 'node:crypto';
import type { StreamableFile } from '@nestjs/common';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GroupRow, UserRow } from '#contracts';
import { roleUrl } from '#event-store';
import { GROUP, parseFilter, STANDARD, USER, type ResourceDefinition } from '#scim';
import type { UserState } from '../apps/admin-api/src/users/found.js';
import type { Users } from '../apps/admin-api/src/users/users.queries.js';
import { MemberQueries } from '../apps/gateway/src/read/members.queries.js';
import { ResourceQueries } from '../apps/gateway/src/read/resource.queries.js';
import { resourceTables, type Scope } from '../apps/gateway/src/read/resource-tables.js';
import { loadSql, type Touched } from '../apps/identity/src/user-load.queries.js';
import { userBehaviour } from '../apps/identity/src/user.projection.js';
import { administeredUsers } from './support/administered-users.js';
import { scansIn } from './support/plans.js';
import { newDatabase, query } from './support/postgres.js';
import { partOf } from './support/random-resources.js';
import { asRead, readingLimits } from './support/reading-limits.js';

/**
 * Statements are prepared on the first request, when tables are empty and nothing is known about them, and their plan
 * stays. Of indexes that look alike then the planner takes the newest one (decision 3): a look-up by name that is
 * planned as a walk through the tenant is fast in every other test.
 */

const ID = '01980000-0000-7000-8000-000000000001';
const SCOPE: Scope = { tenant: ID, directory: ID, seesUnmanaged: false, seesLocalGroups: false, definitions: STANDARD };
const asked: pg.QueryConfig[] = [];
let gateway: pg.Pool;
let identity: pg.Pool;
let administration: pg.Pool;
let administered: Users;
let users: ResourceQueries<UserRow>;
let groups: ResourceQueries<GroupRow>;
let members: MemberQueries;

beforeAll(async () => {
  const url = await newDatabase();
  gateway = new pg.Pool({ connectionString: roleUrl(url, 'gateway'), max: 1 });
  identity = new pg.Pool({ connectionString: roleUrl(url, 'identity'), max: 1 });
  administration = new pg.Pool({ connectionString: roleUrl(url, 'admin_api'), max: 1 });
  const recorded = {
    query: (config: pg.QueryConfig) => (asked.push(config), gateway.query(config)),
  } as unknown as pg.Pool;
  administered = administeredUsers(administration, url, asked);
  // One name, so that an administrator who looks for it makes the users be read who may bear it.
  await query(
    url,
    `INSERT INTO identity.known_as (tenant, id, version, n, kind, value) VALUES ($1, $1, 1, 0, 'displayName', 'x')`,
    [ID],
  );
  const tables = resourceTables('https://scim.example.org/api/scim/v2');
  const limits = readingLimits();
  users = new ResourceQueries(recorded, tables.users, limits);
  groups = new ResourceQueries(recorded, tables.groups, limits);
  members = new MemberQueries(recorded, 'https://scim.example.org/api/scim/v2', limits.lookUps);
}, 120_000);
afterAll(() => Promise.all([gateway?.end(), identity?.end(), administration?.end()]));

const find = (
  definition: ResourceDefinition,
  queries: ResourceQueries<UserRow> | ResourceQueries<GroupRow>,
  filter: string,
): Promise<unknown> =>
  queries.page(
    SCOPE,
    {
      filter: parseFilter(definition, filter),
      sort: null,
      selection: undefined,
      startIndex: 1,
      count: 10,
      cursor: null,
    },
    asRead,
  );
const read = async (...ids: string[]): Promise<void> => {
  const shown = members.show(
    { ...SCOPE, requireToken: async () => undefined },
    { id: ids[0]!, version: 1, created: '', lastModified: '', resource: {}, memberCount: 1 },
    undefined,
  );
  for await (const _ of (shown as StreamableFile).getStream());
};

/** The first one goes out alone. */
const together = (ask: (value: string) => Promise<unknown>): Promise<unknown> => Promise.all(['x', 'y', 'z'].map(ask));

it.each([
  ['a user by id', () => users.byId(SCOPE, ID), ['users_pkey (tenant, id)', 'members_by_member (member)']],
  [
    'a user by userName',
    () => find(USER, users, 'userName eq "x"'),
    ['users_by_user_name (user_name_folded, tenant)', 'members_by_member (member)'],
  ],
  [
    'users by ids, asked together',
    () => together(() => users.byId(SCOPE, ID)),
    ['users_pkey (tenant, id)', 'members_by_member (member)'],
  ],
  [
    'users by userNames, asked together',
    () => together((value) => find(USER, users, `userName eq "${value}"`)),
    ['users_by_user_name (user_name_folded, tenant)', 'members_by_member (member)'],
  ],
  ['groups by ids, asked together', () => together(() => groups.byId(SCOPE, ID)), ['groups_pkey (tenant, id)']],
  [
    'a user by externalId',
    () => find(USER, users, 'externalId eq "x"'),
    ['users_by_external_id (external_id, tenant)', 'users_pkey (tenant, id)', 'members_by_member (member)'],
  ],
  [
    'a user by id and manager',
    () => find(USER, users, `id eq "${ID}" and manager eq "x"`),
    ['users_pkey (tenant, id)', 'users_pkey (tenant, id)', 'members_by_member (member)'],
  ],
  [
    'users by work e-mail',
    () => find(USER, users, 'emails[type eq "work"].value eq "x"'),
    [
      'users_pkey (tenant, id)',
      'users_by_work_email (work_email_folded, tenant)',
      'users_by_other_work_email (of_tenant)',
      'users_pkey (tenant, id)',
      'members_by_member (member)',
    ],
  ],
  [
    'users by work e-mail and more',
    () => find(USER, users, 'emails[type eq "work"].value eq "x" and title eq "y"'),
    [
      'users_pkey (tenant, id)',
      'users_by_work_email (work_email_folded, tenant)',
      'users_by_other_work_email (of_tenant)',
      'users_pkey (tenant, id)',
      'users_pkey (tenant, id)',
      'members_by_member (member)',
    ],
  ],
  ['a group by id', () => groups.byId(SCOPE, ID), ['groups_pkey (tenant, id)']],
  [
    'a group by displayName',
    () => find(GROUP, groups, 'displayName eq "x"'),
    ['groups_by_display_name (display_name_folded, tenant)', 'groups_pkey (tenant, id)'],
  ],
  [
    'a group by externalId',
    () => find(GROUP, groups, 'externalId eq "x"'),
    ['groups_by_external_id (external_id, tenant)', 'groups_pkey (tenant, id)'],
  ],
  [
    'whether a user is a member',
    () => find(GROUP, groups, `id eq "${ID}" and members eq "${ID}"`),
    ['groups_pkey (tenant, id)', 'members_pkey (group_id, member, tenant)', 'groups_pkey (tenant, id)'],
  ],
  [
    'the members of a group',
    () => read(ID),
    [
      'members_pkey (group_id, member, tenant)',
      'users_pkey (tenant, id)',
      'users_withdrawn (id)',
      'groups_pkey (tenant, id)',
    ],
  ],
] as const)('%s is looked up by its index in a database of which nothing is known', async (what, ask, expected) => {
  asked.length = 0;
  await ask();
  const { name, text, values } = asked.at(-1)!;
  expect(name?.endsWith('-each') ?? false).toBe(what.endsWith('together'));
  expect(await scansIn(gateway, text, values!)).toEqual([...expected].sort());
});

const OF_EACH_USER = ['users_pkey (tenant, id)', 'persons_pkey (tenant, person)', 'members_by_member (member)'];
const OF_ITS_TENANT = [
  'directories_by_tenant (tenant)',
  'domains_by_tenant (tenant)',
  'tenants_pkey (tenant)',
  'schemas_by_urn (tenant)',
  'events_pkey (tenant)',
];

it.each([
  ['users', []],
  ['claims', ['claims_pkey (tenant, kind, value)']],
  ['unlinked', ['users_pkey (tenant, id)', 'claims_pkey (tenant, kind, value)']],
  ['former_upns', ['users_by_former_upn (former_upn_key, tenant)']],
  ['emails', ['users_by_work_email (work_email_folded, tenant)', 'users_by_work_email_key (work_email_key, tenant)']],
  ['external_ids', ['users_by_external_id (external_id, tenant)']],
] as const)('who is named by %s is loaded for a decision by an index, too', async (part, expected) => {
  const nobody: Touched = {
    users: [],
    unlinked: [],
    claims: [],
    former_upns: [],
    emails: [],
    external_ids: [],
    tenants: [],
    among: [],
  };
  const scans = async (touched: Partial<Record<keyof Touched, unknown[]>>): Promise<string[]> =>
    scansIn(identity, loadSql({ ...nobody, ...(touched as Partial<Touched>) }).replaceAll('$json', '$1::json'), ['{}']);
  const ofUsers = [...OF_EACH_USER, ...expected];
  expect(await scans({ [part]: [{}] })).toEqual(ofUsers.sort());
  expect(await scans({ [part]: [{}], tenants: [{}] })).toEqual([...ofUsers, ...OF_ITS_TENANT].sort());
});

it('that nobody bears the keys of a new user, and that what a lane remembers is as it was, is seen by indexes', async () => {
  const { parts } = userBehaviour(randomBytes(32), 262_144);
  const scans = (name: string): Promise<string[]> => scansIn(identity, partOf(parts, name), ['[]']);
  expect(await scans('nobody_known')).toEqual(
    [
      'claims_pkey (tenant, kind, value)',
      'users_by_former_upn (former_upn_key, tenant)',
      'users_by_work_email (work_email_folded, tenant)',
      'users_by_work_email_key (work_email_key, tenant)',
      'users_by_external_id (external_id, tenant)',
    ].sort(),
  );
  expect(await scans('as_remembered')).toEqual(['events_pkey (tenant)', 'members_by_member (member)']);
});

const OF_EACH_FOUND = [
  'deleted_users_pkey (tenant, id)',
  'directories_pkey (id)',
  'directories_pkey (id)',
  'users_pkey (tenant, id)',
];
const list = (state: UserState | undefined, directory?: string): Promise<unknown> =>
  administered.page({ tenants: [ID], state, directory }, null, 101);

it.each([
  [
    'users by an identifier',
    () => administered.find([ID], 'x'),
    [
      [
        'known_as_by_value (value, tenant)',
        'known_as_by_value (value, tenant)',
        'users_by_external_id (external_id, tenant)',
        'users_by_former_upn (former_upn_key, tenant)',
        'users_by_user_name (user_name_folded, tenant)',
        'users_by_work_email (work_email_folded, tenant)',
        'users_by_work_email_key (work_email_key, tenant)',
      ],
      OF_EACH_FOUND,
    ],
  ],
  [
    'the tenant of an id',
    () => administered.find([ID], ID),
    [expect.arrayContaining([]), ['events_stream_version_key (stream, version)']],
  ],
  [
    'users by the beginning of an identifier',
    () => administered.find([ID], 'x*'),
    [
      [
        'known_as_by_value (value, value, tenant)',
        'known_as_by_value (value, value, tenant)',
        'users_by_external_id (external_id, external_id, tenant)',
        'users_by_former_upn (former_upn_key, former_upn_key, tenant)',
        'users_by_user_name (user_name_folded, user_name_folded, tenant)',
        'users_by_work_email (work_email_folded, work_email_folded, tenant)',
        'users_by_work_email_key (work_email_key, work_email_key, tenant)',
      ],
      OF_EACH_FOUND,
    ],
  ],
  ['active and archived users', () => list(undefined), [['directories_pkey (id)', 'users_pkey (ROW, tenant)']]],
  ['active users', () => list('active'), [['directories_pkey (id)', 'users_pkey (ROW, tenant)']]],
  ['archived users', () => list('archived'), [['directories_pkey (id)', 'users_archived (ROW, tenant)']]],
  ['those of a directory', () => list('archived', ID), [['directories_pkey (id)', 'users_archived (ROW, tenant)']]],
  ['deleted users', () => list('deleted'), [['deleted_users_pkey (ROW, tenant)', 'directories_pkey (id)']]],
] as const)(
  'administrators are shown %s by its index in a database of which nothing is known',
  async (_what, ask, expected) => {
    asked.length = 0;
    await ask();
    const scans: string[][] = [];
    for (const { text, values } of asked) scans.push(await scansIn(administration, text, values!));
    expect(scans).toEqual(expected);
  },
);
