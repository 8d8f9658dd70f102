import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  EFFECTIVE_MEMBERS,
  GROUP_COMMAND_TYPES,
  GROUPS_OF,
  type CommandData,
  type GroupCommand,
  type Message,
} from '#contracts';
import { BatchHandler, connectDatabase, watchLanes } from '#event-store';
import { uuidv7 } from '#runtime';
import type { PatchOperation } from '#scim';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { MAX_GROUPS_ABOVE, MAX_MEMBERSHIPS_ABOVE } from './group-load.queries.js';
import { groupBehaviour } from './group.projection.js';
import { MAX_MEMBERSHIP_CHANGES } from './member-moves.js';
import { verifyGroups } from './group-verify.queries.js';
import { Leftovers } from './leftovers.job.js';

const NOW = '2026-01-01T00:00:00.000Z';
/** As in production: what takes longer is ended, and the lane is given the same again. */
const QUERY_TIMEOUT_MS = 5_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

let url: string;
let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<GroupCommand>;

beforeAll(async () => {
  url = await newDatabase();
  database = await connectDatabase(url, 'group', { poolConnections: 2, queryTimeoutMs: QUERY_TIMEOUT_MS });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  handler = new BatchHandler(
    database,
    groupBehaviour(262_144),
    () => new Date(NOW),
    (error) => {
      throw error as Error;
    },
    // Decisions take no time: a busy machine would divide batches whose loads are counted here.
    { maxBytes: 8 * 1_048_576, elapsedMs: () => 0 },
  );
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.end();
});

interface Tenant {
  readonly id: string;
  readonly directory: string;
}
const newTenant = (): Tenant => ({ id: uuidv7(), directory: uuidv7() });

/** The outcome of each command of one batch. */
const send = async (
  { id: tenant, directory }: Tenant,
  ...commands: GroupCommand[]
): Promise<Record<string, unknown>[]> => {
  const messages = commands.map((command): Message<CommandData<GroupCommand>> =>
    commandMessage({ type: GROUP_COMMAND_TYPES[command.type], subject: tenant, tenant, directory, time: NOW }, command),
  );
  await handOver(handler, 'group.commands', tenant, messages);
  const { rows } = await owner.query<{ command_id: string; outcome: Record<string, unknown> }>(
    'SELECT command_id, outcome FROM "group".outcomes WHERE command_id = ANY ($1)',
    [messages.map(({ id }) => id)],
  );
  return messages.map(({ id }) => rows.find(({ command_id }) => command_id === id)!.outcome);
};
const create = (displayName: string, ...members: string[]): GroupCommand & { groupId: string } => ({
  type: 'CreateGroup',
  groupId: uuidv7(),
  resource: { displayName },
  members,
});
const add = (groupId: string, ...members: string[]): GroupCommand => ({
  type: 'PatchGroup',
  groupId,
  operations: [{ op: 'add', path: 'members', value: members.map((value) => ({ value })) }],
  ifMatch: null,
});

