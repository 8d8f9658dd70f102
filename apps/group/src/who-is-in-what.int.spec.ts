import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  GROUP_COMMAND_TYPES,
  type CommandData,
  type GroupCommand,
  type GroupEvent,
  type GroupSnapshot,
  type Message,
  type Outcome,
} from '#contracts';
import { BatchHandler, connectDatabase, roleUrl, streams, verifyStore } from '#event-store';
import { uuidv7 } from '#runtime';
import { GROUP } from '#scim';
import { actions, castOf, play } from '../../../test/support/group-sequences.js';
import { GroupWorld } from '../../../test/support/group-world.js';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { upcastGroup } from './group-fold.queries.js';
import { nameKey, storedAnswer } from './group.js';
import { groupBehaviour, groupRow } from './group.projection.js';

const NOW = '2026-01-01T00:00:00.000Z';
let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<GroupCommand>;

beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'group'), 'group', { poolConnections: 2, queryTimeoutMs: 10_000 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  handler = new BatchHandler(
    database,
    groupBehaviour(262_144),
    () => new Date(NOW),
    (error) => {
      throw error as Error;
    },
  );
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.end();
});

const handle = (tenant: string, messages: readonly Message[]): ReturnType<typeof handOver> =>
  handOver(handler, 'group.commands', tenant, messages);
const message = (tenant: string, directory: string | null, command: GroupCommand): Message<CommandData<GroupCommand>> =>
  commandMessage({ type: GROUP_COMMAND_TYPES[command.type], subject: tenant, tenant, directory, time: NOW }, command);

const plain = (row: Record<string, unknown>): Record<string, unknown> => ({
  ...row,
  created: Date.parse(String(row.created)),
  last_modified: Date.parse(String(row.last_modified)),
});
const sorted = (rows: readonly object[]): string[] =>
  rows.map((row) => JSON.stringify(row, Object.keys(row).toSorted())).toSorted();

/** Every row that group keeps of a tenant is what the world says. */
const expectRows = async (tenant: string, world: GroupWorld): Promise<void> => {
  const { rows } = await owner.query<{ row: Record<string, unknown> }>(
    'SELECT to_jsonb(g) AS row FROM "group".groups g WHERE tenant = $1',
    [tenant],
  );
  const byId = (a: Record<string, unknown>, b: Record<string, unknown>): number =>
    String(a.id) < String(b.id) ? -1 : 1;
  expect(rows.map(({ row }) => plain(row)).toSorted(byId)).toEqual(
    [...world.groups.values()].map((group) => plain(groupRow(tenant, group, GROUP))).toSorted(byId),
  );
  const { rows: members } = await owner.query<object>(
    'SELECT group_id, member, kind FROM "group".members WHERE tenant = $1',
    [tenant],
  );
  const expected = [...world.groups.keys()].flatMap((id) =>
    world.membersOf(id).map(({ type, value }) => ({ group_id: id, member: value, kind: type[0] })),
  );
  expect(sorted(members)).toEqual(sorted(expected));
  const { rows: claims } = await owner.query<object>(
    'SELECT kind, value, holder FROM "group".claims WHERE tenant = $1 AND holder IS NOT NULL',
    [tenant],
  );
  expect(sorted(claims)).toEqual(
    sorted(
      [...world.groups.values()].map(({ id, directory, resource }) => ({
        kind: 'displayName',
        value: nameKey(directory, resource),
        holder: id,
      })),
    ),
  );
};

