import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { EFFECTIVE_MEMBERS, GROUP_COMMAND_TYPES, GROUPS_OF, type CommandData, type GroupCommand, type Message } from '#contracts';
import { BatchHandler, connectDatabase, poolOf } from '#event-store';
import { uuidv7 } from '#runtime';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { MAX_GROUPS_ABOVE, MAX_MEMBERSHIPS_ABOVE } from './group-load.queries.js';
import { groupBehaviour } from './group.projection.js';

const NOW = '2026-01-01T00:00:00.000Z';
/** As in production: what takes longer is ended, and the lane is given the same again. */
const QUERY_TIMEOUT_MS = 5_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

let url: string;
let database: DataSource;
let owner: pg.Client;
let handler: BatchHandler<GroupCommand>;

beforeAll(async () => {
  url = await newDatabase();
  database = await connectDatabase(url, 'group', { poolConnections: 2, queryTimeoutMs: QUERY_TIMEOUT_MS });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  handler = new BatchHandler(poolOf(database), groupBehaviour(), () => new Date(NOW), (error) => {
    throw error as Error;
  });
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.destroy();
});

interface Tenant {
  readonly id: string;
  readonly directory: string;
}
const newTenant = (): Tenant => ({ id: uuidv7(), directory: uuidv7() });

/** What became of each command of one batch. */
const send = async ({ id: tenant, directory }: Tenant, ...commands: GroupCommand[]): Promise<Record<string, unknown>[]> => {
  const messages = commands.map((command): Message<CommandData<GroupCommand>> =>
    commandMessage({ type: GROUP_COMMAND_TYPES[command.type], subject: tenant, tenant, directory, time: NOW }, command));
  await handOver(handler, 'group.commands', tenant, messages);
  const { rows } = await owner.query<{ command_id: string; outcome: Record<string, unknown> }>(
    'SELECT command_id, outcome FROM "group".outcomes WHERE command_id = ANY ($1)', [messages.map(({ id }) => id)],
  );
  return messages.map(({ id }) => rows.find(({ command_id }) => command_id === id)!.outcome);
};
const create = (displayName: string, ...members: string[]): GroupCommand & { groupId: string } => ({ type: 'CreateGroup', groupId: uuidv7(), resource: { displayName }, members });
const add = (groupId: string, ...members: string[]): GroupCommand =>
  ({ type: 'PatchGroup', groupId, operations: [{ op: 'add', path: 'members', value: members.map((value) => ({ value })) }], ifMatch: null });

const newUsers = async ({ id: tenant, directory }: Tenant, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, uuidv7);
  await owner.query(
    `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
     SELECT $1, id, $2, 1, $3, $3, '{}', id::text, '{}' FROM unnest($4::uuid[]) AS id`, [tenant, directory, NOW, ids],
  );
  return ids;
};
/** Groups as rows alone: to make so many by commands would take minutes. */
const newGroups = async ({ id: tenant, directory }: Tenant, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, uuidv7);
  await owner.query(
    `INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
     SELECT $1, id, $2, 1, $3, $3, jsonb_build_object('displayName', id), id::text, '{}', 0 FROM unnest($4::uuid[]) AS id`, [tenant, directory, NOW, ids],
  );
  return ids;
};
/** Each of the groups contains those that `contained` says, by their places. */
const nest = (tenant: Tenant, ids: readonly string[], condition: string): Promise<unknown> => owner.query(
  `INSERT INTO "group".members SELECT $1, a.id, b.id, 'G' FROM unnest($2::uuid[]) WITH ORDINALITY AS a(id, n), unnest($2::uuid[]) WITH ORDINALITY AS b(id, n) WHERE ${condition}`,
  [tenant.id, ids],
);

describe('600 groups, each of which contains all later ones', () => {
  const tenant = newTenant();
  let groups: string[];
  let users: string[];

  beforeAll(async () => {
    groups = await newGroups(tenant, 600);
    users = await newUsers(tenant, 3);
    await nest(tenant, groups, 'a.n < b.n');
  }, 60_000);

  it('take a user into the innermost as one group would', async () => {
    expect(await send(tenant, add(groups.at(-1)!, users[0]!))).toEqual([expect.objectContaining({ status: 'done' })]);
  }, 60_000);

  it('take no group into the innermost, which says how many are too many; others of the batch are not concerned', async () => {
    const [inner, outer] = [create('Inner'), create('Outer')];
    await send(tenant, inner, outer);
    const [nested, user, first] = await send(tenant, add(groups.at(-1)!, inner.groupId), add(groups.at(-1)!, users[1]!), add(outer.groupId, groups[0]!));
    expect(user).toMatchObject({ status: 'done' });
    // Of two that come together neither alone may be at fault.
    expect(nested).toMatchObject({ status: 'rejected', code: 'tooManyRequests', detail: expect.stringMatching(/one of these changes after the other/) });
    expect(first).toMatchObject({ status: 'rejected', code: 'tooManyRequests' });
    expect(await send(tenant, add(groups.at(-1)!, inner.groupId))).toEqual([
      { status: 'rejected', code: 'invalidValue', detail: expect.stringMatching(new RegExp(`${MAX_GROUPS_ABOVE} groups.*${MAX_MEMBERSHIPS_ABOVE} memberships`)) },
    ]);
    expect(await send(tenant, add(outer.groupId, groups[0]!))).toEqual([expect.objectContaining({ status: 'done' })]);
  }, 60_000);

  it('are all shown to be those of the innermost user, once each; and the outermost has its users', async () => {
    await owner.query(`SET statement_timeout = ${QUERY_TIMEOUT_MS}`);
    const { rows } = await owner.query<{ direct: boolean }>(`SELECT direct FROM ${GROUPS_OF}($1, $2)`, [tenant.id, [users[0]]]);
    expect(rows.filter(({ direct }) => direct)).toHaveLength(1);
    expect(rows.filter(({ direct }) => !direct)).toHaveLength(600);
    const effective = await owner.query<{ member: string }>(`SELECT member FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, 10)`, [tenant.id, groups[0], LEAST_ID]);
    expect(effective.rows.map(({ member }) => member)).toEqual(users.slice(0, 2).toSorted());
  }, 60_000);
});