const newUsers = async ({ id: tenant, directory }: Tenant, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, uuidv7);
  await owner.query(
    `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
     SELECT $1, id, $2, 1, $3, $3, '{}', id::text, '{}' FROM unnest($4::uuid[]) AS id`,
    [tenant, directory, NOW, ids],
  );
  return ids;
};
/** Groups as rows alone: to make so many by commands would take minutes. */
const newGroups = async ({ id: tenant, directory }: Tenant, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, uuidv7);
  await owner.query(
    `INSERT INTO "group".groups (tenant, id, directory, version, created, last_modified, resource, display_name_folded, folded, member_count)
     SELECT $1, id, $2, 1, $3, $3, jsonb_build_object('displayName', id), id::text, '{}', 0 FROM unnest($4::uuid[]) AS id`,
    [tenant, directory, NOW, ids],
  );
  return ids;
};
/** Each of the groups contains those that `contained` says, by their places. */
const nest = (tenant: Tenant, ids: readonly string[], condition: string): Promise<unknown> =>
  owner.query(
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
    const [nested, user, first] = await send(
      tenant,
      add(groups.at(-1)!, inner.groupId),
      add(groups.at(-1)!, users[1]!),
      add(outer.groupId, groups[0]!),
    );
    expect(user).toMatchObject({ status: 'done' });
    // Two changes come together, and perhaps neither alone is too much.
    expect(nested).toMatchObject({
      status: 'rejected',
      code: 'tooManyRequests',
      detail: expect.stringMatching(/one of these changes after the other/),
    });
    expect(first).toMatchObject({ status: 'rejected', code: 'tooManyRequests' });
    expect(await send(tenant, add(groups.at(-1)!, inner.groupId))).toEqual([
      {
        status: 'rejected',
        code: 'invalidValue',
        detail: expect.stringMatching(new RegExp(`${MAX_GROUPS_ABOVE} groups.*${MAX_MEMBERSHIPS_ABOVE} memberships`)),
      },
    ]);
    expect(await send(tenant, add(outer.groupId, groups[0]!))).toEqual([expect.objectContaining({ status: 'done' })]);
  }, 60_000);

  it('are all shown to be those of the innermost user, once each; and the outermost has its users', async () => {
    await owner.query(`SET statement_timeout = ${QUERY_TIMEOUT_MS}`);
    const { rows } = await owner.query<{ direct: boolean }>(`SELECT direct FROM ${GROUPS_OF}($1, $2)`, [
      tenant.id,
      [users[0]],
    ]);
    expect(rows.filter(({ direct }) => direct)).toHaveLength(1);
    expect(rows.filter(({ direct }) => !direct)).toHaveLength(600);
    const effective = await owner.query<{ member: string }>(`SELECT member FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, 10)`, [
      tenant.id,
      groups[0],
      LEAST_ID,
    ]);
    expect(effective.rows.map(({ member }) => member)).toEqual(users.slice(0, 2).toSorted());
  }, 60_000);
});