it('random sequences in random batches become what the pure code says, row by row, and the events fold to them', async () => {
  const worlds = new Map<string, GroupWorld>();
  await fc.assert(
    fc.asyncProperty(
      actions,
      fc.boolean(),
      fc.array(fc.constantFrom(1, 1, 2, 5, 20, 20), { minLength: 1, maxLength: 20 }),
      async (sequence, sees, sizes) => {
        const tenant = uuidv7();
        const sources = [uuidv7(), uuidv7(), null] as const;
        for (const id of [sources[0], sources[1]]) {
          await owner.query(
            "INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings) VALUES ($1, $2, 1, $3, $4, 'scim', $5)",
            [id, tenant, NOW, `Directory ${id}`, { offerLocalGroups: sees && id === sources[0] }],
          );
        }
        const cast = castOf(uuidv7);
        await owner.query(
          `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
         SELECT $1, id, $2, 1, $3, $3, '{}', id::text, '{}' FROM unnest($4::uuid[]) AS id`,
          [tenant, sources[0], NOW, cast.users],
        );
        const world = new GroupWorld(cast.users, sees ? [sources[0]] : [], NOW);
        worlds.set(tenant, world);
        const steps = play(world, sources, sequence, cast, uuidv7);
        let pending: Message[] = [];
        const answers = new Map<string, { outcome: Outcome; what: string }>();
        const told = new Map<string, Outcome>();
        let batch = 0;
        const flush = async (): Promise<void> => {
          if (pending.length > 0) for (const [id, outcome] of await handle(tenant, pending)) told.set(id, outcome);
          pending = [];
          batch++;
        };
        for (const { action, sender, command, result } of steps) {
          if (action.what === 'vanish') {
            // From here on no query finds the user.
            await flush();
            await owner.query('DELETE FROM identity.users WHERE tenant = $1 AND id = $2', [
              tenant,
              cast.users[action.user],
            ]);
          }
          if (!command || !result) continue;
          const sent = message(tenant, sender, command);
          answers.set(sent.id, { outcome: result.outcome, what: JSON.stringify(command) });
          pending.push(sent);
          if (pending.length >= sizes[batch % sizes.length]!) await flush();
        }
        await flush();
        const { rows } = await owner.query<{ command_id: string; outcome: Outcome }>(
          'SELECT command_id, outcome FROM "group".outcomes WHERE tenant = $1',
          [tenant],
        );
        expect(rows.length).toBe(answers.size);
        for (const { command_id, outcome } of rows) {
          const { outcome: expected, what } = answers.get(command_id)!;
          expect(told.get(command_id), what).toEqual(expected);
          expect(outcome, what).toEqual(
            expected.status === 'done'
              ? { status: 'done', value: storedAnswer(expected.value as GroupSnapshot | null) }
              : expected,
          );
        }
        await expectRows(tenant, world);
      },
    ),
    { numRuns: 100 },
  );
  // The stored events alone make the same again.
  const folded = new Map([...worlds.keys()].map((tenant) => [tenant, new GroupWorld([], [], NOW)]));
  for await (const { tenant, stream, events } of streams(owner, 'group')) {
    const all: GroupEvent[] = [];
    for await (const { type, data } of events) all.push(upcastGroup(type, data as Record<string, unknown>));
    folded.get(tenant)!.apply(stream, all);
  }
  for (const [tenant, world] of folded) await expectRows(tenant, world);
  expect((await verifyStore(owner, 'group')).findings).toEqual([]);
}, 180_000);

it('a name is unique also where an attribute of the tenant is called displayName too', async () => {
  const [tenant, directory, team, crew] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()];
  const urn = 'urn:example:params:acme:1.0:Group';
  const attribute = {
    name: 'displayName',
    type: 'string',
    multiValued: false,
    required: false,
    caseExact: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none',
    description: '',
  };
  await owner.query(
    "INSERT INTO directory.schemas (id, tenant, version, created, urn, urn_folded, resource_type, schema) VALUES ($1, $2, 1, $3, $4, $5, 'Group', $6)",
    [
      uuidv7(),
      tenant,
      NOW,
      urn,
      urn.toLowerCase(),
      JSON.stringify({ id: urn, name: 'Acme', description: '', attributes: [attribute] }),
    ],
  );
  await handle(
    tenant,
    (
      [
        ['Team', team],
        ['Crew', crew],
      ] as const
    ).map(([displayName, groupId]) =>
      message(tenant, directory, { type: 'CreateGroup', groupId, resource: { displayName }, members: [] }),
    ),
  );
  const rename = message(tenant, directory, {
    type: 'PatchGroup',
    groupId: crew,
    ifMatch: null,
    operations: [
      { op: 'replace', path: 'displayName', value: 'team' },
      { op: 'add', path: `${urn}:displayName`, value: 'Another' },
    ],
  });
  await handle(tenant, [rename]);
  const { rows } = await owner.query('SELECT outcome->>\'code\' AS code FROM "group".outcomes WHERE command_id = $1', [
    rename.id,
  ]);
  expect(rows).toEqual([{ code: 'uniqueness' }]);
});