describe('those who are gone', () => {
  const faults: object[] = [];
  const logger = { warn: (facts: object) => void faults.push(facts) };
  afterEach(() => expect(faults.splice(0)).toEqual([]));
  const isLeft = async (): Promise<boolean> => (await count('"group".leaving')) + (await count('"group".emptying')) > 0;
  /** The work that is left is done by a process that goes on, as the handler of commands nudges it. */
  const finish = async (tenant: Tenant): Promise<void> => {
    const one = new Leftovers(database, {
      logger,
      publish: async (messages) => {
        await handOver(handler, 'group.commands', tenant.id, messages);
        one.nudge();
      },
    });
    one.start();
    await vi.waitFor(async () => expect(await isLeft()).toBe(false), { timeout: 30_000, interval: 20 });
    await one.stop();
  };
  const join = (tenant: Tenant, groups: readonly string[], member: string, kind: 'U' | 'G'): Promise<unknown> =>
    owner.query('INSERT INTO "group".members SELECT $1, id, $2, $3 FROM unnest($4::uuid[]) AS id', [
      tenant.id,
      member,
      kind,
      groups,
    ]);
  const count = async (sql: string, ...values: unknown[]): Promise<number> =>
    Number((await owner.query<{ count: string }>(`SELECT count(*) FROM ${sql}`, values)).rows[0]!.count);
  const memberships = (member: string): Promise<number> => count('"group".members WHERE member = $1', member);
  const removals = (tenant: Tenant): Promise<number> =>
    count('"group".events WHERE tenant = $1 AND data->\'removed\'->0 IS NOT NULL', tenant.id);

  it('leave as many groups with one command as a transaction bears, and the others with commands that follow, also after a restart', async () => {
    const tenant = newTenant();
    const [ada] = await newUsers(tenant, 1);
    await join(tenant, await newGroups(tenant, 1_200), ada!, 'U');
    await send(tenant, { type: 'LeaveGroups', memberId: ada! });
    expect(await memberships(ada!)).toBe(700);
    // Each look is that of a process that has just started, and knows of nothing that has been published.
    const published: string[] = [];
    while (await isLeft()) {
      const one = new Leftovers(database, {
        logger,
        publish: async (messages) => {
          published.push(...messages.map(({ id }) => id));
          await handOver(handler, 'group.commands', tenant.id, messages);
        },
      });
      one.start();
      await one.stop();
    }
    expect(published).toHaveLength(2);
    expect(await memberships(ada!)).toBe(0);
    expect(await removals(tenant)).toBe(1_200);
    expect(await count('"group".leaving')).toBe(0);
  }, 60_000);

  it('leave each group once, however often the same command comes', async () => {
    const tenant = newTenant();
    const [ada] = await newUsers(tenant, 1);
    await join(tenant, await newGroups(tenant, 700), ada!, 'U');
    await send(tenant, { type: 'LeaveGroups', memberId: ada! });
    const messages: Message<CommandData<GroupCommand>>[] = [];
    for (let again = 0; again < 2; again++) {
      const one = new Leftovers(database, { logger, publish: async (more) => void messages.push(...more) });
      one.start();
      await one.stop();
    }
    expect(new Set(messages.map(({ id }) => id)).size).toBe(1);
    expect(messages).toHaveLength(2);
    for (const message of messages) await handOver(handler, 'group.commands', tenant.id, [message]);
    expect([await memberships(ada!), await removals(tenant), await count('"group".leaving')]).toEqual([0, 700, 0]);
  }, 60_000);

  it('are told again by the same process to leave when the log has lost what it took', async () => {
    const tenant = newTenant();
    const [ada] = await newUsers(tenant, 1);
    await join(tenant, await newGroups(tenant, 700), ada!, 'U');
    await send(tenant, { type: 'LeaveGroups', memberId: ada! });
    let now = 0;
    const taken: string[] = [];
    let look = Promise.withResolvers<void>();
    const looks = {
      query: async (...args: [string, unknown[]]) => {
        const result = await database.query(...args);
        if (args[0].includes('emptying')) look.resolve();
        return result;
      },
    } as unknown as pg.Pool;
    const one = new Leftovers(looks, {
      logger,
      now: () => now,
      publish: async (messages) => void taken.push(...messages.map(({ id }) => id)),
    });
    for (now of [0, 1_000, 10_000, 11_000]) {
      look = Promise.withResolvers();
      one.nudge();
      await look.promise;
    }
    await one.stop();
    // The second look and the fourth come too soon.
    expect([taken.length, new Set(taken).size]).toEqual([2, 1]);
    await finish(tenant);
    expect(await memberships(ada!)).toBe(0);
  }, 60_000);

  it('share what a batch bears when they are many', async () => {
    const tenant = newTenant();
    const users = await newUsers(tenant, 20);
    const groups = await newGroups(tenant, 300);
    for (const user of users) await join(tenant, groups, user, 'U');
    await send(tenant, ...users.map((memberId): GroupCommand => ({ type: 'LeaveGroups', memberId })));
    expect(await removals(tenant)).toBe(2_000);
    await finish(tenant);
    expect([
      await count('"group".members WHERE tenant = $1', tenant.id),
      await removals(tenant),
      await count('"group".leaving'),
    ]).toEqual([0, 6_000, 0]);
  }, 60_000);

  it('also when they are groups, which are shown nowhere from the beginning', async () => {
    const tenant = newTenant();
    const [ada, bob] = (await newUsers(tenant, 2)) as [string, string];
    const [inner] = (await newGroups(tenant, 1)) as [string];
    const outer = await newGroups(tenant, 800);
    await join(tenant, [inner], ada, 'U');
    await join(tenant, outer, inner, 'G');
    await join(tenant, [outer.at(-1)!], bob, 'U');
    const more = await newUsers(tenant, 3_000);
    await owner.query(`INSERT INTO "group".members SELECT $1, $2, id, 'U' FROM unnest($3::uuid[]) AS id`, [
      tenant.id,
      inner,
      more,
    ]);
    const groupsOf = async (): Promise<number> => count(`${GROUPS_OF}($1, $2)`, tenant.id, [ada, more.at(-1)]);
    expect(await groupsOf()).toBe(801 * 2);
    expect(await send(tenant, { type: 'DeleteGroup', groupId: inner, ifMatch: null })).toEqual([
      { status: 'done', value: null },
    ]);
    expect([await memberships(inner), await count('"group".members WHERE group_id = $1', inner)]).toEqual([300, 2_501]);
    expect(await groupsOf()).toBe(0);
    expect(
      (
        await owner.query(`SELECT member FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, 10)`, [
          tenant.id,
          outer.at(-1),
          LEAST_ID,
        ])
      ).rows,
    ).toEqual([{ member: bob }]);
    // A user who leaves meanwhile is not kept by what is no group any more.
    await send(tenant, { type: 'LeaveGroups', memberId: ada });
    expect(await count('"group".leaving')).toBe(1);
    await finish(tenant);
    expect(await count('"group".members WHERE tenant = $1', tenant.id)).toBe(1);
    expect([await count('"group".leaving'), await count('"group".emptying')]).toEqual([0, 0]);
  }, 60_000);
});

describe('a command by which somebody leaves', () => {
  const told: object[] = [];
  const logger = { warn: (facts: object) => void told.push(facts) };
  const dead: unknown[] = [];
  /** Little time, so that a row need not be locked for long. */
  let hasty: pg.Pool;
  let lane: BatchHandler<GroupCommand>;
  let locker: pg.Client;
  beforeAll(async () => {
    locker = new pg.Client({ connectionString: url });
    await locker.connect();
    hasty = await connectDatabase(url, 'group', { poolConnections: 2, queryTimeoutMs: 500 });
    lane = new BatchHandler(
      hasty,
      groupBehaviour(262_144),
      () => new Date(NOW),
      (error) => void dead.push(error),
      { maxBytes: 8 * 1_048_576, elapsedMs: () => 0 },
    );
  });
  afterAll(async () => {
    await locker?.end();
    await hasty?.end();
  });

  const memberships = async (member: string): Promise<number> =>
    Number(
      (await owner.query<{ count: string }>('SELECT count(*) FROM "group".members WHERE member = $1', [member]))
        .rows[0]!.count,
    );
  const leaving = async (): Promise<{ next_command: string; failed: number; waits: number }[]> =>
    (
      await owner.query(
        'SELECT next_command, failed, extract(epoch FROM due - now())::float8 AS waits FROM "group".leaving',
      )
    ).rows;
  /** A process that has just started looks once. */
  const look = async (tenant: Tenant): Promise<string[]> => {
    const published: string[] = [];
    const one = new Leftovers(database, {
      logger,
      publish: async (messages) => {
        published.push(...messages.map(({ id }) => id));
        await handOver(lane, 'group.commands', tenant.id, messages);
      },
    });
    one.start();
    await one.stop();
    return published;
  };

  it('and that is set aside, is followed by another one, later each time, until all is left; that is told', async () => {
    const tenant = newTenant();
    const [ada] = (await newUsers(tenant, 1)) as [string];
    const groups = await newGroups(tenant, 3);
    await owner.query(`INSERT INTO "group".members SELECT $1, id, $2, 'U' FROM unnest($3::uuid[]) AS id`, [
      tenant.id,
      ada,
      groups,
    ]);
    const message = (command: GroupCommand): Message<CommandData<GroupCommand>> =>
      commandMessage(
        { type: GROUP_COMMAND_TYPES[command.type], subject: tenant.id, tenant: tenant.id, directory: null, time: NOW },
        command,
      );
    // A command of a wrong shape names nobody who could leave.
    await handOver(lane, 'group.commands', tenant.id, [message({ type: 'LeaveGroups', memberId: 'nobody' })]);
    await locker.query('BEGIN');
    await locker.query('SELECT FROM "group".groups WHERE id = $1 FOR UPDATE', [groups[1]]);
    await handOver(lane, 'group.commands', tenant.id, [message({ type: 'LeaveGroups', memberId: ada })]);
    expect([dead.length, await memberships(ada)]).toEqual([1, 3]);
    const [first] = await leaving();
    expect(first).toMatchObject({ failed: 1 });
    expect(first!.waits).toBeGreaterThan(0);
    // It is not due yet.
    expect(await look(tenant)).toEqual([]);
    expect(told).toEqual([{ leavers: 1, commandsSetAside: 1, nextAt: expect.any(Date) as unknown }]);
    // Due, and the row is still locked.
    await owner.query('UPDATE "group".leaving SET due = now()');
    expect(await look(tenant)).toEqual([first!.next_command]);
    const [second] = await leaving();
    expect([dead.length, second!.failed, second!.next_command === first!.next_command]).toEqual([2, 2, false]);
    expect(second!.waits).toBeGreaterThan(first!.waits);
    await locker.query('COMMIT');
    await owner.query('UPDATE "group".leaving SET due = now()');
    expect(await look(tenant)).toEqual([second!.next_command]);
    expect([await memberships(ada), await leaving(), dead.length]).toEqual([0, [], 2]);
  }, 60_000);

  it('leaves no more groups at once than may be loaded and written, however long they are', async () => {
    const tenant = newTenant();
    const [ada] = (await newUsers(tenant, 1)) as [string];
    const groups = await newGroups(tenant, 460);
    await owner.query(
      `UPDATE "group".groups SET resource = resource || jsonb_build_object('text', repeat('x', 300000)) WHERE id = ANY ($1)`,
      [groups],
    );
    await owner.query(`INSERT INTO "group".members SELECT $1, id, $2, 'U' FROM unnest($3::uuid[]) AS id`, [
      tenant.id,
      ada,
      groups,
    ]);
    expect(await send(tenant, { type: 'LeaveGroups', memberId: ada })).toMatchObject([{ status: 'done' }]);
    expect(await memberships(ada)).toBe(460 - 13);
    await owner.query('DELETE FROM "group".leaving');
  }, 60_000);
});

it('the memberships of a group that is gone are deleted however long each takes', async () => {
  const tenant = newTenant();
  const [group] = (await newGroups(tenant, 1)) as [string];
  await owner.query(`INSERT INTO "group".members SELECT $1, $2, gen_random_uuid(), 'U' FROM generate_series(1, 1000)`, [
    tenant.id,
    group,
  ]);
  await send(tenant, { type: 'DeleteGroup', groupId: group, ifMatch: null });
  await owner.query(`
    CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN OLD; END';
    CREATE TRIGGER slowly BEFORE DELETE ON "group".members FOR EACH ROW EXECUTE FUNCTION public.slowly()`);
  const hasty = await connectDatabase(url, 'group', { poolConnections: 1, queryTimeoutMs: 500 });
  const faults: object[] = [];
  const one = new Leftovers(hasty, {
    logger: { warn: (facts) => void faults.push(facts) },
    publish: async () => undefined,
  });
  try {
    one.start();
    await vi.waitFor(
      async () =>
        expect((await owner.query('SELECT FROM "group".members WHERE group_id = $1', [group])).rowCount).toBe(0),
      { timeout: 30_000 },
    );
    await vi.waitFor(async () => expect((await owner.query('SELECT FROM "group".emptying')).rowCount).toBe(0), {
      timeout: 30_000,
    });
    expect(faults).toEqual([]);
  } finally {
    await one.stop();
    await hasty.end();
    await owner.query('DROP TRIGGER slowly ON "group".members; DROP FUNCTION public.slowly()');
  }
}, 60_000);

it('a process that cannot see to the deleted is not ready until it can, and says so once a minute', async () => {
  const away = new pg.Pool({ host: '127.0.0.1', port: 1 });
  let pool = away;
  const [faults, standstills]: [object[], string[]] = [[], []];
  const watch = watchLanes(3, {
    info: () => undefined,
    error: (facts) => void standstills.push((facts as { lane: string }).lane),
  });
  const one = new Leftovers({ query: (...args: [string, unknown[]]) => pool.query(...args) } as unknown as pg.Pool, {
    watch,
    logger: { warn: (facts) => void faults.push(facts) },
    publish: async () => undefined,
  });
  try {
    one.start();
    await vi.waitFor(() => expect(watch.unready() ?? '').toMatch(/leaving of the deleted since 2/), {
      timeout: 30_000,
    });
    expect([standstills, faults.length]).toEqual([['leaving of the deleted'], 1]);
    pool = database;
    await vi.waitFor(() => expect(watch.unready()).toBeNull(), { timeout: 30_000 });
  } finally {
    await one.stop();
    await away.end();
  }
}, 60_000);

describe('members of a large group', () => {
  const fill = async (tenant: Tenant, group: string, members: readonly string[]): Promise<void> => {
    await owner.query(`INSERT INTO "group".members SELECT $1, $2, id, 'U' FROM unnest($3::uuid[]) AS id`, [
      tenant.id,
      group,
      members,
    ]);
    await owner.query('UPDATE "group".groups SET member_count = $2 WHERE id = $1', [group, members.length]);
  };
  const operate = (groupId: string, operation: PatchOperation): GroupCommand => ({
    type: 'PatchGroup',
    groupId,
    operations: [operation],
    ifMatch: null,
  });
  const empty = (groupId: string): GroupCommand => operate(groupId, { op: 'replace', path: 'members', value: [] });

  it('come and go up to a number at once; above it a request is refused as a whole and says what to do', async () => {
    const tenant = newTenant();
    const members = await newUsers(tenant, 2 * MAX_MEMBERSHIP_CHANGES + 1);
    const [large, larger] = (await newGroups(tenant, 2)) as [string, string];
    await fill(tenant, large, members.slice(0, MAX_MEMBERSHIP_CHANGES + 1));
    await fill(tenant, larger, members);
    const tooMany = { status: 'rejected', code: 'tooMany' };
    const resource = { displayName: 'Other' };
    expect(await send(tenant, empty(large))).toMatchObject([
      { ...tooMany, detail: expect.stringMatching(/20000 members.*several requests.*delete the group/) },
    ]);
    expect(
      await send(tenant, { type: 'ReplaceGroup', groupId: large, resource, members: [], ifMatch: null }),
    ).toMatchObject([tooMany]);
    expect(await send(tenant, operate(large, { op: 'remove', path: 'members[type eq "User"]' }))).toMatchObject([
      tooMany,
    ]);
    expect(await send(tenant, operate(larger, { op: 'remove', path: 'members[type eq "Group"]' }))).toMatchObject([
      { ...tooMany, detail: expect.stringMatching(/by their ids/) },
    ]);
    expect((await owner.query('SELECT version, member_count FROM "group".groups WHERE id = $1', [large])).rows).toEqual(
      [{ version: 1, member_count: MAX_MEMBERSHIP_CHANGES + 1 }],
    );
    expect(
      await send(tenant, {
        type: 'ReplaceGroup',
        groupId: large,
        resource,
        members: members.slice(0, 1),
        ifMatch: null,
      }),
    ).toMatchObject([{ status: 'done' }]);
    expect((await owner.query('SELECT member FROM "group".members WHERE group_id = $1', [large])).rows).toEqual([
      { member: members[0] },
    ]);
  }, 120_000);

  it('of several groups that come together are replaced one group after the other', async () => {
    const tenant = newTenant();
    const members = await newUsers(tenant, MAX_MEMBERSHIP_CHANGES);
    const groups = await newGroups(tenant, 3);
    for (const group of groups) await fill(tenant, group, members);
    expect(await send(tenant, ...groups.map(empty))).toMatchObject(groups.map(() => ({ status: 'done' })));
    expect(
      (await owner.query('SELECT count(*)::int FROM "group".members WHERE tenant = $1', [tenant.id])).rows,
    ).toEqual([{ count: 0 }]);
  }, 120_000);
});

it('verify finds a membership of nobody, and in no group, among very many', async () => {
  const tenant = newTenant();
  const members = await newUsers(tenant, 12_000);
  const [group] = (await newGroups(tenant, 1)) as [string];
  await owner.query(`INSERT INTO "group".members SELECT $1, $2, id, 'U' FROM unnest($3::uuid[]) AS id`, [
    tenant.id,
    group,
    members,
  ]);
  const [nobody, nowhere] = [uuidv7(), uuidv7()];
  await owner.query(`INSERT INTO "group".members VALUES ($1, $2, $3, 'U'), ($1, $4, $5, 'U'), ($1, $2, $4, 'G')`, [
    tenant.id,
    group,
    nobody,
    nowhere,
    members[0],
  ]);
  const { findings } = await verifyGroups(owner);
  const dangling = findings.filter(({ detail }) => detail.includes('whom there is not')).map(({ detail }) => detail);
  expect(dangling.filter((detail) => [nobody, nowhere].some((id) => detail.includes(id)))).toHaveLength(3);
  expect(dangling.filter((detail) => members.slice(1).some((id) => detail.includes(id)))).toEqual([]);
}, 120_000);
